//! The terminal UI.
//!
//! ```text
//! keys, mouse ──┐
//! link: answers ┼─▶ shell ─▶ reduce: event ─▶ model ─▶ screens: pages ─▶ view: cells
//! time ─────────┘     ▲                        │
//!                     └──── effects, questions ┘
//! ```
//! What happens is an [event](event::Event); [`reduce`](reduce::reduce) makes the next state of it, and says what is to be
//! done. [`screens`] say what there is to see in a state, [`view`] draws that. None of them reads a clock, asks a system or
//! touches a terminal: that is for the [`shell`], and for the [`link`], which speaks to a system on a thread of its own.

mod acting;
mod command;
mod event;
mod geometry;
mod ghosts;
mod happened;
mod heir;
mod held;
mod keys;
mod line;
mod link;
mod list;
mod model;
mod page;
mod picture;
mod playback;
mod player;
mod prompt;
mod question;
mod recorder;
mod reduce;
#[cfg(test)]
mod samples;
mod screen;
mod screens;
mod shell;
mod signals;
#[cfg(test)]
mod tests;
mod tracing;
mod typed;
mod view;

pub(crate) use self::heir::Heir;
pub(crate) use self::model::Candidate;
pub(crate) use self::shell::{play, run};
#[cfg(test)]
pub(crate) use self::tests::hello;
