//! What the rounds come to.

use serde::Serialize;

use super::alone::Alone;
use super::windows::{Round, Window};
use super::{MODES, Mode};

/// What a console costs in one of its modes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    mode: &'static str,
    actors: usize,
    /// What a ball takes, as a multiple of what it takes without a console in the same cycles: the median of all pairs.
    ratio: f64,
    /// A quarter of the pairs are below, and a quarter above.
    quarter: f64,
    three_quarters: f64,
    least: f64,
    most: f64,
    /// How many pairs there are.
    pairs: usize,
    /// What the process has in memory more than without a console, for each actor: the median.
    bytes_per_actor: Option<f64>,
    /// The longest answer to a look at the system in any window.
    snapshot_ms: Option<f64>,
    /// The usual one.
    snapshot_median_ms: Option<f64>,
    /// For how much of the time the threads on which actors run waited for a core: the mean.
    waited: f64,
    /// How much of a core the console's thread took: the mean.
    console: f64,
    /// How much of a core those took who came to it: the mean.
    clients: f64,
}

impl Figures {
    /// Of all modes but the first, which the others are compared with. What so many cycles in a row show together is a pair.
    pub fn of(
        actors: usize,
        modes: [Mode; MODES],
        together: usize,
        rounds: &[Round],
        alone: &[[Option<Alone>; MODES]],
    ) -> Vec<Self> {
        (1..MODES).map(|at| Self::of_one(actors, (modes[at], at), together, rounds, alone)).collect()
    }

    fn of_one(
        actors: usize,
        (mode, at): (Mode, usize),
        together: usize,
        rounds: &[Round],
        alone: &[[Option<Alone>; MODES]],
    ) -> Self {
        let pairs = rounds.iter().flat_map(|round| round.cycles.chunks_exact(together));
        let ratios = sorted(pairs.map(|cycles| ways(cycles, 0) / ways(cycles, at)));
        let bytes = sorted(alone.iter().filter_map(|turns| {
            let (with, without) = (turns[at]?.resident_bytes, turns[0]?.resident_bytes);
            Some((with as f64 - without as f64) / actors.max(1) as f64)
        }));
        let looks = rounds.iter().flat_map(|round| &round.seen.looks_ms).copied();
        let looks = if mode.has_clients() { sorted(looks) } else { Vec::new() };
        let mean = |of: fn(&Window) -> f64| {
            let windows = rounds.iter().flat_map(|round| &round.cycles).map(|cycle| of(&cycle[at]));
            windows.sum::<f64>() / (ratios.len() * together).max(1) as f64
        };
        Self {
            mode: mode.name(),
            actors,
            ratio: part(&ratios, 0.5).unwrap_or(0.0),
            quarter: part(&ratios, 0.25).unwrap_or(0.0),
            three_quarters: part(&ratios, 0.75).unwrap_or(0.0),
            least: part(&ratios, 0.0).unwrap_or(0.0),
            most: part(&ratios, 1.0).unwrap_or(0.0),
            pairs: ratios.len(),
            bytes_per_actor: part(&bytes, 0.5),
            snapshot_ms: part(&looks, 1.0),
            snapshot_median_ms: part(&looks, 0.5),
            waited: mean(|window| window.waited),
            console: mean(|window| window.console),
            clients: mean(|window| window.clients),
        }
    }

    /// As a JSON object on a line; none of the one that only shows what the noise is.
    pub fn json_line(&self) -> Option<String> {
        let line = || serde_json::to_string(self).expect("names and numbers are JSON");
        (self.mode != Mode::Control.name()).then(line)
    }

    /// As a row of the table.
    pub fn row(&self) -> String {
        let Self { mode, actors, ratio, quarter, three_quarters, least, most, .. } = self;
        let told = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"));
        let (bytes, usual, longest) =
            (told(self.bytes_per_actor), told(self.snapshot_median_ms), told(self.snapshot_ms));
        let [waited, console, clients] = [self.waited, self.console, self.clients].map(|part| part * 100.0);
        format!(
            "{mode:<10} {actors:>8}  {ratio:>6.3} {quarter:>7.3} {three_quarters:>7.3} {least:>7.3} {most:>7.3}  \
             {bytes:>9}  {usual:>7} {longest:>7}  {waited:>7.1} {console:>7.1} {clients:>7.1}\n"
        )
    }
}

/// The columns of the table.
pub const HEAD: &str = "\
                     a way of the ball, to without a console   bytes per  a look, ms        % of the time
mode         actors  median  1st qu  3rd qu   least    most      actor   median longest   waited console clients
";

/// How many ways of the ball there were in the windows of a mode, for each nanosecond of one of them: all are equally long.
fn ways(cycles: &[[Window; MODES]], at: usize) -> f64 {
    cycles.iter().map(|cycle| 1.0 / cycle[at].pass_ns).sum()
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// What that part of them is below, or between two of them; nothing of none.
fn part(sorted: &[f64], part: f64) -> Option<f64> {
    let at = sorted.len().checked_sub(1)? as f64 * part;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(below + (above - below) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::super::clients::Seen;
    use super::*;

    fn window(pass_ns: f64) -> Window {
        Window { pass_ns, console: 0.25, ..Window::default() }
    }

    #[test]
    fn windows_are_compared_within_their_cycle_and_the_longest_look_is_told() {
        let cycle = |slow: f64| [100.0, 100.0, 101.0, 110.0].map(|pass_ns| window(pass_ns * slow));
        let round = |slow: &[f64], looks_ms: &[f64]| Round {
            cycles: slow.iter().map(|&slow| cycle(slow)).collect(),
            seen: Seen { looks_ms: looks_ms.to_vec(), ..Seen::default() },
        };
        let rounds = [round(&[1.0, 3.0], &[3.0, 9.0]), round(&[2.0], &[1.0])];
        let alone = |resident_bytes| Some(Alone { pass_ns: 1.0, resident_bytes });
        let alone = [[alone(1_000), None, alone(1_020), alone(1_400)]];
        let figures = Figures::of(10, Mode::USUAL, 1, &rounds, &alone);
        let told: Vec<_> = figures.iter().map(|told| (told.mode, told.bytes_per_actor, told.snapshot_ms)).collect();
        let expected = [("control", None, None), ("unattached", Some(2.0), None), ("attached", Some(40.0), Some(9.0))];
        assert_eq!(told, expected);
        for (told, ratio) in figures.iter().zip([1.0, 1.01, 1.1]) {
            assert!((told.ratio - ratio).abs() < 1e-9 && (told.most - told.least).abs() < 1e-9, "{told:?}");
        }
        let attached = figures[2].json_line().expect("it has a line");
        assert!(attached.starts_with(r#"{"mode":"attached","actors":10,"ratio":1.1"#), "{attached}");
        assert!(attached.contains(r#""console":0.25"#) && figures[0].json_line().is_none());
    }

    #[test]
    fn what_one_of_some_windows_costs_is_shared_by_all_of_the_pair() {
        let cycle = |attached| [100.0, 100.0, 100.0, attached].map(window);
        let round = Round { cycles: vec![cycle(100.0), cycle(150.0), cycle(100.0), cycle(150.0)], ..Round::default() };
        let figures = Figures::of(10, Mode::USUAL, 2, &[round], &[]);
        assert_eq!(figures[2].pairs, 2);
        assert!((figures[2].ratio - 1.2).abs() < 1e-9, "300 ways in place of 360: {:?}", figures[2]);
    }

    #[test]
    fn quarters_lie_between_the_values_they_part() {
        let five = [1.0, 2.0, 3.0, 4.0, 10.0];
        assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(|at| part(&five, at)), [1.0, 2.0, 3.0, 4.0, 10.0].map(Some));
        assert_eq!((part(&[1.0, 2.0], 0.5), part(&[], 0.5)), (Some(1.5), None));
    }
}
