//! Figures in the text format of OpenMetrics, which Prometheus reads.

use std::fmt;

use crashworthy_runtime::Law;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde::Serialize;
use serde_json::Value;

use crate::protocol::{KindMetrics, Metrics, SystemView};

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

#[derive(Debug)]
struct Figures(Metrics);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Metrics { system, kinds, total, .. } = &self.0;
        let mut out = Encoder { encoder: &mut encoder, system: &system.name };
        out.of_system(system)?;
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
        self.counter("reports_withheld", "Reports withheld from the log by its rate limit", one(of.reports_withheld))
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

    fn family<'l, M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        figures: impl IntoIterator<Item = Figure<'l>>,
        metric: impl Fn(u64) -> M,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in figures {
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
