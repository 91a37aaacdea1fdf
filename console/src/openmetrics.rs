//! Figures as text that Prometheus reads: in the format of OpenMetrics, or in its own that is older.

use std::collections::BTreeMap;
use std::fmt;

use crashworthy_runtime::Law;
use crashworthy_runtime::scheduler::PoolKind;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde::Serialize;
use serde_json::Value;

use crate::protocol::{KindMetrics, Metrics, PoolView, Pools, SourceView, SystemView};

/// The media type of such text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The answer to `metrics` as text.
pub fn text(metrics: &Metrics) -> String {
    let mut registry = Registry::with_prefix("crashworthy");
    registry.register_collector(Box::new(Figures(metrics.clone())));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes all that is written");
    text
}

/// The media type of text in the older format.
pub const PROMETHEUS_MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The same in the older format of Prometheus, for whoever does not ask for OpenMetrics: a counter's family has the name of its samples,
/// and nothing says that the text is complete.
pub fn prometheus(metrics: &Metrics) -> String {
    let (text, mut older) = (text(metrics), String::new());
    // A family begins with a line that says what it is, and then one that says of what type.
    let mut help = "";
    for line in text.lines().filter(|line| *line != "# EOF") {
        let of_family = |line: &str, total: &str| match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
            [mark, what, name, said] => format!("{mark} {what} {name}{total} {said}\n"),
            _ => format!("{line}\n"),
        };
        if line.starts_with("# HELP ") {
            help = line;
        } else if line.starts_with("# TYPE ") {
            let total = if line.ends_with(" counter") { "_total" } else { "" };
            older += &of_family(std::mem::take(&mut help), total);
            older += &of_family(line, total);
        } else {
            older += line;
            older.push('\n');
        }
    }
    older
}

#[derive(Debug)]
struct Figures(Metrics);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Metrics { system, kinds, total, .. } = &self.0;
        let mut out = Encoder { encoder: &mut encoder, system: &system.name };
        out.of_system(system)?;
        out.of_pools(&system.pools)?;
        out.of_sources(&system.sources)?;
        out.gauge("kinds", "Types of actors, told or not", [(Vec::new(), *total as u64)])?;
        out.of_kinds(kinds)
    }
}

/// One label.
type Label<'a> = (&'static str, &'a str);
/// A figure, with its labels besides the system's.
type Figure<'a> = (Vec<Label<'a>>, u64);

struct Encoder<'a, 'e> {
    encoder: &'a mut DescriptorEncoder<'e>,
    system: &'a str,
}

impl Encoder<'_, '_> {
    fn of_system(&mut self, of: &SystemView) -> fmt::Result {
        let one = |value: u64| [(Vec::new(), value)];
        self.gauge("uptime_seconds", "How long the system has run", one(of.at.as_secs()))?;
        self.gauge("timers", "Timers that are armed", one(of.timers as u64))?;
        self.gauge("runnable", "Actors that wait for a turn, and pumps that are not idle", one(of.runnable as u64))?;
        self.gauge("stragglers", "Abandoned turns that still block a thread", one(of.stragglers.len() as u64))?;
        self.counter("turns", "Turns taken", one(of.turns))?;
        self.counter("crashes", "Incarnations that crashed", one(of.crashes))?;
        self.counter("dead_letters", "Messages that nobody handled", one(of.dead_letters))?;
        let own =
            "Own messages (ticks, results of pipes) of incarnations that had ended: undelivered, and no dead letters";
        self.counter("own_messages_undelivered", own, one(of.own_undelivered))?;
        self.counter("reports_withheld", "Reports withheld from the log by its rate limit", one(of.reports_withheld))
    }

    /// Of each pool the sum of its workers; of actors that are alone on a thread the sum of all, who are told apart by
    /// nothing but who they are.
    fn of_pools(&mut self, pools: &Pools) -> fmt::Result {
        let mut alike = BTreeMap::<[&str; 2], Vec<&PoolView>>::new();
        for pool in &pools.first {
            let labels = match pool.kind {
                PoolKind::Bulkhead => ["bulkhead", pool.name.as_str()],
                PoolKind::Own => ["own", "own"],
                _ => ["system", pool.name.as_str()],
            };
            alike.entry(labels).or_default().push(pool);
        }
        let each = |value: fn(&PoolView) -> u64| {
            let sum = move |pools: &[&PoolView]| pools.iter().map(|pool| value(pool)).sum();
            alike.iter().map(move |(&[of, pool], pools)| (vec![("of", of), ("pool", pool)], sum(pools)))
        };
        self.gauge("pools", "Pools of workers, told or not", [(Vec::new(), pools.total as u64)])?;
        self.gauge("pool_workers", "Workers, which take the turns of actors", each(|of| of.total as u64))?;
        self.gauge("pool_workers_in_turn", "Workers that are in a turn", each(|of| of.in_turn as u64))?;
        self.gauge("pool_waiting", "Actors that wait for a turn", each(|of| of.queued as u64))?;
        let rescuers = "Threads that take turns because handlers block every worker";
        self.gauge("pool_rescuers", rescuers, each(|of| of.rescuers as u64))?;
        self.counter("pool_rescues", "Threads that have done so", each(|of| of.rescues))?;
        self.counter("pool_turns", "Turns taken", each(|of| of.turns))
    }

    /// What the service tells of itself: at most 64, each with a name of its own.
    fn of_sources(&mut self, sources: &[SourceView]) -> fmt::Result {
        let labels = |of: &SourceView| vec![("sort", of.sort.name().to_owned()), ("source", of.name.clone())];
        let serve = sources.iter().map(|of| (labels(of), u64::from(of.serves)));
        self.family(
            "source_serves",
            "Whether it does what it is there for: a breaker that is open does not",
            MetricType::Gauge,
            serve,
            ConstGauge::new,
        )?;
        let figures = sources.iter().flat_map(|of| {
            let numbers = of.figures.iter().filter_map(|(name, value)| Some((name, value.as_f64()?)));
            numbers.map(|(name, value)| ([labels(of), vec![("figure", name.clone())]].concat(), value))
        });
        self.family("source_figure", "What it tells of itself, by name", MetricType::Gauge, figures, ConstGauge::new)
    }

    fn of_kinds(&mut self, kinds: &[KindMetrics]) -> fmt::Result {
        let states: Vec<_> = kinds
            .iter()
            .flat_map(|of| of.states.iter().map(move |known| (of, word(&known.state), known.actors as u64)))
            .collect();
        let states = states.iter().map(|(of, state, actors)| (vec![kind(of), ("state", state.as_str())], *actors));
        self.gauge("actors", "Actors by type and state", states)?;
        let gates = kinds.iter().flat_map(|of| {
            of.gates.iter().map(move |known| (vec![kind(of), ("gate", known.gate.name())], known.actors as u64))
        });
        self.gauge("gates", "Actors by type and what their gates are to new messages", gates)?;
        self.gauge("busy", "Actors that have something in hand", each(kinds, |of| of.busy as u64))?;
        self.gauge("mailbox_depth", "Messages queued and places promised", each(kinds, |of| of.depth))?;
        // Gauges: with an actor that goes, what it has counted goes.
        self.gauge("restarts", "Restarts of the actors that are there", each(kinds, |of| of.restarts))?;
        self.gauge("messages_accepted", "Messages that they have taken in", each(kinds, |of| of.law.accepted))?;
        let ends = kinds.iter().flat_map(|of| ends(&of.law).map(|(end, count)| (vec![kind(of), ("end", end)], count)));
        self.gauge("messages_ended", "Their messages by how they ended", ends)?;
        let refused: Vec<_> = kinds
            .iter()
            .flat_map(|of| of.refusals.iter().map(move |refused| (of, refused, word(&refused.criticality))))
            .collect();
        let refused = refused.iter().map(|(of, refused, criticality)| {
            (vec![kind(of), ("reason", &refused.reason), ("criticality", criticality.as_str())], refused.count)
        });
        self.gauge("refused", "Messages that they have refused", refused)
    }

    fn gauge<'l>(&mut self, name: &str, help: &str, figures: impl IntoIterator<Item = Figure<'l>>) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, figures, ConstGauge::new)
    }

    fn counter<'l>(&mut self, name: &str, help: &str, figures: impl IntoIterator<Item = Figure<'l>>) -> fmt::Result {
        self.family(name, help, MetricType::Counter, figures, ConstCounter::new)
    }

    fn family<L: AsRef<str>, V, M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        figures: impl IntoIterator<Item = (Vec<(&'static str, L)>, V)>,
        metric: impl Fn(V) -> M,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in figures {
            let labels = labels.iter().map(|(name, value)| (*name, value.as_ref()));
            let labels: Vec<_> = [("system", self.system)].into_iter().chain(labels).collect();
            metric(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn kind(of: &KindMetrics) -> Label<'_> {
    ("kind", &of.kind)
}

/// A figure of each type.
fn each(kinds: &[KindMetrics], figure: impl Fn(&KindMetrics) -> u64) -> impl Iterator<Item = Figure<'_>> {
    kinds.iter().map(move |of| (vec![kind(of)], figure(of)))
}

fn ends(law: &Law) -> [(&'static str, u64); 6] {
    [
        ("handled", law.handled),
        ("expired", law.expired),
        ("cancelled", law.cancelled),
        ("displaced", law.displaced),
        ("undelivered", law.undelivered),
        ("given_up", law.given_up),
    ]
}

/// The name of a value, as it is on the wire.
fn word(of: &impl Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// A system with one actor type, whose names are as bad as can be.
    fn hostile() -> Metrics {
        let name = "a\"b\\c\nd\u{1f980}";
        let law = json!({ "accepted": 9, "handled": 2, "expired": 1, "cancelled": 1, "displaced": 1, "undelivered": 1,
            "given_up": 1, "in_hand": 1, "queued": 1 });
        let reports =
            json!({ "start_error": 0, "child_terminated": 0, "shutdown": 0, "shutdown_error": 0, "progress": 0 });
        let pool = |of: &str, name: &str| {
            json!({ "kind": of, "name": name, "total": 2, "workers": [], "in_turn": 1, "queued": 3, "turns": 7,
                "rescuers": 0, "rescues": 1, "closed": false })
        };
        // A bulkhead may be called as its system is, and actors as others were before them.
        let own = ["system", "bulkhead"].map(|of| pool(of, name));
        let pools = [own.as_slice(), &["shop/a", "shop/a", "shop/b"].map(|path| pool("own", path))].concat();
        let sources = json!([{ "name": name, "sort": "breaker", "critical": true, "serves": false, "state": name,
            "figures": { name: 2.5, "none": null } }]);
        let kind = json!({ "kind": name, "busy": 1, "depth": 2, "restarts": 3, "law": law,
            "states": [{ "state": "running", "actors": 2 }, { "state": "restarting", "actors": 1 }],
            "gates": [{ "gate": "open", "actors": 3 }],
            "refusals": [{ "reason": "full", "criticality": "critical", "count": 5 }] });
        let other = json!({ "kind": "b", "busy": 0, "depth": 0, "restarts": 0, "law": law, "states": [], "gates": [],
            "refusals": [] });
        serde_json::from_value(json!({ "at_ms": 1500, "total": 2, "kinds": [kind, other], "system": {
            "name": name, "process": 1, "at_ms": 1500, "actors": 3, "busy": 1, "queued": 2, "crashes": 4, "reports": reports,
            "reports_withheld": 0, "dead_letters": 2, "stragglers": [], "timers": 0, "names": 0, "memberships": 0,
            "runnable": 0, "turns": 7, "pools": { "total": 5, "first": pools }, "sources": sources } }))
        .expect("they are figures")
    }

    fn is_name(name: &str) -> bool {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    /// The names of the labels in `a="…",b="…"}`, and what comes behind.
    fn labels(mut text: &str) -> (Vec<&str>, &str) {
        let mut names = Vec::new();
        loop {
            let (name, rest) = text.split_once("=\"").expect("a label has a value");
            assert!(is_name(name), "{name}");
            names.push(name);
            let mut is_escaped = false;
            let end = rest.find(|letter: char| match letter {
                '"' if !is_escaped => true,
                _ if is_escaped => {
                    assert!(['"', '\\', 'n'].contains(&letter), "{letter} is not to be escaped");
                    is_escaped = false;
                    false
                }
                _ => {
                    is_escaped = letter == '\\';
                    false
                }
            });
            text = &rest[end.expect("a value ends") + 1..];
            match text.split_at(1) {
                (",", rest) => text = rest,
                ("}", rest) => return (names, rest),
                _ => panic!("{text}"),
            }
        }
    }

    /// Holds a text against what OpenMetrics 1.0 and the text format of Prometheus both demand.
    fn lint(text: &str) {
        let body = text.strip_suffix("# EOF\n").expect("it says that it is complete");
        let (mut families, mut samples) = (BTreeSet::new(), BTreeSet::new());
        let (mut family, mut is_counter, mut has_help) = ("", false, false);
        for line in body.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, said) = help.split_once(' ').expect("a help says something");
                assert!(
                    is_name(name) && !said.is_empty() && families.insert(name),
                    "{name} comes once, all of it together"
                );
                (family, has_help) = (name, true);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a type is named");
                assert!(has_help && name == family && ["gauge", "counter"].contains(&kind), "{line}");
                (is_counter, has_help) = (kind == "counter", false);
            } else {
                let (name, rest) = line.split_once('{').expect("everything is of a system");
                let own = if is_counter { format!("{family}_total") } else { family.to_owned() };
                assert_eq!(name, own, "a counter is a total, and a gauge is none: {line}");
                assert!(is_counter || !name.ends_with("_total"));
                let (labels, value) = labels(rest);
                let distinct: BTreeSet<_> = labels.iter().collect();
                assert_eq!((labels[0], distinct.len()), ("system", labels.len()), "{line}");
                let known = [
                    "system",
                    "kind",
                    "of",
                    "pool",
                    "sort",
                    "source",
                    "figure",
                    "state",
                    "gate",
                    "end",
                    "reason",
                    "criticality",
                ];
                assert!(labels.iter().all(|label| known.contains(label)), "nothing of an instance: {line}");
                let value = value.strip_prefix(' ').expect("a space, and a value");
                assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}");
                assert!(samples.insert(line.rsplit_once(' ').expect("as before").0), "{line} comes twice");
            }
        }
        assert!(families.len() > 20 && samples.len() > families.len(), "{families:?}");
    }

    #[test]
    fn in_the_older_format_families_have_the_names_of_their_samples() {
        let (text, older) = (text(&hostile()), prometheus(&hostile()));
        let families: BTreeSet<_> = older.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert!(
            families.contains("crashworthy_crashes_total counter") && families.contains("crashworthy_timers gauge")
        );
        let mut family = "";
        for line in older.lines() {
            match line.strip_prefix("# ").map(|said| said.split(' ').collect::<Vec<_>>()) {
                Some(said) => {
                    assert!(["HELP", "TYPE"].contains(&said[0]) && said.len() > 2, "{line}");
                    assert!(said[0] == "HELP" || said[1] == family, "{line}");
                    family = line.split(' ').nth(2).expect("a name");
                }
                None => assert_eq!(line.split_once('{').expect("everything is of a system").0, family),
            }
        }
        let samples =
            |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(samples(&text), samples(&older));
        assert_eq!(text.matches("# HELP").count(), older.matches("# HELP").count());
    }

    #[test]
    fn whatever_names_are_the_text_is_well_formed() {
        let text = text(&hostile());
        lint(&text);
        for line in [
            "crashworthy_pool_turns_total{system=\"a\\\"b\\\\c\\nd\u{1f980}\",of=\"bulkhead\",pool=\"a\\\"b\\\\c\\nd\u{1f980}\"} 7\n",
            "crashworthy_pool_turns_total{system=\"a\\\"b\\\\c\\nd\u{1f980}\",of=\"own\",pool=\"own\"} 21\n",
            "crashworthy_messages_ended{system=\"a\\\"b\\\\c\\nd\u{1f980}\",kind=\"b\",end=\"expired\"} 1\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
