//! Recordings, read: a file answers what it is asked as the system did then. What is in it, and how it is written, is told in
//! [`crashworthy_console::recording`].

mod answers;
mod fault;
mod lists;
mod reader;
#[cfg(test)]
mod tests;

use self::fault::{Fault, Problem};
pub(crate) use self::reader::Recording;
