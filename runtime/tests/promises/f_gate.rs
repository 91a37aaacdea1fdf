//! Hazards F: an overloaded actor refuses in time, by how long its messages have taken. That is never less than what they
//! sleep, so what is refused here is refused however slow or fast the machine is.

use std::task::Poll;
use std::time::Duration;

use crashworthy_runtime::{
    Actor, ActorRef, AskError, Context, Exit, ExitReason, GateState, Message, Offer, Reason, Refused, Slot, System,
};
use tokio::sync::oneshot;

use crate::stage::{
    Done, Nursery, Order, Puppet, act, bare, cast, everywhere, law, lawful, ms, now, on_two, poll_elsewhere, puppet,
    until, who,
};

pub(crate) const SERVICE: Duration = ms(10);
pub(crate) const LONG: Duration = Duration::from_secs(60);

fn slow() -> Order {
    act(|_, _| -> Done<'_> {
        Box::pin(async {
            tokio::time::sleep(SERVICE).await;
            Ok(())
        })
    })
}

/// Has an actor show how slow it is.
async fn practise(actor: &ActorRef<Puppet>) {
    for _ in 0..20 {
        actor.tell(slow()).unwrap();
    }
    actor.settled().await;
}

/// A practised actor that is busy until the gate opens, with this many messages behind that.
async fn queue(actor: &ActorRef<Puppet>, messages: u64) -> oneshot::Sender<()> {
    practise(actor).await;
    let (gate, closed) = oneshot::channel();
    actor.tell(Order::Await(closed)).unwrap();
    until("it is busy", || actor.law().in_hand == 1).await;
    for note in 0..messages {
        actor.tell(Order::Note(note)).unwrap();
    }
    gate
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, AskError>) -> Refused {
    match answer {
        Err(AskError::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_question_that_would_not_be_answered_in_time_is_refused_at_once() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let gate = queue(&actor, 100).await;
        let accepted = law(&actor).accepted;
        let refused = refusal(actor.ask(|reply| Order::Echo(1, reply)).within(100 * SERVICE).await);
        assert_eq!((refused.reason, refused.by, refused.hops), (Reason::NoTime, actor.id(), 0));
        assert_eq!(refused.load.depth, 100);
        assert!(refused.load.limit < 100 && refused.load.wait >= 100 * SERVICE, "{refused:?}");
        assert!(refused.retry_after.is_some_and(|after| after >= SERVICE), "{refused:?}");
        assert_eq!(law(&actor).accepted, accepted, "it costs the actor nothing");
        // Who has time is taken in.
        let patient = tokio::spawn({
            let actor = actor.clone();
            async move { actor.ask(|reply| Order::Echo(2, reply)).within(LONG).await }
        });
        until("it is taken in", || law(&actor).accepted == accepted + 1).await;
        drop(gate);
        assert_eq!(patient.await.unwrap(), Ok(2));
        lawful(&system).await;
    });
}

#[test]
fn a_tell_that_names_no_time_is_refused_by_a_full_mailbox_alone() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::anonymous().mailbox(150).unwrap()).await;
        let gate = queue(&nursery.slot, 150).await;
        let rejected = nursery.slot.tell(Order::Note(0)).unwrap_err();
        assert_eq!((rejected.why.reason, rejected.why.load.depth), (Reason::Full, 150));
        drop(gate);
        lawful(&system).await;
    });
}

#[test]
fn a_permit_and_an_admission_are_refused_at_once_if_there_is_no_time() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let gate = queue(&actor, 100).await;
        assert_eq!(actor.reserve(Offer::within(100 * SERVICE)).unwrap_err().reason, Reason::NoTime);
        let Poll::Ready(Err(refused)) = poll_elsewhere(&mut actor.admitted(100 * SERVICE)) else {
            panic!("it does not wait in vain")
        };
        assert_eq!(refused.reason, Reason::NoTime);
        assert!(refused.retry_after.is_some());
        // Each takes room for as many as it costs.
        let costly = Offer { cost: 1e9, ..Offer::within(LONG) };
        assert_eq!(actor.reserve(costly).unwrap_err().reason, Reason::NoTime);
        drop(actor.reserve(Offer::within(LONG)).unwrap());
        drop(actor.admitted(LONG).await.unwrap());
        drop(gate);
        lawful(&system).await;
    });
}

#[test]
fn what_was_learnt_of_an_actor_outlives_its_crash() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous()).await;
        practise(&nursery.slot).await;
        nursery.slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        for note in 0..100 {
            nursery.slot.tell(Order::Note(note)).unwrap();
        }
        // Of an actor that nobody has seen work ten times as much would be expected.
        let asked = nursery.slot.ask(|reply| Order::Echo(1, reply)).within(100 * SERVICE);
        assert_eq!(refusal(asked.await).reason, Reason::NoTime);
        nursery.start().await.unwrap();
        assert_eq!(who(&nursery.slot).await, 2);
        lawful(&system).await;
    });
}

#[test]
fn f1_an_idle_actor_takes_a_question_however_long_it_is_thought_to_take() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        practise(&actor).await;
        // It is thought to take ten times as long as there is. Until it was in time, which a locked actor never is.
        loop {
            match actor.ask(|reply| Order::Echo(1, reply)).within(SERVICE / 10).await {
                Ok(value) => break assert_eq!(value, 1),
                Err(AskError::Expired) => {}
                Err(other) => panic!("{other:?}"),
            }
            actor.settled().await;
        }
        lawful(&system).await;
    });
}

#[test]
fn an_actor_that_is_stuck_in_a_signal_is_told_so_as_one_that_is_in_a_message() {
    on_two(async || {
        let system = bare();
        let (opens, gate) = std::sync::mpsc::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let waits = move |_: &crashworthy_runtime::Signal| {
            let _ = gate.lock().unwrap().recv();
            Ok(())
        };
        let (actor, mut journal) = cast(&system, |part| part.trapping().signalled(waits)).await;
        // It is known to be quick.
        for _ in 0..200 {
            assert_eq!(who(&actor).await, 1);
        }
        system.exit(actor.pid(), ExitReason::ShutdownWith("once".into())).unwrap();
        let ask = || actor.ask(Order::Who).within(ms(20));
        let mut told = None;
        while told.is_none() {
            match ask().await {
                Err(AskError::Refused(why)) => told = Some(why.reason),
                Err(_) => {}
                // The signal is still to come.
                Ok(incarnation) => assert_eq!(incarnation, 1),
            }
        }
        assert_eq!(told, Some(Reason::Stuck));
        drop(opens);
        until("it is well", || actor.gate() == GateState::Open).await;
        assert_eq!(who(&actor).await, 1);
        drop(journal.rest());
        lawful(&system).await;
    });
}

#[test]
fn f4_what_a_blocked_middleman_has_reserved_counts_until_its_time_has_passed() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::anonymous().mailbox(2).unwrap()).await;
        let (leaf, (middleman, _journal)) = (nursery.slot.address(), puppet(&system).await);
        let (gate, closed) = oneshot::channel();
        middleman.tell(Order::Await(closed)).unwrap();
        let (says, mut said) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..2 {
            let permit = leaf.reserve(Offer::within(2 * SERVICE)).unwrap();
            let says = says.clone();
            let forward = now(move |_, _| {
                let rejected = permit.send(Order::Note(1)).unwrap_err();
                let _ = says.send((rejected.why.reason, matches!(rejected.into_message(), Order::Note(1))));
                Ok(())
            });
            middleman.tell(forward).unwrap();
        }
        until("the leaf takes others", || leaf.tell(Order::Note(0)).is_ok()).await;
        until("the second place is free as well", || leaf.reserve(Offer::within(LONG)).is_ok()).await;
        drop(gate);
        for _ in 0..2 {
            assert_eq!(said.recv().await, Some((Reason::NoTime, true)), "and the message comes back");
        }
        leaf.settled().await;
        assert_eq!((leaf.load().depth, law(&leaf).accepted), (0, 1));
        lawful(&system).await;
    });
}

#[test]
fn f4_however_many_moments_places_were_reserved_until_all_are_free_when_these_have_passed() {
    const PLACES: usize = 1_000;
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::anonymous().mailbox(PLACES as u32).unwrap()).await;
        let leaf = nursery.slot.address();
        let reserve = |span| leaf.reserve(Offer::within(span)).ok();
        // There is room all the time: nobody finds none, and forgives. Each is for a later moment than all before it.
        let spans = (0..100).map(|turn| ms(20).mul_f64(1.04_f64.powi(turn)));
        let held: Vec<_> = spans.map_while(reserve).collect();
        assert_eq!(held.len(), 100, "{:?}", leaf.load());
        system.sleep_until(system.now() + ms(1_500)).await;
        let free = || (0..PLACES).map_while(|_| reserve(LONG)).collect::<Vec<_>>().len();
        until("every place is free", || free() == PLACES).await;
        drop(held);
        lawful(&system).await;
    });
}

#[test]
fn f4_who_waits_for_room_is_let_in_when_the_time_of_a_reservation_has_passed() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::anonymous().mailbox(1).unwrap()).await;
        let reserved = nursery.slot.reserve(Offer::within(2 * SERVICE)).unwrap();
        let admitted = nursery.slot.admitted(LONG).await.expect("nobody else looks");
        assert_eq!(reserved.send(Order::Note(1)).unwrap_err().why.reason, Reason::NoTime);
        admitted.send(Order::Note(2)).unwrap();
        nursery.slot.settled().await;
        assert_eq!((nursery.slot.load().depth, law(&nursery.slot).handled), (0, 1));
        lawful(&system).await;
    });
}

#[test]
fn a_message_sent_with_a_permit_has_the_time_it_was_offered_for() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        // A machine that stands still between the two is too late already.
        let (gate, late) = loop {
            let permit = actor.reserve(Offer::within(SERVICE)).expect("it is idle");
            let (gate, closed) = oneshot::channel();
            actor.tell(Order::Await(closed)).unwrap();
            if permit.send(Order::Note(1)).is_ok() {
                break (gate, system.now() + SERVICE);
            }
            drop(gate);
            actor.settled().await;
        };
        // What it has in hand may be on its way there.
        let handled = actor.law().handled;
        actor.reserve(Offer::within(LONG)).unwrap().send(Order::Note(2)).unwrap();
        until("the first has expired", || system.now() > late).await;
        drop(gate);
        actor.settled().await;
        lawful(&system).await;
        assert_eq!((law(&actor).handled, law(&actor).expired), (handled + 2, 1));
    });
}

#[test]
fn a_handler_that_does_not_return_is_told_to_callers_as_stuck() {
    on_two(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (gate, closed) = std::sync::mpsc::channel::<()>();
        let blocks = now(move |_, _| {
            let _ = closed.recv();
            Ok(())
        });
        actor.tell(blocks).unwrap();
        until("it is busy", || actor.law().in_hand == 1).await;
        let ask = || actor.ask(|reply| Order::Echo(1, reply));
        // The first to come may have to find out.
        let refused = loop {
            match ask().within(SERVICE).await {
                Err(AskError::Refused(refused)) => break refused,
                other => assert_eq!(other, Err(AskError::Expired)),
            }
        };
        assert_eq!((refused.reason, refused.by), (Reason::Stuck, actor.id()));
        let refused = actor.reserve(Offer::within(SERVICE)).unwrap_err();
        assert_eq!(refused.reason, Reason::Stuck);
        drop(gate);
        assert_eq!(ask().within(LONG).await, Ok(1), "who has time waits");
        lawful(&system).await;
    });
}

/// Told what it has so much time for.
pub(crate) struct Deal(pub(crate) Duration);

impl Message for Deal {
    fn sla(&self) -> Option<Duration> {
        Some(self.0)
    }
}

/// Sleeps over each message until it is told not to.
pub(crate) struct Dealer;

impl Actor for Dealer {
    type Args = ();
    type Msg = Deal;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, _: Deal, _: &mut Context<Self>) -> Result<(), Exit> {
        tokio::time::sleep(SERVICE).await;
        Ok(())
    }
}

#[test]
fn a_tell_whose_type_names_a_time_is_refused_in_time_and_comes_back() {
    everywhere(async || {
        let system: System = bare();
        let dealer = system.spawn::<Dealer>(()).await.unwrap();
        for _ in 0..20 {
            dealer.tell(Deal(LONG)).unwrap();
        }
        dealer.settled().await;
        let rejected = std::iter::repeat_with(|| dealer.tell(Deal(20 * SERVICE)))
            .take(100)
            .find_map(Result::err)
            .expect("a hundred take a second, and have a fifth of it");
        assert!(matches!(rejected.why.reason, Reason::NoTime | Reason::Shed), "{:?}", rejected.why);
        assert!(rejected.why.retry_after.is_some());
        assert_eq!(rejected.into_message().0, 20 * SERVICE, "the message comes back");
        dealer.tell(Deal(LONG)).expect("who has time is taken in");
        dealer.settled().await;
        lawful(&system).await;
        let law = law(&dealer);
        assert_eq!(law.handled + law.expired, law.accepted);
    });
}

#[test]
fn a_told_message_that_has_expired_is_dropped_unhandled() {
    everywhere(async || {
        let system = bare();
        let dealer = system.spawn::<Dealer>(()).await.unwrap();
        let mut accepted = 0;
        // A machine that stands still between the two is too late already, or sees it refused.
        while law(&dealer).expired == 0 {
            dealer.tell(Deal(LONG)).unwrap();
            accepted += 1 + u64::from(dealer.tell(Deal(SERVICE / 2)).is_ok());
            dealer.settled().await;
        }
        lawful(&system).await;
        assert_eq!((law(&dealer).accepted, law(&dealer).handled), (accepted, accepted - 1));
    });
}
