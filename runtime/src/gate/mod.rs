//! The gate: how an actor says "not now", in time.
//!
//! ```text
//!   senders ──▶ Board: service, standing limit ◀── published ── Keeper: Estimator, Standing ◀── turns, as measured
//!      │               ▲
//!      │  room?        │ refused: when, with what time left
//!      ▼               │
//!   Sight::room ─ no ──┘
//! ```
//! Looking at the gate is the health check: nobody is asked. A message with a deadline is taken in if what waits already,
//! and this one, will be done before that deadline, as the actor's own messages have taken so far. What was taken in and
//! cannot be done in time after all is dropped when it is taken out.
//!
//! Three rules without which it collapses, each a test:
//! * an idle actor never refuses for lack of time, or one absurd measurement locks it for ever;
//! * the first message of a busy period runs unless it has expired, for the same reason;
//! * what measures is not what refuses: no healthy load is shed in order to measure.
//!
//! Where [kinds] of messages take times that differ, work is counted in place of messages, [by kind](apart).
//!
//! The laws are plain values with time as an argument; they read no clock. The gate belongs to the cell: it outlives
//! incarnations.

mod admission;
mod amid;
mod apart;
mod away;
#[cfg(test)]
mod away_tests;
mod board;
mod estimator;
pub(crate) mod events;
#[cfg(test)]
mod events_tests;
mod kinds;
#[cfg(test)]
mod kinds_tests;
mod lazy;
#[cfg(test)]
mod lazy_tests;
mod limits;
mod needs;
mod orders;
mod overdue;
#[cfg(test)]
mod own_tests;
mod refusals;
#[cfg(test)]
mod refusals_tests;
mod shares;
#[cfg(test)]
mod shares_tests;
#[cfg(test)]
mod simulation;
mod standing;
mod state;
#[cfg(test)]
mod tests;
mod trouble;

use crashworthy_sync::label::Label;
use crashworthy_sync::promises::Promises;
use once_cell::race::OnceBox;
use parking_lot::Mutex;

pub(crate) use self::admission::Demand;
use self::admission::{Room, Sight, is_worth_it};
use self::apart::Apart;
pub(crate) use self::apart::Marks;
use self::away::Away;
use self::board::Board;
use self::estimator::Estimator;
pub(crate) use self::lazy::{LazyGate, Says};
use self::limits::ServiceTime;
use self::needs::Needs;
pub(crate) use self::needs::{Want, Wish};
use self::orders::Orders;
pub(crate) use self::orders::{InForce, Suspended};
use self::overdue::Due;
use self::refusals::Tally;
pub use self::refusals::{RefusalCount, Refusals};
use self::shares::LEAST_SHARED;
pub(crate) use self::shares::{FLOWS, flow_of, flow_of_actor};
use self::standing::{Standing, step};
pub use self::state::GateState;
pub(crate) use self::trouble::{Notes, Watch};
use crate::dependency::Dependency;
use crate::port::Port;

/// The gate of one actor. What few have is made when it is needed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    board: Board,
    /// Touched by the holder of the running claim alone.
    keeper: Mutex<Keeper>,
    /// Its kinds of messages, once a second was met.
    apart: OnceBox<Apart>,
    /// When somebody looks whether it is stuck.
    due: Due,
    /// Places that are reserved, until when.
    promises: OnceBox<Promises>,
    /// What it needs besides time, and whom it forwards to.
    needs: OnceBox<Needs>,
    absence: OnceBox<Absence>,
    /// Itself, once another depends on it.
    as_dependency: OnceBox<Dependency>,
    /// How often it refused, once it has.
    refusals: OnceBox<Tally>,
}

/// What keeps it from its messages besides its work. Few have it.
#[derive(Debug, Default)]
struct Absence {
    /// When it will be back, once a restart has taken its time, or is to.
    away: Away,
    /// What was ordered of it, once something was.
    orders: Orders,
}

/// So many deadlines after the last refusal for want of time places are shared no more, whoever was refused for having his share:
/// there may be room for all. One who asks for too much shows at once that there is none; then twice as many deadlines pass before that is
/// tried again, up to the most.
const SHARED: (u8, u8) = (4, 64);

/// What the actor knows of itself.
#[derive(Debug, Default)]
struct Keeper {
    estimator: Estimator,
    /// While it refuses.
    standing: Option<Standing>,
    trial: Trial,
}

/// Whether there is room for all, tried while some are refused for having their share.
///
/// Places are counted meanwhile: if there is none, it is known who has them.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// When it was tried last: a [`step`].
    tried_at: u32,
    /// For how long, in steps: two deadlines.
    lasts: u16,
    /// Deadlines until it is tried again.
    after: u8,
}

/// The standing limit of an actor that tries it: there is none, but shares are counted.
pub(super) const TRIED: u32 = u32::MAX - 1;

impl Default for Trial {
    fn default() -> Self {
        Self { tried_at: 0, lasts: 0, after: SHARED.0 }
    }
}

impl Trial {
    /// Nobody is refused from now on.
    fn begins(&mut self, now: u64, window_ns: u64) {
        self.tried_at = step(now);
        self.lasts = u16::try_from(window_ns >> 19).unwrap_or(u16::MAX).max(1);
    }

    fn goes_on(&self, now: u64) -> bool {
        self.tried_at != 0 && step(now).wrapping_sub(self.tried_at) < self.lasts.into()
    }

    /// There is no room for all now.
    fn fails(&mut self, now: u64) {
        self.after = if self.goes_on(now) { (self.after * 2).min(SHARED.1) } else { SHARED.0 };
        self.tried_at = 0;
    }
}

/// What is asked about a sender and an actor whose kinds of messages differ.
pub(crate) struct Query<'q> {
    /// The kind that is sent, if that is known yet.
    pub(crate) kind: &'q dyn Fn() -> Option<&'static str>,
    /// What is in hand.
    pub(crate) in_hand: Label,
    /// How many messages wait.
    pub(crate) queued: &'q dyn Fn() -> u32,
}

/// What a stretch of work came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) ended_at: u64,
    /// From the end of the work before, or from when there was something to do if that was later.
    pub(crate) took_ns: u64,
    /// Messages that ended before it, ever.
    pub(crate) before: u32,
    /// Messages that ended in it.
    pub(crate) messages: u32,
    /// Those of them that had not waited in the mailbox: a part of what those take that had.
    pub(crate) own: u32,
    /// Messages that wait at its end.
    pub(crate) left: u32,
    /// For how long there was nothing to do before it.
    pub(crate) idle_ns: Option<u64>,
}

impl Stretch {
    /// Messages that came out of the mailbox.
    fn queued(self) -> u32 {
        self.messages - self.own
    }

    /// How long it would have taken if all messages took what one does that waits in the mailbox, with those of the actor's own that go
    /// before it.
    fn inflated_ns(self) -> u64 {
        let inflated = u128::from(self.took_ns) * u128::from(self.messages) / u128::from(self.queued().max(1));
        u64::try_from(inflated).unwrap_or(u64::MAX)
    }
}

impl Gate {
    /// What a sender sees.
    pub(crate) fn sight(&self) -> Sight {
        self.board.sight()
    }

    /// Whether it was made for more than to count refusals.
    fn is_measured(&self) -> bool {
        self.board.service().is_known() || self.board.refused().is_some()
    }

    /// Whether senders are refused for the sake of others: one was, less time ago than he had.
    fn is_shedding(&self, port: &Port) -> bool {
        let stands = self.sight().standing.is_some_and(|standing| standing != TRIED);
        // What stands is published after work alone: who rests has no more of it, and nobody to tell.
        stands && self.board.refused().is_some_and(|(at, left_ns)| port.now_ns().saturating_sub(at) < left_ns)
    }

    /// A sender is refused that had so much time left.
    pub(crate) fn refuses(&self, now: u64, left_ns: u64) {
        self.board.refuses(now, left_ns);
    }

    /// A sender is refused for the sake of the others, not because there is too much to do.
    pub(crate) fn refuses_share(&self) {
        self.board.refuses_share();
    }

    /// Whether messages are counted by their kinds, and how.
    fn counting(&self) -> Option<&Apart> {
        self.apart.get().filter(|apart| apart.counts())
    }

    /// What is believed of a message that is marked so.
    fn service(&self, marks: Marks) -> ServiceTime {
        let usual = self.board.service();
        self.apart.get().map_or(usual, |apart| apart.service(marks, usual))
    }

    /// The room for a message, among what waits and what is in hand.
    fn room(&self, sight: Sight, demand: Demand, query: &Query<'_>) -> Room {
        match self.counting() {
            None => sight.room(demand),
            Some(apart) => {
                let amid = apart.amid((query.kind)(), query.in_hand, (query.queued)(), sight.service);
                sight.room_amid(demand, &amid)
            }
        }
    }

    /// Takes in what the actor has done. By the holder of the running claim.
    ///
    /// Returns what senders see from now on.
    pub(crate) fn note(&self, stretch: Stretch) -> Sight {
        let mut keeper = self.keeper.lock();
        keeper.estimator.observe(stretch.took_ns, stretch.queued());
        let mut left = stretch.left;
        if let Some(apart) = self.apart.get() {
            let Stretch { before, messages, ended_at, .. } = stretch;
            let usual = keeper.estimator.service();
            apart.ends(before, messages, stretch.inflated_ns(), usual, ended_at);
            if apart.counts() {
                left = apart.waiting(left, usual).messages(usual);
            }
        }
        keeper.stand(&self.board, Stretch { left, ..stretch });
        let tried = keeper.trial.goes_on(stretch.ended_at).then_some(TRIED);
        let standing = keeper.standing.as_ref().map(Standing::limit).or(tried);
        let sight = Sight { service: keeper.estimator.service(), standing, running_ns: 0, held: None };
        self.board.publish(sight);
        sight
    }
}

impl Keeper {
    /// Sees to the standing queue while senders are refused.
    fn stand(&mut self, board: &Board, stretch: Stretch) {
        let Some((refused_at, window_ns)) = board.refused() else { return };
        let now = stretch.ended_at;
        let service = self.estimator.service();
        let places = service.places(window_ns).saturating_sub(1);
        if self.standing.is_none() {
            self.trial.fails(now);
        }
        let standing = self.standing.get_or_insert_with(|| Standing::begin(now, window_ns, places));
        let shares = standing.shares(now, board.has_refused_share());
        let is_tried = standing.is_over(now, refused_at, self.trial.after.into());
        if is_tried || (!shares && standing.is_over(now, refused_at, 1)) {
            if shares {
                self.trial.begins(now, window_ns);
            }
            self.standing = None;
            return board.forget_refusals();
        }
        standing.refuses(window_ns);
        if let Some(idle_ns) = stretch.idle_ns {
            standing.ran_dry(idle_ns as f32 / service.mean_ns().max(1) as f32, places);
        }
        standing.took(now, stretch.messages, stretch.left);
    }
}
