//! The proof of being the runner, and the verbs that end a turn.

use std::{cell::Cell, fmt};

use super::{ABANDONING, EMPTY, HELD, Header, RUNNING, Run, SCHEDULED, STRAGGLER, State, Task};
use crate::{
    asymmetric,
    contain::contain,
    facade::{Backoff, Ordering},
};

/// A turn's entry in its trampoline's frame: where it began, and how it is to end.
///
/// The outcome is kept here and not in [`Ran`], so that a `Ran` of another task returned by mistake
/// cannot make the trampoline give back a count that is not there. And the state word moves only when
/// `run` has returned: until then the turn keeps alive what `run` was lent, and keeps others out.
pub(super) struct Turn {
    /// Address of the task.
    pub(super) task: usize,
    /// Whether its owner may be lent now.
    pub(super) lends: Cell<Lends>,
    pub(super) epoch: u32,
    /// 0 or 1.
    pub(super) bank: usize,
    /// Whether the way back from foreign code needs a fence of its own: see `asymmetric`.
    pub(super) fences: bool,
    pub(super) outcome: Cell<Outcome>,
}

/// Whether what a runner owns may be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lends {
    /// The turn is in its RUNTIME phase, and nothing is lent.
    Yes,
    /// It is lent.
    Lent,
    /// The turn is in foreign code.
    Foreign,
    /// The turn was abandoned while it was: it owns nothing any more.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nobody has said yet.
    Open,
    /// Wait to be woken.
    Idle,
    /// Be scheduled again: the trampoline hands out the runnable.
    Again,
    /// End the hold, unless the task was woken meanwhile.
    Release,
    /// The state word has moved on without this turn, which still has a count to give back: the hold's, or the
    /// straggler's.
    Left,
}

/// A claim has said how its turn ends. It does so when `run` returns.
#[derive(Debug)]
#[must_use]
pub struct Ran(());

/// Proof of being the one runner of this task in this epoch.
pub struct Claim<'a, T: Run> {
    task: &'a Task<T>,
    turn: &'a Turn,
}

impl<'a, T: Run> Claim<'a, T> {
    pub(super) fn new(task: &'a Task<T>, turn: &'a Turn) -> Self {
        Claim { task, turn }
    }

    /// The epoch this turn began in.
    #[inline]
    pub fn epoch(&self) -> u32 {
        self.turn.epoch
    }

    /// Was the turn abandoned while it ran foreign code? Then [`Claim::retire`] is all that is left to do.
    #[inline]
    pub fn is_stale(&self) -> bool {
        self.task.header.decided().epoch() != self.turn.epoch
    }

    /// Ends the turn: the task waits to be woken, or runs again if it was woken meanwhile.
    #[inline]
    pub fn idle(self) -> Ran {
        self.turn.outcome.set(Outcome::Idle);
        Ran(())
    }

    /// Ends the turn: the task is to run again.
    #[inline]
    pub fn again(self) -> Ran {
        self.turn.outcome.set(Outcome::Again);
        Ran(())
    }

    /// Ends the turn and the hold: the task is not scheduled until it is held anew. If it was woken meanwhile, it
    /// runs again instead. The owner stays where it is.
    pub fn release(self) -> Ran {
        self.turn.outcome.set(Outcome::Release);
        Ran(())
    }

    /// Ends a turn that was abandoned, and takes what was left in the owner it began with.
    ///
    /// # Panics
    ///
    /// If it was not abandoned, or is in foreign code still.
    pub fn retire(self) -> (T::Owner, Ran) {
        // Not by the epoch: what comes back from foreign code says so in the bank's phase, which must be this turn's then.
        assert!(self.turn.lends.get() == Lends::Never, "only an abandoned turn retires, and when it is back");
        (self.turn.retire(self.task), Ran(()))
    }
}

impl Turn {
    pub(super) fn new(task: usize, state: State) -> Turn {
        Turn {
            task,
            lends: Cell::new(Lends::Yes),
            epoch: state.epoch(),
            bank: state.bank(),
            fences: !asymmetric::is_light(),
            outcome: Cell::new(Outcome::Open),
        }
    }

    /// Moves on from RUNNING. The caller is the runner, and is not in foreign code.
    #[inline]
    pub(super) fn end(&self, header: &Header, next: impl Fn(State) -> u64) -> State {
        loop {
            // An abandoner that marked the word finds phase RUNTIME and takes its mark back.
            let state = header.decided();
            debug_assert!(state.has(RUNNING) && state.epoch() == self.epoch, "{state:?}");
            let after = State(next(state));
            // Release: the next runner sees the owner as we leave it.
            if header.swap_state(state, after).is_ok() {
                return after;
            }
        }
    }

    /// Empties the bank and gives it back.
    fn retire<T: Run>(&self, task: &Task<T>) -> T::Owner {
        // SAFETY: the turn was abandoned, so the task is in the other bank, and this one is ours, with what is in it, until
        // STRAGGLER is cleared below. That is done once: by the claim, which is used up, or for lack of that.
        let owner = unsafe { task.owners.take(self.bank) };
        task.header.phase[self.bank & 1].store(EMPTY, Ordering::Relaxed);
        // Release: the next abandoner may fill the bank.
        task.header.state.fetch_and(!STRAGGLER, Ordering::Release);
        self.outcome.set(Outcome::Left);
        owner
    }

    /// Ends a turn that nobody ended: a panic left `run`, or the claim was forgotten.
    #[cold]
    pub(super) fn end_for_lack_of_an_end<T: Run>(&self, task: &Task<T>) {
        if task.header.decided().epoch() == self.epoch {
            self.end(&task.header, |state| state.0 & !(RUNNING | SCHEDULED | HELD));
            self.outcome.set(Outcome::Left);
        } else {
            let owner = self.retire(task);
            contain(|| drop(owner));
        }
    }
}

impl Header {
    /// The state, once nobody is deciding about it.
    #[inline]
    pub(super) fn decided(&self) -> State {
        // Acquire: who sees a new epoch sees what was arranged before it.
        let state = self.load(Ordering::Acquire);
        if state.has(ABANDONING) { self.wait_for_decision() } else { state }
    }

    #[cold]
    fn wait_for_decision(&self) -> State {
        let mut backoff = Backoff::default();
        loop {
            backoff.wait();
            let state = self.load(Ordering::Acquire);
            if !state.has(ABANDONING) {
                return state;
            }
        }
    }
}

impl<T: Run> fmt::Debug for Claim<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("epoch", &self.turn.epoch).finish_non_exhaustive()
    }
}
