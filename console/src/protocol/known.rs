//! What a newer version says, as far as this one knows it: a client shows the rest, whatever is new in an answer.
//!
//! Fields that are new are ignored, and most enumerations have a variant for what is new in them. What is left are values with
//! something new deep inside: of a list such an entry is left out, which its counts show.

use crashworthy_runtime::{RefusalCount, Refusals, State, SystemEvent};
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Filter;

/// Those of a list that are known.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let all = Vec::<Value>::deserialize(from)?;
    Ok(all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect())
}

/// Events: one that is not known is still one, with its number.
pub(super) fn events<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SystemEvent>, D::Error> {
    /// What every event has.
    #[derive(Serialize, Deserialize)]
    struct Bare {
        seq: u64,
        at_ms: Value,
        pid: Value,
        path: Value,
        #[serde(default)]
        event: String,
    }

    let read = |one: Value| {
        serde_json::from_value(one.clone()).ok().or_else(|| {
            let bare = Bare { event: "unknown".to_owned(), ..serde_json::from_value(one).ok()? };
            serde_json::from_value(serde_json::to_value(bare).ok()?).ok()
        })
    };
    Ok(Vec::<Value>::deserialize(from)?.into_iter().filter_map(read).collect())
}

/// Refusals, as far as reasons and criticalities are known.
pub(super) fn refusals<'de, D: Deserializer<'de>>(from: D) -> Result<Refusals, D::Error> {
    let mut refusals = Value::deserialize(from)?;
    if let Some(counts) = refusals.get_mut("counts").and_then(Value::as_array_mut) {
        counts.retain(|count| RefusalCount::deserialize(count).is_ok());
    }
    serde_json::from_value(refusals).map_err(D::Error::custom)
}

/// A state that somebody asks for: of one that nobody knows there would be none.
pub(super) fn state<'de, D: Deserializer<'de>>(from: D) -> Result<Option<State>, D::Error> {
    match Option::<Value>::deserialize(from)? {
        None => Ok(None),
        Some(word) => match State::deserialize(&word) {
            Ok(State::Unknown) => Err(D::Error::custom("no such state")),
            state => state.map(Some).map_err(D::Error::custom),
        },
    }
}

/// A filter of which every field is known: what is done is done to nobody who was not meant.
pub(super) fn whole_filter<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Filter>, D::Error> {
    /// The same fields, of which a flattened filter cannot refuse others.
    #[derive(Default, Deserialize)]
    #[serde(remote = "Filter", default, deny_unknown_fields)]
    struct Whole {
        text: Option<String>,
        pattern: Option<String>,
        under: Option<String>,
        #[serde(deserialize_with = "state")]
        state: Option<State>,
        shut: bool,
        min_depth: u32,
        busy: bool,
    }

    #[derive(Deserialize)]
    struct One(#[serde(with = "Whole")] Filter);

    Ok(Option::<One>::deserialize(from)?.map(|One(filter)| filter))
}

/// What there is, if it is known.
pub(super) fn one<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let one = Option::<Value>::deserialize(from)?;
    Ok(one.and_then(|one| serde_json::from_value(one).ok()))
}
