//! What may be shown: values without anything behind them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Entry;
use crate::report::millis;

/// A value that is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Shown {
    /// A text.
    Text(String),
    /// A number that counts something.
    Count(u64),
    /// Another whole number.
    Integer(i64),
    /// Any other finite number.
    Number(f64),
    /// Yes or no.
    Truth(bool),
    /// A span of time, in milliseconds where it is serialised.
    #[serde(rename = "span_ms")]
    Span(#[serde(with = "millis")] Duration),
    /// Nothing is there.
    Nothing,
    /// Something is there, which is not shown.
    Secret,
    /// More of them.
    Branch(Vec<Entry>),
}

macro_rules! from {
    ($($into:ident($wide:ty): $($narrow:ty),*;)*) => {$($(
        impl From<$narrow> for Shown {
            fn from(value: $narrow) -> Self {
                Self::$into(<$wide>::from(value))
            }
        }
    )*)*};
}

from! {
    Text(String): String, &str, char;
    Count(u64): u64, u32, u16, u8;
    Integer(i64): i64, i32, i16, i8;
    Truth(bool): bool;
    Span(Duration): Duration;
}

impl From<usize> for Shown {
    fn from(value: usize) -> Self {
        Self::Count(value as u64)
    }
}

impl From<f64> for Shown {
    /// What is not finite is a text: there is no such number in JSON.
    fn from(value: f64) -> Self {
        if value.is_finite() { Self::Number(value) } else { Self::Text(value.to_string()) }
    }
}

impl<T: Into<Shown>> From<Option<T>> for Shown {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}
