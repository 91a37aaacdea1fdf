//! Spans of time in texts for people.

use std::time::Duration;

/// To three digits: nobody reads the rest in an incident.
pub(crate) fn brief(span: Duration) -> Duration {
    let ns = span.as_nanos();
    let step = 10_u128.pow(ns.checked_ilog10().unwrap_or(0).saturating_sub(2));
    let rounded = (ns + step / 2) / step * step;
    u64::try_from(rounded).map_or(span, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_three_digits_at_most() {
        let told = |ns| format!("{:?}", brief(Duration::from_nanos(ns)));
        let spans = [
            (0, "0ns"),
            (7, "7ns"),
            (999, "999ns"),
            (1_500_000, "1.5ms"),
            (169_549_497, "170ms"),
            (999_600_000, "1s"),
            (12_345_678_901, "12.3s"),
            (3_600_000_000_000, "3600s"),
        ];
        for (ns, text) in spans {
            assert_eq!(told(ns), text);
        }
        assert_eq!(brief(Duration::MAX), Duration::MAX);
    }
}
