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
//! | `who_stays_down_is_closed` | whoever is down, and taken along by nobody's restart, refuses what is sent to it |
//! | `who_comes_along_is_not_closed` | whoever went down with a group that waits keeps what is sent to it |
//! | `nobody_starts_before_the_wait_is_over` | with a back-off nobody is started again before the wait of its group is over |
//! | `a_cancelled_wait_starts_nobody` | with a back-off nobody is started unless somebody waits, or a caller asks |
//! | `a_group_that_waits_is_down` | of a group that waits nobody runs who was not started by hand meanwhile |
//! | `who_waits_has_an_alarm` | while anybody waits it is said when to look at the clock |
//! | `no_alarm_is_in_the_past` | that moment is not over, and after a look at the clock it is still to come |
//! | `who_is_postponed_waits` | only with a back-off is anybody postponed, who is down, and until a moment that is not over |
//! | `no_more_than_max_children` | a dynamic supervisor never has more children than it may, restarting ones included |
//! | `nobody_is_kept_who_is_down` | of a nameless child that is down and not restarting nothing is left |
//! | `nobody_starts_while_all_are_stopped` | from when nameless children are stopped together none is started |
//! | `each_is_asked_once` | when they are stopped together each is monitored, then asked, once, and killed once at most |
//! | `nobody_is_killed_before_the_time_is_up` | and only after their time |
//!
//! A *round* is what one crash, or one retry, leads to. That the same events give the same actions
//! (`the_same_events_give_the_same_actions`) is tried with two cores, for long random histories.

mod crowd;
mod mailboxes;
mod tests;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::*;
use super::history::{Cast, Scene, Why};
use crate::child_spec::Shutdown;
use crate::strategy::Strategy;
use crowd::Crowd;
use mailboxes::Mailboxes;
use waits::{Begins, Waiting};

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
    mailboxes: Mailboxes,
    /// With a back-off.
    waits: Option<Waiting>,
    /// With nameless children.
    crowd: Option<Crowd>,
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
    pub(super) fn new(scene: &Scene) -> Self {
        let flags = scene.flags;
        let (children, crowd) = match &scene.cast {
            Cast::Named(children) => (children.as_slice(), None),
            Cast::Crowd { max, .. } => (&[][..], Some(Crowd::new(*max))),
        };
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
            mailboxes: Mailboxes::new(flags, children),
            waits: flags.backoff.map(|_| Waiting::new(flags)),
            crowd,
        }
    }

    /// Before this is handed in.
    pub(super) fn event(&mut self, event: &Event<u32, Why>) {
        self.mailboxes.event(event);
        if let Some(waits) = &mut self.waits {
            waits.event(event);
        }
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

    /// After something was handed in.
    pub(super) fn looks(&mut self, now: Duration, core: &Core<u32, Why>) -> Result<(), Broken> {
        match &mut self.waits {
            Some(waits) => waits.looks(now, &core.children().collect::<Vec<_>>(), core.poll_timeout()),
            None => Ok(()),
        }
    }

    /// While there is nothing to do.
    pub(super) fn rests(&mut self, now: Duration, core: &Core<u32, Why>) -> Result<(), Broken> {
        self.at_rest(now, &core.children().collect::<Vec<_>>(), core.poll_timeout())
    }

    fn at_rest(&mut self, now: Duration, children: &[ChildInfo<u32>], alarm: Option<Duration>) -> Result<(), Broken> {
        if let Some(waits) = &mut self.waits {
            waits.rests(now, children, alarm)?;
        }
        match &self.crowd {
            Some(crowd) => crowd.rests(children),
            None => self.mailboxes.rests(children),
        }
    }

    /// After this came out.
    pub(super) fn action(&mut self, now: Duration, action: &Action<u32, Why>) -> Result<(), Broken> {
        holds(!self.ended, "exit_is_last")?;
        self.mailboxes.action(action);
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
                self.waits.as_mut().map_or(Ok(()), Waiting::in_order)?;
            }
            self.count(now)?;
        }
        if let Some(waits) = &mut self.waits {
            waits.action(action);
        }
        if let Some(crowd) = &mut self.crowd {
            crowd.action(now, action)?;
            if crowd.is_stopping() && matches!(action, Action::Monitor { .. } | Action::Signal { .. }) {
                return Ok(());
            }
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
            Action::Postpone { child, until } => {
                let is_down = !self.up.values().any(|up| up == child);
                holds(self.waits.is_some() && is_down && *until >= now, "who_is_postponed_waits")
            }
            Action::Flush { .. } | Action::Close { .. } | Action::Forget { .. } => Ok(()),
        }
    }

    /// Nothing of the past can be taken back any more.
    fn count(&mut self, now: Duration) -> Result<(), Broken> {
        let Flags { intensity, .. } = self.flags;
        if self.waits.is_some() {
            // Restarts count when they are decided, which is not when they are made.
            return Ok(());
        }
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
        match &mut self.waits {
            Some(waits) if self.ready => match waits.starts(now, child) {
                // Whom a crash has stopped was told when the wait began.
                Begins::Group if self.flags.strategy == Strategy::OneForOne => self.round.starts.clear(),
                Begins::Group | Begins::Alone => self.round = Round::default(),
                Begins::Nothing => {}
            },
            _ => {}
        }
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

    /// All of a crowd are stopped from now on, all at once, this one by this way.
    pub(super) fn stopping_together(&mut self, now: Duration, pid: u32, shutdown: Shutdown) -> Result<(), Broken> {
        let crowd = self.crowd.as_mut().ok_or("one_step_at_a_time")?;
        crowd.stopping(now, pid, shutdown);
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
