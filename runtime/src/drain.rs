//! Draining one actor and all below it: no new work, what is queued is served, then it stops in order.
//!
//! What a system's own stop does to everybody, done to a branch of its tree. Whoever is in the branch is marked, so that senders who
//! are not are refused; who is started there meanwhile is marked at the next look. The marks go with the incarnations.

use std::collections::{HashMap, HashSet};
use std::iter::successors;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::cell::{AnyCell, Core};
use crate::event::{self, Happening};
use crate::exit::ExitReason;
use crate::pid::{ActorId, Pid};
use crate::shared::Shared;
use crate::shutdown::{LOOK, unserved};
use crate::signal::send_stop;
use crate::system::System;
use crate::time::Nap;
use crate::turn::{self, Whose};

/// Whose parents are looked for no further up than this: nobody's tree is that deep, and actors may be each other's parents.
const DEEPEST: usize = 64;

/// What a drain came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drained {
    /// The incarnation has ended.
    Ended {
        /// Why: for what it was asked to stop, unless it ended by itself before.
        reason: ExitReason,
        /// Messages that were still queued or in hand when it was asked to stop, or the system was; of those, who is restarted
        /// finds his own.
        undrained: u64,
    },
    /// It had ended before, drains already, or the system stops as a whole: nothing was begun.
    NotBegun,
}

impl System {
    /// Has one actor and all below it finish what they have, for at most `within`, and then stops it with this reason as
    /// [`stop_actor`](Self::stop_actor) does; who is below it stops as its supervisor does that. It is begun when this returns,
    /// and goes on whether or not the future is awaited; that resolves when the incarnation has ended.
    ///
    /// Meanwhile whoever is not among them is refused, [`Draining`](crate::Reason::Draining), outside of the system or not, and
    /// so are those who wait for room. Among them work goes on. Timers, what they send themselves, and permits that were given before
    /// pass. Who crashes meanwhile is restarted as ever. After the stop its supervisor does what the restart type says: a permanent
    /// child comes back, and takes new work.
    ///
    /// The system as a whole is drained by [`stop`](Self::stop). A drain of a branch becomes a part of that when it begins.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub fn drain(
        &self,
        pid: Pid,
        within: Duration,
        reason: ExitReason,
    ) -> impl Future<Output = Drained> + Send + use<> {
        let begun = self.begin_drain(pid, within, reason);
        async move {
            match begun {
                Some(ended) => ended.await.unwrap_or(Drained::Ended { reason: ExitReason::NoProc, undrained: 0 }),
                None => Drained::NotBegun,
            }
        }
    }

    fn begin_drain(&self, pid: Pid, within: Duration, reason: ExitReason) -> Option<oneshot::Receiver<Drained>> {
        let top = self.reach(pid).filter(|_| !self.is_stopping())?;
        let until = self.shared.port.after_ns(within);
        let mut branch = Branch { shared: self.shared.weak(), top: pid, marked: HashMap::new() };
        if !mark(&top, pid) {
            return None;
        }
        branch.marked.insert(pid.id, pid);
        event::note_of(top.core(), Happening::Drains { within });
        tracing::info!(system = self.name(), %pid, path = &*top.core().path(), ?within, "drains, then stops");
        top.rouse_waiters();
        branch.look();
        let (sender, ended) = oneshot::channel();
        let (down, told) = oneshot::channel();
        self.watch_once(pid, down);
        self.shared.pool.run_errand(async move {
            let undrained = branch.serve(until).await;
            // Of a system that stops, what is queued here is served with all the rest, and then the top of its tree ends.
            if undrained.is_some()
                && let Some((shared, top)) = branch.top()
                && !shared.stop.has_begun()
            {
                send_stop(&top, pid.incarnation, reason);
            }
            // An error says that the system has gone.
            let reason = told.await.map_or(ExitReason::NoProc, |down| down.reason);
            branch.unmark();
            // Whoever began it may not wait.
            let _ = sender.send(Drained::Ended { reason, undrained: undrained.unwrap_or(0) });
        });
        Some(ended)
    }
}

/// A branch that drains. It keeps neither its actors nor their system.
struct Branch {
    shared: Weak<Shared>,
    top: Pid,
    /// The incarnations that were marked last, one a slot.
    marked: HashMap<ActorId, Pid>,
}

impl Branch {
    /// The top, while it lives.
    fn top(&self) -> Option<(Arc<Shared>, Arc<dyn AnyCell>)> {
        let shared = self.shared.upgrade()?;
        let top = shared.find(self.top.id)?;
        let lives = top.core().ties.lock().lives(self.top.incarnation);
        lives.then_some((shared, top))
    }

    /// Marks whoever is in it and was not, and returns all who live in it; none if the top has ended.
    fn look(&mut self) -> Option<Vec<Arc<dyn AnyCell>>> {
        let (shared, top) = self.top()?;
        let (mut all, mut next, mut seen) = (Vec::new(), vec![top], HashSet::new());
        while let Some(cell) = next.pop() {
            // Actors may be each other's parents.
            if !seen.insert(cell.core().id()) {
                continue;
            }
            let (living, children) = {
                let ties = cell.core().ties.lock();
                (ties.living(), ties.children())
            };
            next.extend(children.into_iter().filter_map(|child| shared.find(child)));
            let pid = Pid { id: cell.core().id(), incarnation: living };
            if living == 0 {
                continue;
            }
            if self.marked.get(&pid.id) != Some(&pid) && mark(&cell, pid) {
                self.marked.insert(pid.id, pid);
                cell.rouse_waiters();
            }
            all.push(cell);
        }
        Some(all)
    }

    /// Waits until nobody in it has anything to do, or the time is over: how many messages were left. None if the top has ended.
    async fn serve(&mut self, until: u64) -> Option<u64> {
        loop {
            let cells = self.look()?;
            let shared = self.shared.upgrade()?;
            let work = unserved(&cells);
            // As in the stop of a system: work may have gone from one not yet looked at to one that was.
            let is_quiet = work.left == 0 && unserved(&cells) == work;
            let now = shared.port.now_ns();
            if is_quiet || now >= until || shared.stop.has_begun() {
                return Some(work.left);
            }
            let nap = Nap::until(&shared.wheel, until.min(now + LOOK.as_nanos() as u64));
            drop((shared, cells));
            nap.await;
        }
    }

    /// Takes the marks from those who have them still.
    fn unmark(&self) {
        let Some(shared) = self.shared.upgrade() else { return };
        for pid in self.marked.values() {
            if let Some(cell) = shared.find(pid.id) {
                let ties = cell.core().ties.lock();
                if ties.lives(pid.incarnation) {
                    cell.core().gate.drains(cell.core(), false);
                }
            }
        }
    }
}

/// Marks an incarnation, if it lives and was not.
fn mark(cell: &Arc<dyn AnyCell>, pid: Pid) -> bool {
    let ties = cell.core().ties.lock();
    ties.lives(pid.incarnation) && cell.core().gate.drains(cell.core(), true)
}

/// Whether whoever sends to an actor that drains is in the same boat: it drains itself, or will as soon as it is looked for, since
/// it was started below somebody who does.
#[cold]
pub(crate) fn is_part_of_it(core: &Core) -> bool {
    let shared = core.shared();
    let Whose::Here(sender) = turn::whose(&shared.stragglers) else { return false };
    let above = |cell: &Arc<dyn AnyCell>| {
        let parent = cell.core().ties.lock().parent()?;
        shared.find(parent.id)
    };
    let mut line = successors(shared.find(sender.id), above).take(DEEPEST);
    sender.id == core.id() || line.any(|cell| cell.core().orders().drains)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::drain::Drained;
    use crate::scripted::{Line, clerk, ms, note, simulate};
    use crate::{Actor, ActorRef, Context, Exit, ExitReason, Message, Reply, Slot, Under};

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn what_is_queued_in_a_branch_that_drains_is_served_when_the_system_stops_too() {
        simulate(1, async |system| {
            let (clerk, script) = clerk(&system, [Line::Work(ms(100))]).await;
            (0..3).for_each(|_| clerk.tell(note()).expect("it has room"));
            let drained = system.drain(clerk.pid(), HOUR, ExitReason::Shutdown);
            let (drained, _) = tokio::join!(drained, system.stop());
            assert!(matches!(drained, Drained::Ended { .. }), "{drained:?}");
            assert_eq!((script.played().len(), clerk.law().undelivered), (3, 0));
        });
    }

    /// Has its work done by one below it, which tells it when that is done.
    struct Boss(u32);

    enum ToBoss {
        Work,
        Done,
        HowMany(Reply<u32>),
    }

    impl Message for ToBoss {}

    impl Actor for Boss {
        type Args = ();
        type Msg = ToBoss;

        async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
            Ok(Self(0))
        }

        async fn handle(&mut self, msg: ToBoss, cx: &mut Context<Self>) -> Result<(), Exit> {
            match msg {
                ToBoss::Work => {
                    // Longer than from one look at the branch to the next.
                    tokio::time::sleep(ms(100)).await;
                    let hand = Slot::<Hand>::anonymous();
                    cx.start(&hand, cx.address(), Under { parent: true, link: true }).await?;
                }
                ToBoss::Done => self.0 += 1,
                ToBoss::HowMany(reply) => reply.send(self.0),
            }
            Ok(())
        }
    }

    struct Hand;

    impl Actor for Hand {
        type Args = ActorRef<Boss>;
        type Msg = ();

        async fn init(boss: ActorRef<Boss>, _: &mut Context<Self>) -> Result<Self, Exit> {
            boss.tell(ToBoss::Done)?;
            Ok(Self)
        }

        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), Exit> {
            Ok(())
        }
    }

    #[test]
    fn who_is_started_in_a_branch_that_drains_is_a_part_of_it_from_the_beginning() {
        simulate(2, async |system| {
            let boss = system.spawn::<Boss>(()).await.expect("it starts");
            boss.tell(ToBoss::Work).expect("it has room");
            let permit = boss.reserve(crate::Offer::within(HOUR)).expect("it has room");
            let drained = system.drain(boss.pid(), HOUR, ExitReason::Shutdown);
            // A permit that was given before passes.
            let (_, how_many) = tokio::join!(drained, permit.ask(ToBoss::HowMany));
            assert_eq!((how_many, boss.law().handled), (Ok(0), 3), "the question came before the answer of the hand");
        });
    }
}
