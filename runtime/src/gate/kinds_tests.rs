//! An actor, in virtual time, some of whose messages take a hundred times as long as the others.

use std::time::Duration;

use tokio::task::JoinSet;

use super::tests::simulate;
use crate::port::Simulation;
use crate::{Actor, ActorRef, AskError, Context, Exit, Message, Offer, Overflow, Reason, Reply};

const QUICK: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_secs(1);
/// Whoever has so much time does not mind.
const AGES: Duration = Duration::from_secs(10_000);

struct Desk;

enum Wants {
    Quick(Reply<()>),
    Slow(Reply<()>),
    /// Nobody waits for it.
    Note,
    /// It may be displaced.
    Price(u64),
    /// It does not know what it is.
    Nameless(Overflow, Option<Duration>),
}

impl Message for Wants {
    fn kind(&self) -> &'static str {
        match self {
            Self::Quick(_) => "Quick",
            Self::Slow(_) => "Slow",
            Self::Note => "Note",
            Self::Price(_) => "Price",
            Self::Nameless(..) => panic!("a kind"),
        }
    }

    fn overflow(&self) -> Overflow {
        match self {
            Self::Price(of) => Overflow::Conflate(*of),
            Self::Nameless(overflow, _) => *overflow,
            _ => Overflow::Refuse,
        }
    }

    fn sla(&self) -> Option<Duration> {
        match self {
            Self::Nameless(_, sla) => *sla,
            _ => None,
        }
    }
}

impl Actor for Desk {
    type Args = ();
    type Msg = Wants;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Desk)
    }

    async fn handle(&mut self, wants: Wants, _: &mut Context<Self>) -> Result<(), Exit> {
        let (takes, reply) = match wants {
            Wants::Quick(reply) => (QUICK, Some(reply)),
            Wants::Slow(reply) => (SLOW, Some(reply)),
            Wants::Note | Wants::Price(_) | Wants::Nameless(..) => (QUICK, None),
        };
        tokio::time::sleep(takes).await;
        if let Some(reply) = reply {
            reply.send(());
        }
        Ok(())
    }
}

type Answers = JoinSet<Result<(), AskError>>;

/// Sends so many questions of a kind, and notes how many are refused.
async fn send(
    desk: &ActorRef<Desk>,
    answers: &mut Answers,
    count: u32,
    within: Duration,
    make: fn(Reply<()>) -> Wants,
) -> u64 {
    let before = desk.refusals().because(Reason::NoTime);
    for _ in 0..count {
        let desk = desk.clone();
        answers.spawn(async move { desk.ask(make).within(within).await });
    }
    // Each is asked when its task is first polled.
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
    desk.refusals().because(Reason::NoTime) - before
}

/// An actor whose kinds are known, and counted.
async fn taught(desk: &ActorRef<Desk>) {
    for _ in 0..12 {
        desk.ask(Wants::Quick).within(AGES).await.expect("it has ages");
        desk.ask(Wants::Slow).within(AGES).await.expect("it has ages");
        desk.tell(Wants::Note).expect("there is room");
    }
    // Somebody with a deadline that matters has asked, and something was done since.
    desk.ask(Wants::Quick).within(5 * SLOW).await.expect("it is idle");
    desk.ask(Wants::Quick).within(5 * SLOW).await.expect("it is idle");
    assert!(desk.cell.core().gate.counts());
}

#[test]
fn a_quick_one_is_not_refused_for_slow_ones_that_are_not_queued() {
    simulate(Simulation::seeded(1), async |_, desk: ActorRef<Desk>| {
        taught(&desk).await;
        let mut answers = Answers::new();
        // A usual message takes a third of a second or more: of such, six would fit into two seconds.
        let refused = send(&desk, &mut answers, 150, 2 * SLOW, Wants::Quick).await;
        assert_eq!(refused, 0);
        // Tokio's timers end up to a millisecond late.
        let wait = desk.load().wait;
        assert!((145 * QUICK..=170 * QUICK).contains(&wait), "{wait:?}");
        // Behind them there is no room for a slow one.
        assert_eq!(send(&desk, &mut answers, 1, 2 * SLOW, Wants::Slow).await, 1);
        while let Some(answer) = answers.join_next().await {
            let answer = answer.expect("it does not panic");
            assert!(matches!(answer, Ok(()) | Err(AskError::Refused(_))), "{answer:?}");
        }
        assert_eq!((desk.law().expired, desk.load().wait), (0, Duration::ZERO), "what was promised is kept");
    });
}

#[test]
fn a_quick_one_is_refused_for_slow_ones_that_are_queued() {
    simulate(Simulation::seeded(1), async |_, desk: ActorRef<Desk>| {
        taught(&desk).await;
        let mut answers = Answers::new();
        assert_eq!(send(&desk, &mut answers, 3, 5 * SLOW, Wants::Slow).await, 0);
        let wait = desk.load().wait;
        assert!((2 * SLOW..=4 * SLOW).contains(&wait), "{wait:?}");
        assert_eq!(send(&desk, &mut answers, 1, 2 * SLOW, Wants::Quick).await, 1);
        assert_eq!(send(&desk, &mut answers, 1, 5 * SLOW, Wants::Quick).await, 0);
        let late = answers.join_all().await.into_iter().filter(|answer| *answer == Err(AskError::Expired)).count();
        assert_eq!((late, desk.law().expired), (0, 0), "what was promised is kept");
        assert_eq!(desk.load().wait, Duration::ZERO, "and nothing is left in the books");
    });
}

#[test]
fn a_quick_one_is_begun_when_there_is_time_for_it_and_would_be_none_for_a_usual_one() {
    simulate(Simulation::seeded(1), async |_, desk: ActorRef<Desk>| {
        taught(&desk).await;
        let mut answers = Answers::new();
        send(&desk, &mut answers, 1, AGES, Wants::Slow).await;
        // When the slow one is done a tenth of its time is left: less than a usual message takes.
        send(&desk, &mut answers, 1, SLOW + 10 * QUICK, Wants::Quick).await;
        assert_eq!(answers.join_all().await, [Ok(()), Ok(())]);
    });
}

#[test]
fn whatever_becomes_of_a_message_it_is_counted_out() {
    simulate(Simulation::seeded(1), async |system, desk: ActorRef<Desk>| {
        taught(&desk).await;
        let mut answers = Answers::new();
        // Handled, expired, cancelled, displaced; told, reserved and sent, reserved and given back.
        send(&desk, &mut answers, 2, AGES, Wants::Slow).await;
        let asker = desk.clone();
        let cancelled = tokio::spawn(async move { asker.ask(Wants::Quick).within(AGES).await });
        for price in [1, 2, 1] {
            desk.tell(Wants::Price(price)).expect("there is room");
        }
        desk.tell(Wants::Note).expect("there is room");
        let permit = desk.reserve(Offer::within(AGES)).expect("there is room");
        drop(desk.reserve(Offer::within(AGES)).expect("there is room"));
        permit.send(Wants::Note).expect("it is alive");
        tokio::task::yield_now().await;
        assert!(desk.load().wait >= SLOW);
        cancelled.abort();
        answers.join_all().await;
        desk.settled().await;
        assert_eq!(desk.load(), crate::Load { depth: 0, wait: Duration::ZERO, ..desk.load() });
        assert!(desk.cell.core().gate.counts(), "it still is");
        // Thrown away unread.
        let mut answers = Answers::new();
        send(&desk, &mut answers, 3, AGES, Wants::Slow).await;
        desk.tell(Wants::Note).expect("there is room");
        system.kill(desk.pid());
        answers.join_all().await;
        desk.down().await;
        let (law, wait) = (desk.law(), desk.cell.core().gate.wait(0));
        assert!(law.holds() && law.undelivered >= 2 && wait.is_zero(), "{law:?}, {wait:?}");
        assert!(desk.cell.core().gate.is_balanced(), "nothing is left in the books");
    });
}

#[test]
fn a_kind_that_panics_is_the_crash_of_the_actor_and_not_of_whoever_sends() {
    let plain = (Overflow::Refuse, None, false);
    let in_time = (Overflow::Refuse, Some(5 * SLOW), false);
    let displaced = (Overflow::Conflate(1), None, false);
    let reserved = (Overflow::Refuse, None, true);
    for (overflow, sla, has_place) in [plain, in_time, displaced, reserved] {
        simulate(Simulation::seeded(1), async |_, desk: ActorRef<Desk>| {
            taught(&desk).await;
            let wants = Wants::Nameless(overflow, sla);
            if has_place {
                desk.reserve(Offer::within(AGES)).expect("it is idle").send(wants).expect("it is alive");
            } else {
                desk.tell(wants).expect("there is room");
            }
            let end = desk.down().await.reason;
            let crash = end.crash().expect("its turn came");
            assert_eq!((&*crash.message, desk.law().holds()), ("a kind", true));
            assert!(desk.cell.core().gate.is_balanced(), "nothing is left in the books");
        });
    }
}

/// An actor that says nothing of kinds.
struct Plain;

struct Any(Reply<()>);

impl Message for Any {}

impl Actor for Plain {
    type Args = ();
    type Msg = Any;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Plain)
    }

    async fn handle(&mut self, Any(reply): Any, _: &mut Context<Self>) -> Result<(), Exit> {
        tokio::time::sleep(QUICK).await;
        reply.send(());
        Ok(())
    }
}

#[test]
fn for_messages_of_one_kind_nothing_is_made() {
    simulate(Simulation::seeded(1), async |_, plain: ActorRef<Plain>| {
        for _ in 0..30 {
            plain.ask(Any).within(SLOW).await.expect("it is idle");
        }
        let gate = &plain.cell.core().gate;
        assert!(gate.wait(10) >= 10 * QUICK && !gate.tells_kinds());
    });
}
