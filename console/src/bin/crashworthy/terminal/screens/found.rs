//! How many match a filter, as far as that is known.

use super::super::model::{Link, Model};

/// A list of actors, and what a filter leaves of it.
pub(crate) struct Found {
    /// How many the system has.
    pub(crate) total: usize,
    /// How many of them match, if it has looked for that.
    pub(crate) matched: Option<usize>,
    /// How many it has told.
    pub(crate) told: usize,
    /// How many of these match.
    pub(crate) shown: usize,
}

impl Found {
    pub(crate) fn count(&self) -> usize {
        self.matched.unwrap_or(self.shown)
    }

    /// The same in words. What was not told was not looked through.
    pub(crate) fn note(&self, model: &Model) -> String {
        let Self { total, matched, told, shown } = *self;
        match matched {
            Some(matched) if model.link == Link::Recorded => format!("{matched} match, as far as was recorded"),
            Some(matched) if shown < matched => format!("{matched} of {total} match, {shown} shown"),
            Some(matched) => format!("{matched} of {total} match"),
            None if told < total => format!("{shown} match of the first {told} of {total}"),
            None => format!("{shown} of {total} match"),
        }
    }
}
