//! What holds in every history, whatever the reference says: a watcher of one core's events and actions.
//!
//! | invariant | in words |
//! |---|---|
//! | `one_step_at_a_time` | while a start or a stop is awaited no other is begun |
//! | `no_running_child_is_started` | a start is of a child that is down |
//! | `starts_go_up` | the starts of one round go up the start order |
//! | `stops_go_down` | the stops of one round go down the start order |
//! | `monitored_before_it_is_asked` | a stop is a monitor, then a signal to the same life, which is a child's |
//! | `the_link_goes_last` | only a life that has ended is unlinked |
//! | `temporary_children_start_once` | a temporary child is started once, whatever happens |
//! | `one_for_one_stops_nobody_to_restart` | under one for one nobody is stopped for the sake of a start |
//! | `rest_for_one_spares_those_before` | under rest for one only those after the failed child are stopped with it |
//! | `never_more_restarts_than_allowed` | within a period there are at most as many restarts as the intensity says |
//! | `no_start_after_giving_up` | who has reported that it gives up starts nobody |
//! | `one_answer_a_call` | no call is answered twice, and nobody who did not ask |
//! | `exit_is_last` | nothing is done after the exit |
//! | `nobody_is_up_at_the_end` | the exit comes when all children are down |
//!
//! A *round* is what one crash, or one retry, leads to. That the same events give the same actions
//! (`the_same_events_give_the_same_actions`) is tried with two cores, for long random histories.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::*;
use super::history::Why;
use crate::strategy::Strategy;

/// The name of an invariant that does not hold.
pub(super) type Broken = &'static str;

/// Sees all that goes into a core and comes out.
pub(super) struct Watch {
    flags: Flags,
    temporary: BTreeSet<ChildKey>,
    /// Who is up, by what the core was told.
    up: BTreeMap<u32, ChildKey>,
    started: BTreeSet<ChildKey>,
    awaits: Awaits,
    ready: bool,
    /// When restarts were made that count; the last one perhaps at the wish of a caller, whose answer then takes it back.
    rounds: Vec<Duration>,
    round: Round,
    calls: usize,
    gave_up: bool,
    ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Nothing,
    Start(ChildKey),
    /// A monitor was set, its signal is due.
    Signal(u32),
    Stop(u32),
}

/// What was done since something new was read.
#[derive(Default)]
struct Round {
    starts: Vec<ChildKey>,
    stops: Vec<ChildKey>,
    /// The last start made the round count.
    counted: bool,
    /// When it began: stops may take time.
    began: Option<Duration>,
    /// The last start was not in order, unless it was the wish of a caller.
    disorder: bool,
}

impl Watch {
    pub(super) fn new(flags: Flags, children: &[ChildSpec]) -> Self {
        let temporary = |(_, spec): &(u64, &ChildSpec)| spec.restart == Restart::Temporary;
        Self {
            flags,
            temporary: (0..).zip(children).filter(temporary).map(|(key, _)| ChildKey(key)).collect(),
            up: BTreeMap::new(),
            started: BTreeSet::new(),
            awaits: Awaits::Nothing,
            ready: false,
            rounds: Vec::new(),
            round: Round::default(),
            calls: 0,
            gave_up: false,
            ended: false,
        }
    }

    /// Before this is handed in.
    pub(super) fn event(&mut self, event: &Event<u32, Why>) {
        match event {
            Event::Started { child, pid } => {
                self.up.insert(*pid, *child);
                self.awaits = Awaits::Nothing;
            }
            Event::Ignored { .. } => self.awaits = Awaits::Nothing,
            Event::StartFailed { .. } => {
                self.awaits = Awaits::Nothing;
                let Round { counted, disorder, .. } = self.round;
                self.round = Round { counted, disorder, ..Round::default() };
            }
            Event::Exited { pid, .. } => {
                self.up.remove(pid);
            }
            Event::Down { pid, .. } => {
                self.up.remove(pid);
                if self.awaits == Awaits::Stop(*pid) {
                    self.awaits = Awaits::Nothing;
                }
            }
            Event::Call(_, request) => {
                self.calls += 1;
                if let Request::StartChild { child, spec } = request
                    && spec.restart == Restart::Temporary
                {
                    self.temporary.insert(*child);
                }
            }
            Event::ParentExit { .. } | Event::Begin | Event::Timeout => {}
        }
    }

    /// After this came out.
    pub(super) fn action(&mut self, now: Duration, action: &Action<u32, Why>) -> Result<(), Broken> {
        holds(!self.ended, "exit_is_last")?;
        let decides = match action {
            Action::Start { .. } | Action::Monitor { .. } | Action::Exit { .. } => true,
            Action::Report(report) => report.context != Context::Progress,
            _ => false,
        };
        if decides {
            if self.awaits == Awaits::Nothing {
                // Started, and nobody was answered: it was nobody's wish.
                self.round.counted = false;
                holds(!self.round.disorder, "starts_go_up")?;
            }
            self.count(now)?;
        }
        match action {
            Action::Start { child, .. } => self.starts(now, *child),
            Action::Monitor { pid } => self.stops(now, *pid),
            Action::Signal { pid, .. } => {
                holds(
                    [Awaits::Signal(*pid), Awaits::Stop(*pid)].contains(&self.awaits),
                    "monitored_before_it_is_asked",
                )?;
                self.awaits = Awaits::Stop(*pid);
                Ok(())
            }
            Action::Unlink { pid } => holds(!self.up.contains_key(pid), "the_link_goes_last"),
            Action::Report(report) => {
                self.gave_up |= report.context == Context::Shutdown;
                if report.context == Context::ChildTerminated {
                    self.round = Round::default();
                }
                Ok(())
            }
            Action::Reply(..) => {
                if std::mem::take(&mut self.round.counted) {
                    // A caller had asked for this start.
                    self.rounds.pop();
                }
                self.round = Round::default();
                self.calls = self.calls.checked_sub(1).ok_or("one_answer_a_call")?;
                Ok(())
            }
            Action::Ready => {
                self.ready = true;
                self.round = Round::default();
                Ok(())
            }
            Action::Exit { .. } => {
                self.ended = true;
                holds(self.up.is_empty(), "nobody_is_up_at_the_end")
            }
            Action::Flush { .. } | Action::Close { .. } | Action::Forget { .. } => Ok(()),
        }
    }

    /// Nothing of the past can be taken back any more.
    fn count(&mut self, now: Duration) -> Result<(), Broken> {
        let Flags { intensity, .. } = self.flags;
        let within = self.rounds.iter().filter(|at| now - **at <= intensity.period).count();
        // The round whose start is answered next may not count.
        let least = usize::from(self.round.counted);
        holds(within - least.min(within) <= intensity.restarts as usize, "never_more_restarts_than_allowed")
    }

    fn starts(&mut self, now: Duration, child: ChildKey) -> Result<(), Broken> {
        holds(self.awaits == Awaits::Nothing, "one_step_at_a_time")?;
        holds(!self.up.values().any(|up| *up == child), "no_running_child_is_started")?;
        holds(!self.gave_up, "no_start_after_giving_up")?;
        let first = self.started.insert(child);
        holds(first || !self.temporary.contains(&child), "temporary_children_start_once")?;
        let round = &mut self.round;
        let last = round.starts.last();
        if self.ready {
            match self.flags.strategy {
                Strategy::OneForOne => holds(round.stops.is_empty(), "one_for_one_stops_nobody_to_restart")?,
                Strategy::RestForOne if last.is_none() => {
                    holds(round.stops.iter().all(|stopped| *stopped > child), "rest_for_one_spares_those_before")?;
                }
                Strategy::RestForOne | Strategy::OneForAll => {}
            }
            let begins = self.flags.strategy == Strategy::OneForOne || last.is_none();
            round.counted = begins;
            if begins {
                self.rounds.push(round.began.unwrap_or(now));
            }
        }
        let one_by_one = self.flags.strategy == Strategy::OneForOne && self.ready;
        round.disorder = !one_by_one && last.is_some_and(|last| *last >= child);
        round.starts.push(child);
        round.stops.clear();
        self.awaits = Awaits::Start(child);
        Ok(())
    }

    fn stops(&mut self, now: Duration, pid: u32) -> Result<(), Broken> {
        holds(self.awaits == Awaits::Nothing, "one_step_at_a_time")?;
        self.round.began.get_or_insert(now);
        self.awaits = Awaits::Signal(pid);
        Ok(())
    }

    /// Which child a stop is of: the core knows, also when it has ended already.
    pub(super) fn stopping(&mut self, child: Option<ChildKey>) -> Result<(), Broken> {
        let child = child.ok_or("monitored_before_it_is_asked")?;
        let round = &mut self.round;
        let orderly = round.stops.last().is_none_or(|last| *last > child);
        round.stops.push(child);
        round.starts.clear();
        holds(orderly, "stops_go_down")
    }
}

fn holds(so: bool, otherwise: Broken) -> Result<(), Broken> {
    if so { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Cause, Offender};

    /// What a core that has broken down might do: two children, the second one temporary.
    struct Play {
        watch: Watch,
        broken: Option<Broken>,
    }

    const A: ChildKey = ChildKey(0);
    const B: ChildKey = ChildKey(1);

    impl Play {
        /// Started, with `a` up as 1 and `b` as 2.
        fn of(strategy: Strategy) -> Self {
            let flags = Flags::new(strategy).intensity(1, Duration::from_secs(5));
            let children = [ChildSpec::worker("a"), ChildSpec::worker("b").restart(Restart::Temporary)];
            let mut play = Self { watch: Watch::new(flags, &children), broken: None };
            play.does(Action::Start { child: A, attempt: 1 }).started(A, 1);
            play.does(Action::Start { child: B, attempt: 1 }).started(B, 2).does(Action::Ready);
            assert_eq!(play.broken, None);
            play
        }

        fn meets(&mut self, event: Event<u32, Why>) -> &mut Self {
            self.watch.event(&event);
            self
        }

        fn does(&mut self, action: Action<u32, Why>) -> &mut Self {
            let held = self.watch.action(Duration::ZERO, &action);
            self.broken = self.broken.or(held.err());
            self
        }

        fn starts(&mut self, child: ChildKey) -> &mut Self {
            self.does(Action::Start { child, attempt: 2 })
        }

        fn started(&mut self, child: ChildKey, pid: u32) -> &mut Self {
            self.meets(Event::Started { child, pid })
        }

        fn exited(&mut self, pid: u32) -> &mut Self {
            self.meets(Event::Exited { pid, reason: Why::Boom })
        }

        fn reports(&mut self, context: Context) -> &mut Self {
            let offender = Offender::new(&ChildSpec::worker("a"), Place::Down);
            self.does(Action::Report(Report { context, cause: Cause::Reason(Why::Boom), offender }))
        }

        /// A crash of `a` and what is said of it.
        fn crash(&mut self, pid: u32) -> &mut Self {
            self.exited(pid).reports(Context::ChildTerminated)
        }

        fn stops(&mut self, child: ChildKey, pid: u32) -> &mut Self {
            self.does(Action::Monitor { pid });
            let held = self.watch.stopping(Some(child));
            self.broken = self.broken.or(held.err());
            self.does(Action::Signal { pid, signal: ExitSignal::Shutdown })
        }

        fn stopped(&mut self, pid: u32) -> &mut Self {
            self.meets(Event::Down { pid, reason: Why::Shutdown })
        }

        #[track_caller]
        fn breaks(&self, invariant: Broken) {
            assert_eq!(self.broken, Some(invariant));
        }
    }

    #[test]
    fn each_invariant_can_fail() {
        use Strategy::{OneForAll, OneForOne, RestForOne};
        Play::of(OneForOne).crash(1).starts(A).starts(B).breaks("one_step_at_a_time");
        Play::of(OneForOne).crash(1).starts(A).stops(B, 2).breaks("one_step_at_a_time");
        Play::of(OneForOne).starts(A).breaks("no_running_child_is_started");
        Play::of(OneForAll)
            .crash(1)
            .exited(2)
            .reports(Context::ChildTerminated)
            .starts(B)
            .breaks("temporary_children_start_once");
        let mut down = Play::of(OneForAll);
        down.watch.temporary.clear();
        down.crash(1)
            .stops(B, 2)
            .stopped(2)
            .starts(B)
            .started(B, 3)
            .starts(A)
            .started(A, 4)
            .starts(B)
            .breaks("starts_go_up");
        Play::of(OneForAll)
            .reports(Context::ChildTerminated)
            .stops(A, 1)
            .stopped(1)
            .stops(B, 2)
            .breaks("stops_go_down");
        Play::of(OneForOne)
            .does(Action::Signal { pid: 1, signal: ExitSignal::Kill })
            .breaks("monitored_before_it_is_asked");
        Play::of(OneForOne).does(Action::Unlink { pid: 1 }).breaks("the_link_goes_last");
        Play::of(OneForOne).crash(1).stops(B, 2).stopped(2).starts(A).breaks("one_for_one_stops_nobody_to_restart");
        let mut spared = Play::of(RestForOne);
        spared.watch.temporary.clear();
        spared.crash(2).stops(A, 1).stopped(1).starts(B).breaks("rest_for_one_spares_those_before");
        Play::of(OneForOne)
            .crash(1)
            .starts(A)
            .started(A, 3)
            .crash(3)
            .starts(A)
            .started(A, 4)
            .reports(Context::ChildTerminated)
            .breaks("never_more_restarts_than_allowed");
        Play::of(OneForOne).crash(1).reports(Context::Shutdown).starts(A).breaks("no_start_after_giving_up");
        Play::of(OneForOne).does(Action::Reply(CallId(0), Response::Done)).breaks("one_answer_a_call");
        Play::of(OneForOne)
            .exited(1)
            .exited(2)
            .does(Action::Exit { reason: Why::Shutdown })
            .does(Action::Ready)
            .breaks("exit_is_last");
        Play::of(OneForOne).exited(1).does(Action::Exit { reason: Why::Shutdown }).breaks("nobody_is_up_at_the_end");
    }

    #[test]
    fn the_table_names_the_invariants_that_are_checked() {
        let source = include_str!("invariants.rs");
        let (table, code) = source.split_once("use std::collections").expect("the table comes first");
        let named = table.lines().filter_map(|line| line.strip_prefix("//! | `")?.split_once('`'));
        let named: Vec<&str> = named.map(|(name, _)| name).collect();
        assert_eq!(named.len(), 14);
        let (checks, tests) = code.split_once("#[cfg(test)]").expect("tests come last");
        for name in named {
            let name = format!("\"{name}\"");
            assert!(checks.contains(&name), "{name} is checked");
            assert!(tests.contains(&format!("breaks({name})")), "{name} can fail");
        }
    }
}
