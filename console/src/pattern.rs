//! What is looked for among actors: a part of a text, or a regular expression; with `~` before it, letters in that order; with
//! `!` before all, what has no such thing.

use std::fmt;
use std::str::FromStr;

use regex_lite::{Regex, RegexBuilder};

use crate::limits::PATTERN;
use crate::protocol::{Code, Refusal};

/// Bytes that a regular expression may take up, and how deep it may nest: what is typed is short, and still could be much.
const SIZE: usize = 64 * 1024;
const NESTED: u32 = 16;

/// What is looked for in a few texts at a time. It takes as long as it and they are, whatever it says: nothing is tried twice.
///
/// In an expression `\w`, `\d`, `\s`, `\b` and `(?i)` know ASCII alone, while a part of a text is found as it is written, and `~` takes large
/// and small letters of every language.
///
/// # Examples
/// ```
/// use crashworthy_console::Pattern;
///
/// let takes = |pattern: &str| Ok::<_, crashworthy_console::NoPattern>(pattern.parse::<Pattern>()?.takes(["shop/till-12"]));
/// assert!(takes("till")? && takes("till-[0-9]+$")? && takes("~SHL")? && takes("!bank")?);
/// assert!(!takes("Till")? && !takes("^till")? && !takes("!till")?);
/// assert!("till(".parse::<Pattern>().is_err());
/// # Ok::<(), crashworthy_console::NoPattern>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pattern {
    how: How,
    without: bool,
}

#[derive(Clone, Debug)]
enum How {
    All,
    Part(String),
    /// What has not this part does not match.
    Expression(Regex, String),
    /// These letters in this order, large or small.
    Letters(String),
}

/// Why something cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPattern(String);

impl Pattern {
    /// Whether one of these has what is looked for; or none, if that is meant.
    pub fn takes<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        self.is_meant(texts.into_iter().any(|text| self.is_in(text)))
    }

    /// The text, if it is one that is looked for as it is: what also a system can look for that knows parts of texts alone.
    pub fn part(&self) -> Option<&str> {
        match &self.how {
            How::Part(part) if !self.without => Some(part),
            _ => None,
        }
    }

    /// Whether it takes all there are: nothing is looked for.
    pub fn is_all(&self) -> bool {
        matches!(self.how, How::All)
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        match &self.how {
            How::All => true,
            How::Part(part) => text.contains(part.as_str()),
            How::Expression(expression, part) => text.contains(part.as_str()) && expression.is_match(text),
            How::Letters(letters) => has_in_order(text, letters),
        }
    }

    /// Whether who has it, or has it not, is meant.
    pub(crate) fn is_meant(&self, has_it: bool) -> bool {
        self.is_all() || has_it != self.without
    }
}

impl FromStr for Pattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        if text.len() > PATTERN {
            return Err(NoPattern(format!("it has {} bytes, allowed are {PATTERN}", text.len())));
        }
        let (text, without) = text.strip_prefix('!').map_or((text, false), |text| (text, true));
        let how = match text.strip_prefix('~') {
            _ if text.is_empty() || text == "~" => How::All,
            Some(letters) => How::Letters(letters.to_lowercase()),
            None if regex_lite::escape(text) == text => How::Part(text.to_owned()),
            None => {
                let expression = RegexBuilder::new(text).size_limit(SIZE).nest_limit(NESTED).build();
                How::Expression(expression.map_err(|error| NoPattern(error.to_string()))?, needed(text).to_owned())
            }
        };
        Ok(Self { how, without })
    }
}

impl fmt::Display for NoPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoPattern {}

impl From<NoPattern> for Refusal {
    fn from(why: NoPattern) -> Self {
        Self::new(Code::BadArguments, format!("the pattern cannot be understood: {why}"))
    }
}

/// A part that every text has which matches: of many texts that is seen far sooner. Nothing where it is not plain to see.
fn needed(expression: &str) -> &str {
    if expression.contains(['|', '(', ')', '{', '}', '*', '?', '\\']) {
        return "";
    }
    let before_a_class = expression.split('[').next().unwrap_or_default();
    before_a_class.split(['^', '$', '.', '+']).max_by_key(|part| part.len()).unwrap_or_default()
}

fn has_in_order(text: &str, letters: &str) -> bool {
    let mut text = text.chars().flat_map(char::to_lowercase);
    letters.chars().all(|letter| text.any(|c| c == letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(pattern: &str, text: &str) -> bool {
        pattern.parse::<Pattern>().expect("it is one").takes([text])
    }

    #[test]
    fn a_pattern_is_a_part_of_the_text_or_what_lacks_it() {
        assert!(takes("till", "shop/till") && !takes("bank", "shop/till"));
        assert!(!takes("!till", "shop/till") && takes("!bank", "shop/till"));
        for nothing in ["", "!", "~", "!~"] {
            assert!(takes(nothing, "shop"), "{nothing}: nothing to look for is found everywhere");
            assert!(nothing.parse::<Pattern>().unwrap().is_all());
        }
    }

    #[test]
    fn a_pattern_is_a_regular_expression() {
        assert!(takes("^shop/t.ll$", "shop/till") && !takes("^till", "shop/till"));
        assert!(takes("left|right", "front/right") && !takes("!left|right", "front/right"));
        assert!(takes("till-[0-9]+$", "till-12") && !takes("till-[0-9]+$", "till-x"));
        let part = |text: &str| text.parse::<Pattern>().unwrap().part().map(str::to_owned);
        assert_eq!(part("till").as_deref(), Some("till"), "what is no expression any system knows");
        assert_eq!((part("t.ll"), part("!till"), part("~till"), part("")), (None, None, None, None));
    }

    #[test]
    fn classes_and_cases_of_an_expression_are_of_ascii_alone_and_all_else_is_of_any_letters() {
        assert!(takes("(?i)^KASSE$", "kasse") && !takes("(?i)^KÄSE$", "käse") && !takes(r"^k\wse$", "käse"));
        assert!(takes("^k.se$", "käse") && takes("kä", "käse") && takes("~KÄSE", "käse"));
    }

    #[test]
    fn what_a_text_needs_to_match_changes_nothing_of_what_does() {
        assert_eq!((needed("^lab/pool/2779.1$"), needed("277[9]"), needed("bb+c.")), ("lab/pool/2779", "277", "bb"));
        assert_eq!(
            (needed("ab|cd"), needed("ab?"), needed("(ab)*"), needed(r"\.ab"), needed("[ab]c")),
            ("", "", "", "", "")
        );
        let signs = ["", "a", "b", ".", "+", "^", "$", "[", "]", "|", "?"];
        let texts = ["", "a", "b", "ab", "ba", "aab", "abb", "bab", "]", "a]b", "[a"];
        let mut compared = 0;
        for number in 0..signs.len().pow(4) {
            let sign = |place: u32| signs[number / signs.len().pow(place) % signs.len()];
            let text = [sign(0), sign(1), sign(2), sign(3)].concat();
            let (Ok(pattern), Ok(expression)) = (text.parse::<Pattern>(), Regex::new(&text)) else { continue };
            for other in texts {
                assert_eq!(pattern.takes([other]), expression.is_match(other), "{text:?} in {other:?}");
            }
            compared += 1;
        }
        assert!(compared > 1_000, "{compared}");
    }

    #[test]
    fn a_fuzzy_pattern_is_letters_in_their_order() {
        assert!(takes("~sfl", "shop/front/left") && takes("~SHL", "shop/front/left"));
        assert!(!takes("~lfs", "shop/front/left") && !takes("~leftt", "shop/front/left"));
        assert!(takes("!~lfs", "shop/front/left") && takes("~.", "a.b") && !takes("~.", "ab"));
    }

    #[test]
    fn one_of_several_texts_is_enough_and_without_it_all_have_to_lack_it() {
        let takes = |pattern: &str| pattern.parse::<Pattern>().unwrap().takes(["shop/till", "Cashier"]);
        assert!(takes("till") && takes("^Cash") && !takes("!till") && !takes("!^Cash") && takes("!bank"));
    }

    #[test]
    fn one_that_cannot_be_understood_or_is_too_much_says_why() {
        let long = "x".repeat(PATTERN + 1);
        for bad in ["(", "a{2", "[z-a]", "*", "!(", "(?P<", "a{1000}{1000}", &"(".repeat(40), "\\", &long] {
            let why = bad.parse::<Pattern>().expect_err(bad).to_string();
            assert!(!why.is_empty() && why.len() < 200, "{bad}: {why}");
        }
        for good in ["", "!", "a", "a|b", "~(", "(a)", &long[1..]] {
            assert!(good.parse::<Pattern>().is_ok(), "{good}");
        }
    }
}
