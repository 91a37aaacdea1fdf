//! Hazards G1 and G2: a panic in any user code is contained and reported; foreign wakers do no harm.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use crashworthy_runtime::{
    Actor, ActorRef, AskError, Callback, Context, Exit, ExitReason, Message, Reason, Reply, Slot, StartError, System,
};
use tokio::sync::oneshot;

use crate::stage::{
    Event, Nursery, Order, Puppet, Tally, act, bare, cast, everywhere, law, lawful, ms, now, part, puppet, until, who,
};

fn panicked(reason: &ExitReason) -> (Callback, String) {
    let crash = reason.crash().expect("a crash");
    assert!(crash.panicked);
    (crash.callback, crash.message.clone())
}

/// The system still works.
async fn assert_sound(system: &System) {
    lawful(system).await;
    let (actor, _journal) = puppet(system).await;
    assert_eq!(who(&actor).await, 1);
    let down = actor.down();
    actor.tell(Order::Exit(ExitReason::Normal)).unwrap();
    down.await;
}

#[test]
fn g1_a_panic_in_init_fails_the_start() {
    everywhere(async || {
        let system = bare();
        let (first, _journal) = part();
        let at_once = first.init(|_| panic!("at once"));
        let error = system.spawn::<Puppet>(at_once).await.unwrap_err();
        let StartError::Failed(reason) = error else { panic!("{error}") };
        assert_eq!(panicked(&reason), (Callback::Init, "at once".into()));
        let (second, _journal) = part();
        let later = second.init(|_| {
            Box::pin(async {
                tokio::task::yield_now().await;
                panic!("later")
            })
        });
        let error = system.spawn::<Puppet>(later).await.unwrap_err();
        let StartError::Failed(reason) = error else { panic!("{error}") };
        assert_eq!(panicked(&reason), (Callback::Init, "later".into()));
        assert_eq!(system.crashes().0, 2);
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_panic_in_handle_ends_the_incarnation_after_terminate() {
    everywhere(async || {
        let system = bare();
        for awaits in [false, true] {
            let (actor, mut journal) = puppet(&system).await;
            let down = actor.down();
            let order = act(move |_, _| {
                Box::pin(async move {
                    if awaits {
                        tokio::task::yield_now().await;
                    }
                    panic!("no {}", "stock")
                })
            });
            actor.tell(order).unwrap();
            let reason = down.await.reason;
            assert_eq!(panicked(&reason), (Callback::Handle, "no stock".into()));
            let crash = reason.crash().unwrap();
            assert!(crash.location.as_deref().is_some_and(|at| at.contains("g1_panics.rs")));
            assert_eq!(crash.in_hand.as_deref(), Some("Do"));
            assert_eq!(journal.rest(), [Event::Terminate(reason), Event::Dropped(1)]);
        }
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_panic_in_on_signal_ends_the_incarnation() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = cast(&system, |part| part.trapping().signalled(|_| panic!("too much"))).await;
        let down = actor.down();
        system.exit(actor.pid(), ExitReason::Shutdown).unwrap();
        assert_eq!(panicked(&down.await.reason), (Callback::OnSignal, "too much".into()));
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_panic_in_terminate_replaces_the_reason() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = cast(&system, |part| part.terminated(|| panic!("at the end"))).await;
        let down = actor.down();
        actor.tell(Order::Exit(ExitReason::Shutdown)).unwrap();
        assert_eq!(panicked(&down.await.reason), (Callback::Terminate, "at the end".into()));
        assert_eq!(journal.rest().last(), Some(&Event::Dropped(1)));
        assert_sound(&system).await;
    });
}

/// Its callbacks are functions that make a future: what they do before that is done when they are called.
struct Eager {
    ends: Tally,
    drops: Tally,
}

impl Drop for Eager {
    fn drop(&mut self) {
        self.drops.bump();
    }
}

impl Actor for Eager {
    type Args = Option<[Tally; 2]>;
    type Msg = Panics;

    fn init(tallies: Self::Args, _: &mut Context<Self>) -> impl Future<Output = Result<Self, Exit>> + Send {
        let [ends, drops] = tallies.expect("called without");
        std::future::ready(Ok(Self { ends, drops }))
    }

    fn handle(
        &mut self,
        Panics(panics): Panics,
        _: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), Exit>> + Send {
        assert!(!panics, "called to panic");
        std::future::ready(Err("as ordered".into()))
    }

    fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) -> impl Future<Output = ()> + Send {
        let called = self.ends.bump();
        assert!(called != 1, "called at the end");
        std::future::ready(())
    }
}

/// Whether its handler panics.
struct Panics(bool);

impl Message for Panics {}

#[test]
fn g1_a_panic_in_a_callback_that_is_called_and_has_no_future_yet_is_as_one_in_its_future() {
    everywhere(async || {
        let system = bare();
        let error = system.spawn::<Eager>(None).await.unwrap_err();
        let StartError::Failed(reason) = error else { panic!("{error}") };
        let (callback, message) = panicked(&reason);
        assert!(callback == Callback::Init && message.starts_with("called without"), "{callback} {message}");
        for panics in [false, true] {
            let [ends, drops] = [Tally::default(), Tally::default()];
            let actor = system.spawn::<Eager>(Some([ends.clone(), drops.clone()])).await.unwrap();
            let down = actor.down();
            actor.tell(Panics(panics)).unwrap();
            assert_eq!(panicked(&down.await.reason), (Callback::Terminate, "called at the end".into()));
            assert_eq!((ends.get(), drops.get()), (1, 1));
        }
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_panic_in_drop_of_the_state_is_contained_and_the_first_cause_stays() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = cast(&system, |part| part.dropped(|| panic!("in drop"))).await;
        let down = actor.down();
        actor.tell(Order::Exit(ExitReason::Normal)).unwrap();
        assert_eq!(panicked(&down.await.reason), (Callback::Drop, "in drop".into()));
        let (actor, _journal) = cast(&system, |part| part.dropped(|| panic!("in drop"))).await;
        let down = actor.down();
        actor.tell(Order::Panic).unwrap();
        assert_eq!(panicked(&down.await.reason), (Callback::Handle, "as ordered".into()));
        assert_sound(&system).await;
    });
}

/// A message whose destructor panics unless it was defused, and whose other methods may.
struct Bomb {
    _fuse: Option<Fuse>,
    copies: bool,
    asks: Option<Reply<u64>>,
    waits: Option<oneshot::Receiver<()>>,
}

impl Bomb {
    fn armed() -> Self {
        Self { _fuse: Some(Fuse), ..Self::harmless() }
    }

    fn harmless() -> Self {
        Self { _fuse: None, copies: true, asks: None, waits: None }
    }
}

struct Fuse;

impl Drop for Fuse {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a message went off");
        }
    }
}

impl Message for Bomb {
    fn salvage(&self) -> Option<Box<dyn std::any::Any + Send>> {
        assert!(self.copies, "no copies of this one");
        None
    }
}

struct Sapper;

impl Actor for Sapper {
    type Args = ();
    type Msg = Bomb;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, mut bomb: Bomb, _: &mut Context<Self>) -> Result<(), Exit> {
        if let Some(reply) = bomb.asks.take() {
            reply.send(1);
        }
        if let Some(gate) = bomb.waits.take() {
            let _ = gate.await;
        }
        Ok(())
    }
}

async fn sapper(system: &System) -> ActorRef<Sapper> {
    system.spawn::<Sapper>(()).await.unwrap()
}

#[test]
fn g1_a_panic_in_drop_of_a_message_in_hand_is_contained() {
    everywhere(async || {
        let system = bare();
        let actor = sapper(&system).await;
        let down = actor.down();
        actor.tell(Bomb::armed()).map_err(|_| "refused").unwrap();
        assert_eq!(panicked(&down.await.reason).1, "a message went off");
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_panic_in_drop_of_messages_that_are_thrown_away_is_contained() {
    everywhere(async || {
        let system = bare();
        let actor = sapper(&system).await;
        let (_gate, closed) = oneshot::channel();
        actor.tell(Bomb { waits: Some(closed), ..Bomb::harmless() }).map_err(|_| "refused").unwrap();
        until("it is in hand", || actor.law().in_hand == 1).await;
        for _ in 0..10 {
            actor.tell(Bomb::armed()).map_err(|_| "refused").unwrap();
        }
        let down = actor.down();
        system.kill(actor.pid());
        down.await;
        lawful(&system).await;
        assert_eq!(law(&actor).undelivered, 10);
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_panic_in_drop_of_an_expired_or_cancelled_message_is_contained() {
    everywhere(async || {
        let system = bare();
        let actor = sapper(&system).await;
        let (gate, closed) = oneshot::channel();
        actor.tell(Bomb { waits: Some(closed), ..Bomb::harmless() }).map_err(|_| "refused").unwrap();
        let asked = actor.ask(|reply| Bomb { asks: Some(reply), ..Bomb::armed() }).within(ms(1)).await;
        assert_eq!(asked, Err(AskError::Expired));
        let down = actor.down();
        gate.send(()).unwrap();
        assert_eq!(panicked(&down.await.reason).1, "a message went off");
        lawful(&system).await;
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_panic_in_a_messages_salvage_is_contained() {
    everywhere(async || {
        let system = bare();
        let actor = sapper(&system).await;
        let down = actor.down();
        let bomb = || Bomb { copies: false, ..Bomb::harmless() };
        let asked = tokio::spawn({
            let actor = actor.clone();
            async move { actor.ask(|reply| Bomb { asks: Some(reply), copies: false, ..Bomb::harmless() }).await }
        });
        assert!(down.await.reason.crash().is_some());
        assert_eq!(asked.await.unwrap(), Err(AskError::Died), "its asker is told");
        // And where it is thrown away unread.
        let actor = sapper(&system).await;
        let (_gate, closed) = oneshot::channel();
        actor.tell(Bomb { waits: Some(closed), ..Bomb::harmless() }).map_err(|_| "refused").unwrap();
        until("it is in hand", || actor.law().in_hand == 1).await;
        for _ in 0..3 {
            actor.tell(bomb()).map_err(|_| "refused").unwrap();
        }
        let asked = tokio::spawn({
            let actor = actor.clone();
            async move { actor.ask(|reply| Bomb { asks: Some(reply), copies: false, ..Bomb::harmless() }).await }
        });
        until("it is queued", || actor.load().depth == 4).await;
        system.kill(actor.pid());
        assert!(matches!(asked.await.unwrap(), Err(AskError::Refused(why)) if why.reason == Reason::Gone));
        lawful(&system).await;
        assert_eq!(law(&actor).undelivered, 4);
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_killed_handler_whose_remains_panic_is_still_killed() {
    struct Mine;
    impl Drop for Mine {
        fn drop(&mut self) {
            panic!("under the rubble");
        }
    }
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let order = act(|_, _| {
            Box::pin(async {
                let _mine = Mine;
                std::future::pending().await
            })
        });
        actor.tell(order).unwrap();
        until("it is in hand", || actor.law().in_hand == 1).await;
        let down = actor.down();
        system.kill(actor.pid());
        assert_eq!(down.await.reason, ExitReason::Killed);
        assert_eq!(journal.rest(), [Event::Dropped(1)], "no callback runs after a kill");
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_panicking_dead_letter_hook_is_contained_and_called_again() {
    everywhere(async || {
        let calls = Tally::default();
        let counted = calls.clone();
        let hook = move |_| {
            counted.bump();
            panic!("in the hook")
        };
        let system = System::builder().on_dead_letter(hook).bare().unwrap();
        for _ in 0..3 {
            let (actor, _journal) = puppet(&system).await;
            actor.tell(Order::Panic).unwrap();
        }
        until("the hook was called for each", || calls.get() == 3).await;
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_panic_payload_that_panics_in_drop_is_contained() {
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("the payload, too");
        }
    }
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let down = actor.down();
        actor.tell(now(|_, _| std::panic::panic_any(Payload))).unwrap();
        assert!(down.await.reason.crash().is_some());
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_panic_in_the_drop_of_args_or_of_a_future_ends_nothing_but_its_actor() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        // A future that runs beside an actor, dropped with it.
        let pipe = now(|_, cx| {
            struct Mine;
            impl Drop for Mine {
                fn drop(&mut self) {
                    panic!("in a pipe's drop");
                }
            }
            let mine = Mine;
            let run = async move {
                let _mine = mine;
                std::future::pending::<u64>().await
            };
            Ok(cx.pipe(run, Order::Note)?)
        });
        nursery.slot.tell(pipe).unwrap();
        nursery.slot.settled().await;
        nursery.slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        nursery.start().await.unwrap();
        assert_eq!(who(&nursery.slot).await, 2);
        assert_sound(&system).await;
    });
}

#[test]
fn g1_a_panic_outside_of_actors_is_not_swallowed() {
    everywhere(async || {
        let _system = bare();
        let task = tokio::spawn(async { std::panic::resume_unwind(Box::new("mine")) });
        assert!(task.await.unwrap_err().is_panic());
    });
}

/// A waker that calls back into the runtime, then panics.
struct Nosy {
    system: System,
    actor: ActorRef<Puppet>,
    woken: Tally,
}

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        self.woken.bump();
        let _ = self.system.snapshot();
        let _ = self.actor.tell(Order::Note(99));
        drop(self.actor.down());
        panic!("a foreign waker")
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        let _ = self.system.snapshot();
        let _ = self.actor.load();
    }
}

/// Polls a future once with a waker that misbehaves, and returns how often that was woken.
fn poll_nosily<F: Future>(
    future: std::pin::Pin<&mut F>,
    system: &System,
    actor: &ActorRef<Puppet>,
) -> (Poll<F::Output>, Tally) {
    let woken = Tally::default();
    let nosy = Nosy { system: system.clone(), actor: actor.clone(), woken: woken.clone() };
    let waker = Waker::from(Arc::new(nosy));
    let polled = future.poll(&mut std::task::Context::from_waker(&waker));
    (polled, woken)
}

#[test]
fn g2_a_foreign_waker_that_panics_or_calls_back_harms_nobody() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (gate, closed) = oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        // An answer.
        let mut ask = Box::pin(actor.ask(|reply| Order::Echo(7, reply)));
        let (polled, answered) = poll_nosily(ask.as_mut(), &system, &actor);
        assert!(polled.is_pending());
        gate.send(()).unwrap();
        until("the asker was woken", || answered.get() > 0).await;
        assert_eq!(ask.await, Ok(7), "the answer is there");
        // A deadline.
        let (_gate, closed) = oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        let mut ask = Box::pin(actor.ask(|reply| Order::Echo(7, reply)).within(ms(1)));
        let (polled, expired) = poll_nosily(ask.as_mut(), &system, &actor);
        assert!(polled.is_pending());
        until("the asker was woken", || expired.get() > 0).await;
        assert_eq!(ask.await, Err(AskError::Expired));
        // An end.
        let mut down = Box::pin(actor.down());
        let (polled, told) = poll_nosily(down.as_mut(), &system, &actor);
        assert!(polled.is_pending());
        system.kill(actor.pid());
        until("the watcher was woken", || told.get() > 0).await;
        assert_eq!(down.await.reason, ExitReason::Killed);
        assert_sound(&system).await;
    });
}

#[test]
fn g2_a_foreign_waker_that_waits_for_room_harms_nobody() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::anonymous().mailbox(1).unwrap()).await;
        let actor = nursery.slot.address();
        let (other, _other) = puppet(&system).await;
        let (gate, closed) = oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        until("it is in hand", || actor.law().in_hand == 1).await;
        actor.tell(Order::Note(1)).unwrap();
        let mut first = Box::pin(actor.admitted(ms(5_000)));
        let (polled, woken) = poll_nosily(first.as_mut(), &system, &other);
        assert!(polled.is_pending());
        gate.send(()).unwrap();
        until("it was woken", || woken.get() > 0).await;
        first.await.unwrap().send(Order::Note(2)).unwrap();
        actor.settled().await;
        assert!(actor.is_alive());
        assert_sound(&system).await;
    });
}
