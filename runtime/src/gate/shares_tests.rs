//! Shares of a running actor that refuses, in virtual time.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::scripted::{ms, simulate};
use crate::{Actor, ActorRef, AskError, CallScope, Context, Exit, Message, Reason, Reply, System};

const SERVICE: Duration = ms(10);
const DEADLINE: Duration = ms(1_000);

struct Serve(Reply<()>);

impl Message for Serve {}

/// Serves, one after the other.
struct Clerk;

impl Actor for Clerk {
    type Args = ();
    type Msg = Serve;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, Serve(reply): Serve, _: &mut Context<Self>) -> Result<(), Exit> {
        tokio::time::sleep(SERVICE).await;
        reply.send(());
        Ok(())
    }
}

/// Asks the clerk for others, in a task for each.
struct Desk(ActorRef<Clerk>);

impl Actor for Desk {
    type Args = ActorRef<Clerk>;
    type Msg = Serve;

    async fn init(clerk: ActorRef<Clerk>, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(clerk))
    }

    async fn handle(&mut self, Serve(reply): Serve, _: &mut Context<Self>) -> Result<(), Exit> {
        let clerk = self.0.clone();
        tokio::spawn(CallScope::current().scope(async move {
            match clerk.ask(Serve).await {
                Ok(()) => reply.send(()),
                Err(AskError::Refused(why)) => reply.refuse(why),
                Err(_) => drop(reply),
            }
        }));
        Ok(())
    }
}

/// What became of the calls of one side.
#[derive(Debug, Default)]
struct Side {
    calls: u32,
    answered: u32,
    /// Refused because of a share.
    shared: u32,
}

impl Side {
    fn share(&self) -> f64 {
        f64::from(self.answered) / f64::from(self.calls)
    }
}

/// Nine who ask for a twentieth of the capacity each, and one for four times all of it, whom nobody knows by name if he is
/// `anonymous`. What became of the nine's, and of his.
async fn beside_a_hog<A: Actor<Msg = Serve>>(system: &System, asked: &ActorRef<A>, anonymous: bool) -> (Side, Side) {
    const LOAD: f64 = 4.0 + 9.0 * 0.05;
    let uniform = || (system.port().rng_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let (mut calls, mut at) = (JoinSet::new(), tokio::time::Instant::now());
    let until = at + SERVICE * 2_000;
    while at < until {
        at += SERVICE.mul_f64(-(1.0 - uniform()).ln() / LOAD);
        let drawn = (uniform() * LOAD / 0.05) as u32;
        let whom = if drawn < 9 { drawn } else { 9 };
        // Half of them are named by a scope, the others at the question.
        let is_named = whom != 9 || !anonymous;
        let scope = CallScope::current();
        let scope = if is_named && whom % 2 == 0 { scope.on_behalf_of(system, &whom) } else { scope };
        let asked = asked.clone();
        calls.spawn(scope.scope(async move {
            tokio::time::sleep_until(at).await;
            let ask = asked.ask(Serve).within(DEADLINE);
            (whom == 9, if is_named && whom % 2 == 1 { ask.on_behalf_of(&whom).await } else { ask.await })
        }));
    }
    let mut sides = (Side::default(), Side::default());
    for (is_hog, answer) in calls.join_all().await {
        let side = if is_hog { &mut sides.1 } else { &mut sides.0 };
        side.calls += 1;
        side.answered += u32::from(answer.is_ok());
        side.shared += u32::from(matches!(answer, Err(AskError::Refused(why)) if why.reason == Reason::Share));
    }
    sides
}

#[test]
fn who_asks_for_little_is_served_beside_somebody_who_asks_for_four_times_of_what_there_is() {
    for anonymous in [false, true] {
        simulate(1, async |system| {
            let clerk = system.spawn::<Clerk>(()).await.expect("it starts");
            let (nine, hog) = beside_a_hog(&system, &clerk, anonymous).await;
            assert!(nine.share() > 0.95, "of the nine {nine:?}, of the hog {hog:?}");
            assert!(hog.shared > hog.calls / 4, "he is told: {hog:?}");
            // Tokio's timers end up to a millisecond late.
            assert!(nine.answered + hog.answered > 2_000 * 10 / 11 * 97 / 100, "{nine:?}, {hog:?}");
            assert_eq!(clerk.refusals().because(Reason::Share), u64::from(hog.shared + nine.shared));
            assert!(clerk.law().holds());
        });
    }
}

#[test]
fn somebody_who_asks_for_much_is_found_behind_an_actor_whom_others_share() {
    simulate(1, async |system| {
        let clerk = system.spawn::<Clerk>(()).await.expect("it starts");
        let desk = system.spawn::<Desk>(clerk.clone()).await.expect("it starts");
        let (nine, hog) = beside_a_hog(&system, &desk, false).await;
        assert!(nine.share() > 0.95, "of the nine {nine:?}, of the hog {hog:?}");
        assert!(clerk.refusals().because(Reason::Share) > u64::from(hog.calls / 4));
    });
}

#[test]
fn who_is_alone_has_all_the_room() {
    simulate(1, async |system| {
        let clerk = system.spawn::<Clerk>(()).await.expect("it starts");
        for _ in 0..20 {
            clerk.ask(Serve).await.expect("it serves");
        }
        let burst = async || {
            let mut calls = JoinSet::new();
            for _ in 0..200 {
                let clerk = clerk.clone();
                calls.spawn(async move { clerk.ask(Serve).within(DEADLINE).await });
            }
            calls.join_all().await.into_iter().filter(Result::is_ok).count()
        };
        for _ in 0..3 {
            assert!(burst().await >= 40);
            assert_eq!(clerk.refusals().because(Reason::Share), 0);
        }
    });
}
