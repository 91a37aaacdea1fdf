//! Hazard E1: who waits for whom in a circle is refused at once, and who only seems to is not.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use crashworthy_runtime::{Actor, ActorRef, AskError, Context, Exit, Reason, Reply, Slot, System};
use tokio::sync::oneshot;

use crate::stage::{
    Nursery, Order, Puppet, SOON, act, bare, cast, everywhere, lawful, ms, now, on_many, puppet, until, who,
};

/// Whoever ends at its deadline does not end in a test.
const LONG: Duration = Duration::from_secs(600);

/// How it went, for whoever asked first.
type Told = Result<(), AskError>;

/// A question that is answered by asking these in turn, each of whom asks the next: how that went.
fn asks(rest: &[ActorRef<Puppet>], reply: Reply<Told>) -> Order {
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

async fn ask(next: &ActorRef<Puppet>, rest: &[ActorRef<Puppet>]) -> Told {
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
async fn warm(actors: &[ActorRef<Puppet>]) {
    for actor in actors {
        for _ in 0..200 {
            who(actor).await;
        }
    }
}

async fn puppets(system: &System, many: usize) -> Vec<ActorRef<Puppet>> {
    let mut puppets = Vec::new();
    for _ in 0..many {
        puppets.push(puppet(system).await.0);
    }
    puppets
}

/// Waits until nobody has anything in hand.
async fn settled(actors: &[ActorRef<Puppet>]) {
    for actor in actors {
        actor.settled().await;
    }
}

fn cycles(actors: &[ActorRef<Puppet>]) -> u64 {
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
                    drop(std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await);
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
            let order = act(move |_, _| {
                Box::pin(async move {
                    let _ = first.await;
                    let _ = tells.send(own.admitted(LONG).await.map(drop));
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
            if held {
                tokio::task::yield_now().await;
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
fn e1_who_has_replied_may_ask_who_asked() {
    everywhere(async || {
        let system = bare();
        let both = puppets(&system, 2).await;
        let (a, b) = (&both[0], &both[1]);
        for round in 0..200 {
            if round == 100 {
                warm(&both).await;
            }
            let (says, said) = oneshot::channel();
            let (back, target) = (a.clone(), b.clone());
            // A asks B; B replies first and then asks A, which is at rest or about to be.
            let question = act(move |_, _| {
                Box::pin(async move {
                    let early = |reply: Reply<()>| {
                        act(move |_, _| {
                            Box::pin(async move {
                                reply.send(());
                                let _ = says.send(back.ask(Order::Who).within(LONG).await);
                                Ok(())
                            })
                        })
                    };
                    target.ask(early).within(LONG).await?;
                    Ok(())
                })
            });
            a.tell(question).unwrap();
            assert_eq!(said.await.unwrap(), Ok(1));
        }
        assert_eq!(cycles(&both), 0);
        lawful(&system).await;
    });
}

#[test]
fn e1_who_waits_for_a_timer_as_well_is_not_refused_and_goes_on() {
    everywhere(async || {
        let system = bare();
        let both = puppets(&system, 2).await;
        let (a, b) = (both[0].clone(), both[1].clone());
        // The question may come up when the timer is waited for already.
        for turns_before in 0..4 {
            let (tells, told) = oneshot::channel();
            let (target, back) = (b.clone(), a.clone());
            let question = act(move |_, _| {
                Box::pin(async move {
                    let asking = async {
                        for _ in 0..turns_before {
                            tokio::task::yield_now().await;
                        }
                        let asked = |reply: Reply<()>| {
                            act(move |_, _| {
                                Box::pin(async move {
                                    let _ = tells.send(back.ask(Order::Who).within(LONG).await);
                                    reply.send(());
                                    Ok(())
                                })
                            })
                        };
                        target.ask(asked).within(LONG).await
                    };
                    assert!(tokio::time::timeout(ms(50), asking).await.is_err(), "nobody answers");
                    Ok(())
                })
            });
            a.tell(question).unwrap();
            assert_eq!(told.await.unwrap(), Ok(1), "{turns_before}");
        }
        assert_eq!(cycles(&both), 0);
        lawful(&system).await;
    });
}

#[test]
fn e1_who_asks_two_at_once_is_not_refused_while_both_may_answer() {
    everywhere(async || {
        let system = bare();
        let three = puppets(&system, 3).await;
        let (a, b, c) = (three[0].clone(), three[1].clone(), three[2].clone());
        let (opens, gate) = oneshot::channel();
        let (tells, told) = oneshot::channel();
        let (back, target, busy, asked_back) = (a.clone(), b.clone(), c.clone(), b.clone());
        busy.tell(Order::Await(gate)).unwrap();
        until("it is busy", || busy.law().in_hand == 1 && busy.load().depth == 0).await;
        // A asks B, which asks A, and C, which is busy: whichever comes first.
        let question = act(move |_, _| {
            Box::pin(async move {
                let asked = |reply: Reply<()>| {
                    act(move |_, _| {
                        Box::pin(async move {
                            let _ = tells.send(back.ask(Order::Who).within(LONG).await);
                            reply.send(());
                            Ok(())
                        })
                    })
                };
                tokio::select! {
                    _ = target.ask(asked).within(LONG) => panic!("it waits for us"),
                    who = c.ask(Order::Who).within(LONG) => assert_eq!(who, Ok(1)),
                }
                Ok(())
            })
        });
        a.tell(question).unwrap();
        let both = || asked_back.law().in_hand == 1 && a.load().depth == 1 && busy.load().depth == 1;
        until("it waits for both", both).await;
        opens.send(()).unwrap();
        assert_eq!(told.await.unwrap(), Ok(1));
        assert_eq!(cycles(&three), 0);
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

/// Waits for somebody to say so, and leaves its waker anew only where it is another.
struct Said(Arc<Mutex<(bool, Option<Waker>)>>);

impl Future for Said {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let (said, waker) = &mut *self.0.lock().unwrap();
        if waker.as_ref().is_none_or(|known| known.data() != cx.waker().data()) {
            *waker = Some(cx.waker().clone());
        }
        if *said { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[test]
fn e1_who_waits_for_something_since_an_earlier_turn_is_not_refused() {
    everywhere(async || {
        let system = bare();
        let both = puppets(&system, 2).await;
        let (a, b) = (both[0].clone(), both[1].clone());
        for turns_before in 1..4 {
            let (tells, told) = oneshot::channel();
            let (target, back, said) = (b.clone(), a.clone(), Arc::default());
            let waits = Said(Arc::clone(&said));
            let question = act(move |_, _| {
                Box::pin(async move {
                    let asking = async {
                        for _ in 0..turns_before {
                            tokio::task::yield_now().await;
                        }
                        let asked = |reply: Reply<()>| {
                            act(move |_, _| {
                                Box::pin(async move {
                                    let _ = tells.send(back.ask(Order::Who).within(LONG).await);
                                    reply.send(());
                                    Ok(())
                                })
                            })
                        };
                        target.ask(asked).within(LONG).await
                    };
                    tokio::select! {
                        biased;
                        () = waits => {}
                        _ = asking => panic!("it waits for us"),
                    }
                    Ok(())
                })
            });
            a.tell(question).unwrap();
            until("B waits for A", || b.law().in_hand == 1 && a.load().depth == 1).await;
            assert_eq!(cycles(&both), 0);
            let waker = {
                let mut said = said.lock().unwrap();
                said.0 = true;
                said.1.take()
            };
            waker.expect("it waits").wake();
            assert_eq!(told.await.unwrap(), Ok(1), "{turns_before}");
            settled(&both).await;
        }
        assert_eq!(cycles(&both), 0);
        lawful(&system).await;
    });
}

/// Waits like another that lives on.
struct Still(Arc<Mutex<Said>>);

impl Future for Still {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        Pin::new(&mut *self.0.lock().unwrap()).poll(cx)
    }
}

#[test]
fn e1_who_waits_for_something_since_an_earlier_message_is_not_refused() {
    everywhere(async || {
        let system = bare();
        let both = puppets(&system, 2).await;
        let (a, b) = (both[0].clone(), both[1].clone());
        for messages_between in 0..4 {
            let (tells, told) = oneshot::channel();
            let (target, back, said) = (b.clone(), a.clone(), Arc::default());
            let waits = Arc::new(Mutex::new(Said(Arc::clone(&said))));
            let left = Still(Arc::clone(&waits));
            let glances = act(move |_, _| {
                Box::pin(async move {
                    tokio::select! {
                        biased;
                        () = left => panic!("nobody has said so"),
                        () = async {} => Ok(()),
                    }
                })
            });
            a.tell(glances).unwrap();
            for _ in 0..messages_between {
                who(&a).await;
            }
            let question = act(move |_, _| {
                Box::pin(async move {
                    let asked = |reply: Reply<()>| {
                        act(move |_, _| {
                            Box::pin(async move {
                                let _ = tells.send(back.ask(Order::Who).within(LONG).await);
                                reply.send(());
                                Ok(())
                            })
                        })
                    };
                    tokio::select! {
                        biased;
                        () = Still(waits) => Ok(()),
                        _ = target.ask(asked).within(LONG) => panic!("it waits for us"),
                    }
                })
            });
            a.tell(question).unwrap();
            until("B waits for A", || b.law().in_hand == 1 && a.load().depth == 1).await;
            let waker = {
                let mut said = said.lock().unwrap();
                said.0 = true;
                said.1.take()
            };
            waker.expect("it waits").wake();
            assert_eq!(told.await.unwrap(), Ok(1), "{messages_between}");
            settled(&both).await;
        }
        assert_eq!(cycles(&both), 0);
        lawful(&system).await;
    });
}

#[test]
fn e1_who_looks_anew_at_something_in_turn_after_turn_is_not_refused() {
    everywhere(async || {
        let system = bare();
        let both = puppets(&system, 2).await;
        let (a, b) = (both[0].clone(), both[1].clone());
        let (tells, told) = oneshot::channel();
        let (target, back, said) = (b.clone(), a.clone(), Arc::new(Mutex::new(false)));
        let looks = Arc::clone(&said);
        let question = act(move |_, _| {
            Box::pin(async move {
                let looked = std::future::poll_fn(move |cx| {
                    if *looks.lock().unwrap() {
                        return Poll::Ready(());
                    }
                    // Nobody keeps a waker: it is this turn that asks for another.
                    cx.waker().wake_by_ref();
                    Poll::Pending
                });
                let asked = |reply: Reply<()>| {
                    act(move |_, _| {
                        Box::pin(async move {
                            let _ = tells.send(back.ask(Order::Who).within(LONG).await);
                            reply.send(());
                            Ok(())
                        })
                    })
                };
                tokio::select! {
                    () = looked => Ok(()),
                    _ = target.ask(asked).within(LONG) => panic!("it waits for us"),
                }
            })
        });
        a.tell(question).unwrap();
        until("B waits for A", || b.law().in_hand == 1 && a.load().depth == 1).await;
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        *said.lock().unwrap() = true;
        assert_eq!(told.await.unwrap(), Ok(1));
        assert_eq!(cycles(&both), 0);
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
                    let pends = std::future::poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending()));
                    assert!(pends.await, "it is busy");
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

/// How a reply leaves the handler that was given it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Told,
    Admitted,
    Piped,
    Spawned,
    Started,
}

/// Answers when it is told to, in its `init`.
struct Worker;

impl Actor for Worker {
    type Args = (Reply<u64>, oneshot::Receiver<()>);
    type Msg = ();

    async fn init((reply, gate): Self::Args, _: &mut Context<Self>) -> Result<Self, Exit> {
        let _ = gate.await;
        reply.send(7);
        Ok(Self)
    }

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

#[test]
fn e1_who_has_given_a_reply_away_may_ask_who_waits_for_it() {
    everywhere(async || {
        let system = bare();
        let three = puppets(&system, 3).await;
        let (a, b, c) = (three[0].clone(), three[1].clone(), three[2].clone());
        for way in [Way::Told, Way::Admitted, Way::Piped, Way::Spawned, Way::Started] {
            let (tells, told) = oneshot::channel();
            let (opens, gate) = oneshot::channel::<()>();
            let (target, back, clerk) = (b.clone(), a.clone(), c.clone());
            // A asks B, which has C answer, or a task, and asks A meanwhile.
            let question = move |answered: Reply<Result<u64, AskError>>| {
                act(move |_, _| {
                    Box::pin(async move {
                        let given = move |reply: Reply<u64>| {
                            act(move |_, cx| {
                                Box::pin(async move {
                                    match way {
                                        Way::Spawned => {
                                            let reply = reply.handed_on();
                                            tokio::spawn(async move {
                                                let _ = gate.await;
                                                reply.send(7);
                                            });
                                        }
                                        Way::Started => drop(cx.system().launch::<Worker>((reply, gate))?),
                                        Way::Piped => {
                                            let answer = async move {
                                                let _ = gate.await;
                                                reply.send(7);
                                            };
                                            cx.pipe(answer, |()| Order::Note(0))?;
                                        }
                                        way => {
                                            let order = act(move |_, _| {
                                                Box::pin(async move {
                                                    let _ = gate.await;
                                                    reply.send(7);
                                                    Ok(())
                                                })
                                            });
                                            if way == Way::Told {
                                                clerk.tell(order)?;
                                            } else {
                                                clerk.admitted(LONG).await?.send(order)?;
                                            }
                                        }
                                    }
                                    // Something between: what was seen in another turn is not forgotten.
                                    tokio::task::yield_now().await;
                                    let _ = tells.send(back.ask(Order::Who).within(LONG).await);
                                    Ok(())
                                })
                            })
                        };
                        answered.send(target.ask(given).within(LONG).await);
                        Ok(())
                    })
                })
            };
            let asker = a.clone();
            let answered = tokio::spawn(async move { asker.ask(question).within(LONG).await });
            until("B waits for A", || b.law().in_hand == 1 && a.load().depth == 1).await;
            assert_eq!(cycles(&three), 0, "{way:?}");
            opens.send(()).unwrap();
            assert_eq!(answered.await.unwrap(), Ok(Ok(7)), "{way:?}");
            assert_eq!(told.await.unwrap(), Ok(1), "{way:?}");
        }
        assert_eq!(cycles(&three), 0);
        lawful(&system).await;
    });
}

#[test]
fn e1_a_reply_that_outlived_its_handler_is_owed_by_nobody_in_particular() {
    everywhere(async || {
        let system = bare();
        let both = puppets(&system, 2).await;
        let (a, b) = (both[0].clone(), both[1].clone());
        // B takes A's question, returns, and asks A for another message; a task has the reply.
        let (keeps, kept) = oneshot::channel::<Reply<u64>>();
        let (target, back) = (b.clone(), a.clone());
        let answered = tokio::spawn(async move {
            let question = |answered: Reply<Result<u64, AskError>>| {
                act(move |_, _| {
                    Box::pin(async move {
                        let keeping = |reply| {
                            now(move |_, _| {
                                let _ = keeps.send(reply);
                                Ok(())
                            })
                        };
                        answered.send(target.ask(keeping).within(LONG).await);
                        Ok(())
                    })
                })
            };
            a.ask(question).within(LONG).await
        });
        let kept = kept.await.unwrap();
        b.settled().await;
        let order = |reply: Reply<Told>| asks(std::slice::from_ref(&back), reply);
        let mut asking = pin!(b.ask(order).within(LONG));
        assert!(std::future::poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await.is_pending());
        until("B waits for A", || back.load().depth == 1).await;
        kept.send(7);
        assert_eq!(asking.await, Ok(Ok(())));
        assert_eq!(answered.await.unwrap(), Ok(Ok(7)));
        assert_eq!(cycles(&both), 0);
        lawful(&system).await;
    });
}

#[test]
fn e1_what_a_task_asks_for_an_actor_is_no_wait_of_the_actor() {
    everywhere(async || {
        let system = bare();
        let both = puppets(&system, 2).await;
        let (a, b) = (both[0].clone(), both[1].clone());
        for polled_before in [false, true] {
            let (tells, told) = oneshot::channel();
            let (target, back) = (b.clone(), a.clone());
            let order = now(move |_, _| {
                let asking = async move { ask(&target, &[back]).await };
                if polled_before {
                    // It waits in a turn of the actor first, and then elsewhere: its handler does not.
                    let mut asking = Box::pin(asking);
                    let waker = std::task::Waker::noop();
                    assert!(asking.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
                    tokio::spawn(async move { tells.send(asking.await) });
                } else {
                    tokio::spawn(async move { tells.send(asking.await) });
                }
                Ok(())
            });
            a.tell(order).unwrap();
            assert_eq!(told.await.unwrap(), Ok(()), "{polled_before}");
        }
        assert_eq!(cycles(&both), 0);
        lawful(&system).await;
    });
}

/// Actors that ask only those of a higher number form no ring.
#[test]
fn e1_under_load_no_question_is_refused_that_is_in_no_ring() {
    on_many(4, async || {
        let system = bare();
        let actors = puppets(&system, 8).await;
        let mut askers = tokio::task::JoinSet::new();
        for seed in 1..=8_u64 {
            let actors = actors.clone();
            askers.spawn(async move {
                let mut random = seed;
                for _ in 0..1_500 {
                    let chosen = dice(&mut random);
                    let path: Vec<_> = actors
                        .iter()
                        .enumerate()
                        .filter(|(at, _)| chosen >> at & 1 == 1)
                        .map(|(_, a)| a.clone())
                        .collect();
                    if let Some((first, rest)) = path.split_first() {
                        assert_eq!(ask(first, rest).await, Ok(()));
                    }
                }
            });
        }
        while let Some(ended) = askers.join_next().await {
            ended.unwrap();
        }
        assert_eq!(cycles(&actors), 0);
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

fn dice(random: &mut u64) -> u64 {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *random >> 33
}
