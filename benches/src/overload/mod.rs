//! More is asked of one actor than it can do: who still answers in time, and how much of the work is for somebody who has gone.
//!
//! ```text
//! scene ─▶ script ─▶ arrivals ─▶ callers ══ ask, with a deadline ══▶ server ─ deck ◀─ law
//!                                  └──────────▶ tally ◀── served ──────┘
//! ```
//!
//! A [`scene`] is what is measured in one turn: the scenario, the law of the service times, the load. The `callers` keep a schedule that
//! follows from the seed and from nothing that happens (open loop), and count a call from when it was due. The `server` burns the CPU for
//! as long as its deck says. A [`turn`] has a process of its own.

mod arrivals;
mod callers;
pub mod law;
pub mod parties;
mod recovery;
pub mod report;
pub mod scene;
mod server;
pub mod tally;
mod target;
pub mod turn;

use std::fmt;
use std::io;

/// Why a turn was not accepted.
#[derive(Clone, Debug, PartialEq)]
pub enum Wrong {
    /// The callers were too late to show anything, in milliseconds: so much at the ninety-ninth percentile.
    Behind {
        /// How late they were.
        by_ms: f64,
        /// What would have been accepted.
        limit_ms: f64,
    },
    /// Calls that have not ended.
    Endless(usize),
    /// Calls that have ended twice, or never.
    Ends {
        /// Calls that were made.
        offered: u64,
        /// Ends that were seen.
        ended: u64,
    },
    /// Answers that the actor has not given.
    Answers {
        /// Calls that were answered.
        answered: u64,
        /// Requests that were served.
        served: u64,
    },
    /// The process of the turn could not be run, or failed.
    Process(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Behind { by_ms, limit_ms } => {
                write!(f, "the generator fell behind by {by_ms:.1} ms (99th percentile; the limit is {limit_ms:.1} ms)")
            }
            Wrong::Endless(calls) => write!(f, "{calls} calls have not ended"),
            Wrong::Ends { offered, ended } => write!(f, "{offered} calls were made, {ended} have ended"),
            Wrong::Answers { answered, served } => write!(f, "{answered} calls were answered, {served} were served"),
            Wrong::Process(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Wrong {}

impl From<io::Error> for Wrong {
    fn from(why: io::Error) -> Self {
        Wrong::Process(why.to_string())
    }
}
