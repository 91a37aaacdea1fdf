//! How lines look: in the sixteen colours of a terminal, without colours, without more than ASCII.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use super::super::page::Tone;

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    pub(crate) colours: bool,
    /// Only ASCII is sure to be shown.
    pub(crate) ascii: bool,
}

impl Theme {
    /// As the environment has it: `NO_COLOR`, and the character set of the locale.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
        Self { colours: set("NO_COLOR").is_none(), ascii: !(locale.contains("utf-8") || locale.contains("utf8")) }
    }

    pub(crate) fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let coloured = |colour| if self.colours { plain.fg(colour) } else { plain.add_modifier(Modifier::BOLD) };
        match tone {
            Tone::Plain => plain,
            Tone::Head => plain.add_modifier(Modifier::BOLD),
            Tone::Dim if self.colours => plain.fg(Color::DarkGray),
            Tone::Dim => plain.add_modifier(Modifier::DIM),
            Tone::Good if self.colours => plain.fg(Color::Green),
            Tone::Good => plain,
            Tone::Warn => coloured(Color::Yellow),
            Tone::Bad => coloured(Color::Red),
        }
    }

    /// A line of a list, and the one with the cursor.
    pub(crate) fn line(self, tone: Tone, is_chosen: bool) -> Style {
        let style = self.style(tone);
        if is_chosen { style.add_modifier(Modifier::REVERSED) } else { style }
    }

    /// Bars of the screen.
    pub(crate) fn bar(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Shows nothing that the terminal could not.
    pub(crate) fn finish(self, buffer: &mut Buffer) {
        if !self.ascii {
            return;
        }
        for cell in &mut buffer.content {
            let symbol = match cell.symbol() {
                known if known.is_ascii() => continue,
                "▁" => "_",
                "▂" => ".",
                "▃" => ":",
                "▄" => "-",
                "▅" => "=",
                "▆" => "+",
                "▇" => "*",
                "█" => "#",
                "…" => "~",
                "·" => "|",
                _ => "?",
            };
            cell.set_symbol(symbol);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_what_a_terminal_can_show() {
        let of = |variables: &'static [(&str, &str)]| {
            Theme::of(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[("LANG", "en_GB.UTF-8")]), Theme { colours: true, ascii: false });
        assert_eq!(
            of(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C"), ("NO_COLOR", "1")]),
            Theme { colours: false, ascii: true }
        );
        assert_eq!(of(&[("LC_CTYPE", "C.utf8"), ("NO_COLOR", "")]), Theme { colours: true, ascii: false });
        assert_eq!(of(&[]), Theme { colours: true, ascii: true });
    }

    #[test]
    fn without_colours_none_is_used() {
        let theme = Theme { colours: false, ascii: false };
        for tone in [Tone::Plain, Tone::Head, Tone::Dim, Tone::Good, Tone::Warn, Tone::Bad] {
            let style = theme.line(tone, true);
            assert_eq!((style.fg, style.bg), (None, None), "{tone:?}");
        }
    }
}
