//! Holding one actor back from outside: it is suspended, or its gate is tripped.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::cell::{AnyCell, flag};
use crate::event::{self, Happening};
use crate::gate::Suspended;
use crate::pid::Pid;
use crate::report;
use crate::system::System;
use crate::time::{Expire, TimerKey};

/// Holding an actor back.
impl System {
    /// Handles no more messages of this actor until [`resume`](Self::resume); the system lane is still served. What is sent to it
    /// queues: nobody knows how long that will be.
    pub fn suspend(&self, pid: Pid) {
        if let Some(cell) = self.reach(pid) {
            suspend(&cell, pid, None);
        }
    }

    /// The same for so long, to a millisecond or so: then it is resumed, if it is still that incarnation and nobody has said
    /// otherwise since. What was said last counts.
    ///
    /// Whoever has a deadline before that time is refused at once, [`Suspended`](crate::Reason::Suspended), with the time left; the
    /// others queue. That holds for those who wait for room, too.
    pub fn suspend_for(&self, pid: Pid, span: Duration) {
        if let Some(cell) = self.reach(pid) {
            let until = self.shared.port.after_ns(span);
            suspend(&cell, pid, Some(until));
        }
    }

    /// Ends a suspension.
    pub fn resume(&self, pid: Pid) {
        if let Some(cell) = self.reach(pid) {
            resume(&cell, pid, None);
        }
    }

    /// Trips the gate of a slot, as an operator or a breaker would: from now on every new message is refused,
    /// [`Tripped`](crate::Reason::Tripped) without a time to come again, whoever sends it and however much it matters; so are those
    /// who wait for room. Whoever [depends](crate::Context::depends_on) on it lacks it. It lasts until [`untrip`](Self::untrip), over
    /// restarts of the actor, by a group restart or otherwise. Whether that is news; false as well unless this is the incarnation of
    /// the slot that was started last, and it lives or is being restarted.
    ///
    /// What is queued stays, and is handled: it was accepted, its callers wait, and a trip that turns out to be a mistake can be taken
    /// back without a loss. Whoever wants nothing handled either [suspends](Self::suspend) the actor, too. What the actor sends
    /// [itself](crate::Context::send_self), its timers, and permits that were given before pass.
    pub fn trip(&self, pid: Pid) -> bool {
        self.set_tripped(pid, true)
    }

    /// Has a slot that was tripped take messages again. Whether that is news; see [`trip`](Self::trip).
    pub fn untrip(&self, pid: Pid) -> bool {
        self.set_tripped(pid, false)
    }

    fn set_tripped(&self, pid: Pid, tripped: bool) -> bool {
        let Some(cell) = self.reach(pid) else { return false };
        let core = cell.core();
        let is_news = {
            // Under this lock no other incarnation begins.
            let _ties = core.ties.lock();
            core.pid() == pid && !core.is_over() && core.gate.trips(core, tripped)
        };
        if is_news {
            core.gate.tell_dependants(core);
            cell.rouse_waiters();
            tell(&cell, tripped);
        }
        is_news
    }
}

/// Tells the events, and the log as far as it may be told.
fn tell(cell: &Arc<dyn AnyCell>, tripped: bool) {
    let (core, path) = (cell.core(), cell.core().last_path());
    event::note_of(core, if tripped { Happening::Tripped } else { Happening::Untripped });
    let Some(withheld) = report::pass_gate(core.shared(), &path) else { return };
    let (pid, kind, path, depth) = (core.pid(), cell.kind(), &*path, cell.load().depth);
    if tripped {
        tracing::warn!(path, kind, %pid, depth, withheld, "gate tripped: it takes no new messages until it is untripped");
    } else {
        tracing::info!(path, kind, %pid, depth, withheld, "gate untripped: it takes new messages again");
    }
}

/// Suspends an incarnation, until an instant of the system's clock if there is one.
fn suspend(cell: &Arc<dyn AnyCell>, pid: Pid, until: Option<u64>) {
    // Armed under no lock: a wheel that nobody turns any more lets go of what others have armed.
    let timer = until.map(|until| arm(cell, pid, until));
    begin(cell, pid, until, timer);
}

/// Has a suspension end then, which has yet to begin.
fn arm(cell: &Arc<dyn AnyCell>, pid: Pid, until: u64) -> TimerKey {
    cell.core().shared().wheel.arm(until, Arc::new(Ends { cell: Arc::downgrade(cell), pid }), until)
}

/// Begins one, whose end may have come already.
fn begin(cell: &Arc<dyn AnyCell>, pid: Pid, until: Option<u64>, timer: Option<TimerKey>) {
    let (core, wheel) = (cell.core(), &cell.core().shared().wheel);
    let lives = {
        // Under this lock it stays this incarnation: the next one is not suspended by a word to the one before.
        let ties = core.ties.lock();
        let lives = ties.lives(pid.incarnation);
        let superseded = if lives {
            core.control.lock().lane().suspended = true;
            core.raise(flag::URGENT);
            core.gate.suspends(core, Some(Suspended { until, timer })).and_then(|before| before.timer)
        } else {
            timer
        };
        if let Some(superseded) = superseded {
            wheel.cancel(superseded);
        }
        lives
    };
    if !lives {
        return;
    }
    let now = core.shared().port.now_ns();
    let within = until.map(|until| Duration::from_nanos(until.saturating_sub(now)));
    event::note_of(core, Happening::Suspended { within });
    cell.wake();
    if until.is_some() {
        cell.rouse_waiters();
    }
    if timer.is_some_and(|timer| !wheel.is_armed(timer)) {
        // It was over before anybody was suspended.
        resume(cell, pid, until);
    }
}

/// Ends a suspension of this incarnation: whichever it is, or the one that lasts until this instant.
fn resume(cell: &Arc<dyn AnyCell>, pid: Pid, until: Option<u64>) {
    let core = cell.core();
    {
        let ties = core.ties.lock();
        if !ties.lives(pid.incarnation) || (until.is_some() && core.orders().until != until) {
            return;
        }
        let Some(before) = core.gate.suspends(core, None) else { return };
        if let Some(timer) = before.timer {
            core.shared().wheel.cancel(timer);
        }
        let mut control = core.control.lock();
        control.lane().suspended = false;
        control.lane().oldest = None;
        drop(control);
        core.raise(flag::URGENT);
    }
    event::note_of(core, Happening::Resumed);
    cell.wake();
}

/// Ends a suspension when its time is over. It keeps nobody.
struct Ends {
    cell: Weak<dyn AnyCell>,
    pid: Pid,
}

impl Expire for Ends {
    fn expire(&self, until: u64) {
        if let Some(cell) = self.cell.upgrade() {
            resume(&cell, self.pid, Some(until));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, Context, Exit, ExitReason, GateState, State, turn};

    struct Clerk;

    impl Actor for Clerk {
        type Args = ();
        type Msg = ();

        async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
            Ok(Self)
        }

        async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_suspension_whose_end_comes_before_its_beginning_is_none() {
        let system = System::bare().expect("default settings are valid");
        let clerk = system.spawn::<Clerk>(()).await.expect("it starts");
        let (pid, cell) = (clerk.pid(), system.reach(clerk.pid()).expect("it lives"));
        let timers = async || {
            while system.snapshot().timers != 0 {
                tokio::task::yield_now().await;
            }
        };
        let until = system.shared.port.after_ns(Duration::from_millis(1));
        let timer = arm(&cell, pid, until);
        tokio::time::timeout(Duration::from_secs(60), timers()).await.expect("it comes");
        begin(&cell, pid, Some(until), Some(timer));
        assert_eq!(
            (clerk.gate(), system.inspect(pid).map(|clerk| clerk.state)),
            (GateState::Open, Some(State::Running))
        );
        // One that was there before is over as well: what was said last counts.
        system.suspend(pid);
        let timer = arm(&cell, pid, until);
        tokio::time::timeout(Duration::from_secs(60), timers()).await.expect("it comes");
        assert_eq!(clerk.gate(), GateState::Suspended, "the end of another one");
        begin(&cell, pid, Some(until), Some(timer));
        assert_eq!(clerk.gate(), GateState::Open);
    }

    #[tokio::test]
    async fn senders_look_whom_they_send_to_while_somebody_is_held_back_and_then_no_more() {
        const HOUR: Duration = Duration::from_secs(3600);
        let system = System::bare().expect("default settings are valid");
        let is_carefree = || turn::is_carefree(&system.shared.stragglers);
        let clerk = system.spawn::<Clerk>(()).await.expect("it starts");
        let pid = clerk.pid();
        assert!(is_carefree() && !system.untrip(pid), "nothing was ordered");
        system.trip(pid);
        system.suspend_for(pid, HOUR);
        system.suspend(pid);
        assert!(!is_carefree());
        system.untrip(pid);
        assert!(!is_carefree(), "it is suspended");
        system.resume(pid);
        assert!(is_carefree());

        system.trip(pid);
        system.suspend_for(pid, HOUR);
        let drained = system.drain(pid, Duration::ZERO, ExitReason::Shutdown);
        assert!(!is_carefree());
        drained.await;
        // Who has gone holds nobody up, nor does it keep a timer.
        drop(clerk);
        let gone = async {
            while !is_carefree() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the cell goes");
        assert_eq!(system.snapshot().timers, 0);
    }
}
