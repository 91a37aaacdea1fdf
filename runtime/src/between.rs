//! Between two incarnations: what is to be thrown away is, then the next life begins, or the slot rests or closes.

use std::collections::VecDeque;

use crashworthy_sync::mailbox::{Pop, Receiver};
use crashworthy_sync::task::{Claim, Ran, Runnable, Task};

use crate::actor::Actor;
use crate::cell::{ActorCell, Cell, Inlet, Owner, flag};
use crate::crash::{contain, discard};
use crate::dead_letter::{DeadLetter, Fallen};
use crate::envelope::Envelope;
use crate::error::AskError;
use crate::gate::Marks;
use crate::kinds::short;
use crate::lane::{Control, Next};
use crate::letters::Fall;
use crate::life::Life;
use crate::message::Message;
use crate::shelf;

/// What a cell without a life is to do.
pub(crate) enum Between {
    Live(Life),
    Pause(Pause),
}

/// How a turn ends that leaves a cell without a life.
pub(crate) enum Pause {
    /// A sender is about to fill its place, or somebody has changed what is to be done: come again.
    Again,
    Rest,
    Close,
}

impl Pause {
    pub(crate) fn end<A: Actor>(self, task: &ActorCell<A>, claim: Claim<'_, Cell<A>>) -> Ran {
        match self {
            Self::Again => claim.again(),
            Self::Rest => claim.idle(),
            Self::Close => {
                // The claim on the mailbox holds the task: it goes with its hold.
                drop(task.with_owner(|owner| owner.receiver.take()));
                claim.release()
            }
        }
    }
}

/// What comes between two incarnations: throws away what is to be thrown away, then begins the next life, rests or closes.
pub(crate) fn between<A: Actor>(task: &ActorCell<A>) -> Between {
    let core = task.core();
    drain_own(task);
    let flushes = |control: &Control| {
        let closes = core.flags() & flag::CLOSE != 0;
        (control.flushes(closes), closes)
    };
    let mut control = core.control.lock();
    let (flush, closes) = flushes(&control);
    if let Some(until) = flush {
        drop(control);
        let mut fall = Fall::default();
        let is_drained = drain(task, until, &mut fall);
        if is_drained {
            while let Some(envelope) = shelf::take_doomed(task) {
                undelivered(task, envelope, &mut fall);
            }
        }
        fall.tell(core);
        if !is_drained {
            return Between::Pause(Pause::Again);
        }
        control = core.control.lock();
        if flushes(&control) != (flush, closes) || task.shelf().is_some_and(|shelf| shelf.lock().is_doomed()) {
            return Between::Pause(Pause::Again);
        }
    }
    control.flushed();
    core.lower(flag::CLOSE);
    match control.take_start() {
        Some(next) => {
            drop(control);
            match task.with_owner(|owner| begins(task, owner, next)).expect(CURRENT) {
                Ok(life) => Between::Live(life),
                Err(next) => {
                    core.control.lock().put_back(next);
                    Between::Pause(Pause::Again)
                }
            }
        }
        // Also when it was woken once more after it was closed: a slot that nobody will start keeps nothing alive.
        None if closes || core.is_over() => Between::Pause(Pause::Close),
        None => Between::Pause(Pause::Rest),
    }
}

/// An incarnation begins: whoever waits for its start is its first caller. It is given back if the mailbox has another receiver
/// still.
fn begins<A: Actor>(task: &ActorCell<A>, owner: &mut Owner<A>, next: Next) -> Result<Life, Next> {
    if open_receiver(task, owner).is_none() {
        return Err(next);
    }
    owner.caller = next.starter;
    Ok(next.life)
}

/// Puts an incarnation where turns find it, and lets them have it: what most starts come to. It is given back if something is
/// to be thrown away first, or a turn is due or under way: then the control lane has it [begin](Control::begin).
pub(crate) fn begin_at_once<A: Actor>(task: &ActorCell<A>, next: Next) -> Result<Option<Runnable>, Next> {
    let core = task.core();
    if core.flags() & (flag::CLOSE | flag::OWN) != 0 || core.control.lock().look().is_some() {
        return Err(next);
    }
    let Some(claimed) = Task::hold_and_claim(task) else { return Err(next) };
    let mut left = None;
    let runnable = claimed.run(|task, claim| {
        let begun = task.with_owner(|owner| begins(task, owner, next).map(|life| owner.life = Some(life)));
        match begun.expect(CURRENT) {
            Ok(()) => {
                // Before the life can be found: it may end, and close the mailbox, before this returns.
                task.mailbox.reopen();
                claim.again()
            }
            Err(next) => {
                left = Some(next);
                claim.idle()
            }
        }
    });
    match left {
        None => Ok(runnable),
        Some(next) => {
            if let Some(runnable) = runnable {
                core.pool().schedule(runnable);
            }
            Err(next)
        }
    }
}

/// Of a turn that has run no foreign code yet.
const CURRENT: &str = "a turn that has just begun is current";

/// Timers and futures die with their incarnation, and so does what they had sent.
fn drain_own<A: Actor>(task: &ActorCell<A>) {
    let core = task.core();
    if core.flags() & flag::OWN == 0 {
        return;
    }
    loop {
        let entry = {
            let Some(own) = task.own() else { return core.lower(flag::OWN) };
            let mut own = own.lock();
            let Some(entry) = own.pop_front() else {
                *own = VecDeque::new();
                return core.lower(flag::OWN);
            };
            // Counted before the lock goes: whoever reads the law in between misses none.
            core.counters().rare().own.bump();
            entry
        };
        core.counters().rare().undelivered.bump();
        core.shared().dead_letters.bury_own();
        discard(entry);
    }
}

/// Throws away what is queued before a position; its askers are told. False: a sender is about to fill its place, come
/// again.
fn drain<A: Actor>(task: &ActorCell<A>, until: u64, fall: &mut Fall) -> bool {
    let pop = |receiver: &mut Inlet<A>| if receiver.position() < until { receiver.pop() } else { Pop::Empty };
    loop {
        let pop = task.with_owner(|owner| open_receiver(task, owner).map(pop)).flatten();
        let Some(pop) = pop else { return false };
        match pop {
            Pop::Message(envelope) => undelivered(task, envelope, fall),
            Pop::Busy => return false,
            Pop::Empty => {
                task.with_owner(|owner| owner.receiver.as_mut().map(|receiver| receiver.flush()));
                return true;
            }
            // Whoever waited for room was told by the close.
            Pop::ClosedAndEmpty => return true,
        }
    }
}

/// A message is thrown away unread.
fn undelivered<A: Actor>(task: &ActorCell<A>, envelope: Envelope<A::Msg>, fall: &mut Fall) {
    let (core, Envelope { msg, caller, from, stamp, flow, marks, .. }) = (task.core(), envelope);
    if marks != Marks::NONE {
        core.gate.goes(marks, flow);
    }
    core.counters().rare().undelivered.bump();
    let letter = DeadLetter {
        to: core.pid(),
        to_name: core.name().map(str::to_owned),
        kind: contain(|| short(msg.kind())).unwrap_or("?"),
        from,
        age: core.shared().sent_ago(stamp),
        size: size_of::<A::Msg>(),
        fallen: Fallen::Undelivered,
        message: contain(|| msg.salvage()).unwrap_or_default(),
    };
    if let Some(caller) = caller {
        caller.force(AskError::Refused(core.closed()));
    }
    discard(msg);
    fall.post(core, letter);
}

/// The consuming end of the mailbox, claimed when it is first needed.
fn open_receiver<'o, A: Actor>(task: &ActorCell<A>, owner: &'o mut Owner<A>) -> Option<&'o mut Inlet<A>> {
    if owner.receiver.is_none() {
        owner.receiver = Receiver::claim(task.clone(), |task: &Task<Cell<A>>| &task.mailbox);
    }
    owner.receiver.as_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::CAPACITY;
    use crate::scripted::simulate;
    use crate::start::Start;
    use crate::{ActorRef, Context, Exit, Pid, System, Under};

    /// Stops when its first message is handled.
    struct Once;

    impl Actor for Once {
        type Args = ();
        type Msg = ();

        async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
            Ok(Self)
        }

        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), Exit> {
            Err(Exit::normal())
        }
    }

    /// As the top of its tree: the slot may be started again.
    fn start(slot: &ActorRef<Once>, system: &System) {
        let start = Start::under(Pid::OUTSIDE, Under { parent: true, link: false });
        start.launch(&slot.cell, &system.shared, ()).expect("it starts");
    }

    /// A slot whose actor has ended, with a message that was put there since.
    async fn ended(system: &System) -> ActorRef<Once> {
        let cell = Cell::<Once>::new(None, CAPACITY);
        let slot = ActorRef::new(cell.clone());
        start(&slot, system);
        slot.tell(()).expect("it is open");
        while cell.is_held() {
            tokio::task::yield_now().await;
        }
        cell.mailbox.reopen();
        slot.tell(()).expect("it is open again");
        slot
    }

    #[test]
    fn what_is_to_be_thrown_away_is_before_the_next_incarnation_begins() {
        // Nothing, what was queued before a position, what a closed slot leaves.
        for (way, thrown_away) in [(0, 0), (1, 1), (2, 1)] {
            simulate(way, |system| async move {
                let slot = ended(&system).await;
                let cell = &slot.cell;
                match way {
                    0 => {}
                    1 => cell.core().control.lock().lane().flush = Some(cell.mailbox.tail()),
                    _ => cell.core().raise(flag::CLOSE),
                }
                start(&slot, &system);
                slot.settled().await;
                let law = slot.law();
                assert_eq!((law.handled, law.undelivered), (2 - thrown_away, thrown_away), "in way {way}");
            });
        }
    }
}
