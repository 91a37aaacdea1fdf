//! Hazard E1: who waits for whom in a circle is refused at once.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crashworthy_runtime::{ActorRef, AskError, Reason, Reply, Slot, System};
use tokio::sync::oneshot;

use crate::stage::{
    Nursery, Order, Puppet, SOON, act, bare, cast, everywhere, lawful, ms, on_many, pends, puppet, until, who,
};

/// Whoever ends at its deadline does not end in a test.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// How it went, for whoever asked first.
pub(crate) type Told = Result<(), AskError>;

/// A question that is answered by asking these in turn, each of whom asks the next: how that went.
pub(crate) fn asks(rest: &[ActorRef<Puppet>], reply: Reply<Told>) -> Order {
    asks_after(oneshot::channel().1, rest, reply)
}

/// The same after something was said, or whoever would say it has gone.
fn asks_after(first: oneshot::Receiver<()>, rest: &[ActorRef<Puppet>], reply: Reply<Told>) -> Order {
    let rest = rest.to_vec();
    act(move |_, _| {
        Box::pin(async move {
            let _ = first.await;
            reply.send(match rest.split_first() {
                Some((next, rest)) => ask(next, rest).await,
                None => Ok(()),
            });
            Ok(())
        })
    })
}

pub(crate) async fn ask(next: &ActorRef<Puppet>, rest: &[ActorRef<Puppet>]) -> Told {
    next.ask(|reply| asks(rest, reply)).within(LONG).await?
}

/// The path of a refusal for the one reason.
fn path(told: &Told) -> Vec<String> {
    match told {
        Err(AskError::Refused(why)) if why.reason == Reason::Cycle => why.cycle.as_ref().expect("a path").path.clone(),
        other => panic!("not refused for a cycle: {other:?}"),
    }
}

fn names(actors: &[&ActorRef<Puppet>]) -> Vec<String> {
    actors.iter().map(|actor| actor.name().map_or_else(|| actor.id().to_string(), str::to_owned)).collect()
}

/// Has an actor answer until its turns are known to be short: it is asked in place from then on, where that is done.
pub(crate) async fn warm(actors: &[ActorRef<Puppet>]) {
    for actor in actors {
        for _ in 0..200 {
            who(actor).await;
        }
    }
}

pub(crate) async fn puppets(system: &System, many: usize) -> Vec<ActorRef<Puppet>> {
    let mut puppets = Vec::new();
    for _ in 0..many {
        puppets.push(puppet(system).await.0);
    }
    puppets
}

/// Waits until nobody has anything in hand.
pub(crate) async fn settled(actors: &[ActorRef<Puppet>]) {
    for actor in actors {
        actor.settled().await;
    }
}

pub(crate) fn cycles(actors: &[ActorRef<Puppet>]) -> u64 {
    actors.iter().map(|actor| actor.refusals().because(Reason::Cycle)).sum()
}

#[test]
fn e1_who_asks_itself_is_refused_at_once_and_goes_on() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::named("till")).await;
        let till: ActorRef<Puppet> = (*nursery.slot).clone();
        for round in 1..=3 {
            let told = ask(&till, std::slice::from_ref(&till)).await;
            assert_eq!(path(&told), ["till", "till"]);
            assert!(told.unwrap_err().to_string().contains("would wait for itself: till → till"));
            assert_eq!(cycles(std::slice::from_ref(&till)), round);
            warm(std::slice::from_ref(&till)).await;
            assert_eq!(till.law().cancelled, round, "its question is dropped unhandled");
        }
        lawful(&system).await;
    });
}

#[test]
fn e1_a_ring_of_any_length_is_refused_at_once_to_who_closes_it() {
    everywhere(async || {
        let system = bare();
        for many in [2, 3, 9, 100, 128] {
            for warmed in [false, true] {
                let ring = puppets(&system, many).await;
                if warmed {
                    warm(&ring).await;
                }
                let round: Vec<_> = ring[1..].iter().chain(&ring[..1]).cloned().collect();
                let told = ask(&ring[0], &round).await;
                let closer: Vec<_> = ring[many - 1..].iter().chain(&ring).collect();
                assert_eq!(path(&told), names(&closer), "{many} {warmed}");
                assert_eq!((cycles(&ring[..1]), cycles(&ring)), (1, 1));
            }
        }
        lawful(&system).await;
    });
}

#[test]
fn e1_a_ring_of_more_actors_than_are_looked_at_ends_at_its_deadline() {
    everywhere(async || {
        let system = bare();
        let ring = puppets(&system, 129).await;
        let round: Vec<_> = ring[1..].iter().chain(&ring[..1]).cloned().collect();
        let told = ring[0].ask(|reply| asks(&round, reply)).within(SOON).await;
        assert!(matches!(told, Err(AskError::Expired) | Ok(Err(AskError::Expired))), "{told:?}");
        assert_eq!(cycles(&ring), 0);
        lawful(&system).await;
    });
}

#[test]
fn e1_of_two_actors_that_ask_each_other_the_later_is_refused() {
    everywhere(async || {
        let system = bare();
        let ring = puppets(&system, 2).await;
        let (a, b) = (ring[0].clone(), ring[1].clone());
        let (says, first) = oneshot::channel();
        let other = tokio::spawn({
            let (a, b) = (a.clone(), b.clone());
            async move { b.ask(|reply| asks_after(first, &[a], reply)).within(LONG).await }
        });
        until("the second has its question in hand", || b.law().in_hand == 1).await;
        let one = tokio::spawn({
            let (a, b) = (a.clone(), b.clone());
            async move { a.ask(|reply| asks(&[b], reply)).within(LONG).await }
        });
        until("the first waits for the second", || b.load().depth == 1).await;
        says.send(()).unwrap();
        assert_eq!(path(&other.await.unwrap().unwrap()), names(&[&b, &a, &b]));
        assert_eq!(one.await.unwrap(), Ok(Ok(())), "the other is answered");
        assert_eq!(cycles(&ring), 1);
        lawful(&system).await;
    });
}

#[test]
fn e1_who_awaited_something_before_is_refused_like_others() {
    everywhere(async || {
        let system = bare();
        let ring = puppets(&system, 2).await;
        let target = ring[1].clone();
        let back = ring[0].clone();
        let told = ring[0].ask(|reply: Reply<Told>| {
            act(move |_, _| {
                Box::pin(async move {
                    tokio::time::sleep(ms(1)).await;
                    let _ = tokio::time::timeout(LONG, tokio::task::yield_now()).await;
                    reply.send(ask(&target, &[back]).await);
                    Ok(())
                })
            })
        });
        assert_eq!(path(&told.within(LONG).await.unwrap()), names(&[&ring[1], &ring[0], &ring[1]]));
        lawful(&system).await;
    });
}

#[test]
fn e1_who_awaited_something_in_the_very_poll_in_which_it_asks_is_refused_like_others() {
    everywhere(async || {
        let system = bare();
        let ring = puppets(&system, 2).await;
        let (target, back) = (ring[1].clone(), ring[0].clone());
        let told = ring[0].ask(|reply: Reply<Told>| {
            act(move |_, _| {
                Box::pin(async move {
                    // Registers itself, and is done with in the same poll.
                    drop(poll_fn(|cx| Poll::Ready(cx.waker().clone())).await);
                    reply.send(ask(&target, &[back]).await);
                    Ok(())
                })
            })
        });
        assert_eq!(path(&told.within(LONG).await.unwrap()), names(&[&ring[1], &ring[0], &ring[1]]));
        lawful(&system).await;
    });
}

#[test]
fn e1_init_is_in_the_ring_like_a_handler() {
    everywhere(async || {
        let system = bare();
        let (b, _b) = puppet(&system).await;
        let (tells, told) = oneshot::channel();
        let (sends, born) = oneshot::channel::<ActorRef<Puppet>>();
        let asked = b.clone();
        let (a, _a) = cast(&system, |part| {
            part.init(move |cx| {
                let own = cx.address();
                Box::pin(async move {
                    let _ = sends.send(own.clone());
                    let _ = tells.send(ask(&asked, &[own]).await);
                    Ok(())
                })
            })
        })
        .await;
        assert_eq!(born.await.unwrap(), a);
        assert_eq!(path(&told.await.unwrap()), names(&[&b, &a, &b]));
        lawful(&system).await;
    });
}

/// What an actor asks for room in the mailbox of another is told.
fn wants_room(at: &ActorRef<Puppet>, reply: Reply<Told>) -> Order {
    let at = at.clone();
    act(move |_, _| {
        Box::pin(async move {
            let admitted = at.admitted(LONG).await;
            reply.send(admitted.map(drop).map_err(AskError::Refused));
            Ok(())
        })
    })
}

#[test]
fn e1_a_wait_for_room_closes_a_ring_as_a_question_does() {
    everywhere(async || {
        let system = bare();
        let small = Nursery::open(&system, Slot::named("small").mailbox(1).unwrap()).await;
        let (a, b) = ((*small.slot).clone(), puppet(&system).await.0);
        // The mailbox of the first is full, and it waits for the second, which waits for room in it.
        let (says, first) = oneshot::channel();
        let one = tokio::spawn({
            let (a, b, back) = (a.clone(), b.clone(), a.clone());
            async move {
                let order = |reply: Reply<Told>| {
                    act(move |_, _| {
                        Box::pin(async move {
                            let _ = first.await;
                            let told = b.ask(|reply| wants_room(&back, reply)).within(LONG).await;
                            reply.send(told.and_then(|told| told));
                            Ok(())
                        })
                    })
                };
                a.ask(order).within(LONG).await
            }
        });
        until("it is in hand", || a.law().in_hand == 1 && a.load().depth == 0).await;
        a.tell(Order::Note(1)).unwrap();
        says.send(()).unwrap();
        assert_eq!(path(&one.await.unwrap().unwrap()), names(&[&b, &a, &b]));
        assert_eq!(cycles(std::slice::from_ref(&a)), 1);
        lawful(&system).await;
    });
}

#[test]
fn e1_who_waits_for_room_with_itself_is_refused_unless_somebody_holds_a_place() {
    everywhere(async || {
        let system = bare();
        let small = Nursery::open(&system, Slot::named("small").mailbox(1).unwrap()).await;
        let a = (*small.slot).clone();
        for held in [false, true] {
            let (says, first) = oneshot::channel();
            let (tells, told) = oneshot::channel();
            let own = a.clone();
            let (waits, waiting) = oneshot::channel();
            let order = act(move |_, _| {
                Box::pin(async move {
                    let _ = first.await;
                    let mut admission = pin!(own.admitted(LONG));
                    assert!(pends(admission.as_mut()).await, "there is no room");
                    let _ = waits.send(());
                    let _ = tells.send(admission.await.map(drop));
                    Ok(())
                })
            });
            a.tell(order).unwrap();
            until("it is in hand", || a.law().in_hand == 1 && a.load().depth == 0).await;
            let permit = if held { Some(a.admitted(LONG).await.unwrap()) } else { None };
            if !held {
                a.tell(Order::Note(1)).unwrap();
            }
            says.send(()).unwrap();
            waiting.await.unwrap();
            if held {
                // Others see it wait when its turn has ended.
                until("it waits", || system.inspect(a.pid()).is_some_and(|shot| !shot.in_turn)).await;
                drop(permit);
                told.await.unwrap().unwrap();
            } else {
                assert_eq!(path(&told.await.unwrap().map_err(AskError::Refused)), ["small", "small"]);
                a.settled().await;
            }
        }
        assert_eq!(cycles(std::slice::from_ref(&a)), 1);
        lawful(&system).await;
    });
}

#[test]
fn e1_of_two_questions_joined_the_one_that_remains_is_in_the_ring() {
    everywhere(async || {
        let system = bare();
        let three = puppets(&system, 3).await;
        let (a, b, c) = (three[0].clone(), three[1].clone(), three[2].clone());
        let (opens, gate) = oneshot::channel();
        let (tells, told) = oneshot::channel();
        c.tell(Order::Await(gate)).unwrap();
        until("it is busy", || c.law().in_hand == 1 && c.load().depth == 0).await;
        let (target, busy, back) = (b.clone(), c.clone(), a.clone());
        let question = act(move |_, _| {
            Box::pin(async move {
                let back = [back];
                let joined = tokio::join!(ask(&target, &back), busy.ask(Order::Who).within(LONG));
                let _ = tells.send(joined);
                Ok(())
            })
        });
        a.tell(question).unwrap();
        let both = || b.law().in_hand == 1 && a.load().depth == 1 && c.load().depth == 1;
        until("it waits for both", both).await;
        assert_eq!(cycles(&three), 0);
        opens.send(()).unwrap();
        let (refused, who) = told.await.unwrap();
        assert_eq!(who, Ok(1));
        assert_eq!(path(&refused), names(&[&b, &a, &b]));
        lawful(&system).await;
    });
}

#[test]
fn e1_who_looks_at_its_question_more_than_once_in_a_poll_is_refused_like_others() {
    everywhere(async || {
        let system = bare();
        let both = puppets(&system, 2).await;
        let (a, b) = (both[0].clone(), both[1].clone());
        let (tells, told) = oneshot::channel();
        let (target, back) = (b.clone(), a.clone());
        let question = act(move |_, _| {
            Box::pin(async move {
                let back = [back];
                let mut asking = pin!(ask(&target, &back));
                for _ in 0..3 {
                    assert!(pends(asking.as_mut()).await, "it waits for us");
                }
                let _ = tells.send(asking.await);
                Ok(())
            })
        });
        a.tell(question).unwrap();
        assert_eq!(path(&told.await.unwrap()), names(&[&b, &a, &b]));
        lawful(&system).await;
    });
}

#[test]
fn e1_who_has_given_up_a_question_in_the_very_poll_in_which_it_asks_another_is_refused_like_others() {
    everywhere(async || {
        let system = bare();
        let three = puppets(&system, 3).await;
        let (a, b, busy) = (three[0].clone(), three[1].clone(), three[2].clone());
        let (opens, gate) = oneshot::channel();
        busy.tell(Order::Await(gate)).unwrap();
        until("it is busy", || busy.law().in_hand == 1 && busy.load().depth == 0).await;
        let (tells, told) = oneshot::channel();
        let (target, back, asked) = (b.clone(), a.clone(), busy.clone());
        let question = act(move |_, _| {
            Box::pin(async move {
                {
                    let mut first = pin!(asked.ask(Order::Who).within(LONG));
                    assert!(pends(first.as_mut()).await, "it is busy");
                }
                let _ = tells.send(ask(&target, &[back]).await);
                Ok(())
            })
        });
        a.tell(question).unwrap();
        assert_eq!(path(&told.await.unwrap()), names(&[&b, &a, &b]));
        opens.send(()).unwrap();
        busy.settled().await;
        lawful(&system).await;
    });
}

/// Whoever asks around anyhow is answered or refused, long before its deadline.
#[test]
fn e1_under_load_no_ring_waits_for_its_deadline() {
    on_many(4, async || {
        let system = bare();
        let actors = puppets(&system, 6).await;
        let mut askers = tokio::task::JoinSet::new();
        for seed in 1..=8_u64 {
            let actors = actors.clone();
            askers.spawn(async move {
                let (mut random, mut refused) = (seed, 0);
                for _ in 0..1_000 {
                    let many = 2 + dice(&mut random) as usize % 4;
                    let path: Vec<_> =
                        (0..many).map(|_| actors[dice(&mut random) as usize % actors.len()].clone()).collect();
                    match ask(&path[0], &path[1..]).await {
                        Ok(()) => {}
                        told => refused += u64::from(!self::path(&told).is_empty()),
                    }
                }
                refused
            });
        }
        let mut refused = 0;
        while let Some(ended) = askers.join_next().await {
            refused += ended.unwrap();
        }
        assert!(refused != 0, "there were rings");
        assert_eq!(cycles(&actors), refused, "each is counted once");
        lawful(&system).await;
    });
}

pub(crate) fn dice(random: &mut u64) -> u64 {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *random >> 33
}
