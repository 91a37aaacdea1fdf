//! The canonical form of a trace: what OTP leaves unordered is sorted, and nothing else.
//!
//! - R1: a simple_one_for_one supervisor stops its children all at once. The closing run of ends in its subtree, right
//!   before its own, is grouped by direct child; its own `shutdown_error` reports come last, sorted.
//! - R2: a supervisor that is killed stops nothing: its children hear of it through their links while the rest of the
//!   world goes on. What they still do in that step is moved right behind its end, grouped by direct child.
//! - R3: a supervisor that fails to start answers its parent first and exits then. Its end is moved right behind the
//!   last event of its subtree before it.
//!
//! Within a group the order is kept, so that everything OTP does define is compared.

use std::collections::BTreeMap;

use super::scenario::above;
use super::trace::{Event, Trace};

/// An incarnation.
type Life = (String, u64);

/// What is known of the lives so far.
#[derive(Default)]
struct Canon {
    /// The latest incarnation of each supervisor.
    current: BTreeMap<String, u64>,
    dynamic: BTreeMap<Life, bool>,
    parent: BTreeMap<Life, Life>,
}

/// Puts a trace into canonical form.
pub(crate) fn canonical(mut trace: Trace) -> Trace {
    let mut canon = Canon::default();
    for step in &mut trace.steps {
        step.ev = canon.step(std::mem::take(&mut step.ev));
    }
    trace.stop = trace.stop.map(|events| canon.step(events));
    trace.orphans.sort();
    trace
}

fn life(event: &Event) -> Life {
    (event.path.clone(), event.n)
}

impl Canon {
    fn step(&mut self, events: Vec<Event>) -> Vec<Event> {
        self.learn(&events);
        let mut events = self.early_ends(events);
        let mut ends: Vec<(usize, usize, Life, bool)> = Vec::new();
        for (at, event) in events.iter().enumerate().filter(|(_, event)| event.kind == "sup_exit") {
            let depth = event.path.matches('/').count();
            ends.push((depth, at, life(event), event.word() == "killed"));
        }
        ends.sort();
        for (_, _, supervisor, killed) in ends {
            if killed {
                events = self.pull(events, &supervisor);
            }
            if self.dynamic.get(&supervisor) == Some(&true) {
                self.sort_closing(&mut events, &supervisor);
            }
        }
        events
    }

    fn learn(&mut self, events: &[Event]) {
        for event in events {
            if matches!(&*event.kind, "start" | "sup_start" | "nostart") {
                let up = above(&event.path);
                if let Some(n) = self.current.get(up) {
                    self.parent.insert(life(event), (up.to_owned(), *n));
                }
            }
            if event.kind == "sup_start" {
                self.current.insert(event.path.clone(), event.n);
                self.dynamic.insert(life(event), event.word() == "simple_one_for_one");
            }
        }
    }

    /// The direct child of `supervisor` through which this actor descends from it.
    fn child_under(&self, actor: Life, supervisor: &Life) -> Option<Life> {
        let mut seen = actor;
        while let Some(up) = self.parent.get(&seen) {
            if up == supervisor {
                return Some(seen);
            }
            seen = up.clone();
        }
        None
    }

    fn is_below(&self, event: &Event, supervisor: &Life) -> bool {
        self.child_under(life(event), supervisor).is_some()
    }

    fn early_ends(&self, events: Vec<Event>) -> Vec<Event> {
        let mut out: Vec<Event> = Vec::with_capacity(events.len());
        for event in events {
            let supervisor = life(&event);
            let failed = event.kind == "sup_exit" && start_failed(event.word());
            let own = |other: &Event| life(other) == supervisor || self.is_below(other, &supervisor);
            match out.iter().rposition(own).filter(|_| failed) {
                Some(last) => out.insert(last + 1, event),
                None => out.push(event),
            }
        }
        out
    }

    fn pull(&self, events: Vec<Event>, supervisor: &Life) -> Vec<Event> {
        let (mut head, tail) = self.split_at_end(events, supervisor);
        let (mut mine, rest): (Vec<_>, Vec<_>) = tail.into_iter().partition(|event| self.is_below(event, supervisor));
        mine.sort_by_key(|event| self.child_under(life(event), supervisor));
        head.extend(mine);
        head.extend(rest);
        head
    }

    fn split_at_end(&self, mut events: Vec<Event>, supervisor: &Life) -> (Vec<Event>, Vec<Event>) {
        let at = end_of(&events, supervisor);
        let tail = events.split_off(at + 1);
        (events, tail)
    }

    fn sort_closing(&self, events: &mut [Event], supervisor: &Life) {
        let mut slots = Vec::new();
        for at in (0..end_of(events, supervisor)).rev() {
            let event = &events[at];
            if life(event) != *supervisor && !self.is_below(event, supervisor) {
                continue;
            }
            let closing = matches!(&*event.kind, "term" | "exit" | "sup_exit")
                || (event.kind == "report" && event.word() == "shutdown_error");
            if !closing {
                break;
            }
            slots.push(at);
        }
        slots.reverse();
        let run = slots.iter().map(|at| events[*at].clone());
        let (mut own, mut below): (Vec<_>, Vec<_>) = run.partition(|event| life(event) == *supervisor);
        own.sort();
        below.sort_by_key(|event| self.child_under(life(event), supervisor));
        for (at, event) in slots.into_iter().zip(below.into_iter().chain(own)) {
            events[at] = event;
        }
    }
}

fn end_of(events: &[Event], supervisor: &Life) -> usize {
    let ends = |event: &Event| event.kind == "sup_exit" && life(event) == *supervisor;
    events.iter().position(ends).expect("its end is what led here")
}

fn start_failed(reason: &str) -> bool {
    ["{shutdown,{failed_to_start_child,", "{start_spec,", "{supervisor_data,", "{bad_start_spec,"]
        .iter()
        .any(|start| reason.starts_with(start))
}
