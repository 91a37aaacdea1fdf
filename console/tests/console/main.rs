//! The console of a running system, from outside.

mod act;
mod actions;
mod blocked;
mod budgets;
mod bureau;
mod command;
mod dumps;
mod events;
mod governed;
mod held;
mod hostile;
mod newer;
mod protocol;
mod recording;
mod replicas;
mod slow;
mod sources;
mod state;
mod support;
mod tcp;
mod terminal;
mod trace;
mod truth;
mod truth_under_load;
mod watching;
mod whom;
