//! The runtime: actors, mailboxes, signals, scheduling, time. It knows no supervisor.
#![forbid(unsafe_code)]

mod error;
mod exit;
mod message;
mod pid;
pub mod port;
pub mod time;

pub use error::{AskError, Load, Reason, Refused, Rejected, StartError};
pub use exit::{Callback, Crash, Exit, ExitReason};
pub use message::{Criticality, Message};
pub use pid::{ActorId, Pid};
