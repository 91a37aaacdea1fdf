//! Supervisors on the running system: one file a promise, every test with a system of its own.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests play the outside world: its tasks, its threads, its clock, its locks"
)]

mod backoff;
mod bulkheads;
mod crash_reports;
mod crash_world;
mod drain;
mod dynamic;
mod ear;
mod exhausted;
mod floods;
mod inits;
mod killed;
mod ladder;
mod management;
mod newcomers;
mod partitions;
mod reports;
mod restarts;
mod retries;
mod signals;
mod starts;
mod stops;
mod stuck;
mod supervisors;
mod task_supervisors;
mod tasks;
mod touchy;
mod traffic;
mod trees;
mod unjudged;
mod world;
