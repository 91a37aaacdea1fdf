//! A backtrace that costs little until somebody reads it.

use std::backtrace::Backtrace;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::crash_report::shortened;
use super::short;

/// Bytes of text, at most.
const LIMIT: usize = 16 * 1024;

/// Where a panic came from: addresses, until somebody reads them. Only then are they turned into names and lines.
///
/// To capture one costs microseconds. To read it for the first time costs milliseconds, and in a process that has read none
/// yet and was built with debug information, a large part of a second; whoever reads it again reads the text that is kept.
/// Whoever reads it pays: a crash does not, unless the log takes the report.
///
/// Its text has the calls between the panic and the turn of the runtime in which it was: those of the author, and what they
/// called. All of them are there with `RUST_BACKTRACE=full`, and where the program has no symbols.
///
/// Until it is read it is as long as the stack was deep: some 60 bytes for each call under way. Its text is of 16 KiB at most; what is longer is cut, and says so. It is shared: a clone is one pointer. Two are equal if
/// their texts are. In its serialised form it is its text.
#[derive(Clone)]
pub struct LazyBacktrace(Arc<Mutex<State>>);

enum State {
    Captured(Backtrace),
    Read(Arc<str>),
}

impl LazyBacktrace {
    pub(crate) fn new(captured: Backtrace) -> Self {
        Self(Arc::new(Mutex::new(State::Captured(captured))))
    }

    /// The text, as the standard library's backtraces have it, without the runtime's own part.
    ///
    /// # Examples
    /// ```
    /// # use crashworthy_runtime::LazyBacktrace;
    /// let trace = LazyBacktrace::from("   0: shop::split");
    /// assert!(trace.text().contains("shop::split"));
    /// ```
    pub fn text(&self) -> Arc<str> {
        let mut state = self.0.lock();
        if let State::Captured(captured) = &*state {
            let whole = captured.to_string();
            let text = if short::whole_is_asked_for() { None } else { short::cut(&whole) }.unwrap_or(whole);
            *state = State::Read(shortened(&text, LIMIT).into());
        }
        match &*state {
            State::Read(text) => text.clone(),
            State::Captured(_) => unreachable!("it has just been read"),
        }
    }

    /// Whether it was read before, and costs nothing any more.
    pub fn was_read(&self) -> bool {
        matches!(&*self.0.lock(), State::Read(_))
    }
}

impl From<&str> for LazyBacktrace {
    fn from(text: &str) -> Self {
        Self(Arc::new(Mutex::new(State::Read(shortened(text, LIMIT).into()))))
    }
}

impl fmt::Display for LazyBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl fmt::Debug for LazyBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text(), f)
    }
}

impl PartialEq for LazyBacktrace {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.text() == other.text()
    }
}

impl Eq for LazyBacktrace {}

impl Serialize for LazyBacktrace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for LazyBacktrace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::from(&*text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_once_and_for_all_its_clones() {
        let trace = LazyBacktrace::new(Backtrace::force_capture());
        let clone = trace.clone();
        assert!(!clone.was_read());
        let text = trace.text();
        assert!(text.contains("it_is_read_once"), "{text}");
        assert!(clone.was_read() && Arc::ptr_eq(&clone.text(), &text));
        assert_eq!((format!("{clone}"), clone == LazyBacktrace::from(&*text)), (text.to_string(), true));
    }

    #[test]
    fn a_long_one_is_cut_and_says_so() {
        let long = LazyBacktrace::from(&*"x".repeat(LIMIT + 7)).text();
        assert!(long.len() < LIMIT + 32 && long.ends_with("… (7 bytes more)"), "{}", &long[LIMIT..]);
    }
}
