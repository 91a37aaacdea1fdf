//! Hears what the runtime and the supervisors log, and passes it on to the scenario it belongs to.
#![expect(clippy::disallowed_types, reason = "the driver of a comparison is no part of the core")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::hub::Hub;

/// The scenarios under way, by the names of their systems, which are those of their roots.
#[derive(Clone, Default)]
pub(super) struct Routes(Arc<Mutex<BTreeMap<String, Arc<Hub>>>>);

impl Routes {
    pub(super) fn add(&self, name: &str, hub: Arc<Hub>) {
        self.0.lock().insert(name.to_owned(), hub);
    }

    pub(super) fn remove(&self, name: &str) {
        self.0.lock().remove(name);
    }

    fn of(&self, name: &str) -> Option<Arc<Hub>> {
        self.0.lock().get(name).cloned()
    }
}

impl Subscriber for Routes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("crashworthy")
    }

    fn event(&self, event: &Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        let get = |name: &str| said.0.get(name).map_or("", String::as_str);
        if let Some(path) = said.0.get("supervisor") {
            let (root, rest) = path.split_once('/').unwrap_or((path, ""));
            let path = if rest.is_empty() { "root".to_owned() } else { format!("root/{rest}") };
            if let Some(hub) = self.of(root).filter(|_| !matches!(get("context"), "" | "progress")) {
                let count = said.0.get("count").map(String::as_str);
                // A crash report has the cause beside its message.
                let cause = if get("reason").is_empty() { get("message") } else { get("reason") };
                hub.report(&path, get("context"), cause, get("child"), count);
            }
        } else if let Some(hub) = said.0.get("system").and_then(|system| self.of(system)) {
            match get("message") {
                "begins" if get("actor").ends_with("::Manager") => {
                    hub.supervisor_begins(get("pid"), get("parent"), get("name"));
                }
                "ends" => hub.ends(get("pid"), get("reason")),
                _ => {}
            }
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The fields of an event as text.
#[derive(Default)]
struct Said(BTreeMap<&'static str, String>);

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}
