//! The figures as a table and as JSON lines.

use serde::Serialize;

use super::scene::Scene;
use super::tally::{Answers, Turn};

/// What one turn has shown, as a JSON line says it. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    scenario: &'static str,
    law: &'static str,
    load: f64,
    peer: &'static str,
    /// If it is of the calls of one class, or of one party, alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    /// Calls answered in time, as a share of the capacity.
    goodput: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    /// Shares of the calls.
    refused: f64,
    timed_out: f64,
    /// A share of the requests that were served.
    wasted: Option<f64>,
    rss_growth_mb: f64,
    recovered_ms: Option<f64>,
    /// Requests that were served, in time or not, as a share of the capacity: what a contestant leaves of it.
    #[serde(skip)]
    served: Option<f64>,
    #[serde(skip)]
    stalled: f64,
    #[serde(skip)]
    lateness_ms: [f64; 2],
}

impl Figures {
    /// The figures of a turn: of all calls, and of those of each class if there is more than one.
    pub fn of(scene: &Scene, peer: &'static str, turn: &Turn) -> Vec<Self> {
        let all = Self::new(scene, peer, turn, None, &turn.all);
        let classes = scene.scenario.parties().names().iter().zip(&turn.classes);
        let classes = classes.map(|(class, answers)| Self::new(scene, peer, turn, Some(class), answers));
        [all].into_iter().chain(classes).collect()
    }

    fn new(scene: &Scene, peer: &'static str, turn: &Turn, class: Option<&'static str>, answers: &Answers) -> Self {
        let Turn { served, in_vain, .. } = turn;
        let Answers { calls, goodput, p50_ms, p99_ms } = answers;
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        let of_calls = |part| share(part, calls.offered).unwrap_or(0.0);
        Figures {
            scenario: scene.scenario.name(),
            law: scene.law.name(),
            load: scene.load,
            peer,
            class,
            goodput: *goodput,
            p50_ms: *p50_ms,
            p99_ms: *p99_ms,
            refused: of_calls(calls.refused),
            timed_out: of_calls(calls.timed_out + calls.late),
            wasted: share(*in_vain, *served).filter(|_| class.is_none()),
            rss_growth_mb: turn.rss_growth_mb,
            recovered_ms: turn.recovered_ms,
            served: Some(turn.served_share).filter(|_| class.is_none()),
            stalled: turn.stalled,
            lateness_ms: [turn.lateness_p99_ms, turn.lateness_max_ms],
        }
    }

    /// As a JSON object on a line.
    pub fn json_line(&self) -> String {
        serde_json::to_string(self).expect("names and numbers are JSON")
    }

    /// As a row of the table.
    pub fn row(&self) -> String {
        let Figures { scenario, law, load, peer, class, goodput, refused, timed_out, rss_growth_mb, stalled, .. } =
            self;
        let [p50, p99] = [self.p50_ms, self.p99_ms].map(|ms| number(ms, 2));
        let [served, wasted] = [number(self.served, 3), number(self.wasted, 4)];
        let recovered = number(self.recovered_ms, 0);
        let [late, latest] = self.lateness_ms;
        let (scenario, peer) = class.map_or((*scenario, *peer), |class| ("", class));
        format!(
            "{scenario:<11} {law:<8} {load:>5} {peer:<12} {goodput:>8.3} {served:>8} {p50:>7} {p99:>7} {refused:>8.3} {timed_out:>9.3} \
             {wasted:>7} {rss_growth_mb:>7.1} {recovered:>9} {stalled:>8.3} {late:>7.2} {latest:>6.1}\n"
        )
    }
}

/// The columns of the table.
pub const HEAD: &str = "\
scenario    law       load peer          goodput   served  p50 ms  p99 ms  refused timed out  wasted  rss MB recovered  stalled    generator
                                        of capac. of capac.                of calls of calls of served               ms of time late p99    max\n";

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::law::Law;
    use super::super::scene::Scenario;
    use super::super::tally::Calls;
    use super::*;
    use crate::versus::roster::OURS;

    fn scene() -> Scene {
        Scene {
            scenario: Scenario::Steady,
            law: Law::Exp,
            load: 2.0,
            deadline: Duration::from_millis(50),
            lasts: Duration::from_secs(1),
            seed: 1,
        }
    }

    fn turn(calls: Calls, served: u64) -> Turn {
        Turn {
            all: Answers { calls, goodput: 0.5, p50_ms: None, p99_ms: Some(9.5) },
            classes: Vec::new(),
            served,
            in_vain: served / 4,
            fallen: false,
            served_share: 0.6,
            rss_growth_mb: 1.5,
            recovered_ms: None,
            stalled: 0.0,
            lateness_p99_ms: 0.1,
            lateness_max_ms: 1.0,
        }
    }

    #[test]
    fn a_json_line_has_exactly_the_agreed_fields() {
        let calls = Calls { offered: 200, good: 50, late: 10, refused: 100, timed_out: 40, lost: 0 };
        let [all] = &Figures::of(&scene(), OURS, &turn(calls, 80))[..] else { panic!("there are no classes") };
        assert_eq!(
            all.json_line(),
            "{\"scenario\":\"steady\",\"law\":\"exp\",\"load\":2.0,\"peer\":\"crashworthy\",\"goodput\":0.5,\"p50_ms\":null,\"p99_ms\":9.5,\
             \"refused\":0.5,\"timed_out\":0.25,\"wasted\":0.25,\"rss_growth_mb\":1.5,\"recovered_ms\":null}"
        );
    }

    #[test]
    fn who_served_nothing_has_wasted_nothing() {
        let calls = Calls { offered: 1, refused: 1, ..Calls::default() };
        assert_eq!(Figures::of(&scene(), OURS, &turn(calls, 0))[0].wasted, None);
    }

    #[test]
    fn classes_have_lines_of_their_own_with_their_names() {
        let of_all = turn(Calls { offered: 8, good: 8, ..Calls::default() }, 8);
        let low =
            Answers { calls: Calls { offered: 4, refused: 3, good: 1, ..Calls::default() }, ..of_all.all.clone() };
        let classes = vec![of_all.all.clone(), of_all.all.clone(), of_all.all.clone(), low];
        let figures =
            Figures::of(&Scene { scenario: Scenario::Criticality, ..scene() }, OURS, &Turn { classes, ..of_all });
        let shares = figures.iter().map(|of| (of.class, of.refused, of.wasted)).collect::<Vec<_>>();
        assert_eq!(shares[..2], [(None, 0.0, Some(0.25)), (Some("highest"), 0.0, None)]);
        assert_eq!(shares[4], (Some("low"), 0.75, None));
        assert!(figures[4].json_line().contains("\"class\":\"low\""));
    }
}
