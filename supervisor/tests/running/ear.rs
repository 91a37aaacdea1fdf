//! Hears what is logged on this thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tracing::dispatcher::Dispatch;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

/// What was said: level, then fields by name.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) level: Level,
    fields: BTreeMap<&'static str, String>,
}

impl Said {
    /// A field; empty if it was not said.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    pub(crate) fn withheld(&self) -> u64 {
        self.get("withheld").parse().unwrap_or(0)
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

/// Hears everything but the beginnings and ends of actors.
#[derive(Clone, Default)]
pub(crate) struct Ear(Arc<Mutex<Vec<Said>>>);

impl Ear {
    /// Listens on this thread until the guard goes.
    pub(crate) fn open() -> (Self, DefaultGuard) {
        // While there is a second subscriber, whether anybody hears an event is asked of all of them, and not of the thread
        // alone that happens to say it first.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(Self::default()));
        let ear = Self::default();
        (ear.clone(), tracing::subscriber::set_default(ear))
    }

    pub(crate) fn heard(&self) -> Vec<Said> {
        self.0.lock().clone()
    }

    /// What was heard that says so.
    pub(crate) fn which(&self, says: impl Fn(&Said) -> bool) -> Vec<Said> {
        self.heard().into_iter().filter(says).collect()
    }
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() < Level::TRACE
    }

    fn event(&self, event: &Event<'_>) {
        let mut said = Said { level: *event.metadata().level(), fields: BTreeMap::new() };
        event.record(&mut said);
        self.0.lock().push(said);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
