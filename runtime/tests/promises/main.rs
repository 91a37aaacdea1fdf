//! What the runtime promises, on real threads: one file a promise, each test a sentence.
//!
//! Nothing here sleeps to wait: tests wait for the thing, and assert that every message has an end.

mod stage;

mod admission;
mod asks;
mod c1_down_after_messages;
mod c2_given_up;
mod c3_flush;
mod c4_closing;
mod c5_abandoned;
mod c5_permits;
mod c6_law;
mod c7_stop_and_drain;
mod crash_reports;
mod d_replies;
mod g1_drops;
mod g1_panics;
mod names;
mod order;
mod pipes;
mod races;
mod recipients;
mod scopes;
mod signals;
mod signals_under_load;
mod solo;
mod stress;
mod systems;
mod timers;
