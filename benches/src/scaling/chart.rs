//! The figures as a chart of letters, and as JSON lines.

use std::fmt::Write;

use serde::Serialize;

use super::{Figures, Subject};

/// The length of the longest bar of a figure.
const WIDTH: f64 = 40.0;

/// One figure of all.
struct Kind {
    name: &'static str,
    unit: &'static str,
    of: fn(&Figures) -> f64,
}

const KINDS: [Kind; 4] = [
    Kind { name: "a message, among 64 under way", unit: "ns", of: |figures| figures.hop_ns },
    Kind { name: "a question, one after the other", unit: "ns", of: |figures| figures.ask_ns },
    Kind { name: "an actor started", unit: "ns", of: |figures| figures.spawn_ns },
    Kind { name: "an actor in memory", unit: "bytes", of: |figures| figures.bytes },
];

/// The chart: a block for each figure, a bar for each subject and size.
pub fn draw(all: &[(Subject, Vec<Figures>)]) -> String {
    let mut text = String::new();
    for Kind { name, unit, of } in KINDS {
        let most = all.iter().flat_map(|(_, sizes)| sizes).map(of).fold(0.0, f64::max);
        writeln!(text, "{name}, {unit}").expect("a string takes everything");
        for (subject, sizes) in all {
            for (n, figures) in sizes.iter().enumerate() {
                let subject = if n == 0 { subject.name() } else { "" };
                let bar = "█".repeat((of(figures) / most * WIDTH).round() as usize);
                writeln!(text, "  {subject:<12} {:>9}  {bar} {:.0}", figures.actors, of(figures))
                    .expect("a string takes everything");
            }
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Line {
    peer: Subject,
    rounds: u32,
    #[serde(flatten)]
    figures: Figures,
}

/// The medians of some rounds as a JSON object on a line.
pub fn json_line(peer: Subject, rounds: u32, figures: Figures) -> String {
    serde_json::to_string(&Line { peer, rounds, figures }).expect("names and numbers are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_figure_and_the_greatest_is_the_longest() {
        let figures = |actors, ns| Figures { actors, spawn_ns: ns, bytes: 600.0, hop_ns: ns, ask_ns: ns };
        let chart = draw(&[(Subject::Crashworthy, vec![figures(100, 50.0), figures(1_000, 100.0)])]);
        let bars: Vec<usize> = chart.lines().map(|line| line.matches('█').count()).filter(|bar| *bar > 0).collect();
        assert_eq!(bars, [20, 40, 20, 40, 20, 40, 40, 40]);
        assert!(chart.contains("  crashworthy        100  ████████████████████ 50\n"), "{chart}");
    }

    #[test]
    fn a_json_line_has_the_documented_keys() {
        let figures = Figures { actors: 100, spawn_ns: 1.0, bytes: 2.0, hop_ns: 3.0, ask_ns: 4.0 };
        assert_eq!(
            json_line(Subject::TokioMpsc, 3, figures),
            r#"{"peer":"tokio-mpsc","rounds":3,"actors":100,"spawn_ns":1.0,"bytes":2.0,"hop_ns":3.0,"ask_ns":4.0}"#
        );
    }
}
