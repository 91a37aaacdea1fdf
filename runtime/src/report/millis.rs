//! Durations in serialised form: milliseconds, for fields whose names end in `_ms`. A whole number where it is one.
//!
//! To be used as `#[serde(rename = "age_ms", with = "millis")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// As a number of milliseconds.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    if duration.subsec_nanos().is_multiple_of(1_000_000) {
        to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    } else {
        to.serialize_f64(duration.as_secs_f64() * 1e3)
    }
}

/// From a number of milliseconds.
///
/// # Errors
/// Those of the deserializer, and a number that is no duration.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let millis = f64::deserialize(from)?;
    Duration::try_from_secs_f64(millis / 1e3).map_err(serde::de::Error::custom)
}

/// The same where there may be none.
pub mod option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Millis(#[serde(with = "super")] Duration);

    /// As a number of milliseconds, or nothing.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        duration.map(Millis).serialize(to)
    }

    /// From a number of milliseconds, or nothing.
    ///
    /// # Errors
    /// Those of the deserializer, and a number that is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::deserialize(from)?.map(|Millis(duration)| duration))
    }
}

/// Without parts of a millisecond: as exact as ages are told.
pub fn whole(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
