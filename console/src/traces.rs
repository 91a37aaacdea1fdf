//! The trace of a connection: what is asked of it, and that it ends with it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crashworthy_runtime::{Trace, TraceError, TraceRead, TraceRecord, TraceSpec, millis};
use serde::{Deserialize, Serialize};

use crate::inspector::Inspector;
use crate::protocol::{Code, Outcome, Refusal, Response, TraceQuery, TraceView, Traced, Untraced};
use crate::wire::{line, refusal};

/// How much of a system's messages may be traced, whatever a client asks for. A client has to ask for some count, rate and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLimits {
    /// Messages of one trace: 1,000, and no limit allows more.
    pub count: u32,
    /// Messages of one trace in any one second: 100, and no limit allows more.
    pub rate: u32,
    /// How long a trace may last: 60 s, and no limit allows more.
    #[serde(rename = "within_ms", with = "millis")]
    pub within: Duration,
    /// Traces at a time, of all connections.
    pub at_once: usize,
}

impl Default for TraceLimits {
    fn default() -> Self {
        Self { count: TraceSpec::COUNT, rate: TraceSpec::RATE, within: TraceSpec::WITHIN, at_once: 4 }
    }
}

impl TraceLimits {
    /// What is a number, with its range.
    pub(crate) fn numbers(&self) -> [(&'static str, usize, std::ops::RangeInclusive<usize>); 3] {
        [
            ("messages of a trace", self.count as usize, 1..=TraceSpec::COUNT as usize),
            ("messages of a trace a second", self.rate as usize, 1..=TraceSpec::RATE as usize),
            ("traces", self.at_once, 1..=TraceSpec::AT_ONCE),
        ]
    }

    /// What a client asks for, if it says all that has to be said and it is not too much.
    fn spec(&self, query: TraceQuery) -> Result<TraceSpec, Refusal> {
        let TraceQuery { actors, messages, count, rate, within } = query;
        let ms = |time: Duration| u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let spec = TraceSpec {
            whom: actors,
            messages,
            count: said("count", count, self.count.into(), u64::from)?,
            rate: said("rate", rate, self.rate.into(), u64::from)?,
            within: said("within_ms", within, ms(self.within), ms)?,
        };
        match spec.whom.is_empty() {
            true => Err(Refusal::new(Code::BadArguments, "trace: no actors are named: `*` is all of them")),
            false => Ok(spec),
        }
    }
}

/// A number that has to be said, and may not be too large.
fn said<T: Copy>(name: &str, value: Option<T>, most: u64, number: impl Fn(T) -> u64) -> Result<T, Refusal> {
    let Some(value) = value else {
        let why = format!("trace: `{name}` is missing: it has to be said, from 1 to {most}");
        return Err(Refusal::new(Code::BadArguments, why));
    };
    match number(value) {
        asked if (1..=most).contains(&asked) => Ok(value),
        asked => Err(Refusal::new(Code::BeyondLimits, format!("trace: `{name}` is {asked}, allowed are 1 to {most}"))),
    }
}

/// Who has a place for a trace, and when it ends at the latest: nobody keeps one for a trace that has ended and is not read.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<Vec<(Weak<Place>, Duration)>>);

/// One of them, while this is there.
#[derive(Debug)]
pub(crate) struct Place;

impl Places {
    /// A place until then, if fewer than so many are taken.
    fn take(&self, most: usize, now: Duration, ends: Duration) -> Option<Arc<Place>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|(place, ends)| place.strong_count() > 0 && *ends > now);
        let place = (taken.len() < most).then(|| Arc::new(Place))?;
        taken.push((Arc::downgrade(&place), ends));
        Some(place)
    }
}

/// What one connection traces.
pub(crate) struct Tracer {
    inspector: Arc<Inspector>,
    current: Option<Current>,
}

/// A trace, and what was read of it.
struct Current {
    trace: Trace,
    /// Records that did not fit into the last answer.
    rest: VecDeque<TraceRecord>,
    lost: u64,
    _place: Arc<Place>,
}

impl Current {
    /// What the trace says; its records are put with the rest.
    fn read(&mut self) -> TraceRead {
        let mut read = self.trace.read();
        self.rest.append(&mut std::mem::take(&mut read.records).into());
        let surplus = self.rest.len().saturating_sub(2 * TraceSpec::UNREAD);
        self.rest.drain(..surplus);
        self.lost += surplus as u64;
        read
    }
}

impl Tracer {
    pub(crate) fn new(inspector: Arc<Inspector>) -> Self {
        Self { inspector, current: None }
    }

    /// Begins a trace.
    pub(crate) fn trace(&mut self, query: TraceQuery) -> Result<TraceView, Refusal> {
        let (system, picture) = self.inspector.look()?;
        let limits = &self.inspector.limits().trace;
        let mut spec = limits.spec(query)?;
        // The runtime knows the names of the tree; of whom a registered one means it is told the path.
        for pattern in &mut spec.whom {
            if let Ok(place) = picture.find(pattern)
                && picture.registered(place) == Some(pattern)
            {
                *pattern = picture.path(place);
            }
        }
        if self.current.is_some() {
            let why = "this connection traces already: `untrace` ends that, and so does its end, once it is told";
            return Err(Refusal::new(Code::TracesAlready, why));
        }
        let too_many = || Refusal::new(Code::TooMany, format!("trace: there are {} traces already", limits.at_once));
        let now = system.now();
        let place = self.inspector.traces.take(limits.at_once, now, now + spec.within).ok_or_else(too_many)?;
        let trace = system.trace(spec).map_err(|error| Refusal::new(code(&error), error.to_string()))?;
        let mut current = Current { trace, rest: VecDeque::new(), lost: 0, _place: place };
        let actors = current.read().actors;
        self.current = Some(current);
        Ok(TraceView { at: system.now(), actors })
    }

    /// What was traced, as a line: as much of it as an answer holds.
    pub(crate) fn traced(&mut self, id: u64) -> Vec<u8> {
        let now = match self.inspector.held() {
            Ok(system) => system.now(),
            Err(why) => return refusal(Some(id), why),
        };
        let Some(current) = &mut self.current else { return refusal(Some(id), no_trace()) };
        let limits = self.inspector.limits();
        let TraceRead { taken, in_hand, withheld, lost, actors, left_out, end, .. } = current.read();
        let mut most = limits.rows;
        loop {
            let records: Vec<_> = current.rest.iter().take(most).cloned().collect();
            let told = records.len();
            let is_all = told == current.rest.len();
            let (lost, end) = (lost + current.lost, end.filter(|_| is_all));
            let traced = Traced { at: now, records, taken, in_hand, withheld, lost, actors, left_out, end };
            match line(&Response { id: Some(id), outcome: Outcome::Ok(traced) }, limits.answer) {
                Ok(line) => {
                    current.rest.drain(..told);
                    if end.is_some() {
                        self.current = None;
                    }
                    return line;
                }
                Err(_) if told == 0 => return refusal(Some(id), self.inspector.too_long()),
                Err(_) if told == 1 => {
                    // Not even one fits.
                    current.lost += 1;
                    current.rest.pop_front();
                }
                Err(_) => most = told / 2,
            }
        }
    }

    /// Ends the trace.
    pub(crate) fn untrace(&mut self) -> Result<Untraced, Refusal> {
        self.inspector.held()?;
        let mut current = self.current.take().ok_or_else(no_trace)?;
        let TraceRead { taken, withheld, lost, .. } = current.read();
        Ok(Untraced { taken, withheld, lost: lost + current.lost + current.rest.len() as u64 })
    }
}

fn no_trace() -> Refusal {
    Refusal::new(Code::NoTrace, "this connection traces nothing: there was no `trace`, or its end was told")
}

fn code(error: &TraceError) -> Code {
    match error {
        TraceError::OutOfRange { .. } => Code::BeyondLimits,
        TraceError::Pattern { .. } => Code::BadArguments,
        _ => Code::TooMany,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(count: Option<u32>, rate: Option<u32>, seconds: Option<u64>) -> Result<TraceSpec, (Code, String)> {
        let within = seconds.map(Duration::from_secs);
        let query = TraceQuery { actors: vec!["*".into()], messages: vec![], count, rate, within };
        TraceLimits::default().spec(query).map_err(|why| (why.code, why.message))
    }

    #[test]
    fn a_place_is_free_again_when_its_trace_has_gone_or_must_have_ended() {
        let (places, at) = (Places::default(), Duration::from_secs);
        let (first, second) = (places.take(2, at(0), at(60)).unwrap(), places.take(2, at(0), at(10)).unwrap());
        assert!(places.take(2, at(9), at(60)).is_none());
        let third = places.take(2, at(10), at(60)).expect("the second has ended, although nobody has read so");
        assert!(places.take(2, at(10), at(60)).is_none());
        drop((first, second));
        assert!(places.take(2, at(10), at(60)).is_some());
        drop(third);
    }

    #[test]
    fn count_rate_and_time_have_to_be_said_and_may_not_be_too_large() {
        let good = asked(Some(1_000), Some(100), Some(60)).unwrap();
        assert_eq!((good.count, good.rate, good.within), (1_000, 100, Duration::from_secs(60)));
        let missing = [
            (asked(None, Some(1), Some(1)), "trace: `count` is missing: it has to be said, from 1 to 1000"),
            (asked(Some(1), None, Some(1)), "trace: `rate` is missing: it has to be said, from 1 to 100"),
            (asked(Some(1), Some(1), None), "trace: `within_ms` is missing: it has to be said, from 1 to 60000"),
        ];
        for (asked, why) in missing {
            assert_eq!(asked.unwrap_err(), (Code::BadArguments, why.to_owned()));
        }
        let beyond = [
            (asked(Some(1_001), Some(1), Some(1)), "trace: `count` is 1001, allowed are 1 to 1000"),
            (asked(Some(1), Some(0), Some(1)), "trace: `rate` is 0, allowed are 1 to 100"),
            (asked(Some(1), Some(1), Some(61)), "trace: `within_ms` is 61000, allowed are 1 to 60000"),
        ];
        for (asked, why) in beyond {
            assert_eq!(asked.unwrap_err(), (Code::BeyondLimits, why.to_owned()));
        }
    }
}
