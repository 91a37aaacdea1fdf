//! What one child costs must not depend on how many there are: counted, not timed.

use std::cell::Cell;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::super::*;
use super::world::Term;
use crate::child_spec::{ChildSpec, Restart};
use crate::strategy::Flags;

thread_local! {
    static LOOKS: Cell<u64> = const { Cell::new(0) };
}

/// An incarnation that counts how often anybody looks at it: compares it, orders it, hashes it.
#[derive(Clone, Copy, Debug)]
struct Counted(u64);

fn look() {
    LOOKS.set(LOOKS.get() + 1);
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        look();
        self.0 == other.0
    }
}

impl Eq for Counted {}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        look();
        self.0.cmp(&other.0)
    }
}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        look();
        self.0.hash(state);
    }
}

/// Looks and actions since the last time.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    looks: u64,
    actions: u64,
}

struct Crowd {
    core: Core<Counted, Term>,
    lives: u64,
    cost: Cost,
    /// The longest the actions have waited to be polled, in numbers.
    most: usize,
}

impl Crowd {
    fn new() -> Self {
        let flags = Flags::default().intensity(u32::MAX, Duration::from_secs(1));
        let template = ChildSpec::worker("w").restart(Restart::Permanent);
        let core = Core::new(Spec::dynamic(flags, template, None).expect("the template keeps the rules"));
        let mut crowd = Self { core, lives: 0, cost: Cost::default(), most: 0 };
        crowd.event(Event::Begin);
        crowd
    }

    /// Hands in an event, and starts and ends whom the core says.
    fn event(&mut self, event: Event<Counted, Term>) {
        self.core.handle(Duration::ZERO, event);
        let mut stopped = Vec::new();
        loop {
            self.most = self.most.max(self.core.actions.len());
            let Some(action) = self.core.poll_action() else { break };
            self.cost.actions += 1;
            match action {
                Action::Start { child, .. } => {
                    let pid = Counted(self.lives);
                    self.lives += 1;
                    self.core.handle(Duration::ZERO, Event::Started { child, pid });
                }
                Action::Signal { pid, .. } => stopped.push(pid),
                _ => {}
            }
        }
        for pid in stopped {
            let reason = Term("shutdown".into());
            self.event(Event::Exited { pid, reason: reason.clone() });
            self.event(Event::Down { pid, reason });
        }
    }

    fn cost(&mut self, what: impl FnOnce(&mut Self)) -> Cost {
        LOOKS.set(0);
        self.cost = Cost::default();
        what(self);
        self.cost.looks = LOOKS.get();
        self.cost
    }
}

/// What `SAMPLE` children cost among so many: to add, to crash, to terminate; and what all cost to stop, for each.
fn costs(many: u64) -> [Cost; 4] {
    const SAMPLE: u64 = 1_000;
    let mut crowd = Crowd::new();
    let mut calls = 0;
    let mut call = |crowd: &mut Crowd, request| {
        calls += 1;
        crowd.event(Event::Call(CallId(calls), request));
    };
    let mut add = |crowd: &mut Crowd, many| {
        for _ in 0..many {
            let child = crowd.core.next_key();
            call(crowd, Request::StartDynamic { child, own: None });
        }
    };
    add(&mut crowd, many - SAMPLE);
    let started = crowd.cost(|crowd| add(crowd, SAMPLE));
    let stride = many / SAMPLE;
    let crashed = crowd.cost(|crowd| {
        for nth in 0..SAMPLE {
            crowd.event(Event::Exited { pid: Counted(nth * stride), reason: Term("boom".into()) });
        }
    });
    let terminated = crowd.cost(|crowd| {
        // Those that have come back.
        for nth in 0..SAMPLE {
            call(crowd, Request::TerminateChild(Target::Pid(Counted(many + nth))));
        }
    });
    let left = many - SAMPLE;
    assert_eq!(crowd.core.children.len() as u64, left);
    crowd.most = 0;
    let ended = crowd.cost(|crowd| crowd.event(Event::ParentExit { reason: Term("shutdown".into()) }));
    assert!(crowd.core.has_ended());
    assert!(crowd.most <= 4, "a million children are no million actions at a time: {}", crowd.most);
    let each = |cost: Cost, many: u64| Cost { looks: cost.looks.div_ceil(many), actions: cost.actions.div_ceil(many) };
    [each(started, SAMPLE), each(crashed, SAMPLE), each(terminated, SAMPLE), each(ended, left)]
}

#[test]
fn a_child_costs_the_same_among_two_thousand_and_among_two_hundred_thousand() {
    let (few, many) = (costs(2_000), costs(200_000));
    for (what, (few, many)) in ["start", "crash", "terminate", "stop"].iter().zip(few.into_iter().zip(many)) {
        assert_eq!(few.actions, many.actions, "actions to {what}");
        // A hash may meet another now and then, and tables grow: no more than that.
        assert!(many.looks <= few.looks + 2 && many.looks <= 16, "looks to {what}: {few:?}, {many:?}");
    }
}

#[test]
fn children_that_have_gone_leave_nothing_behind() {
    let mut crowd = Crowd::new();
    for round in 0..10_000_u64 {
        let child = crowd.core.next_key();
        crowd.event(Event::Call(CallId(round), Request::StartDynamic { child, own: None }));
        let gone = Target::Pid(Counted(crowd.lives - 1));
        crowd.event(Event::Call(CallId(round), Request::TerminateChild(gone)));
    }
    assert_eq!((crowd.core.children.len(), crowd.core.waiting(), crowd.core.actions.len()), (0, 0, 0));
}
