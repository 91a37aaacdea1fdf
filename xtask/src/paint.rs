//! Colour, where it is wanted.

use std::io::IsTerminal;

/// Whether lines are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint(bool);

impl Paint {
    /// As cargo decides it: CARGO_TERM_COLOR, then NO_COLOR, then whether a person is looking.
    pub(crate) fn for_stderr() -> Self {
        let variable = |name| std::env::var(name).ok();
        Self::decide(
            variable("CARGO_TERM_COLOR").as_deref(),
            variable("NO_COLOR").as_deref(),
            std::io::stderr().is_terminal(),
        )
    }

    /// No colour.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self(false)
    }

    fn decide(term_color: Option<&str>, no_color: Option<&str>, is_terminal: bool) -> Self {
        Self(match term_color {
            Some("always") => true,
            Some("never") => false,
            _ => is_terminal && no_color.is_none_or(str::is_empty),
        })
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_setting_wins_then_no_color_then_the_terminal() {
        assert_eq!(Paint::decide(Some("always"), Some("1"), false), Paint(true));
        assert_eq!(Paint::decide(Some("never"), None, true), Paint(false));
        assert_eq!(Paint::decide(Some("auto"), Some("1"), true), Paint(false));
        assert_eq!(Paint::decide(None, Some(""), true), Paint(true));
        assert_eq!(Paint::decide(None, None, false), Paint(false));
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(Paint::plain().bad("no"), "no");
        assert_eq!(Paint(true).good("yes"), "\u{1b}[32myes\u{1b}[0m");
    }
}
