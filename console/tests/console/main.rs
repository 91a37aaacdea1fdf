//! The console of a running system, from outside.

mod blocked;
mod command;
mod hostile;
mod protocol;
mod recording;
mod support;
mod terminal;
