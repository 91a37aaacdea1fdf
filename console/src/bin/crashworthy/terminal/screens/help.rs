//! The keys.

use super::super::keys::HELP;
use super::super::page::{Page, Tone};
use super::Text;

pub(crate) fn page(width: u16) -> Page {
    let mut text = Text::new(width);
    for (keys, does) in HELP {
        if does.is_empty() {
            text.gap();
            text.line(Tone::Head, keys);
        } else if width < 60 {
            text.line(Tone::Plain, &format!("{keys}: {does}"));
        } else {
            text.entry(&format!("{keys:<20}"), does);
        }
    }
    text.page()
}
