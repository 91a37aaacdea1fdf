//! How the requests of a step ended.

use std::time::Duration;

use hdrhistogram::Histogram;
use hyper::StatusCode;
use serde::Deserialize;

use crate::client::Answer;

/// An answer that comes later than this after its request should have been sent is no use to anyone.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);

/// An order the service said it has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) id: u64,
    pub(crate) customer: String,
}

/// How many requests ended how.
pub(crate) struct Tally {
    pub(crate) good: u64,
    /// Answered well, too late; or given up unsent because no connection was free in time.
    pub(crate) late: u64,
    /// Told to come back later.
    pub(crate) refused: u64,
    /// Anything else: a broken connection, no answer, an error.
    pub(crate) failed: u64,
    /// Of the good answers, in microseconds, from when the request should have been sent.
    pub(crate) latency: Histogram<u64>,
    pub(crate) accepted: Vec<Accepted>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, 10_000_000, 3).expect("the bounds are in order");
        Self { good: 0, late: 0, refused: 0, failed: 0, latency, accepted: Vec::new() }
    }

    pub(crate) fn ended(&self) -> u64 {
        self.good + self.late + self.refused + self.failed
    }

    pub(crate) fn answered(&mut self, answer: &Answer, after: Duration, customer: Option<String>) {
        if answer.status == StatusCode::CREATED {
            self.accept(answer, customer);
        }
        // "Sold out" is a good answer: the customer knows.
        if answer.status.is_success() || answer.status == StatusCode::CONFLICT {
            if after > DEADLINE {
                self.late += 1;
            } else {
                self.good += 1;
                self.latency.saturating_record(after.as_micros() as u64);
            }
        } else if answer.retry_after {
            self.refused += 1;
        } else {
            self.failed += 1;
        }
    }

    fn accept(&mut self, answer: &Answer, customer: Option<String>) {
        #[derive(Deserialize)]
        struct Receipt {
            order: u64,
        }
        if let (Ok(Receipt { order: id }), Some(customer)) = (serde_json::from_slice(&answer.body), customer) {
            self.accepted.push(Accepted { id, customer });
        }
    }

    /// A latency in milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: bool, body: &'static str) -> Answer {
        Answer { status: StatusCode::from_u16(status).expect("a status"), retry_after, body: body.into() }
    }

    #[test]
    fn an_accepted_order_is_remembered_even_if_its_answer_was_late() {
        let mut tally = Tally::new();
        let late = DEADLINE + Duration::from_millis(1);
        tally.answered(&answer(201, false, r#"{"order":7,"status":"accepted"}"#), late, Some("guest".to_owned()));
        assert_eq!((tally.good, tally.late), (0, 1));
        assert_eq!(tally.accepted, [Accepted { id: 7, customer: "guest".to_owned() }]);
    }

    #[test]
    fn a_refusal_says_when_to_come_back_and_everything_else_is_a_failure() {
        let mut tally = Tally::new();
        tally.answered(&answer(429, true, ""), Duration::ZERO, None);
        tally.answered(&answer(503, true, ""), Duration::ZERO, None);
        tally.answered(&answer(503, false, ""), Duration::ZERO, None);
        tally.answered(&answer(409, false, ""), Duration::ZERO, None);
        assert_eq!((tally.good, tally.refused, tally.failed), (1, 2, 1));
    }
}
