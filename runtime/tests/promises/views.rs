//! What an actor shows of its state: by its own word, between two messages, and at no cost to those who are asked too often.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{
    Actor, ActorRef, Callback, Context, Exit, Message, Pid, Shown, State, StateView, System, View, ViewError,
};
use tokio::sync::oneshot;

use crate::stage::{Tally, bare, everywhere, lawful, ms, on_two, pends, puppet, until};

const LONG: Duration = Duration::from_secs(60);

/// Counts what it is told, and how often it shows that.
struct Counter {
    told: u64,
    shown: Tally,
    panics: bool,
}

enum Say {
    More,
    /// Awaits a word.
    Await(oneshot::Receiver<()>),
    /// Blocks its thread until there is one.
    Block(oneshot::Sender<()>, std::sync::mpsc::Receiver<()>),
    /// From now on its view panics, or not.
    Panic(bool),
}

impl Message for Say {
    fn kind(&self) -> &'static str {
        match self {
            Self::More => "More",
            Self::Await(_) => "ChargeCard",
            Self::Block(..) => "Block",
            Self::Panic(_) => "Panic",
        }
    }
}

impl Actor for Counter {
    type Args = Tally;
    type Msg = Say;

    async fn init(shown: Tally, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self { told: 0, shown, panics: false })
    }

    async fn handle(&mut self, say: Say, _: &mut Context<Self>) -> Result<(), Exit> {
        match say {
            Say::More => self.told += 1,
            Say::Await(word) => {
                let _ = word.await;
            }
            Say::Block(inside, word) => {
                let _ = inside.send(());
                let _ = word.recv();
            }
            Say::Panic(panics) => self.panics = panics,
        }
        Ok(())
    }

    fn view(&self, view: &mut View<'_>) {
        self.shown.bump();
        assert!(!self.panics, "not presentable");
        view.value("told", self.told);
        view.secret("password");
        view.branch("more", |view| view.text("half", format_args!("{}.5", self.told)));
    }
}

async fn counter(system: &System) -> (ActorRef<Counter>, Tally) {
    let shown = Tally::default();
    (system.spawn::<Counter>(shown.clone()).await.expect("it starts"), shown)
}

/// What an actor shows that has the time for it: on a machine that stands still meanwhile a view may be cut short.
async fn whole(system: &System, pid: Pid) -> Arc<StateView> {
    loop {
        let view = system.view(pid, LONG).await.unwrap();
        if view.cut.is_none() {
            return view;
        }
    }
}

fn told(view: &StateView) -> Option<&Shown> {
    view.find("told")
}

#[test]
fn an_actor_shows_what_its_author_says_and_nothing_else() {
    everywhere(async || {
        let system = bare();
        let (actor, shown) = counter(&system).await;
        (0..3).for_each(|_| actor.tell(Say::More).unwrap());
        actor.settled().await;
        let begun = system.now();
        let view = system.view(actor.pid(), LONG).await.unwrap();
        assert_eq!(view.to_string(), "told: 3\npassword: (secret)\nmore:\n  half: 3.5");
        assert!((begun.saturating_sub(ms(1))..=system.now()).contains(&view.at), "{:?} after {begun:?}", view.at);
        assert_eq!(shown.get(), 1);

        let (silent, _journal) = puppet(&system).await;
        assert!(system.view(silent.pid(), LONG).await.unwrap().is_empty());
        lawful(&system).await;
        assert_eq!((actor.law().accepted, actor.law().handled), (3, 3), "it is no message");
    });
}

#[test]
fn who_is_busy_is_told_with_what_and_shows_itself_when_it_is_done() {
    everywhere(async || {
        let system = bare();
        let (actor, shown) = counter(&system).await;
        let (gate, closed) = oneshot::channel();
        actor.tell(Say::Await(closed)).unwrap();
        until("it is busy", || actor.law().in_hand == 1).await;
        let busy = system.view(actor.pid(), ms(20)).await.unwrap_err();
        let text = busy.to_string();
        let ViewError::Busy { callback: Some(Callback::Handle), message: Some(message), .. } = busy else {
            panic!("{busy:?}")
        };
        assert_eq!((&*message, shown.get()), ("ChargeCard", 0));
        assert!(text.starts_with("busy in handle ChargeCard for "), "{text}");
        let mut asked = std::pin::pin!(system.view(actor.pid(), LONG));
        assert!(pends(asked.as_mut()).await);
        gate.send(()).unwrap();
        assert_eq!(told(&asked.await.unwrap()), Some(&Shown::Count(0)));
    });
}

#[test]
fn who_blocks_its_thread_is_told_as_busy_and_goes_on_unharmed() {
    on_two(async || {
        let system = bare();
        let (actor, _) = counter(&system).await;
        let ((inside, is_inside), (gate, closed)) = (oneshot::channel(), std::sync::mpsc::channel());
        actor.tell(Say::Block(inside, closed)).unwrap();
        is_inside.await.unwrap();
        let busy = system.view(actor.pid(), ms(20)).await.unwrap_err();
        assert!(matches!(&busy, ViewError::Busy { message: Some(message), .. } if message == "Block"), "{busy:?}");
        drop(gate);
        assert!(system.view(actor.pid(), LONG).await.is_ok());
    });
}

#[test]
fn a_suspended_actor_shows_itself_all_the_same_and_handles_nothing_for_it() {
    everywhere(async || {
        let system = bare();
        let (actor, _) = counter(&system).await;
        system.suspend(actor.pid());
        until("it is suspended", || system.inspect(actor.pid()).is_some_and(|it| it.state == State::Suspended)).await;
        (0..3).for_each(|_| actor.tell(Say::More).unwrap());
        for _ in 0..2 {
            assert_eq!(told(&*whole(&system, actor.pid()).await), Some(&Shown::Count(0)));
        }
        assert_eq!(actor.law().queued, 3);
        system.resume(actor.pid());
        actor.settled().await;
        assert_eq!(told(&*whole(&system, actor.pid()).await), Some(&Shown::Count(3)));
    });
}

#[test]
fn a_panic_in_a_view_is_told_to_who_asked_and_the_actor_goes_on() {
    everywhere(async || {
        let system = bare();
        let (actor, _) = counter(&system).await;
        let pid = actor.pid();
        actor.tell(Say::Panic(true)).unwrap();
        actor.tell(Say::More).unwrap();
        actor.settled().await;
        let panicked = system.view(pid, LONG).await.unwrap_err();
        assert_eq!(panicked, ViewError::Panicked("not presentable".into()));
        actor.tell(Say::Panic(false)).unwrap();
        actor.settled().await;
        let view = whole(&system, pid).await;
        assert_eq!((told(&view), system.crashes().0, actor.pid()), (Some(&Shown::Count(1)), 0, pid));
    });
}

#[test]
fn who_asks_at_the_same_time_is_answered_together() {
    everywhere(async || {
        let system = bare();
        let (actor, shown) = counter(&system).await;
        let (gate, closed) = oneshot::channel();
        actor.tell(Say::Await(closed)).unwrap();
        until("it is busy", || actor.law().in_hand == 1).await;
        let mut asked: Vec<_> = (0..100).map(|_| Box::pin(system.view(actor.pid(), LONG))).collect();
        for asked in &mut asked {
            assert!(pends(asked.as_mut()).await);
        }
        gate.send(()).unwrap();
        for asked in asked {
            assert!(asked.await.is_ok());
        }
        assert_eq!(shown.get(), 1);
    });
}

#[test]
fn a_flood_of_requests_has_an_actor_show_itself_ten_times_a_second_at_most() {
    everywhere(async || {
        let system = bare();
        let (actor, shown) = counter(&system).await;
        let begun = system.now();
        let flood = (0..8).map(|_| {
            let (system, pid) = (system.clone(), actor.pid());
            tokio::spawn(async move {
                for _ in 0..4 {
                    system.view(pid, LONG).await.expect("it is idle");
                }
            })
        });
        for asker in flood.collect::<Vec<_>>() {
            asker.await.unwrap();
        }
        // Lower bounds alone: a machine may be as slow as it likes.
        let took = system.now() - begun;
        assert!(shown.get() >= 4, "{}", shown.get());
        assert!(took >= ms(100) * (shown.get() as u32 - 1), "{} in {took:?}", shown.get());
    });
}

#[test]
fn who_has_ended_or_ends_meanwhile_shows_nothing() {
    everywhere(async || {
        let system = bare();
        let (actor, shown) = counter(&system).await;
        let (_gate, closed) = oneshot::channel::<()>();
        actor.tell(Say::Await(closed)).unwrap();
        until("it is busy", || actor.law().in_hand == 1).await;
        let mut asked = std::pin::pin!(system.view(actor.pid(), LONG));
        assert!(pends(asked.as_mut()).await);
        let pid = actor.pid();
        system.kill(pid);
        actor.down().await;
        assert_eq!(asked.await, Err(ViewError::Ended));
        assert_eq!(system.view(pid, LONG).await, Err(ViewError::NotRunning));
        let next = Pid { incarnation: pid.incarnation + 1, ..pid };
        assert_eq!((system.view(next, LONG).await, shown.get()), (Err(ViewError::NotRunning), 0));
    });
}

#[test]
fn an_actor_whose_asker_has_gone_is_not_asked() {
    everywhere(async || {
        let system = bare();
        let (actor, shown) = counter(&system).await;
        let (gate, closed) = oneshot::channel();
        actor.tell(Say::Await(closed)).unwrap();
        until("it is busy", || actor.law().in_hand == 1).await;
        {
            let mut asked = std::pin::pin!(system.view(actor.pid(), LONG));
            assert!(pends(asked.as_mut()).await);
        }
        gate.send(()).unwrap();
        actor.tell(Say::More).unwrap();
        actor.settled().await;
        assert_eq!(shown.get(), 0);
        assert!(system.view(actor.pid(), LONG).await.is_ok());
        assert_eq!(shown.get(), 1);
    });
}
