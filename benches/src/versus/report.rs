//! The figures as a table and as JSON lines.

use std::fmt::Write;

use serde::Serialize;

use super::goals;
use super::roster::{Contestant, OURS};
use super::rounds::Figure;
use crate::works::Work;

/// The table: medians, spread, how each compares with the best peer, ours aside, and whether ours reaches its goal.
pub fn table(figures: &[Figure]) -> String {
    let mut text = String::new();
    line(&mut text, ["work", "peer", "median", "min – max", "unit", "to the best peer", "our goal"]);
    for work in Work::all() {
        let rows: Vec<&Figure> = figures.iter().filter(|figure| figure.work == *work).collect();
        let best = best_peer(&rows);
        for (n, figure) in rows.iter().enumerate() {
            let ratio = best.map_or(String::new(), |best| {
                let times = work.unit().ratio(figure.median(), best.median());
                if figure.peer == best.peer { "best".to_owned() } else { format!("{times:.2}x {}", best.peer) }
            });
            let spread = format!("{} – {}", number(figure.min()), number(figure.max()));
            let name = if n == 0 { work.name() } else { "" };
            let goal = if figure.peer == OURS { goals::verdict(*work, figure.median()) } else { String::new() };
            line(&mut text, [name, figure.peer, &number(figure.median()), &spread, work.unit().name(), &ratio, &goal]);
        }
    }
    text.push_str("\nmedians; 2.00x means twice as good, whether more or less is better; goals are for the machine they were set on\n");
    text
}

fn best_peer<'a>(rows: &[&'a Figure]) -> Option<&'a Figure> {
    rows.iter()
        .copied()
        .filter(|figure| figure.peer != OURS)
        .reduce(|best, other| if other.work.unit().ratio(other.median(), best.median()) > 1.0 { other } else { best })
}

fn line(text: &mut String, [work, peer, median, spread, unit, ratio, goal]: [&str; 7]) {
    let line = format!("{work:<14} {peer:<12} {median:>9}  {spread:>19}  {unit:<8} {ratio:<17}  {goal}");
    text.push_str(line.trim_end());
    text.push('\n');
}

/// Three digits or so.
fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A whole number with its thousands apart.
fn grouped(n: u64) -> String {
    if n < 1_000 { n.to_string() } else { format!("{},{:03}", grouped(n / 1_000), n % 1_000) }
}

#[derive(Serialize)]
struct Line {
    work: &'static str,
    peer: &'static str,
    median: f64,
    min: f64,
    max: f64,
    unit: &'static str,
    rounds: usize,
}

/// One JSON object a line, for every figure.
pub fn json_lines(figures: &[Figure]) -> String {
    let mut text = String::new();
    for figure in figures {
        let line = Line {
            work: figure.work.name(),
            peer: figure.peer,
            median: figure.median(),
            min: figure.min(),
            max: figure.max(),
            unit: figure.work.unit().name(),
            rounds: figure.values.len(),
        };
        text.push_str(&serde_json::to_string(&line).expect("names and numbers are JSON"));
        text.push('\n');
    }
    text
}

/// What there is to measure, and who takes part.
pub fn list(contestants: &[Contestant]) -> String {
    let mut text = String::from("Works\n");
    for work in Work::all() {
        let better = if work.unit().more_is_better() { "more is better" } else { "less is better" };
        let threads = match work.workers().count() {
            1 => "one thread".to_owned(),
            n => format!("{n} workers"),
        };
        let round = format!("{} {} a round on {threads}", grouped(work.count()), work.counted());
        writeln!(
            text,
            "  {:<14} {}\n{:<17}{round}; {}, {better}",
            work.name(),
            work.definition(),
            "",
            work.unit().name()
        )
        .expect("a string takes everything");
    }
    text.push_str("\nPeers\n");
    for contestant in contestants {
        let mailbox = if contestant.bounded {
            "bounded mailboxes of 1,024"
        } else {
            "unbounded mailboxes; the senders hold themselves back"
        };
        writeln!(text, "  {:<14} {mailbox}", contestant.name).expect("a string takes everything");
    }
    text.push_str("\nDrivers are tasks of the runtime; nothing is measured in `block_on`. Counts and checksums must agree, or the run fails.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(work: Work, peer: &'static str, values: &[f64]) -> Figure {
        Figure { work, peer, values: values.to_vec() }
    }

    #[test]
    fn a_json_line_has_exactly_the_agreed_fields() {
        let line = json_lines(&[figure(Work::Pingpong, OURS, &[3.0, 1.0, 2.0])]);
        assert_eq!(
            line,
            "{\"work\":\"pingpong\",\"peer\":\"crashworthy\",\"median\":2.0,\"min\":1.0,\"max\":3.0,\"unit\":\"ns\",\"rounds\":3}\n"
        );
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000_020), "1,000,020");
    }

    #[test]
    fn ratios_are_to_the_best_peer_and_above_one_when_better() {
        let rows = [
            figure(Work::Ask, OURS, &[50.0]),
            figure(Work::Ask, "slow", &[400.0]),
            figure(Work::Ask, "fast", &[100.0]),
        ];
        let table = table(&rows);
        let row_of = |peer: &str| table.lines().find(|line| line.contains(peer)).unwrap_or_default().to_owned();
        assert!(row_of(OURS).contains("2.00x fast"), "{table}");
        assert!(row_of("slow").ends_with("0.25x fast"), "{table}");
        assert!(row_of(OURS).ends_with("≤ 80 ns: met"), "the goal stands beside our ratio, and nobody else's: {table}");
    }
}
