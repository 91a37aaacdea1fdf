//! What is looked for in a list: a regular expression; with `~` before it, letters in that order; with `!` before all, what has
//! no such thing.

use regex_lite::{Regex, RegexBuilder};

/// Bytes that a pattern may take up, and how deep it may nest: what is typed is short, and still could be much.
const SIZE: usize = 64 * 1024;
const NESTED: u32 = 16;

/// What is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    how: How,
    without: bool,
}

#[derive(Clone, Debug)]
enum How {
    /// A part of the text, as `--match` has it.
    Part(String),
    Pattern(Regex),
    /// These letters in this order, large or small.
    Letters(String),
}

impl Filter {
    /// None if all match; also if it cannot be understood, which [`fault`] tells.
    pub(crate) fn new(text: &str) -> Option<Self> {
        Self::read(text).ok().flatten()
    }

    fn read(text: &str) -> Result<Option<Self>, String> {
        let (text, without) = text.strip_prefix('!').map_or((text, false), |text| (text, true));
        let how = match text.strip_prefix('~') {
            Some(letters) => How::Letters(letters.to_lowercase()),
            None if regex_lite::escape(text) == text => How::Part(text.to_owned()),
            None => {
                let pattern = RegexBuilder::new(text).size_limit(SIZE).nest_limit(NESTED).build();
                How::Pattern(pattern.map_err(|error| error.to_string())?)
            }
        };
        let is_empty = matches!(&how, How::Part(text) | How::Letters(text) if text.is_empty());
        Ok((!is_empty).then_some(Self { how, without }))
    }

    pub(crate) fn takes<'a>(&self, mut texts: impl Iterator<Item = &'a str>) -> bool {
        let fits = |text: &str| match &self.how {
            How::Part(part) => text.contains(part.as_str()),
            How::Pattern(pattern) => pattern.is_match(text),
            How::Letters(letters) => has_in_order(text, letters),
        };
        texts.any(fits) != self.without
    }

    /// What a system can look for, which knows parts of texts alone.
    pub(crate) fn part(&self) -> Option<&str> {
        match &self.how {
            How::Part(part) if !self.without => Some(part),
            _ => None,
        }
    }
}

/// Why a filter cannot be understood.
pub(crate) fn fault(text: &str) -> Option<String> {
    Filter::read(text).err()
}

fn has_in_order(text: &str, letters: &str) -> bool {
    let mut text = text.chars().flat_map(char::to_lowercase);
    letters.chars().all(|letter| text.any(|c| c == letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(filter: &str, text: &str) -> bool {
        Filter::new(filter).is_none_or(|filter| filter.takes([text].into_iter()))
    }

    #[test]
    fn a_filter_is_a_part_of_the_text_or_what_lacks_it() {
        assert!(takes("till", "shop/till") && !takes("bank", "shop/till"));
        assert!(!takes("!till", "shop/till") && takes("!bank", "shop/till"));
        assert!(
            takes("", "shop") && takes("!", "shop") && takes("~", "shop"),
            "nothing to look for is found everywhere"
        );
    }

    #[test]
    fn a_filter_is_a_regular_expression() {
        assert!(takes("^shop/t.ll$", "shop/till") && !takes("^till", "shop/till"));
        assert!(takes("left|right", "front/right") && !takes("!left|right", "front/right"));
        assert!(takes("till-[0-9]+$", "till-12") && !takes("till-[0-9]+$", "till-x"));
        assert_eq!(Filter::new("till").unwrap().part(), Some("till"), "what is no pattern a system knows, too");
        assert_eq!((Filter::new("t.ll").unwrap().part(), Filter::new("!till").unwrap().part()), (None, None));
    }

    #[test]
    fn a_fuzzy_filter_is_letters_in_their_order() {
        assert!(takes("~sfl", "shop/front/left") && takes("~SHL", "shop/front/left"));
        assert!(!takes("~lfs", "shop/front/left") && !takes("~leftt", "shop/front/left"));
        assert!(takes("!~lfs", "shop/front/left") && takes("~.", "a.b") && !takes("~.", "ab"));
    }

    #[test]
    fn one_that_cannot_be_understood_or_is_too_much_says_so_and_takes_all() {
        for bad in ["(", "a{2", "[z-a]", "*", "!(", "(?P<", "a{1000}{1000}", &"(".repeat(40), "\\"] {
            assert!(fault(bad).is_some_and(|why| !why.is_empty() && why.len() < 200), "{bad}: {:?}", fault(bad));
            assert!(takes(bad, "anything"));
        }
        for good in ["", "!", "a", "a|b", "~(", "(a)"] {
            assert_eq!(fault(good), None, "{good}");
        }
    }
}
