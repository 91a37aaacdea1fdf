//! The system lane: what reaches an actor beside its messages, and never waits behind them.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Notify, oneshot};

use crate::crash::tell;
use crate::exit::ExitReason;
use crate::life::Life;
use crate::pending::Pending;
use crate::pid::Pid;
use crate::reply::Caller;
use crate::signal::Signal;
use crate::view::Asked;

/// What a cell is to do next, under one lock. Bounded by structure: one pending entry a link, monitor or verb.
#[derive(Debug, Default)]
pub(crate) struct Control {
    lane: Option<Box<Lane>>,
}

/// The life of an incarnation that is about to begin, and whoever waits for it to have started.
pub(crate) struct Next {
    pub(crate) life: Life,
    pub(crate) starter: Option<Caller>,
}

/// The rarely used part: most actors never have one.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// The next incarnation, if it could not be put where turns find it.
    start: Option<Box<Next>>,
    pub(crate) kill: bool,
    /// The exit signal of the parent: an orderly stop.
    pub(crate) stop: Option<ExitReason>,
    /// Tells whoever waits for a stop.
    asked: Option<Arc<Notify>>,
    /// Exit signals and `Down`s, in order of arrival, each with its place among the messages.
    pub(crate) ordered: Pending,
    /// Those who want to see the state.
    pub(crate) view: Option<Asked>,
    /// Handles no message until resumed.
    pub(crate) suspended: bool,
    /// Meanwhile: when the oldest message was sent, as far as somebody has looked.
    pub(crate) oldest: Option<u32>,
    /// Between incarnations: throw away what is queued before this position.
    pub(crate) flush: Option<u64>,
}

impl Lane {
    /// What tells whoever waits for a stop. To be called by who waits.
    pub(crate) fn asked(&mut self) -> Arc<Notify> {
        self.asked.get_or_insert_default().clone()
    }

    /// The same for who tells: nobody may wait.
    pub(crate) fn awaited(&self) -> Option<Arc<Notify>> {
        self.asked.clone()
    }

    /// Whether something in it ends the incarnation, whatever it does until it has read that.
    pub(crate) fn ends(&self, own: Pid, traps: bool) -> bool {
        let kills = |entry: &Ordered| match entry.what.exit() {
            Some((from, ExitReason::Normal)) => from == own,
            exit => exit.is_some(),
        };
        let stops = self.stop.as_ref().is_some_and(|reason| traps || *reason != ExitReason::Normal);
        self.kill || stops || (!traps && self.ordered.iter().any(kills))
    }

    /// Signals that wait to be read.
    pub(crate) fn signals(&self) -> usize {
        self.ordered.iter().filter(|entry| matches!(entry.what, What::Signal(_))).count()
    }
}

/// What an incarnation that has ended will not read any more. Dropped, it tells whoever waited for that.
pub(crate) struct Forgotten {
    lane: Box<Lane>,
}

impl Drop for Forgotten {
    fn drop(&mut self) {
        if let Some(view) = self.lane.view.take() {
            tell(|| view);
        }
        if let Some(asked) = self.lane.asked.take() {
            tell(|| asked.notify_waiters());
        }
        for entry in self.lane.ordered.drain() {
            tell(|| entry);
        }
    }
}

/// A signal, and the receiver's tail when it was sent: it is read once the head has passed that.
#[derive(Debug)]
pub(crate) struct Ordered {
    pub(crate) ticket: u64,
    pub(crate) what: What,
}

/// What is read at its place among the messages.
#[derive(Debug)]
pub(crate) enum What {
    Signal(Signal),
    /// Somebody wants to know when everything before it has been handled.
    Mark(Mark),
}

/// A place between messages that somebody waits for. It is reached when the incarnation has also taken out this many
/// own messages.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) own: u64,
    pub(crate) reached: oneshot::Sender<()>,
}

impl What {
    /// Whether it can be read once its place has come, after so many own messages.
    fn is_due(&self, own: u64) -> bool {
        match self {
            Self::Signal(_) => true,
            Self::Mark(mark) => mark.own <= own,
        }
    }

    fn exit(&self) -> Option<(Pid, &ExitReason)> {
        match self {
            Self::Signal(Signal::Exit { from, reason }) => Some((*from, reason)),
            Self::Signal(Signal::Down(_)) | Self::Mark(_) => None,
        }
    }
}

/// What the urgent part of the lane means for the living incarnation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Ends at once, no callback runs.
    Dies(ExitReason),
    /// Ends in order: `terminate` runs first.
    Stops(ExitReason),
    /// Has been abandoned: nothing it does counts any more.
    Fenced,
}

impl Control {
    pub(crate) fn lane(&mut self) -> &mut Lane {
        self.lane.get_or_insert_default()
    }

    pub(crate) fn look(&self) -> Option<&Lane> {
        self.lane.as_deref()
    }

    fn starts(&self) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.start.is_some())
    }

    /// Forgets the signals of an incarnation that has ended. What is returned wakes whoever waits when it is dropped:
    /// outside of the locks.
    #[must_use]
    pub(crate) fn clear_signals(&mut self) -> Option<Forgotten> {
        let mut lane = self.lane.take()?;
        if lane.flush.is_some() || lane.start.is_some() {
            self.lane = Some(Box::new(Lane { flush: lane.flush, start: lane.start.take(), ..Lane::default() }));
        }
        Some(Forgotten { lane })
    }

    /// Up to which position what is queued is to be thrown away. If the slot closes all of it, unless the next incarnation
    /// has begun already and may have been sent messages.
    pub(crate) fn flushes(&self, closes: bool) -> Option<u64> {
        if closes && !self.starts() { Some(u64::MAX) } else { self.lane.as_ref()?.flush }
    }

    /// What was to be thrown away has been.
    pub(crate) fn flushed(&mut self) {
        if let Some(lane) = &mut self.lane {
            lane.flush = None;
            self.tidy();
        }
    }

    /// The next incarnation is to begin, and with it a mailbox open for its messages: `tail` is where they begin. Those
    /// before it go, if the slot was closing.
    pub(crate) fn begin(&mut self, next: Next, tail: u64, closing: bool) {
        let lane = self.lane();
        lane.start = Some(Box::new(next));
        if closing {
            lane.flush = Some(tail);
        }
    }

    /// The next incarnation cannot begin just now.
    pub(crate) fn put_back(&mut self, next: Next) {
        self.lane().start = Some(Box::new(next));
    }

    /// The next incarnation, whose turn it is now.
    pub(crate) fn take_start(&mut self) -> Option<Next> {
        let next = self.lane.as_mut()?.start.take();
        self.tidy();
        next.map(|next| *next)
    }

    /// Decides what the urgent entries mean. A handler under way is interrupted by what kills, not by what stops.
    pub(crate) fn fate(&mut self, own: Pid, trapping: bool, handling: bool) -> Option<Fate> {
        let lane = self.lane.as_mut()?;
        if lane.kill {
            return Some(Fate::Dies(ExitReason::Killed));
        }
        if trapping {
            return if handling { None } else { lane.stop.take().map(Fate::Stops) };
        }
        // OTP: an exit signal `normal` does nothing to whoever does not trap, not even from the parent; only from itself.
        if let Some(reason) = lane.stop.take().filter(|reason| *reason != ExitReason::Normal) {
            return Some(Fate::Dies(reason));
        }
        lane.ordered.retain(|entry| !matches!(entry.what.exit(), Some((from, ExitReason::Normal)) if from != own));
        lane.ordered.iter().find_map(|entry| entry.what.exit().map(|(_, reason)| Fate::Dies(reason.clone())))
    }

    /// The next ordered signal whose place has come, `position` messages and `own` own messages having been taken, and whose
    /// number is below `before`. A mark that waits for own messages holds up nothing.
    pub(crate) fn due(&mut self, position: u64, own: u64, before: u64) -> Option<What> {
        let ordered = &mut self.lane.as_mut()?.ordered;
        let next = ordered.take_first(before, |entry| entry.what.is_due(own), |entry| entry.ticket <= position);
        next.map(|entry| entry.what)
    }

    /// Those who want to see the state.
    pub(crate) fn take_view(&mut self) -> Option<Asked> {
        let view = self.lane.as_mut()?.view.take();
        self.tidy();
        view
    }

    /// Drops the lane if nothing is left in it.
    pub(crate) fn tidy(&mut self) {
        let needed = self.lane.as_ref().is_some_and(|lane| {
            lane.kill
                || lane.start.is_some()
                || lane.stop.is_some()
                || !lane.ordered.is_empty()
                || lane.suspended
                || lane.flush.is_some()
                || lane.asked.is_some()
                || lane.view.is_some()
        });
        if !needed {
            self.lane = None;
        }
    }

    /// Forgets waiting signals.
    pub(crate) fn forget(&mut self, which: impl Fn(&Signal) -> bool) {
        if let Some(lane) = &mut self.lane {
            lane.ordered.retain(|entry| !matches!(&entry.what, What::Signal(signal) if which(signal)));
        }
    }

    /// Takes the waiting exit signal of `from`.
    pub(crate) fn take_exit(&mut self, from: Pid) -> Option<ExitReason> {
        self.lane.as_mut()?.ordered.take_exit(from)
    }

    /// Whether anything ordered still waits, or a stop is still to be obeyed.
    pub(crate) fn left(&self) -> (bool, bool) {
        self.lane.as_ref().map_or((false, false), |lane| {
            (lane.kill || lane.stop.is_some() || lane.suspended, !lane.ordered.is_empty())
        })
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("awaited", &self.starter.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Pid = Pid { id: crate::pid::ActorId::new(1), incarnation: 1 };

    fn exit(reason: ExitReason) -> Ordered {
        Ordered { ticket: 0, what: What::Signal(Signal::Exit { from: Pid::OUTSIDE, reason }) }
    }

    #[test]
    fn a_normal_exit_signal_does_nothing_to_whoever_does_not_trap() {
        let mut control = Control::default();
        control.lane().ordered.push(exit(ExitReason::Normal));
        assert_eq!(control.fate(OWN, false, false), None);
        assert!(control.due(0, 0, u64::MAX).is_none());
    }

    #[test]
    fn a_trapping_actor_reads_exits_in_order_and_others_die_of_them() {
        let mut control = Control::default();
        control.lane().ordered.push(exit(ExitReason::Shutdown));
        assert_eq!(control.fate(OWN, true, false), None);
        assert_eq!(control.fate(OWN, false, true), Some(Fate::Dies(ExitReason::Shutdown)));
    }

    #[test]
    fn a_stop_waits_for_the_handler_of_a_trapping_actor_and_a_kill_does_not() {
        let mut control = Control::default();
        control.lane().stop = Some(ExitReason::Shutdown);
        assert_eq!(control.fate(OWN, true, true), None);
        control.lane().kill = true;
        assert_eq!(control.fate(OWN, true, true), Some(Fate::Dies(ExitReason::Killed)));
    }

    #[test]
    fn who_is_told_to_end_is_so_until_that_is_read_and_nobody_is_by_what_does_not_end_him() {
        let told = |control: &Control, traps| control.look().is_some_and(|lane| lane.ends(OWN, traps));
        let mut control = Control::default();
        control.lane().ordered.push(exit(ExitReason::Normal));
        assert_eq!([false, true].map(|traps| told(&control, traps)), [false, false]);
        control.lane().ordered.push(exit(ExitReason::Shutdown));
        assert_eq!([false, true].map(|traps| told(&control, traps)), [true, false]);
        control.lane().stop = Some(ExitReason::Shutdown);
        assert!(told(&control, true));
        assert_eq!(control.fate(OWN, true, false), Some(Fate::Stops(ExitReason::Shutdown)));
        assert!(!told(&control, true));
        control.lane().kill = true;
        assert!(told(&control, true) && told(&control, false));
    }

    #[test]
    fn an_ordered_signal_waits_for_its_ticket() {
        let mut control = Control::default();
        control.lane().ordered.push(Ordered { ticket: 3, ..exit(ExitReason::Shutdown) });
        assert!(control.due(2, 0, u64::MAX).is_none());
        assert!(control.due(3, 0, u64::MAX).is_some());
    }

    #[test]
    fn a_mark_waits_for_its_ticket_and_for_own_messages_and_holds_up_no_signal() {
        let mut control = Control::default();
        let (reached, _) = oneshot::channel();
        control.lane().ordered.push(Ordered { ticket: 1, what: What::Mark(Mark { own: 2, reached }) });
        control.lane().ordered.push(Ordered { ticket: 3, ..exit(ExitReason::Shutdown) });
        assert!(control.due(2, 1, u64::MAX).is_none());
        assert!(matches!(control.due(3, 1, u64::MAX), Some(What::Signal(_))));
        assert!(control.due(0, 2, u64::MAX).is_none());
        assert!(matches!(control.due(1, 2, u64::MAX), Some(What::Mark(_))));
    }
}
