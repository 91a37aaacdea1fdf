//! The lock-free and blocking primitives that the runtime is built on.
//!
//! The only crate of the project with `unsafe` code. It knows no actor and no tokio, so that loom can
//! build and check all of it (`loom-tests/`). Each module opens with a picture of its structure and
//! the protocol that keeps it sound; each `unsafe` block names the part of the protocol it rests on.

mod asymmetric;
mod contain;
mod facade;
mod thread;

pub mod attention;
pub mod berth;
pub mod clock;
pub mod label;
pub mod ledger;
pub mod lifecycle;
pub mod mailbox;
pub mod once_arc;
pub mod promises;
pub mod reply;
pub mod run_queue;
pub mod table;
pub mod task;
pub mod waker;
pub mod wakeup;
