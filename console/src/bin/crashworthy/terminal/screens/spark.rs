//! A little of the past in one line.

use std::time::Duration;

use super::super::question::Sample;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The newest figures as bars, as many as there are columns; the highest reaches the top, nothing is the lowest.
pub(crate) fn bars(figures: &[f64], columns: usize) -> String {
    let shown = &figures[figures.len().saturating_sub(columns)..];
    let most = shown.iter().copied().fold(0.0, f64::max);
    let bar = |figure: &f64| {
        let height = if most > 0.0 { (figure / most * 7.0).ceil() } else { 0.0 };
        // A float becomes the nearest number that there is.
        BARS[(height as usize).min(BARS.len() - 1)]
    };
    shown.iter().map(bar).collect()
}

/// What was added in a second, between one sample and the next.
pub(crate) fn rates(past: &[Sample], of: impl Fn(&Sample) -> u64) -> Vec<f64> {
    let rate = |pair: &[Sample]| {
        let span = pair[1].at.saturating_sub(pair[0].at).max(Duration::from_millis(1));
        of(&pair[1]).saturating_sub(of(&pair[0])) as f64 / span.as_secs_f64()
    };
    past.windows(2).map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_reaches_the_top_and_little_is_told_from_nothing() {
        assert_eq!(bars(&[0.0, 1.0, 50.0, 100.0], 10), "▁▂▅█");
        assert_eq!(bars(&[9.0, 0.0, 0.0], 2), "▁▁");
        assert_eq!(bars(&[], 5), "");
    }

    #[test]
    fn rates_are_by_the_clock_of_the_system() {
        let sample = |ms, turns| Sample { at: Duration::from_millis(ms), turns, queued: None, busy: None, crashes: 0 };
        let past = [sample(0, 100), sample(500, 200), sample(2500, 200), sample(2500, 150)];
        assert_eq!(rates(&past, |sample| sample.turns), [200.0, 0.0, 0.0]);
    }
}
