//! The figures as tables and as JSON lines: medians over the rounds, with the least and the greatest.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::echo::Host;
use super::http::{Answers, Asked, Took};
use crate::works::median;

/// What is to be reached, as multiples of what a task of tokio or an actor by hand does in the same rounds.
pub mod goals {
    use super::Answers;

    /// Round trips a second of an actor for each connection: at least.
    pub const ECHO: f64 = 0.9;
    /// The ninety-ninth percentile of a question: at most.
    pub const ASK_P99: f64 = 1.0;

    /// The median of a question: at most.
    pub fn ask_p50(answers: Answers) -> f64 {
        match answers {
            Answers::AtOnce => 0.6,
            Answers::Awaiting => 1.5,
        }
    }
}

/// One value a round.
#[derive(Clone, Debug, Default)]
pub struct Values(pub Vec<f64>);

impl Values {
    fn median(&self) -> f64 {
        median(&mut self.0.clone())
    }

    fn spread(&self) -> String {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{} – {}", number(least), number(most))
    }

    /// What it is of another, round by round: the median.
    fn ratio(&self, other: &Self) -> f64 {
        median(&mut self.0.iter().zip(&other.0).map(|(this, that)| this / that).collect::<Vec<_>>())
    }
}

fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[derive(Serialize)]
struct EchoLine {
    scene: &'static str,
    host: &'static str,
    connections: u64,
    round_trips_per_s: f64,
    ratio: f64,
    rounds: usize,
}

/// The table and the JSON lines of `echo`: of each host, round trips a second in each round.
pub fn echo(connections: u64, hosts: &[(Host, Values)]) -> (String, String) {
    let (mut table, mut lines) = (format!("{ECHO_HEAD}\n"), String::new());
    for (host, values) in hosts {
        let ratio = values.ratio(&hosts[0].1);
        let verdict = match host {
            Host::Task => String::new(),
            _ => format!("  {ratio:.2}  ≥ {}: {}", goals::ECHO, told(ratio >= goals::ECHO)),
        };
        table += &format!("{:<13} {:>13} {:>19}{verdict}\n", host.name(), number(values.median()), values.spread());
        let line = EchoLine {
            scene: "echo",
            host: host.name(),
            connections,
            round_trips_per_s: values.median(),
            ratio,
            rounds: values.0.len(),
        };
        lines += &json(&line);
    }
    (table, lines)
}

const ECHO_HEAD: &str = "connection of  round trips/s           min – max  ratio  goal";

/// What the rounds of one contestant have shown, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Asks {
    ask_p50: Values,
    ask_p99: Values,
    request_p50: Values,
    request_p99: Values,
}

impl Asks {
    /// Adds what a round has shown.
    pub fn add(&mut self, took: &Took) {
        let quantile = |of: &Histogram<u64>, quantile| of.value_at_quantile(quantile) as f64;
        self.ask_p50.0.push(quantile(&took.ask_ns, 0.5));
        self.ask_p99.0.push(quantile(&took.ask_ns, 0.99));
        self.request_p50.0.push(quantile(&took.request_ns, 0.5));
        self.request_p99.0.push(quantile(&took.request_ns, 0.99));
    }
}

#[derive(Serialize)]
struct HttpLine {
    scene: &'static str,
    peer: &'static str,
    answers: &'static str,
    ask_p50_ns: f64,
    ask_p99_ns: f64,
    request_p50_ns: f64,
    request_p99_ns: f64,
    ask_p50_ratio: f64,
    ask_p99_ratio: f64,
    rounds: usize,
}

/// The table and the JSON lines of `http`: of each way to answer, the actor by hand and ours.
pub fn http(rows: &[(Answers, [Asks; 2])]) -> (String, String) {
    let (mut table, mut lines) = (format!("{HTTP_HEAD}\n"), String::new());
    for (answers, both) in rows {
        for (asked, asks) in Asked::ALL.iter().zip(both) {
            let (p50, p99) = (asks.ask_p50.ratio(&both[0].ask_p50), asks.ask_p99.ratio(&both[0].ask_p99));
            table += &format!(
                "{:<9} {:<12} {:>8} {:>16} {:>8} {:>16} {:>11} {:>11}",
                answers.name(),
                asked.name(),
                number(asks.ask_p50.median()),
                asks.ask_p50.spread(),
                number(asks.ask_p99.median()),
                asks.ask_p99.spread(),
                number(asks.request_p50.median() / 1e3),
                number(asks.request_p99.median() / 1e3),
            );
            if *asked == Asked::Ours {
                let goal = goals::ask_p50(*answers);
                let (met, met_99) = (told(p50 <= goal), told(p99 <= goals::ASK_P99));
                table += &format!("  {p50:.2} ≤ {goal}: {met}, {p99:.2} ≤ {}: {met_99}", goals::ASK_P99);
            }
            table.push('\n');
            lines += &json(&HttpLine {
                scene: "http",
                peer: asked.name(),
                answers: answers.name(),
                ask_p50_ns: asks.ask_p50.median(),
                ask_p99_ns: asks.ask_p99.median(),
                request_p50_ns: asks.request_p50.median(),
                request_p99_ns: asks.request_p99.median(),
                ask_p50_ratio: p50,
                ask_p99_ratio: p99,
                rounds: asks.ask_p50.0.len(),
            });
        }
    }
    (table, lines)
}

const HTTP_HEAD: &str = "\
answers   actor          p50 ns        min – max   p99 ns        min – max  request p50         p99  ratios and goals
                      of the question                                                us          us";

fn told(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

fn json(line: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string(line).expect("names and numbers are JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_rounds_and_say_whether_the_goal_is_met() {
        let hosts = [
            (Host::Task, Values(vec![100.0, 200.0, 300.0])),
            (Host::ActorLoop, Values(vec![95.0, 190.0, 30.0])),
            (Host::ActorFrames, Values(vec![50.0, 100.0, 300.0])),
        ];
        let (table, lines) = echo(10, &hosts);
        let row_of = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        assert!(row_of("actor-loop").ends_with("0.95  ≥ 0.9: met"), "{table}");
        assert!(row_of("actor-frames").ends_with("0.50  ≥ 0.9: missed"), "{table}");
        assert!(lines.starts_with(
            r#"{"scene":"echo","host":"task","connections":10,"round_trips_per_s":200.0,"ratio":1.0,"rounds":3}"#
        ));
    }

    #[test]
    fn a_question_that_is_not_run_in_place_may_take_longer_but_not_at_the_ninety_ninth_percentile() {
        let asks = |ns: f64| Asks {
            ask_p50: Values(vec![ns]),
            ask_p99: Values(vec![2.0 * ns]),
            request_p50: Values(vec![5e4]),
            request_p99: Values(vec![9e4]),
        };
        let rows = Answers::ALL.map(|answers| (answers, [asks(100.0), asks(120.0)]));
        let (table, lines) = http(&rows);
        let verdicts: Vec<&str> = table.lines().filter_map(|line| Some(line.split_once("  1.20 ")?.1)).collect();
        assert_eq!(verdicts, ["≤ 0.6: missed, 1.20 ≤ 1: missed", "≤ 1.5: met, 1.20 ≤ 1: missed"], "{table}");
        assert_eq!(lines.lines().count(), 4);
    }
}
