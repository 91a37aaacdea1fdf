//! Views as text: a line for each value, what is below further in.

use std::fmt;

use super::{Cut, Entry, Shown, StateView, ViewError};

impl fmt::Display for StateView {
    /// Lines without a line feed at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("it shows nothing of its state");
        }
        let mut first = true;
        lines(&self.entries, 0, &mut first, f)?;
        match self.cut {
            None => Ok(()),
            Some(cut) => write!(f, "{}({cut})", if first { "" } else { "\n" }),
        }
    }
}

fn lines(entries: &[Entry], level: usize, first: &mut bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for Entry { name, value } in entries {
        if !std::mem::take(first) {
            f.write_str("\n")?;
        }
        write!(f, "{:1$}{name}:", "", 2 * level)?;
        match value {
            Shown::Branch(below) => lines(below, level + 1, first, f)?,
            plain => write!(f, " {plain}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Count(count) => write!(f, "{count}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Truth(is_so) => f.write_str(if *is_so { "yes" } else { "no" }),
            Self::Span(span) => write!(f, "{span:?}"),
            Self::Nothing => f.write_str("(nothing)"),
            Self::Secret => f.write_str("(secret)"),
            Self::Branch(below) => write!(f, "({} below)", below.len()),
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "there is more than is shown",
            Self::Depth => "deeper branches are left out",
            Self::Time => "the rest would have taken too long",
        })
    }
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => f.write_str("it does not run"),
            Self::Busy { callback: None, .. } => f.write_str("it has had no turn for it in time"),
            Self::Busy { callback: Some(callback), message, held } => {
                write!(f, "busy in {callback}")?;
                message.iter().try_for_each(|message| write!(f, " {message}"))?;
                write!(f, " for {held:.1?}")
            }
            Self::Panicked(message) => write!(f, "its view panicked: {message}"),
            Self::Ended => f.write_str("it ended before it could show anything"),
        }
    }
}

impl std::error::Error for ViewError {}
