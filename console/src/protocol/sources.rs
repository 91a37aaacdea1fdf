//! What a service tells of itself besides its actors.

use serde::{Deserialize, Serialize};

use crate::sources::Sort;

/// A [source](crate::sources::Source), as it is just now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceView {
    /// What it is called, among those of its sort.
    pub name: String,
    /// What sort of thing it is.
    pub sort: Sort,
    /// Whether the service takes no new work while it does not serve.
    pub critical: bool,
    /// Whether it does what it is there for.
    pub serves: bool,
    /// How it is, in a word or two.
    pub state: String,
    /// Its figures by name: numbers, or null.
    pub figures: serde_json::Map<String, serde_json::Value>,
}
