//! Routes in virtual time: who holds a place where, and what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::scripted::{Script, ms, once, simulate, small_clerk};
use crate::{
    Actor, ActorRef, AskError, CallScope, Context, DependencyError, Exit, Message, Offer, Reason, Refused, Reply, Slot,
    System,
};

/// What a desk passes on to.
type Clerk = ActorRef<crate::scripted::Clerk>;

enum Errand {
    /// Takes this time, then asks all.
    All(Duration, Reply<u32>),
    /// Asks nobody.
    Alone(Reply<u32>),
    /// Crashes.
    Crash(Reply<u32>),
    /// Asks all in a task of their own.
    Piped(Reply<u32>),
    /// Asks the first in a place that the handler reserves itself.
    Permit(Reply<u32>),
    /// Asks all in this scope, in vain, and then without it.
    Scoped(CallScope, Reply<u32>),
    /// Asks the desk behind it.
    Behind(Reply<u32>),
}

impl Message for Errand {
    fn forwards(&self) -> bool {
        true
    }
}

/// Passes on what it is asked.
struct Desk {
    clerks: Vec<Clerk>,
    behind: Option<ActorRef<Desk>>,
}

type Whom = (Vec<Clerk>, Option<ActorRef<Desk>>);

async fn all(clerks: &[Clerk]) -> Result<u32, AskError> {
    for clerk in clerks {
        clerk.ask(once).await?;
    }
    Ok(clerks.len() as u32)
}

impl Actor for Desk {
    type Args = Whom;
    type Msg = Errand;

    async fn init((clerks, behind): Whom, cx: &mut Context<Self>) -> Result<Self, Exit> {
        clerks.iter().try_for_each(|clerk| cx.forwards_to(clerk))?;
        behind.iter().try_for_each(|desk| cx.forwards_to(desk))?;
        Ok(Self { clerks, behind })
    }

    async fn handle(&mut self, errand: Errand, _: &mut Context<Self>) -> Result<(), Exit> {
        match errand {
            Errand::All(takes, reply) => {
                tokio::time::sleep(takes).await;
                reply.send(all(&self.clerks).await?);
            }
            Errand::Alone(reply) => reply.send(0),
            Errand::Crash(reply) => panic!("as it was told, by {reply:?}"),
            Errand::Piped(reply) => {
                let clerks = self.clerks.clone();
                let asked = CallScope::current().scope(async move { all(&clerks).await });
                tokio::spawn(async move {
                    if let Ok(answers) = asked.await {
                        reply.send(answers);
                    }
                });
            }
            Errand::Permit(reply) => {
                let permit = self.clerks[0].reserve(Offer::within(ms(1_000)))?;
                permit.ask(once).await?;
                reply.send(1);
            }
            Errand::Scoped(scope, reply) => {
                refused(scope.scope(all(&self.clerks)).await);
                reply.send(all(&self.clerks).await?);
            }
            Errand::Behind(reply) => {
                let behind = self.behind.as_ref().expect("there is one");
                reply.send(behind.ask(|reply| Errand::All(ms(0), reply)).await?);
            }
        }
        Ok(())
    }
}

async fn clerks(system: &System, count: usize, room: u32) -> (Vec<Slot<crate::scripted::Clerk>>, Vec<Script>) {
    let mut made = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (clerk, script) = small_clerk(system, room).await;
        made.0.push(clerk);
        made.1.push(script);
    }
    made
}

async fn desk(system: &System, clerks: &[Slot<crate::scripted::Clerk>]) -> ActorRef<Desk> {
    let clerks = clerks.iter().map(|clerk| clerk.address()).collect();
    system.spawn::<Desk>((clerks, None)).await.expect("it starts")
}

fn depths(clerks: &[Slot<crate::scripted::Clerk>]) -> Vec<u32> {
    clerks.iter().map(|clerk| clerk.load().depth).collect()
}

fn refused(answer: Result<u32, AskError>) -> Refused {
    match answer {
        Err(AskError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn whoever_asks_is_refused_for_the_last_of_the_route_before_anybody_has_begun() {
    simulate(1, async |system| {
        let (clerks, scripts) = clerks(&system, 2, 1).await;
        let desk = desk(&system, &clerks).await;
        let taken = clerks[1].reserve(Offer::within(ms(1_000))).expect("it is empty");
        let why = refused(desk.ask(|reply| Errand::All(ms(0), reply)).await);
        assert_eq!((why.by, why.reason), (clerks[1].id(), Reason::Full));
        assert_eq!((desk.law().accepted, scripts[0].played().len(), depths(&clerks)), (0, 0, vec![0, 1]));
        drop(taken);
        assert_eq!(desk.ask(|reply| Errand::All(ms(0), reply)).await, Ok(2));
        assert_eq!(depths(&clerks), [0, 0]);
    });
}

#[test]
fn a_place_is_held_at_each_while_the_question_is_handled_and_used_by_what_is_asked_for_it() {
    simulate(2, async |system| {
        let (clerks, scripts) = clerks(&system, 2, 1).await;
        let desk = desk(&system, &clerks).await;
        let asked = desk.ask(|reply| Errand::All(ms(50), reply));
        let look = async {
            tokio::time::sleep(ms(20)).await;
            assert_eq!(depths(&clerks), [1, 1]);
            // Others find no room, and do not take it from them either.
            assert!(matches!(clerks[0].ask(once).await, Err(AskError::Refused(_))));
        };
        let (answer, ()) = tokio::join!(asked, look);
        assert_eq!((answer, depths(&clerks)), (Ok(2), vec![0, 0]));
        assert_eq!(scripts.iter().map(|script| script.played().len()).collect::<Vec<_>>(), [1, 1]);
    });
}

#[test]
fn what_nobody_has_used_is_given_back_when_the_question_ends() {
    simulate(3, async |system| {
        let (clerks, _) = clerks(&system, 2, 1).await;
        let desk = desk(&system, &clerks).await;
        assert_eq!(desk.ask(Errand::Alone).await, Ok(0));
        assert_eq!(depths(&clerks), [0, 0]);
        assert_eq!(desk.ask(Errand::Crash).await, Err(AskError::Died));
        assert_eq!(depths(&clerks), [0, 0]);
    });
}

#[test]
fn a_question_that_is_dropped_gives_its_places_back_when_it_is_taken_out() {
    simulate(4, async |system| {
        let (clerks, scripts) = clerks(&system, 1, 2).await;
        let desk = desk(&system, &clerks).await;
        let busy = desk.ask(|reply| Errand::All(ms(50), reply));
        let dropped = async {
            let queued = tokio::time::timeout(ms(10), desk.ask(|reply| Errand::All(ms(0), reply)));
            assert!(queued.await.is_err());
            assert_eq!(depths(&clerks), [2], "it waits in the mailbox still");
        };
        assert_eq!(tokio::join!(busy, dropped).0, Ok(1));
        desk.settled().await;
        assert_eq!((depths(&clerks), scripts[0].played().len()), (vec![0], 1));
    });
}

#[test]
fn places_go_along_into_tasks_that_keep_the_scope_of_the_call() {
    simulate(5, async |system| {
        let (clerks, _) = clerks(&system, 1, 1).await;
        let desk = desk(&system, &clerks).await;
        assert_eq!(desk.ask(Errand::Piped).await, Ok(1));
        assert_eq!(depths(&clerks), [0]);
    });
}

#[test]
fn a_scope_of_another_call_does_not_see_the_places_of_the_one_around_it() {
    simulate(11, async |system| {
        let (clerks, _) = clerks(&system, 1, 1).await;
        let desk = desk(&system, &clerks).await;
        let scope = CallScope::current();
        assert_eq!(desk.ask(|reply| Errand::Scoped(scope, reply)).await, Ok(1));
        assert_eq!(depths(&clerks), [0]);
    });
}

#[test]
fn who_has_a_permit_gives_the_place_back_that_was_held_for_it() {
    simulate(10, async |system| {
        let (clerks, _) = clerks(&system, 1, 2).await;
        let desk = desk(&system, &clerks).await;
        assert_eq!(desk.ask(Errand::Permit).await, Ok(1));
        assert_eq!(depths(&clerks), [0]);
    });
}

#[test]
fn who_is_asked_for_a_question_uses_its_places_too() {
    simulate(6, async |system| {
        let (clerks, scripts) = clerks(&system, 1, 1).await;
        let back = desk(&system, &clerks).await;
        let whom = (vec![clerks[0].address()], Some(back.clone()));
        let front = system.spawn::<Desk>(whom).await.expect("it starts");
        // One place at the clerk, which the desk behind, whose messages are forwarded there as well, does not reserve again.
        assert_eq!(front.ask(Errand::Behind).await, Ok(1));
        assert_eq!((depths(&clerks), back.load().depth, scripts[0].played().len()), (vec![0], 0, 1));
        let taken = clerks[0].reserve(Offer::within(ms(1_000))).expect("it is empty");
        assert_eq!(refused(front.ask(Errand::Behind).await).by, clerks[0].id());
        assert_eq!((front.law().accepted, back.law().accepted), (1, 1));
        drop(taken);
    });
}

#[test]
fn the_next_question_of_the_actor_has_nothing_along_from_the_last() {
    struct Plain(ActorRef<crate::scripted::Clerk>, Arc<AtomicU64>);
    struct Ask(bool, Reply<u32>);
    impl Message for Ask {
        fn forwards(&self) -> bool {
            self.0
        }
    }
    impl Actor for Plain {
        type Args = (ActorRef<crate::scripted::Clerk>, Arc<AtomicU64>);
        type Msg = Ask;
        async fn init((clerk, seen): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
            cx.forwards_to(&clerk)?;
            Ok(Self(clerk, seen))
        }
        async fn handle(&mut self, Ask(_, reply): Ask, _: &mut Context<Self>) -> Result<(), Exit> {
            self.1.fetch_add(u64::from(crate::turn::carries()), Relaxed);
            tokio::time::sleep(ms(1)).await;
            self.1.fetch_add(u64::from(crate::turn::carries()), Relaxed);
            self.0.ask(once).await?;
            reply.send(1);
            Ok(())
        }
    }
    simulate(7, async |system| {
        let (clerk, _) = small_clerk(&system, 1).await;
        let seen = Arc::<AtomicU64>::default();
        let plain = system.spawn::<Plain>((clerk.address(), seen.clone())).await.expect("it starts");
        for (forwards, counted) in [(false, 0), (true, 2), (false, 2)] {
            assert_eq!(plain.ask(|reply| Ask(forwards, reply)).await, Ok(1));
            assert_eq!(seen.load(Relaxed), counted);
        }
        assert!(!crate::turn::carries());
        assert_eq!(clerk.load().depth, 0);
    });
}

#[test]
fn a_place_whose_time_has_passed_is_anothers() {
    simulate(8, async |system| {
        let (clerks, _) = clerks(&system, 1, 1).await;
        let desk = desk(&system, &clerks).await;
        let asked = desk.ask(|reply| Errand::All(ms(500), reply)).within(ms(50));
        assert_eq!(asked.await, Err(AskError::Expired));
        // The handler sleeps on; what it had along counts no more.
        tokio::time::sleep(ms(20)).await;
        assert_eq!(clerks[0].ask(once).await, Ok(()));
    });
}

#[test]
fn an_actor_forwards_to_sixteen_at_the_most() {
    simulate(9, async |system| {
        let (clerks, _) = clerks(&system, super::MOST + 1, 1).await;
        let whom = clerks.iter().map(|clerk| clerk.address()).collect();
        let started = system.spawn::<Desk>((whom, None)).await;
        assert!(format!("{:?}", started.err()).contains(&DependencyError::TooMany(super::MOST).to_string()));
    });
}
