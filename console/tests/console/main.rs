//! The console of a running system, from outside.

mod act;
mod actions;
mod blocked;
mod command;
mod governed;
mod hostile;
mod protocol;
mod recording;
mod support;
mod terminal;
