//! Durations as people write them: `50ms`, `1.5s`.

use std::time::Duration;

/// The units, and how many nanoseconds each has.
const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a number with a unit. The result is above zero and a whole number of nanoseconds.
///
/// # Errors
///
/// What is wrong with it, for the author of the text.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    let per_unit = match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, nanos)) => *nanos,
        None if number.is_empty() => return Err(format!("`{text}` is not a duration, such as `50ms`")),
        None if unit.is_empty() => return Err(format!("`{text}` has no unit: write `{text}ms` or `{text}s`")),
        None => return Err(format!("`{unit}` is not a unit of time: use ns, us, ms, s, m or h")),
    };
    let nanos = nanos(&number.replace('_', ""), per_unit)
        .ok_or_else(|| format!("`{number}` is not a number of {unit} that fits in a duration"))?;
    if nanos == 0 {
        return Err("a duration of zero leaves no time to handle anything".to_owned());
    }
    Ok(Duration::from_nanos(nanos))
}

/// `number × per_unit`, exactly; what is finer than a nanosecond is cut off.
fn nanos(number: &str, per_unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(per_unit)?;
    if fraction.is_empty() {
        return (!number.ends_with('.')).then_some(whole);
    }
    let scale = 10_u128.checked_pow(fraction.len().try_into().ok()?)?;
    let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(per_unit) / scale;
    whole.checked_add(part.try_into().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_duration() {
        for (text, nanos) in [
            ("1ns", 1),
            ("2us", 2_000),
            ("2µs", 2_000),
            ("50ms", 50_000_000),
            ("50 ms", 50_000_000),
            ("1_500ms", 1_500_000_000),
            ("1.5s", 1_500_000_000),
            ("0.25ms", 250_000),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "is not a duration"),
            ("soon", "is not a duration"),
            ("-5ms", "is not a duration"),
            ("50", "has no unit: write `50ms`"),
            ("50 parsecs", "`parsecs` is not a unit of time"),
            ("ms", "is not a number of ms"),
            ("1.ms", "is not a number of ms"),
            ("1.2.3s", "is not a number of s"),
            ("99999999999h", "that fits in a duration"),
            ("0s", "leaves no time"),
            ("0.1ns", "leaves no time"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
