//! An actor that is being restarted, in virtual time: messages queue, but for those that would be too late, whose senders
//! are told at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::scripted::{ms, simulate};
use crate::{
    Actor, ActorRef, AskError, Context, Exit, Message, Offer, Pid, Reason, Refused, Reply, Signal, Slot, StartError,
    State, System, Under,
};

/// Whose `init` takes so long.
struct Till;

enum Order {
    Crash,
    /// Which incarnation answers.
    Who(Reply<u32>),
    Note,
}

impl Message for Order {}

impl Actor for Till {
    type Args = Duration;
    type Msg = Order;

    async fn init(takes: Duration, _: &mut Context<Self>) -> Result<Self, Exit> {
        tokio::time::sleep(takes).await;
        Ok(Self)
    }

    async fn handle(&mut self, order: Order, cx: &mut Context<Self>) -> Result<(), Exit> {
        match order {
            Order::Crash => return Err("as ordered".into()),
            Order::Who(reply) => reply.send(cx.incarnation()),
            Order::Note => {}
        }
        Ok(())
    }
}

/// Does what a supervisor does, when it is told to.
struct Parent;

type Deed = Box<dyn FnOnce(&mut Context<Parent>) + Send>;

impl Message for Deed {}

impl Actor for Parent {
    type Args = ();
    type Msg = Deed;

    async fn init((): (), cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(true);
        Ok(Self)
    }

    async fn handle(&mut self, deed: Deed, cx: &mut Context<Self>) -> Result<(), Exit> {
        deed(cx);
        Ok(())
    }

    async fn on_signal(&mut self, _: Signal, _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

/// Polls once: whether it is not there yet.
async fn pends<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

/// A parent and its child.
struct House {
    system: System,
    parent: ActorRef<Parent>,
    till: Slot<Till>,
}

impl House {
    async fn with(system: System, room: u32, takes: Duration) -> Self {
        let parent = system.spawn::<Parent>(()).await.expect("it starts");
        let house = Self { system, parent, till: Slot::named("till").mailbox(room).expect("a few") };
        house.start(takes).await.expect("it starts");
        house
    }

    /// Its child has been down since just now.
    async fn down(system: System, room: u32) -> Self {
        let house = Self::with(system, room, Duration::ZERO).await;
        house.crash().await;
        house
    }

    async fn does<R: Send + 'static>(&self, deed: impl FnOnce(&mut Context<Parent>) -> R + Send + 'static) -> R {
        let (sender, done) = oneshot::channel();
        let deed: Deed = Box::new(move |cx| drop(sender.send(deed(cx))));
        self.parent.tell(deed).expect("it obeys");
        done.await.expect("it obeys")
    }

    async fn start(&self, takes: Duration) -> Result<Pid, StartError> {
        let till = self.till.clone();
        self.does(move |cx| cx.begin(&till, takes, Under { parent: true, link: true })).await?.ready().await
    }

    async fn crash(&self) {
        let down = self.till.down();
        self.till.tell(Order::Crash).expect("it has room");
        down.await;
        self.parent.settled().await;
    }

    async fn postpone(&self, by: Duration) {
        let till = self.till.clone();
        self.does(move |cx| cx.postpone(&till, cx.system().now() + by)).await;
    }

    async fn ask(&self, within: Duration) -> Result<u32, AskError> {
        self.till.ask(Order::Who).within(within).await
    }

    async fn refused(&self, within: Duration) -> Refused {
        match self.ask(within).await {
            Err(AskError::Refused(why)) => why,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn is_lawful(&self) -> bool {
        let law = self.till.law();
        law.holds() && law.queued + law.in_hand == 0
    }
}

#[test]
fn who_has_less_time_than_a_restart_waits_is_refused_at_once_and_told_when_to_come_again() {
    simulate(1, async |system| {
        let house = House::down(system, 8).await;
        house.postpone(ms(5_000)).await;
        let (till, before) = (&house.till, house.system.now());
        let why = house.refused(ms(500)).await;
        assert_eq!((why.reason, why.retry_after), (Reason::Restarting, Some(ms(5_000))));
        assert_eq!(till.reserve(Offer::within(ms(4_999))).unwrap_err().reason, Reason::Restarting);
        assert_eq!(till.admitted(ms(100)).await.unwrap_err().reason, Reason::Restarting);
        assert_eq!((house.system.now(), till.load().wait), (before, ms(5_000)));
        assert_eq!(till.refusals().because(Reason::Restarting), 3);
        let shot = house.system.inspect(till.pid()).expect("it is there");
        assert_eq!((shot.state, shot.back_in), (State::Restarting, Some(ms(5_000))));
        tokio::time::sleep(ms(4_800)).await;
        assert_eq!(house.refused(ms(199)).await.retry_after, Some(ms(200)));
    });
}

#[test]
fn who_has_time_enough_or_names_none_is_queued_and_served_by_the_next_incarnation() {
    simulate(1, async |system| {
        let house = House::down(system, 8).await;
        house.postpone(ms(200)).await;
        house.till.tell(Order::Note).expect("it names no time");
        house.till.reserve(Offer::within(ms(500))).expect("it has time").send(Order::Note).expect("it has a place");
        let (asked, ()) = tokio::join!(house.ask(ms(500)), async {
            tokio::time::sleep(ms(200)).await;
            house.start(Duration::ZERO).await.expect("it starts");
        });
        assert_eq!(asked, Ok(2));
        assert_eq!(house.system.inspect(house.till.pid()).expect("it is there").back_in, None);
        assert_eq!(house.ask(ms(1)).await, Ok(2));
        assert!(house.is_lawful());
    });
}

#[test]
fn a_restart_that_is_late_refuses_nobody_and_neither_does_one_that_is_quick() {
    simulate(1, async |system| {
        let house = House::down(system, 8).await;
        assert_eq!(house.ask(ms(1)).await, Err(AskError::Expired), "nobody knows of anything");
        house.postpone(ms(100)).await;
        tokio::time::sleep(ms(150)).await;
        assert_eq!(house.ask(ms(10)).await, Err(AskError::Expired));
        house.start(Duration::ZERO).await.expect("it starts");
        house.till.settled().await;
        assert!(house.is_lawful());
        // Who runs is not postponed.
        house.postpone(ms(60_000)).await;
        assert_eq!(house.ask(ms(1)).await, Ok(2));
    });
}

#[test]
fn nobody_looks_any_more_once_it_should_have_been_back() {
    simulate(1, async |system| {
        let house = House::down(system, 8).await;
        let is_away = || house.till.cell.core().flags() & crate::cell::flag::AWAY != 0;
        house.postpone(ms(100)).await;
        assert!(is_away());
        tokio::time::sleep(ms(101)).await;
        assert_eq!((house.ask(ms(1)).await, is_away()), (Err(AskError::Expired), false));
    });
}

#[test]
fn an_actor_that_took_long_to_start_is_expected_to_take_as_long_again() {
    simulate(1, async |system| {
        let house = House::with(system, 8, ms(2_000)).await;
        assert_eq!(house.ask(ms(1)).await, Ok(1), "it has started");
        house.crash().await;
        // Nobody has said when it will be started: at once, then.
        assert_eq!(house.refused(ms(1_999)).await.retry_after, Some(ms(2_000)));
        let (started, asked) = tokio::join!(house.start(ms(1_000)), async {
            tokio::time::sleep(ms(500)).await;
            assert_eq!(house.refused(ms(1_000)).await.retry_after, Some(ms(1_500)));
            house.ask(ms(1_600)).await
        });
        started.expect("it starts");
        assert_eq!(asked, Ok(2));
        // What it took last counts for a quarter.
        house.crash().await;
        assert_eq!(house.refused(ms(1)).await.retry_after, Some(ms(1_750)));
    });
}

#[test]
fn who_waits_for_room_is_told_when_a_restart_is_postponed_beyond_his_time() {
    simulate(1, async |system| {
        let house = House::down(system, 1).await;
        house.till.tell(Order::Note).expect("it has room");
        let (mut short, mut long) = (house.till.admitted(ms(1_000)), house.till.admitted(ms(9_000)));
        assert!(pends(&mut short).await && pends(&mut long).await);
        let before = house.system.now();
        house.postpone(ms(5_000)).await;
        assert_eq!(short.await.unwrap_err().reason, Reason::Restarting);
        assert_eq!(house.system.now(), before);
        house.start(Duration::ZERO).await.expect("it starts");
        long.await.expect("there is room").send(Order::Note).expect("it has a place");
        house.till.settled().await;
        assert!(house.is_lawful());
    });
}

#[test]
fn who_was_postponed_and_has_ended_refuses_because_of_that_and_is_not_away_when_it_comes_back() {
    simulate(1, async |system| {
        let house = House::down(system, 8).await;
        house.postpone(ms(60_000)).await;
        let till = house.till.clone();
        house.does(move |cx| cx.close(&till, false)).await;
        assert_eq!(house.refused(ms(1)).await.reason, Reason::Stopped);
        house.start(Duration::ZERO).await.expect("it starts");
        assert_eq!(house.ask(ms(1)).await, Ok(2));
        assert!(house.is_lawful());
    });
}
