//! Rings in virtual time, where turns are short and may be run in place, as the seed says.

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
