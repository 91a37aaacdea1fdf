//! The fault campaign: random trees under traffic, in which everything goes wrong that can, and an audit after each.
//!
//! ```text
//! campaign ─ lanes: threads with a runtime each, a round at a time
//!   └ round ─ tree grown by dice ─▶ drivers: traffic and faults ─▶ quiet? audit ─▶ stop ─▶ audit ─▶ nothing left?
//!               worker, message        driver                        audit                  audit
//! ```
//! Whatever is made is written down in the books of its round ([`ledger`], [`register`]): every message, every state, every
//! question and every monitor. The audits compare the books with what the runtime says of itself.
//!
//! What is done follows from seed and round, when it is done does not: threads are threads. So a round that failed is
//! repeated by its number, perhaps more than once.

pub mod audit;
pub mod campaign;
pub mod driver;
pub mod kind;
pub mod ledger;
pub mod message;
pub mod register;
pub mod report;
pub mod round;
pub mod tree;
pub mod worker;
