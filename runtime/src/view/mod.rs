//! What an actor shows of its state: a bounded tree of named values, made by the author and by nobody else.
//!
//! ```text
//! System::view ─▶ lane: who asks, together ─ a flag ─▶ the actor, between two messages: Actor::view ─▶ StateView
//!       └─ after its time ─▶ what the actor is busy with instead
//! ```

mod asking;
mod pace;
mod shown;
mod text;
mod viewer;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use asking::ViewError;
pub(crate) use asking::{Asked, decline, show};
pub(crate) use pace::Paces;
pub use shown::Shown;
pub use viewer::View;

use crate::actor::Actor;
use crate::report::millis;

/// What an actor shows of its state.
///
/// It is bounded: 64 KiB as JSON, each entry counted as if it was as long as the longest number; 16 levels of branches; 20 ms, which
/// also end a text. What is beyond is left out, and it says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StateView {
    /// When it was, by the [clock of the system](crate::System::now).
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// What is shown, in the author's order.
    pub entries: Vec<Entry>,
    /// Why something is left out, if something is.
    pub cut: Option<Cut>,
}

/// A named value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The value.
    pub value: Shown,
}

/// Why something is left out of a view: the first reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cut {
    /// There were more bytes than are shown.
    Bytes,
    /// Branches were nested deeper.
    Depth,
    /// It took too long.
    Time,
}

impl StateView {
    /// Bytes of all entries together as JSON, at most.
    pub const BYTES: usize = 64 * 1024;
    /// Levels of branches, at most.
    pub const LEVELS: usize = 16;

    /// What an actor shows, without any bound of time: for its own tests.
    ///
    /// # Examples
    /// ```
    /// # use crashworthy_runtime::{Actor, Context, Exit};
    /// use crashworthy_runtime::{Shown, StateView, View};
    ///
    /// struct Gateway { key: String, calls: u64 }
    ///
    /// impl Actor for Gateway {
    /// #     type Args = (); type Msg = ();
    /// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Err("not here".into()) }
    /// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
    ///     // …
    ///     fn view(&self, view: &mut View<'_>) {
    ///         view.value("calls", self.calls);
    ///         view.secret("key");
    ///     }
    /// }
    ///
    /// let shown = StateView::of(&Gateway { key: "s3same".into(), calls: 7 });
    /// assert_eq!((shown.find("calls"), shown.find("key")), (Some(&Shown::Count(7)), Some(&Shown::Secret)));
    /// assert_eq!(shown.to_string(), "calls: 7\nkey: (secret)");
    /// ```
    pub fn of<A: Actor>(actor: &A) -> Self {
        viewer::shown_by(actor, None)
    }

    /// The first value at a path: names from the top, with `/` between.
    pub fn find(&self, path: &str) -> Option<&Shown> {
        let mut entries = &self.entries;
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            let value = &entries.iter().find(|entry| entry.name == name)?.value;
            if names.peek().is_none() {
                return Some(value);
            }
            let Shown::Branch(below) = value else { return None };
            entries = below;
        }
        None
    }

    /// Whether nothing is shown: the actor's author has not said what may be.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.cut.is_none()
    }
}
