//! For tests of what is logged: somebody who hears it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What was said: how loud, and the fields by name.
pub(crate) type Said = (Level, BTreeMap<&'static str, String>);

#[derive(Clone, Default)]
pub(crate) struct Ear(Arc<Mutex<Vec<Said>>>);

impl Ear {
    /// What was said since of a kind of event, by how it begins.
    pub(crate) fn hears(&self, begins: &str) -> Vec<Said> {
        let said = std::mem::take(&mut *self.0.lock());
        said.into_iter().filter(|(_, fields)| fields["message"].starts_with(begins)).collect()
    }

    /// The first words of all events of gates since.
    pub(crate) fn words(&self) -> Vec<(Level, String)> {
        let of_gate = |(_, fields): &Said| fields.contains_key("path") || fields.contains_key("source");
        let said = std::mem::take(&mut *self.0.lock()).into_iter().filter(of_gate);
        said.map(|(level, fields)| (level, fields["message"].clone())).collect()
    }
}

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        self.0.lock().push((*event.metadata().level(), fields.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
