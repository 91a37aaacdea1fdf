//! How what was in hand ends: it is counted, its asker told, and whoever hears of what was given up; and whether the incarnation goes on.

use std::any::Any;

use crate::actor::Actor;
use crate::cell::ActorCell;
use crate::crash::{Panic, contain, discard};
use crate::dead_letter::{DeadLetter, Fallen};
use crate::end::{End, Taken};
use crate::error::{AskError, Reason};
use crate::exit::{ExitReason, Verdict};
use crate::guard::{Broken, Met};
use crate::lane::Fate;
use crate::letters::Fall;
use crate::pid::Pid;
use crate::reply::Caller;
use crate::serve::{Ending, Outcome};
use crate::trace;
use crate::turn::PackedCall;
use crashworthy_sync::label::Label;

/// The handler of a message that somebody waited for has returned: a reply that was dropped unsent has an outcome now.
#[inline]
pub(crate) fn answered<A: Actor>(cell: &ActorCell<A>) {
    if let Some(caller) = dismiss(cell) {
        caller.settle(AskError::Unanswered);
    }
}

/// The asker of the message in hand, which is settled.
#[inline]
fn dismiss<A: Actor>(cell: &ActorCell<A>) -> Option<Caller> {
    cell.with_owner(|owner| {
        owner.call = PackedCall::NONE;
        owner.caller.take()
    })
    .flatten()
}

/// Counts how what was in hand ended, tells its asker, and decides whether the incarnation goes on.
#[cold]
pub(crate) fn settle<A: Actor>(cell: &ActorCell<A>, met: Outcome, end: &mut End) -> Option<Ending> {
    let core = cell.core();
    let (trace, how) = (end.past().hand.take_trace(), how(&met));
    if met.is_fenced() {
        if let Some(trace) = trace {
            trace::settled(core, trace, trace::Outcome::Abandoned);
        }
        return Some(Ending::by(Fate::Fenced));
    }
    let (kind, callback) = (core.kind_in_hand(), end.past().hand.callback);
    let in_hand = kind.map(|kind| Taken { kind, at: core.taken() });
    core.doing.set(Label::NONE);
    // What is taken next may be taken in a later turn than this was.
    core.note_turn();
    let returned = matches!(&met, Met::Returned(Err(_)));
    let mut met_refusal = None;
    let ending = match met {
        Met::Returned(Ok(())) => None,
        // The error is the author's: its text, and its end.
        Met::Returned(Err(exit)) => match contain(move || exit.verdict(callback, kind)) {
            Ok(Verdict::Message(refusal)) => {
                met_refusal = refusal;
                None
            }
            Ok(Verdict::Incarnation(reason)) => {
                end.crashed(cell, &reason, in_hand);
                Some(Ending { reason, terminates: true })
            }
            Err(panic) => Some(Ending { reason: end.panicked(cell, panic, callback, in_hand), terminates: true }),
        },
        Met::Broken(broken) => Some(match *broken {
            Broken::Panicked(panic) => {
                Ending { reason: end.panicked(cell, panic, callback, in_hand), terminates: true }
            }
            Broken::Interrupted(fate) => Ending::by(fate),
        }),
    };
    let refused = returned && ending.is_none();
    let caller = dismiss(cell);
    // A refusal that is passed on, and nobody hears: the message has come to nothing.
    let unheard = refused && caller.is_none();
    if let Some(caller) = caller {
        caller.settle(match &ending {
            Some(_) => AskError::Died,
            None if refused => {
                let refusal = met_refusal.unwrap_or_else(|| core.refuse(Reason::Downstream));
                AskError::Refused(refusal.passed_on())
            }
            None => AskError::Unanswered,
        });
    }
    if let Some(trace) = trace {
        let how = match &ending {
            None if refused => trace::Outcome::Refused,
            None | Some(Ending { reason: ExitReason::Normal, .. }) => trace::Outcome::Handled,
            Some(_) => how,
        };
        trace::settled(core, trace, how);
    }
    let salvage = end.past().hand.take_salvage();
    end.past().hand.open();
    if let Some(kind) = kind {
        match &ending {
            // An actor that says "I am done" has handled the message it said it in.
            None | Some(Ending { reason: ExitReason::Normal, .. }) if !unheard => {
                core.handled.bump();
                discard(salvage);
            }
            None | Some(_) => {
                core.counters().rare().given_up.bump();
                given_up(cell, cell.core().pid(), kind, salvage);
            }
        }
    }
    ending
}

/// How a handler ended that did so with its incarnation.
fn how(met: &Outcome) -> trace::Outcome {
    match met {
        Met::Returned(_) => trace::Outcome::Failed,
        Met::Broken(broken) => match **broken {
            Broken::Panicked(_) => trace::Outcome::Panicked,
            Broken::Interrupted(_) => trace::Outcome::Interrupted,
        },
    }
}

/// Ends what was in hand when a callback panicked.
#[cold]
pub(crate) fn panicked<A: Actor>(cell: &ActorCell<A>, panic: Panic, end: &mut End) -> Ending {
    // The turn may have been abandoned before it panicked: then it is nobody's business any more.
    let fenced = cell.with_owner(|_| ()).is_none();
    let met = if fenced { Met::interrupted(Fate::Fenced) } else { Met::panicked(panic) };
    settle(cell, met, end).unwrap_or_else(|| Ending::by(Fate::Fenced))
}

/// Tells the dead-letter hook of the message in hand.
#[cold]
pub(crate) fn given_up<A: Actor>(
    cell: &ActorCell<A>,
    to: Pid,
    kind: &'static str,
    message: Option<Box<dyn Any + Send>>,
) {
    let core = cell.core();
    let (from, age) = core.origin();
    let letter = DeadLetter {
        to,
        to_name: core.name().map(str::to_owned),
        kind,
        from,
        age,
        size: size_of::<A::Msg>(),
        fallen: Fallen::GivenUp,
        message,
    };
    let mut fall = Fall::default();
    fall.post(core, letter);
    fall.tell(core);
}
