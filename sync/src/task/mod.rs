//! A schedulable object with one runner at a time, and the way to take it from a runner that is stuck.
//!
//! ```text
//!   Arc<Task<T>>
//!   ┌──────────────────────────────┐
//!   │ header   state  (one word)   │  epoch:32 | … | SCHEDULED RUNNING HELD ABANDONING STRAGGLER BANK
//!   │          phase  [2], guise   │  is the runner of bank 0 / 1 in foreign code? what do its wakers look like?
//!   │          urgent              │  is it to be run before others, if there are too few threads?
//!   │          run    (fn pointer) │  what a thin `Runnable` calls
//!   │ owners                       │  private data of the runner; one bank a runner
//!   │ data     T                   │  what everybody sees through `Deref`
//!   └──────────────────────────────┘
//!
//!             wake                 Runnable::run                 idle
//!   idle ───────────────▶ SCHEDULED ───────────▶ RUNNING ──────────────────▶ idle
//!    │                        ▲                   │  │ ▲ wake: SCHEDULED is set beside RUNNING,
//!    │ claim_now              └───────────────────┘  │ │       so `idle` answers "again"
//!    └──────────────────────────▶ RUNNING     again  └─┘
//! ```
//!
//! **Waking** is one `fetch_or`, **beginning** one `fetch_xor`, **ending** one compare-and-swap. A
//! wake-up that arrives during the turn is found by the compare-and-swap that ends it, so none is lost.
//!
//! **Holding.** A held task owns one count of its own `Arc`, and only a held task is ever scheduled: a
//! [`Runnable`] is therefore a bare pointer. [`Claim::release`] gives the count back. Whoever holds an idle task anew may
//! take its turn at once ([`Task::hold_and_claim`]), and so reach what only a runner may.
//!
//! **Abandoning.** Rust cannot stop a thread. When the runner is stuck in foreign code, [`Task::abandon`]
//! starts a new *epoch* in the other owner bank and leaves the old bank to the straggler. The runner
//! marks the foreign stretch ([`Task::user`]) in its bank's `phase` and looks at the state word when it
//! is back; the abandoner marks the word and then looks at the phase:
//!
//! ```text
//!   runner (every turn)                 abandoner (hardly ever)
//!   phase := RUNTIME                    state |= ABANDONING
//!   light()                             heavy()
//!   look at state                       look at phase
//! ```
//!
//! By the promise of the two fences at least one sees the other. The *abandoner* decides: `USER` means
//! a new epoch, `RUNTIME` means "busy". A runner that sees `ABANDONING` waits for the decision, and while
//! the bit is set no turn begins or ends. A straggler keeps a count of the `Arc` and its bank until it
//! returns; there is at most one.

mod banks;
mod claim;
#[cfg(not(loom))]
mod guise;
mod lender;
mod run;
mod state;

#[cfg(all(test, not(loom)))]
mod tests;

use std::{fmt, mem, ops::Deref};

use self::{
    banks::Banks,
    claim::Lends,
    lender::{Interlude, Lent, UserPhase, current},
    run::{RunFn, run_erased},
    state::{ABANDONING, HELD, RUNNING, SCHEDULED, STRAGGLER, State},
};
pub use self::{
    claim::{Claim, Ran},
    run::{Claimed, Runnable},
};
use crate::{
    asymmetric,
    facade::{Arc, AtomicBool, AtomicU8, AtomicU64, Ordering},
};

/// What a task does when it is its turn.
pub trait Run: Send + Sync + Sized + 'static {
    /// Data that only the runner of the current epoch touches.
    type Owner: Send + 'static;

    /// Takes one turn. It ends with one of the verbs of the [`Claim`].
    ///
    /// A panic that leaves this function, or a claim that was forgotten, retires the task: its
    /// hold is given back and it is never scheduled again until it is held anew.
    fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran;

    /// A turn has ended that is to be followed by another: gives its runnable to whoever took the turn, to be scheduled,
    /// unless it belongs elsewhere and was put there.
    #[inline]
    fn again(_task: &Arc<Task<Self>>, runnable: Runnable) -> Option<Runnable> {
        Some(runnable)
    }
}

/// A task that knows where its runnables go, and can therefore be a [`std::task::Waker`].
pub trait Schedule: Run {
    /// Puts a runnable of `task` where somebody will run it.
    fn schedule(task: &Arc<Task<Self>>, runnable: Runnable);

    /// A waker of `task` that [was lent](Task::with_waker), or a clone of it, is cloned on this thread, or wakes what is
    /// scheduled or runs: somebody may be going to wait.
    fn waker_is_kept(_task: &Arc<Task<Self>>) {}
}

/// A schedulable object: the module's documentation has the picture.
#[repr(C)]
pub struct Task<T: Run> {
    /// First, so that a pointer to the task is a pointer to its header.
    header: Header,
    /// A bank belongs to the runner whose turn began with it.
    owners: Banks<T::Owner>,
    data: T,
}

pub(crate) struct Header {
    state: AtomicU64,
    /// Written by the runner of that bank, read by abandoners.
    phase: [AtomicU8; 2],
    /// In which of two guises its wakers are lent. Written and read by the runner.
    #[cfg(not(loom))]
    odd: AtomicBool,
    /// Whether [`Runnable`]s of it say that they are urgent.
    urgent: AtomicBool,
    run: RunFn,
}

const RUNTIME: u8 = 0;
const USER: u8 = 1;
/// Of a bank that nobody has: there is nothing in it.
const EMPTY: u8 = 2;

// SAFETY: `data` is `Send + Sync` by `Run`'s bounds. An owner is touched by one thread at a time, the
// runner of its bank (the state word hands banks over with release/acquire), and is `Send`.
unsafe impl<T: Run> Send for Task<T> {}
// SAFETY: as above.
unsafe impl<T: Run> Sync for Task<T> {}

/// What [`Task::abandon`] did.
#[derive(Debug)]
#[must_use]
pub enum Abandon {
    /// The turn was left behind; the runnable begins the new epoch, and is to be scheduled.
    Done(Runnable),
    /// No turn is under way.
    NotRunning,
    /// The turn is in the runtime's own code, or about to end: try again.
    Busy,
    /// An earlier straggler has not come back, and there is room for one only.
    Straggler,
}

/// The epoch asked about is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale;

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the turn was abandoned")
    }
}

impl std::error::Error for Stale {}

impl<T: Run> Task<T> {
    /// Makes an idle task that is not yet held.
    pub fn new(data: T, owner: T::Owner) -> Arc<Self> {
        asymmetric::prepare();
        Arc::new(Task {
            header: Header {
                state: AtomicU64::new(State::NEW.0),
                phase: [AtomicU8::new(RUNTIME), AtomicU8::new(EMPTY)],
                #[cfg(not(loom))]
                odd: AtomicBool::new(false),
                urgent: AtomicBool::new(false),
                run: run_erased::<T>,
            },
            owners: Banks::new(owner),
            data,
        })
    }

    /// Whether its turns are more urgent than others' from now on: what [`Runnable::is_urgent`] says.
    pub fn set_urgent(&self, urgent: bool) {
        // Relaxed: a hint. What it is to be seen with is published by a wake-up.
        self.header.urgent.store(urgent, Ordering::Relaxed);
    }

    /// Lets the task be scheduled, and keep itself alive, until its claim is released; and wakes it.
    ///
    /// One step, so that a release cannot come between. The answer is that of [`Task::wake`].
    #[must_use = "a runnable that nobody runs is a lost wake-up"]
    pub fn hold_and_wake(this: &Arc<Self>) -> Option<Runnable> {
        let count = Self::count_of_a_hold(this);
        let mut state = this.header.load(Ordering::Relaxed);
        loop {
            // Without HELD, SCHEDULED is stale: nobody has a runnable.
            let idle = !state.has(RUNNING) && (!state.has(HELD) || !state.has(SCHEDULED));
            // Release: whoever is scheduled from now on sees what was prepared before holding.
            match this.header.swap_state(state, State(state.0 | HELD | SCHEDULED)) {
                Ok(()) => {
                    if !state.has(HELD) {
                        let _ = Arc::into_raw(count);
                    }
                    // SAFETY: the task is held, and we alone moved it from idle to scheduled.
                    return idle.then(|| unsafe { Runnable::new(this) });
                }
                Err(seen) => state = seen,
            }
        }
    }

    /// Lets the task be scheduled, as [`Task::hold_and_wake`] does, and claims it for a turn on this very thread: whoever has
    /// something for its owner puts it there. `None`, and nothing is changed, when it is scheduled or runs.
    pub fn hold_and_claim(this: &Arc<Self>) -> Option<Claimed<'_, T>> {
        let state = this.header.load(Ordering::Relaxed);
        let held = state.has(HELD);
        // Without HELD, SCHEDULED is stale: nobody has a runnable.
        if state.has(RUNNING) || (held && state.has(SCHEDULED)) {
            return None;
        }
        let count = Self::count_of_a_hold(this);
        // Acquire: the owner as the last runner left it. A lost race means "not idle", as in `claim_now`.
        this.header.swap_state(state, State(state.0 & !SCHEDULED | HELD | RUNNING)).ok()?;
        if !held {
            let _ = Arc::into_raw(count);
        }
        // SAFETY: we moved the task from idle to running.
        Some(unsafe { Claimed::new(this) })
    }

    /// The count that a hold takes over. It exists before anybody can rely on it, and is taken back if the task was held.
    fn count_of_a_hold(this: &Arc<Self>) -> Arc<Self> {
        // A pointer made from a reference to the task may not reach the counts beside it. This one may, and is exposed to
        // whoever makes a runnable: the release that makes the task held comes before that.
        let _ = Arc::as_ptr(this).expose_provenance();
        Arc::clone(this)
    }

    /// Makes an idle task runnable.
    ///
    /// `Some`: the caller must see to it that the runnable runs. `None`: it is scheduled already, is
    /// running (and will be scheduled again when its turn ends), or is not held.
    #[inline]
    #[must_use = "a runnable that nobody runs is a lost wake-up"]
    pub fn wake(&self) -> Option<Runnable> {
        // AcqRel: what the waker published before is seen by the turn that begins or goes on.
        let before = State(self.header.state.fetch_or(SCHEDULED, Ordering::AcqRel));
        if before.0 & (SCHEDULED | RUNNING | HELD) == HELD {
            // SAFETY: the task is held, and so lives in an `Arc`; we alone moved it from idle to scheduled.
            Some(unsafe { Runnable::new(self) })
        } else {
            None
        }
    }

    /// Claims an idle task for a turn on this very thread. `None` when it is not idle or not held.
    #[inline]
    pub fn claim_now(this: &Arc<Self>) -> Option<Claimed<'_, T>> {
        let state = this.header.load(Ordering::Relaxed);
        if state.0 & (SCHEDULED | RUNNING | HELD) != HELD {
            return None;
        }
        // Acquire: the owner as the last runner left it. A lost race means "not idle", unless an
        // unrelated bit moved; then the caller takes the ordinary way, which is as good.
        this.header.swap_state(state, State(state.0 | RUNNING)).ok()?;
        // SAFETY: we moved the task from idle to running.
        Some(unsafe { Claimed::new(this) })
    }

    /// Takes the task from a turn that is stuck in foreign code, and gives the next one an owner made from the old:
    /// what `heir` moves out of it belongs to the new epoch, what it leaves to the stuck turn.
    ///
    /// On success the task is scheduled in a new epoch. The old turn finds out when its foreign code returns.
    pub fn abandon(this: &Arc<Self>, heir: impl FnOnce(&mut T::Owner) -> T::Owner) -> Abandon {
        let header = &this.header;
        let mut state = header.load(Ordering::Acquire);
        loop {
            if !state.has(RUNNING) {
                return Abandon::NotRunning;
            }
            if state.has(ABANDONING) {
                return Abandon::Busy;
            }
            if state.has(STRAGGLER) {
                return Abandon::Straggler;
            }
            match header.swap_state(state, State(state.0 | ABANDONING)) {
                Ok(()) => break,
                Err(seen) => state = seen,
            }
        }
        // From here until ABANDONING is cleared no turn begins or ends.
        asymmetric::heavy();
        let bank = state.bank();
        // Acquire: pairs with the runner's store of USER, so that what it did before is over.
        if header.phase[bank].load(Ordering::Acquire) != USER {
            drop(Undecided(header));
            return Abandon::Busy;
        }
        let undecided = Undecided(header);
        // SAFETY: the turn that has this bank is in foreign code, where nothing of it is lent, and comes back no further
        // than `decided`, which waits for our decision. The bank of a turn is filled.
        let old = unsafe { this.owners.look(bank) };
        let owner = heir(old);
        mem::forget(undecided);
        // SAFETY: the other bank is nobody's: its last runner was the current runner's predecessor or
        // a straggler that gave it back (STRAGGLER is clear, read with acquire), and the next runner
        // of it begins after the state word says so below. So it is empty, which a turn that was abandoned leaves it.
        unsafe { this.owners.fill(1 - bank, owner) };
        header.phase[1 - bank].store(RUNTIME, Ordering::Relaxed);
        // The straggler's own count, before the held one passes to the new epoch.
        let straggler = Arc::clone(this);
        let _ = Arc::into_raw(straggler);
        let mut state = header.load(Ordering::Relaxed);
        loop {
            // Release: the next runner sees its owner; the straggler sees the new epoch.
            match header.swap_state(state, state.abandoned()) {
                Ok(()) => break,
                Err(seen) => state = seen,
            }
        }
        // SAFETY: the task is held and scheduled, and a waker that set SCHEDULED while it was running got no
        // runnable; this is that runnable.
        Abandon::Done(unsafe { Runnable::new(this) })
    }

    /// The current epoch: how often a turn of this task was abandoned.
    #[inline]
    pub fn epoch(&self) -> u32 {
        // Acquire: pairs with `abandon`, so what was arranged before it is seen by who sees its epoch.
        self.header.load(Ordering::Acquire).epoch()
    }

    /// Runs foreign code in a turn of this task: meanwhile the turn may be abandoned.
    ///
    /// Anywhere else (no turn of this task runs on this thread, or it is in foreign code already) it merely runs it.
    ///
    /// # Errors
    ///
    /// [`Stale`], with what the code returned, when the turn was abandoned meanwhile: it owns nothing any more.
    #[inline(always)]
    pub fn user<R>(&self, work: impl FnOnce() -> R) -> Result<R, (R, Stale)> {
        // SAFETY: it is not kept beyond this function.
        let turn = unsafe { current(self.address(), Lends::Yes) };
        let phase = turn.map(|turn| UserPhase::enter(&self.header, turn));
        let result = work();
        drop(phase);
        match turn {
            Some(turn) if turn.lends.get() == Lends::Never => Err((result, Stale)),
            _ => Ok(result),
        }
    }

    /// A step of the turn that runs on this thread: `take` is lent the runner's private data, and what it takes is given
    /// to foreign code. The same as [`Task::with_owner`] and then [`Task::user`], for whoever does so all the time.
    ///
    /// `None` if `take` took nothing, or nothing is lent.
    #[inline(always)]
    pub fn step<M, R>(
        &self,
        take: impl FnOnce(&mut T::Owner) -> Option<M>,
        foreign: impl FnOnce(M) -> R,
    ) -> Option<Result<R, (R, Stale)>> {
        // SAFETY: it is not kept beyond this function.
        let turn = unsafe { current(self.address(), Lends::Yes) }?;
        let taken = {
            let _lent = Lent::enter(turn);
            // SAFETY: as in `with_owner`.
            take(unsafe { self.owners.look(turn.bank) })?
        };
        let phase = UserPhase::enter(&self.header, turn);
        let result = foreign(taken);
        drop(phase);
        Some(if turn.lends.get() == Lends::Yes { Ok(result) } else { Err((result, Stale)) })
    }

    /// Lends the runner's private data to code of the turn that runs on this thread.
    ///
    /// `None` outside of a turn of this task, in foreign code, after the turn was abandoned, or while it is lent
    /// already.
    #[inline(always)]
    pub fn with_owner<R>(&self, work: impl FnOnce(&mut T::Owner) -> R) -> Option<R> {
        // SAFETY: it is not kept beyond this function.
        let turn = unsafe { current(self.address(), Lends::Yes) }?;
        let _lent = Lent::enter(turn);
        // SAFETY: this thread runs a turn of this task that was not abandoned when it came into its RUNTIME phase, in
        // which `abandon` goes away; so the turn has its bank still. It says that no other reference to that exists, and
        // lends nothing while this one does.
        Some(work(unsafe { self.owners.look(turn.bank) }))
    }

    /// Lends the runner's private data to foreign code of the turn that runs on this thread: for what the runtime
    /// offers to that code. Meanwhile the turn cannot be abandoned.
    ///
    /// `None` anywhere else, and after the turn was abandoned.
    pub fn interlude<R>(&self, work: impl FnOnce(&mut T::Owner) -> R) -> Option<R> {
        // SAFETY: it is not kept beyond this function.
        let turn = unsafe { current(self.address(), Lends::Foreign) }?;
        let _interlude = Interlude::enter(&self.header, turn)?;
        // SAFETY: as in `with_owner`: the phase is RUNTIME again, and foreign code has no reference to the bank.
        Some(work(unsafe { self.owners.look(turn.bank) }))
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Is a turn under way?
    pub fn is_running(&self) -> bool {
        self.header.load(Ordering::Acquire).has(RUNNING)
    }

    /// May the task be scheduled?
    pub fn is_held(&self) -> bool {
        self.header.load(Ordering::Acquire).has(HELD)
    }

    /// Is an abandoned turn still out there?
    pub fn has_straggler(&self) -> bool {
        self.header.load(Ordering::Acquire).has(STRAGGLER)
    }
}

impl<T: Run> Drop for Task<T> {
    fn drop(&mut self) {
        if self.header.phase[0].load(Ordering::Relaxed) != EMPTY {
            // SAFETY: `&mut self`: nobody else is here, and who would have left the bank empty has said so.
            drop(unsafe { self.owners.take(0) });
        }
    }
}

/// Takes the mark of an abandoner back who did not go through with it, also when `heir` panics.
struct Undecided<'a>(&'a Header);

impl Drop for Undecided<'_> {
    fn drop(&mut self) {
        // Release: the runner that waits for the decision sees its owner as `heir` left it.
        self.0.state.fetch_and(!ABANDONING, Ordering::Release);
    }
}

impl Header {
    #[inline]
    fn load(&self, order: Ordering) -> State {
        State(self.state.load(order))
    }

    /// Replaces one state by another. Acquires what the last holder of the bits left, releases ours.
    #[inline]
    fn swap_state(&self, from: State, to: State) -> Result<(), State> {
        self.state.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Acquire).map(|_| ()).map_err(State)
    }
}

impl<T: Run> Deref for Task<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: Run + fmt::Debug> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("state", &self.header.load(Ordering::Relaxed))
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}
