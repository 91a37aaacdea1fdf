//! Guides: read them once, from top to bottom, before your first service.
//!
//! * [`supervision_trees`]: what to put where in a tree, how often to restart it, where state lives, and how to stop.
//! * [`back_pressure`]: how a service says no: deadlines, the four answers to a full queue, retries, and what to put at the edge.
//! * [`from_erlang`]: crashworthy for people who know Erlang/OTP or Elixir: term by term, with every difference.
//!
//! All code in them compiles and runs with the tests, unless it is Erlang.

#[doc = include_str!("supervision_trees.md")]
pub mod supervision_trees {}

#[doc = include_str!("back_pressure.md")]
pub mod back_pressure {}

#[doc = include_str!("from_erlang.md")]
pub mod from_erlang {}
