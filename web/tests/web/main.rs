//! The console of a running system over HTTP, from outside.

mod blocked;
mod browser;
mod data;
mod guard;
mod health;
mod hostile;
mod live;
mod support;
