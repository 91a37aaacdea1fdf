//! Rings in virtual time, where turns are short and may be run in place, as the seed says.

use crashworthy_sync::reply::channel;

use super::{Awaited, Notes, awaits, begins, pends, since};
use crate::message::Criticality;
use crate::pid::{ActorId, Pid};
use crate::scripted::simulate;
use crate::{Actor, ActorRef, AskError, Context, Exit, Message, Reason, Reply, Slot, System};

/// Asks whomever it is told to, the last first, and answers how that went.
pub(crate) struct Gossip;

pub(crate) struct Ask(pub(crate) Vec<ActorRef<Gossip>>, pub(crate) Reply<Result<(), AskError>>);

impl Message for Ask {}

impl Actor for Gossip {
    type Args = ();
    type Msg = Ask;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, Ask(mut rest, reply): Ask, _: &mut Context<Self>) -> Result<(), Exit> {
        let told = match rest.pop() {
            Some(next) => next.ask(|reply| Ask(rest, reply)).await.and_then(|told| told),
            None => Ok(()),
        };
        reply.send(told);
        Ok(())
    }
}

/// Actors whose turns are known to be short.
async fn gossips(system: &System) -> [ActorRef<Gossip>; 3] {
    let slots = ["a", "b", "c"].map(Slot::<Gossip>::named);
    for slot in &slots {
        system.start_top(slot, ()).await.expect("it starts");
        for _ in 0..40 {
            slot.ask(|reply| Ask(Vec::new(), reply)).await.unwrap().unwrap();
        }
    }
    slots.each_ref().map(|slot| ActorRef::clone(slot))
}

#[test]
fn the_question_that_was_asked_last_is_refused_whoever_ran_its_turn() {
    for seed in 0..64 {
        simulate(seed, async |system| {
            let [a, b, c] = gossips(&system).await;
            for _ in 0..8 {
                let begun = system.now();
                let rest = vec![a.clone(), c.clone(), b.clone()];
                let told = a.ask(|reply| Ask(rest, reply)).await.unwrap();
                let Err(AskError::Refused(why)) = told else { panic!("{told:?}") };
                let path = why.cycle.as_ref().map(|cycle| cycle.to_string());
                assert_eq!((why.reason, path.as_deref()), (Reason::Cycle, Some("c → a → b → c")), "{seed}");
                assert_eq!(system.now(), begun);
            }
            assert_eq!((a.refusals().total(), b.refusals().total(), c.refusals().total()), (8, 0, 0));
            a.settled().await;
            assert_eq!((a.law().cancelled, a.law().holds()), (8, true));
        });
    }
}

#[test]
fn what_a_turn_has_noted_is_there_again_after_another_was_run_in_place() {
    let [ours, theirs] = [1, 2].map(|id| Pid { id: ActorId::new(id), incarnation: 1 });
    let (ask, reply, _caller) = channel::<u64, AskError>(AskError::Died);
    let (theirs_asks, their_reply, _their_caller) = channel::<u64, AskError>(AskError::Died);
    let pend = |by, to: Pid, wait| pends(by, to.id, since(0), Criticality::default(), || Awaited::Answer(wait));
    begins();
    pend(ours, theirs, ask.wait());
    let kept = Notes::keep();
    begins();
    pend(theirs, ours, theirs_asks.wait());
    let edge = Notes::take().take_edge().expect("it asks");
    assert_eq!((edge.by, edge.to), (theirs, ours.id));
    drop(kept);
    awaits();
    let edge = Notes::take().take_edge().expect("it asks still");
    assert_eq!((edge.by, edge.to, edge.is_good()), (ours, theirs.id, true));
    assert!(Notes::take().take_edge().is_none(), "each turn has its own");
    drop((reply, their_reply));
}
