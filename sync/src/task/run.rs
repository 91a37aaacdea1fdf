//! The right to begin a turn, and the trampoline that runs it.

use std::{fmt, mem, mem::ManuallyDrop, ptr::NonNull};

use super::{
    HELD, Header, RUNNING, Run, SCHEDULED, State, Task,
    claim::{Claim, Outcome, Ran, Turn},
    lender::Nested,
};
use crate::facade::{Arc, Ordering};

pub(super) type RunFn = unsafe fn(NonNull<Header>) -> Option<Runnable>;

/// A scheduled task: whoever holds it is to run it, exactly once.
///
/// One pointer wide. It has no count of its own: it rides on the task's hold. Dropping one that was
/// not run makes the task idle again; the wake-up it stood for is lost.
#[must_use = "a runnable that nobody runs is a lost wake-up"]
pub struct Runnable {
    header: NonNull<Header>,
}

// SAFETY: a runnable is the exclusive right to begin a turn of a `Task<T>`, which is `Send + Sync`.
unsafe impl Send for Runnable {}
// SAFETY: `&Runnable` offers nothing.
unsafe impl Sync for Runnable {}

impl Runnable {
    /// # Safety
    ///
    /// The task is held and scheduled, and no other runnable of it exists.
    pub(super) unsafe fn new<T: Run>(task: &Task<T>) -> Runnable {
        // With the provenance of the `Arc`, which whoever held it has exposed: the state word that said HELD was read with
        // acquire.
        let address = NonNull::from(&task.header).addr();
        Runnable { header: NonNull::with_exposed_provenance(address) }
    }

    /// Takes the turn. `Some`: the task is to be scheduled again.
    ///
    /// # Panics
    ///
    /// When [`Run::run`] does; the task is then retired.
    #[inline]
    #[must_use = "a runnable that nobody runs is a lost wake-up"]
    pub fn run(self) -> Option<Runnable> {
        let header = self.into_header();
        // SAFETY: the pointer is that of a held, scheduled task, whose header we are; `self` was the
        // only right to begin its turn and is spent.
        unsafe { (header.as_ref().run)(header) }
    }

    /// Is it the right to begin a turn of this task?
    pub fn is_of<T: Run>(&self, task: &Task<T>) -> bool {
        self.header.addr().get() == std::ptr::from_ref(task).addr()
    }

    /// Whether its task was [said to be urgent](Task::set_urgent).
    pub fn is_urgent(&self) -> bool {
        // SAFETY: the pointer is that of a held task, whose header lives at least as long as this right to run it.
        unsafe { self.header.as_ref() }.urgent.load(Ordering::Relaxed)
    }

    /// The bare pointer, for a queue. To be turned back with [`Runnable::from_raw`].
    #[inline]
    pub fn into_raw(self) -> NonNull<()> {
        self.into_header().cast()
    }

    /// Turns a pointer back into the runnable it was.
    ///
    /// # Safety
    ///
    /// It came from [`Runnable::into_raw`], and is turned back once.
    #[inline]
    pub unsafe fn from_raw(raw: NonNull<()>) -> Runnable {
        Runnable { header: raw.cast() }
    }

    fn into_header(self) -> NonNull<Header> {
        ManuallyDrop::new(self).header
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        // SAFETY: a scheduled task is held, and so alive; nobody releases it before its turn begins.
        let header = unsafe { self.header.as_ref() };
        // AcqRel: who wakes it next hands over everything that was ready for this turn.
        header.state.fetch_and(!SCHEDULED, Ordering::AcqRel);
    }
}

impl fmt::Debug for Runnable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runnable").field(&self.header).finish()
    }
}

/// What a runnable of a `Task<T>` calls.
///
/// # Safety
///
/// `header` is that of a held, scheduled `Task<T>`, and the caller has the right to begin its turn.
pub(super) unsafe fn run_erased<T: Run>(header: NonNull<Header>) -> Option<Runnable> {
    // SAFETY: the header is the first field of a `Task<T>` in an `Arc` (`repr(C)`), the pointer came
    // from `Arc::as_ptr`. The count this `Arc` stands for is the held one: it is not dropped here but
    // by `take_turn`, and only if the turn ended that way.
    let task = ManuallyDrop::new(unsafe { Arc::from_raw(header.cast::<Task<T>>().as_ptr()) });
    // SCHEDULED is set and RUNNING is not, and nobody but us changes either now (`wake` sets what is
    // set): one exclusive-or moves both. Acquire pairs with the wakers and with the last runner.
    let before = task.header.state.fetch_xor(SCHEDULED | RUNNING, Ordering::AcqRel);
    // SAFETY: we have just begun the turn.
    unsafe { take_turn(&task, State(before), T::run) }
}

/// An idle task, claimed for a turn on this thread.
///
/// Dropping it makes the task idle again, unless it was woken meanwhile: then it takes a turn, here.
pub struct Claimed<'a, T: Run> {
    task: &'a Arc<Task<T>>,
}

impl<'a, T: Run> Claimed<'a, T> {
    /// # Safety
    ///
    /// The caller has just moved the task from idle to RUNNING.
    pub(super) unsafe fn new(task: &'a Arc<Task<T>>) -> Self {
        Claimed { task }
    }

    /// Takes the turn with `run` in place of [`Run::run`]. `Some`: the task is to be scheduled.
    #[inline]
    #[must_use = "a runnable that nobody runs is a lost wake-up"]
    pub fn run(self, run: impl FnOnce(&Arc<Task<T>>, Claim<'_, T>) -> Ran) -> Option<Runnable> {
        let task = ManuallyDrop::new(self).task;
        let began = task.header.load(Ordering::Relaxed);
        // SAFETY: by the constructor's contract we are the runner.
        unsafe { take_turn(task, began, run) }
    }
}

impl<T: Run> Drop for Claimed<'_, T> {
    fn drop(&mut self) {
        let claimed = Claimed { task: self.task };
        let mut next = claimed.run(|_, claim| claim.idle());
        while let Some(runnable) = next {
            next = runnable.run();
        }
    }
}

impl<T: Run> fmt::Debug for Claimed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claimed")
    }
}

/// Runs one turn to its end, whatever `run` does, and settles the counts.
///
/// # Safety
///
/// The caller has moved the task to RUNNING, in the epoch and the bank of `began`.
#[inline]
unsafe fn take_turn<T: Run>(
    task: &Arc<Task<T>>,
    began: State,
    run: impl FnOnce(&Arc<Task<T>>, Claim<'_, T>) -> Ran,
) -> Option<Runnable> {
    // Made where it stays: what is written in small words and copied in large ones right after is waited for.
    let frame = Frame { task, turn: Turn::new(Arc::as_ptr(task).addr(), began) };
    let current = Nested::enter(&frame.turn);
    let Ran { .. } = run(task, Claim::new(task, &frame.turn));
    drop(current);
    frame.finish()
}

/// Sees to it that a turn ends, also when a panic passes through.
struct Frame<'a, T: Run> {
    task: &'a Arc<Task<T>>,
    turn: Turn,
}

impl<T: Run> Frame<'_, T> {
    #[inline(always)]
    fn finish(self) -> Option<Runnable> {
        let (turn, header) = (&self.turn, &self.task.header);
        let after = match turn.outcome.get() {
            Outcome::Idle => turn.end(header, |state| state.0 & !RUNNING),
            Outcome::Again => turn.end(header, |state| state.0 & !RUNNING | SCHEDULED),
            Outcome::Release => turn.end(header, |state| match state.has(SCHEDULED) {
                true => state.0 & !RUNNING,
                false => state.0 & !(RUNNING | HELD),
            }),
            Outcome::Open | Outcome::Left => return None,
        };
        if !after.has(HELD) {
            turn.outcome.set(Outcome::Left);
            return None;
        }
        // If the task is idle now it may be anybody's, and gone: it is looked at only if it is scheduled.
        let task = self.task;
        mem::forget(self);
        if !after.has(SCHEDULED) {
            return None;
        }
        // SAFETY: the turn ended in SCHEDULED, and who woke the task meanwhile got no runnable: this is it.
        T::again(task, unsafe { Runnable::new(task) })
    }
}

impl<T: Run> Drop for Frame<'_, T> {
    /// The ends that give a count back, and the end of a turn that a panic has left.
    #[cold]
    fn drop(&mut self) {
        if self.turn.outcome.get() != Outcome::Left {
            self.turn.end_for_lack_of_an_end(self.task);
        }
        // SAFETY: HELD was cleared, whose count is ours to drop; or `abandon` made a count for the straggler, which
        // is this turn, and this is its end. Nobody uses `task` after this frame.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(self.task)) };
    }
}
