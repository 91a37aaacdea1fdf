//! The console of a running system, from outside.

mod blocked;
mod command;
mod events;
mod hostile;
mod protocol;
mod state;
mod support;
