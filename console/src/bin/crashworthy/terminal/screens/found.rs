//! How many match a filter, as far as that is known.

use super::super::model::{Link, Model, Tab};
use crate::text::clean;

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

/// During a pause nobody is asked: what there is to say of a list that was told for another filter than there is now, unless everybody is
/// in it.
pub(super) fn paused(model: &Model, tab: Tab, looked_for: Option<&String>, is_whole: bool) -> Option<String> {
    if !model.is_held() || model.looks_for(tab).as_ref() == looked_for {
        return None;
    }
    match looked_for {
        Some(other) => Some(format!("paused: only those that match /{} are here, space asks again", clean(other))),
        None if is_whole => None,
        None => Some("paused: space looks for it among all".to_owned()),
    }
}
