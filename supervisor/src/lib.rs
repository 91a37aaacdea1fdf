//! Supervisors: what they look after, how they decide, what they report.
//!
//! The decisions are a pure state machine ([`core`]); everything a supervisor is told and tells is plain data: child
//! specifications ([`ChildSpec`]), flags ([`Flags`]), the tree ([`Tree`]) and reports ([`Report`]).
#![forbid(unsafe_code)]

mod backoff;
mod book;
mod child;
mod child_spec;
mod clerk;
pub mod core;
mod dynamic;
mod index;
mod init;
mod intensity;
mod launch;
mod log;
mod management;
mod manager;
mod newcomer;
mod partition;
mod reap;
mod reason;
mod register;
mod report;
mod roll;
mod roster;
mod settings;
mod strategy;
mod subtrees;
mod supervisor;
mod task;
mod task_stream;
mod tasks;
mod tree;

pub use backoff::Backoff;
pub use book::{ReportCounts, SupervisorReport, SupervisorReports, SystemExt, Told};
pub use child::{AnyChild, Child, IntoChild, RestartArgs, SlotExt};
pub use child_spec::{ChildSpec, Kind, MAX_NAME, Restart, Rule, Shutdown};
pub use dynamic::{Alike, Dynamic};
pub use intensity::Intensity;
pub use management::{ManageError, Management};
pub use newcomer::Newcomer;
pub use partition::{MAX_PARTITIONS, Partition, ResizeError};
pub use register::{MemberKind, Standing, SupervisorInfo};
pub use report::{Cause, Context, Offender, Report};
pub use strategy::{AutoShutdown, Flags, Strategy};
pub use supervisor::Supervisor;
pub use task::{Task, TaskContext};
pub use task_stream::TaskStream;
pub use tasks::{TaskError, TaskHandle, Tasks};
pub use tree::{InvalidTree, MAX_DEPTH, Members, Node, Tree, Violation};
