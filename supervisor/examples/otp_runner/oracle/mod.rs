//! The differential test against Erlang's own supervisor: scenarios, traces, and two engines that play the former and
//! tell the latter.
//!
//! `otp-oracle/README.md` describes both formats and says how Erlang plays the same scenarios.

mod answers;
pub(crate) mod archive;
mod canon;
pub(crate) mod compare;
pub(crate) mod on_core;
pub(crate) mod on_runtime;
pub(crate) mod scenario;
pub(crate) mod trace;
