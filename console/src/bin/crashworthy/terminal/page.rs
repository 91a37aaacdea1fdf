//! What a screen shows, as plain data: the reducer moves in it, the view draws it.

use std::path::PathBuf;

use crashworthy_console::protocol::{Deed, Sort};
use crashworthy_runtime::Pid;

use super::happened::Kinds;
use crate::filter;

/// A list, or text, which is a list of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) columns: Vec<Column>,
    pub(crate) items: Vec<Item>,
    /// What is to be said of the list as a whole.
    pub(crate) note: Option<String>,
    /// What is said if nothing is in it.
    pub(crate) empty: String,
    /// Items side by side under heads of their own, instead of a list.
    pub(crate) panels: Option<Panels>,
}

/// Panels of so many lines, so many beside each other, under a banner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panels {
    pub(crate) banner: Vec<Item>,
    pub(crate) heads: Vec<String>,
    pub(crate) across: u16,
    pub(crate) lines: u16,
}

/// One column of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) head: String,
    /// Numbers stand at the right.
    pub(crate) right: bool,
    /// Where room is short the lowest go first; the first column stays, and so does one of a higher rank than that.
    pub(crate) rank: u8,
    /// It is cut down to so many columns before any goes.
    pub(crate) least: Option<usize>,
}

impl Column {
    pub(crate) fn text(head: &str, rank: u8) -> Self {
        Self { head: head.to_owned(), right: false, rank, least: None }
    }

    /// The same, of which a part still says something.
    pub(crate) fn cut(self, least: usize) -> Self {
        Self { least: Some(least), ..self }
    }

    pub(crate) fn number(head: &str, rank: u8) -> Self {
        Self { head: head.to_owned(), right: true, rank, least: None }
    }
}

/// One line of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    /// What tells it from the others.
    pub(crate) key: String,
    pub(crate) cells: Vec<String>,
    pub(crate) tone: Tone,
    pub(crate) opens: Option<Opens>,
    /// The panel that it is in.
    pub(crate) panel: usize,
}

/// What a line leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opens {
    /// The actor with that id.
    Actor(String),
    /// The crash of that incarnation.
    Crash(Pid),
    /// The report with that key.
    Report(String),
    /// The entry of the audit with that number.
    Audit(u64),
    /// The event with that number.
    Event(u64),
    /// The system that listens there.
    System(PathBuf),
    /// What would come of that.
    Deed(Deed),
    /// How many messages a mailbox is to hold.
    Places,
    /// The top by this measure.
    Sort(Sort),
    /// Events of these kinds.
    Kinds(Kinds),
}

/// How a line is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Head,
    Dim,
    Good,
    Warn,
    Bad,
}

impl Page {
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.items.iter().map(|item| item.key.as_str()).collect()
    }

    /// Whether its columns have names.
    pub(crate) fn has_head(&self) -> bool {
        self.columns.iter().any(|column| !column.head.is_empty())
    }

    /// Leaves the lines that match.
    pub(crate) fn filter(&mut self, filter: &str) {
        if let Some(pattern) = filter::read(filter) {
            self.items.retain(|item| pattern.takes(item.cells.iter().map(String::as_str)));
        }
    }
}
