//! The trace format: what happened, step by step, in causal order.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line of a trace file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome {
    Trace(Trace),
    /// The engine cannot express it, and this is why.
    Skipped {
        id: u64,
        skipped: String,
    },
    /// The run itself failed: there is nothing to compare.
    Failed {
        id: u64,
        error: String,
    },
}

impl Outcome {
    pub(crate) fn id(&self) -> u64 {
        match self {
            Self::Trace(trace) => trace.id,
            Self::Skipped { id, .. } | Self::Failed { id, .. } => *id,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Trace {
    pub(crate) id: u64,
    pub(crate) steps: Vec<Done>,
    /// Every live supervisor after the last step; `None` if the root is not one of them.
    #[serde(rename = "final")]
    pub(crate) left: Option<Vec<Snapshot>>,
    /// What its parent's `shutdown` then led to.
    pub(crate) stop: Option<Vec<Event>>,
    /// Who is alive at the very end, `PATH#N`, sorted.
    pub(crate) orphans: Vec<String>,
    /// How many lives of ours were ended by the next one, which in OTP would have gone on beside it. They are told as there.
    #[serde(skip)]
    pub(crate) forced: usize,
    /// Why it ends before its scenario does, and there is nothing to compare but the steps that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cut: Option<String>,
}

/// One step that was taken.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Done {
    pub(crate) op: String,
    pub(crate) r: Value,
    pub(crate) ev: Vec<Event>,
    /// The results of what was done during a blocked start, or `"nogate"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dr: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Snapshot {
    pub(crate) sup: String,
    pub(crate) which: Value,
    pub(crate) count: Value,
}

/// Something that happened to the incarnation `n` of the actor at `path`. In a file it is one flat array.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(from = "Vec<Value>", into = "Vec<Value>")]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) n: u64,
    /// The reason; for a report context, reason and child.
    pub(crate) words: Vec<String>,
}

impl Event {
    pub(crate) fn new(kind: &str, path: &str, n: u64, words: &[&str]) -> Self {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Self { kind: kind.to_owned(), path: path.to_owned(), n, words }
    }

    /// The first word, if it has any.
    pub(crate) fn word(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

impl From<Vec<Value>> for Event {
    fn from(parts: Vec<Value>) -> Self {
        let mut parts = parts.into_iter();
        let mut text = || match parts.next() {
            Some(Value::String(text)) => text,
            other => other.unwrap_or_default().to_string(),
        };
        let (kind, path, n) = (text(), text(), text().parse().unwrap_or_default());
        let words = parts.map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
        Self { kind, path, n, words }
    }
}

impl From<Event> for Vec<Value> {
    fn from(event: Event) -> Self {
        let head = [Value::from(event.kind), Value::from(event.path), Value::from(event.n)];
        head.into_iter().chain(event.words.into_iter().map(Value::from)).collect()
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}#{} {}", self.kind, self.path, self.n, self.words.join(" "))
    }
}
