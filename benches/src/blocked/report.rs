//! The figures as a table and as JSON lines.

use serde::Serialize;

use super::{By, Got, Measured, Runtime};

/// What one peer's actor, or the endpoint beside it, did while handlers blocked every worker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    peer: &'static str,
    runtime: &'static str,
    blocked_by: &'static str,
    kind: &'static str,
    asks: u64,
    answered: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl Figures {
    /// The two rows of one measurement.
    pub fn of(peer: &'static str, runtime: Runtime, by: By, measured: &Measured) -> [Self; 2] {
        [("actor", &measured.actor), ("http", &measured.http)].map(|(kind, got)| Figures {
            peer,
            runtime: runtime.name(),
            blocked_by: by.name(),
            kind,
            asks: got.asks,
            answered: got.latency_us.len(),
            p50_ms: quantile(got, 0.5),
            p99_ms: quantile(got, 0.99),
        })
    }

    /// As a JSON object on a line.
    pub fn json_line(&self) -> String {
        serde_json::to_string(self).expect("names and numbers are JSON")
    }

    /// As a row of the table.
    pub fn row(&self) -> String {
        let Figures { peer, runtime, blocked_by, kind, asks, answered, .. } = self;
        let [p50, p99] =
            [self.p50_ms, self.p99_ms].map(|ms| ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.2}")));
        format!("{blocked_by:<11} {kind:<6} {peer:<12} {runtime:<8} {asks:>6} {answered:>9} {p50:>9} {p99:>9}\n")
    }
}

/// The columns of the table.
pub const HEAD: &str = "blocked by  kind   peer         runtime    asks  answered    p50 ms    p99 ms\n";

fn quantile(got: &Got, quantile: f64) -> Option<f64> {
    (!got.latency_us.is_empty()).then(|| got.latency_us.value_at_quantile(quantile) as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_documented_keys_and_says_null_where_nobody_answered() {
        let mut measured = Measured::default();
        (measured.actor.asks, measured.http.asks) = (2, 1);
        measured.actor.latency_us.record(1_500).expect("it fits");
        let [actor, http] = Figures::of("somebody", Runtime::Own, By::Spin, &measured);
        assert_eq!(
            actor.json_line(),
            r#"{"peer":"somebody","runtime":"own","blocked_by":"spin","kind":"actor","asks":2,"answered":1,"p50_ms":1.5,"p99_ms":1.5}"#
        );
        assert!(http.json_line().ends_with(r#""asks":1,"answered":0,"p50_ms":null,"p99_ms":null}"#));
        assert_eq!(http.row().split_whitespace().last(), Some("–"));
    }
}
