//! What can happen to the screens, and what they can want done.

use std::path::PathBuf;
use std::time::Duration;

use crashworthy_console::protocol::{CommitQuery, CommitView, Hello, PlanQuery, PlanView, TraceQuery, TraceView};
use ratatui::crossterm::event::{KeyEvent, MouseEvent};

use super::model::Found;
use super::question::Round;

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Key(KeyEvent),
    Mouse(MouseEvent),
    /// Columns and lines.
    Resize(u16, u16),
    /// Nothing more will be typed.
    Ended,
    /// A signal that ends the screens: its number.
    Signal(u8),
    /// The link has ended, and should not have.
    LinkEnded,
    /// Nothing but time.
    Tick,
    /// Systems that run; nobody has chosen yet.
    Systems(Found),
    /// Somebody is there, where he listens, if he runs, and whether something can be done.
    Linked(Box<Hello>, Option<PathBuf>, bool),
    /// Nobody is there, why, and after what time it is tried again.
    Lost {
        why: String,
        again: Duration,
    },
    Round(Round),
    /// The system traces what was asked for, or why not.
    TraceBegun(Result<TraceView, String>),
    /// Something was written: so many bytes are in the file.
    Recorded {
        bytes: u64,
    },
    /// Nothing more is written, since that was wanted; what there is.
    RecordingEnded(String),
    /// Nothing more is written, and why.
    RecordingFailed(String),
    /// What would come of an action, or why there is no plan.
    Planned(Result<Box<PlanView>, String>),
    /// What was done, or why nothing was.
    Committed(Result<Box<CommitView>, String>),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Quit,
    /// Looks at the system that listens there.
    Connect(PathBuf),
    /// Looks for systems, and lists them.
    Search,
    Record,
    StopRecording,
    /// Has a system say what would come of an action.
    Plan(PlanQuery),
    /// Has it do that.
    Commit(CommitQuery),
    Trace(TraceQuery),
    /// What is traced is not wanted any more.
    Untrace,
}
