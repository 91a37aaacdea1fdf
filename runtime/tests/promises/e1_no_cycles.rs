//! Hazard E1: who only seems to wait for itself is not refused, and goes on.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use crashworthy_runtime::{Actor, ActorRef, AskError, Context, Exit, Reply};
use tokio::sync::oneshot;

use crate::e1_cycles::{LONG, Told, ask, asks, cycles, dice, puppets, settled, warm};
use crate::stage::{Order, Puppet, act, bare, everywhere, lawful, ms, now, on_many, puppet, until, who};

/// It is not refused: it was queued, and he for whose sake it was asked has given up.
const GIVEN_UP: Result<u32, AskError> = Err(AskError::Cancelled);

/// A question that is answered after asking this one, and how that went.
fn asks_back(back: ActorRef<Puppet>, tells: oneshot::Sender<Result<u32, AskError>>) -> impl FnOnce(Reply<()>) -> Order {
    move |reply| {
        act(move |_, _| {
            Box::pin(async move {
                let _ = tells.send(back.ask(Order::Who).within(LONG).await);
                reply.send(());
                Ok(())
            })
        })
    }
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
                        let asked = asks_back(back, tells);
                        target.ask(asked).within(LONG).await
                    };
                    assert!(tokio::time::timeout(ms(50), asking).await.is_err(), "nobody answers");
                    Ok(())
                })
            });
            a.tell(question).unwrap();
            assert_eq!(told.await.unwrap(), GIVEN_UP, "{turns_before}");
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
                let asked = asks_back(back, tells);
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
        assert_eq!(told.await.unwrap(), GIVEN_UP);
        assert_eq!(cycles(&three), 0);
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
                        let asked = asks_back(back, tells);
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
            assert_eq!(told.await.unwrap(), GIVEN_UP, "{turns_before}");
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
                    let asked = asks_back(back, tells);
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
            assert_eq!(told.await.unwrap(), GIVEN_UP, "{messages_between}");
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
                let looked = poll_fn(move |cx| {
                    if *looks.lock().unwrap() {
                        return Poll::Ready(());
                    }
                    // Nobody keeps a waker: it is this turn that asks for another.
                    cx.waker().wake_by_ref();
                    Poll::Pending
                });
                let asked = asks_back(back, tells);
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
        assert_eq!(told.await.unwrap(), GIVEN_UP);
        assert_eq!(cycles(&both), 0);
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
        assert!(poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await.is_pending());
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

#[test]
fn a_snapshot_says_whom_an_actor_waits_for_while_it_does_and_for_nothing_else() {
    everywhere(async || {
        let system = bare();
        let ((asker, _journal), (asked, _other)) = (puppet(&system).await, puppet(&system).await);
        let waits_for = || system.inspect(asker.pid()).and_then(|asker| asker.waits_for);
        assert_eq!(waits_for(), None);
        let (gate, opens) = oneshot::channel();
        asked.tell(Order::Await(opens)).unwrap();
        let (to, (told, answer)) = (asked.clone(), oneshot::channel());
        let ask = act(move |_, _| {
            Box::pin(async move {
                let _ = told.send(to.ask(Order::Who).await);
                Ok(())
            })
        });
        asker.tell(ask).unwrap();
        until("it is seen to wait", || waits_for().is_some_and(|waits| waits.id == asked.id() && !waits.for_room))
            .await;
        gate.send(()).unwrap();
        assert_eq!(answer.await.unwrap(), Ok(1));
        asker.settled().await;
        assert_eq!(waits_for(), None);
        lawful(&system).await;
    });
}
