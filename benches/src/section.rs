//! Parts of a document that a command writes: what stands between `<!-- name: begin -->` and `<!-- name: end -->`.

use std::fs;
use std::ops::Range;
use std::path::Path;

use crate::wrong::{Wrong, wrong};

/// What a document says in a section.
///
/// # Errors
/// When it cannot be read, or has no such section.
pub fn read(document: &Path, name: &str) -> Result<String, Wrong> {
    let text = text(document)?;
    Ok(text[place(&text, name)?].to_owned())
}

/// Has a document say something else in a section.
///
/// # Errors
/// When it cannot be read or written, or has no such section.
pub fn write(document: &Path, name: &str, says: &str) -> Result<(), Wrong> {
    let mut text = text(document)?;
    let place = place(&text, name)?;
    text.replace_range(place, &format!("\n\n{}\n\n", says.trim_end()));
    fs::write(document, text).map_err(|why| wrong(format_args!("{}: {why}", document.display())))
}

fn text(document: &Path) -> Result<String, Wrong> {
    fs::read_to_string(document).map_err(|why| wrong(format_args!("{}: {why}", document.display())))
}

fn place(text: &str, name: &str) -> Result<Range<usize>, Wrong> {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let from = text.find(&begin).map(|at| at + begin.len());
    let until = from.and_then(|from| text[from..].find(&end).map(|at| from + at));
    match (from, until) {
        (Some(from), Some(until)) => Ok(from..until),
        _ => Err(wrong(format_args!("there are no {begin} and {end} in the document"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_between_its_own_marks() {
        let text = "a\n<!-- one: begin -->\nx\n<!-- one: end -->\n<!-- two: begin -->y<!-- two: end -->";
        assert_eq!(&text[place(text, "one").expect("it is there")], "\nx\n");
        assert_eq!(&text[place(text, "two").expect("it is there")], "y");
        assert!(place(text, "three").is_err());
        assert!(place("<!-- one: end --> <!-- one: begin -->", "one").is_err(), "the end is before the beginning");
    }
}
