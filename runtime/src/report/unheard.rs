//! Errors that nobody would hear of: where no `tracing` subscriber was ever installed, they go to standard error.
//!
//! A program that has not set up a log yet is where the first crashes are met, and the panic hook is silent about what is
//! contained. As soon as a subscriber was installed, if only [`NoSubscriber`](tracing::subscriber::NoSubscriber), the log
//! is somebody's concern, and nothing is printed.

use std::fmt::{self, Write};

use tracing::level_filters::STATIC_MAX_LEVEL;
use tracing::{Level, dispatcher};

use crate::crash::contain;

/// Prints an error to standard error if nobody could hear of it in the log: if no `tracing` subscriber was ever installed in
/// this process, for all or for one thread, and errors were not compiled out of `tracing`.
///
/// For authors of supervisors: the caller has logged it with `tracing`, too, and asked
/// [`System::may_report`](crate::System::may_report) before, so that it is as rare as in the log. One call is one piece of
/// text, which threads do not mix up; control characters are escaped, as what an actor says of its crash may be a
/// stranger's. A standard error that cannot be written to is left alone.
pub fn print_if_unheard(error: impl fmt::Display) {
    if STATIC_MAX_LEVEL >= Level::ERROR && !dispatcher::has_been_set() {
        print(&error);
    }
}

#[cold]
fn print(error: &dyn fmt::Display) {
    // `eprintln!`, so that tests show it only when they fail, as they do with all that is printed. It panics where standard
    // error is closed.
    let _ = contain(|| eprintln!("{}", Plain(error)));
}

/// Without control characters, other than line feeds.
pub(crate) struct Plain<'e>(pub(crate) &'e dyn fmt::Display);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut from = 0;
        for (at, control) in text.char_indices().filter(|(_, c)| c.is_control() && *c != '\n') {
            self.0.write_str(&text[from..at])?;
            write!(self.0, "{}", control.escape_default())?;
            from = at + control.len_utf8();
        }
        self.0.write_str(&text[from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines_and_a_terminal_obeys_nobody() {
        let said = Plain(&"no\nst\u{1b}[2Jock\tä\u{9b}1m\r").to_string();
        assert_eq!(said, "no\nst\\u{1b}[2Jock\\tä\\u{9b}1m\\r");
    }
}
