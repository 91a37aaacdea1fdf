//! What was recorded, and how it compares.

use std::fmt::Write;

use super::HotPath;
use crate::wrong::{Wrong, wrong};

/// The table that is recorded.
pub fn table(counts: &[(HotPath, f64)]) -> String {
    let mut text = String::from("| path | instructions | what |\n|---|---|---|\n");
    for (path, count) in counts {
        writeln!(text, "| `{}` | {count:.0} | {} |", path.name(), path.what()).expect("a string takes everything");
    }
    text
}

/// What a table has for a path.
///
/// # Errors
/// When it has no row for it, or no number there.
pub fn recorded(table: &str, path: HotPath) -> Result<f64, Wrong> {
    let row = table.lines().find_map(|line| line.strip_prefix(&format!("| `{}` | ", path.name())));
    let number = row.and_then(|rest| rest.split('|').next()).and_then(|cell| cell.trim().parse().ok());
    number.ok_or_else(|| wrong(format_args!("nothing is recorded for {}", path.name())))
}

/// How a count compares with what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Within the tolerance.
    Same,
    /// Fewer: worth recording.
    Better,
    /// More: a regression.
    Worse,
}

/// Compares, with a tolerance in percent of what was recorded.
pub fn compare(count: f64, recorded: f64, tolerance: f64) -> Compared {
    let within = recorded * tolerance / 100.0;
    if count > recorded + within {
        Compared::Worse
    } else if count < recorded - within {
        Compared::Better
    } else {
        Compared::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_found_again() {
        let table = table(&[(HotPath::Tell, 310.4), (HotPath::Spawn, 5900.0)]);
        assert_eq!(recorded(&table, HotPath::Tell).expect("it is there"), 310.0);
        assert_eq!(recorded(&table, HotPath::Spawn).expect("it is there"), 5900.0);
        assert!(recorded(&table, HotPath::Ask).is_err());
    }

    #[test]
    fn more_than_the_tolerance_is_worse_and_less_is_better() {
        assert_eq!(compare(105.0, 100.0, 5.0), Compared::Same);
        assert_eq!(compare(105.1, 100.0, 5.0), Compared::Worse);
        assert_eq!(compare(94.9, 100.0, 5.0), Compared::Better);
    }
}
