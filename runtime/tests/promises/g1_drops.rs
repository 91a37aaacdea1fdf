//! Hazard G1: what an author's data does when it is dropped, wherever that happens, is contained; there is always a
//! `Down`.

use std::error::Error;
use std::fmt;

use crashworthy_runtime::{Actor, ActorRef, Callback, Context, Exit, ExitReason, Message, Probe, StartError, System};

use crate::stage::{Tally, bare, everywhere, law, lawful, ms, on_one, until};

/// Counts its destructions, each of which panics.
struct Bomb(Tally);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.bump();
        if !std::thread::panicking() {
            panic!("a bomb went off");
        }
    }
}

type Deed = Box<dyn FnOnce(&mut Context<Carrier>) -> Result<(), Exit> + Send>;

enum Load {
    Do(Deed),
    /// Leaves a copy that panics when it is dropped.
    Copied(Tally),
    /// The same, and its handler awaits.
    CopiedAwhile(Tally),
    #[expect(dead_code, reason = "its end is its use")]
    Bomb(Bomb),
}

impl Message for Load {
    fn salvage(&self) -> Option<Box<dyn std::any::Any + Send>> {
        match self {
            Self::Copied(ended) | Self::CopiedAwhile(ended) => Some(Box::new(Bomb(ended.clone()))),
            Self::Do(_) | Self::Bomb(_) => None,
        }
    }
}

/// Its first life begins with a bomb, or with an error.
struct Carrier;

enum Cargo {
    Nothing,
    Bomb(Bomb),
    Fails(Rotten),
}

impl Actor for Carrier {
    type Args = Cargo;
    type Msg = Load;

    async fn init(cargo: Cargo, _: &mut Context<Self>) -> Result<Self, Exit> {
        match cargo {
            Cargo::Nothing => Ok(Self),
            Cargo::Bomb(bomb) => {
                std::mem::forget(bomb);
                Ok(Self)
            }
            Cargo::Fails(error) => Err(error)?,
        }
    }

    async fn handle(&mut self, load: Load, cx: &mut Context<Self>) -> Result<(), Exit> {
        match load {
            Load::Do(deed) => deed(cx),
            Load::CopiedAwhile(_) => {
                tokio::task::yield_now().await;
                Ok(())
            }
            Load::Copied(_) | Load::Bomb(_) => Ok(()),
        }
    }
}

/// An error whose text panics, or whose end does.
#[derive(Debug)]
struct Rotten {
    text: bool,
    end: bool,
}

impl fmt::Display for Rotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(!self.text, "no words");
        f.write_str("rotten")
    }
}

impl Error for Rotten {}

impl Drop for Rotten {
    fn drop(&mut self) {
        assert!(!self.end || std::thread::panicking(), "no end");
    }
}

async fn carrier(system: &System) -> ActorRef<Carrier> {
    system.spawn::<Carrier>(Cargo::Nothing).await.expect("a carrier starts")
}

fn tell(actor: &ActorRef<Carrier>, deed: impl FnOnce(&mut Context<Carrier>) -> Result<(), Exit> + Send + 'static) {
    actor.tell(Load::Do(Box::new(deed))).map_err(|rejected| rejected.why).expect("it takes orders");
}

/// Tells it to end, and waits until it has.
async fn ends(actor: &ActorRef<Carrier>) -> ExitReason {
    let down = actor.down();
    tell(actor, |_| Err(Exit::shutdown()));
    down.await.reason
}

#[test]
fn g1_a_panic_in_drop_of_an_armed_timers_message_harms_nobody() {
    everywhere(async || {
        let (system, ended) = (bare(), Tally::default());
        let actor = carrier(&system).await;
        let bomb = Bomb(ended.clone());
        let made = Bomb(ended.clone());
        tell(&actor, move |cx| {
            cx.send_after(ms(60_000), Load::Bomb(bomb));
            cx.interval(ms(60_000), move || {
                let _ = &made;
                Load::Do(Box::new(|_| Ok(())))
            })?;
            Ok(())
        });
        assert_eq!(ends(&actor).await, ExitReason::Shutdown);
        assert_eq!(ended.get(), 2, "they have gone with the incarnation");
        lawful(&system).await;
    });
}

#[test]
fn g1_a_panic_in_drop_of_own_messages_that_nobody_reads_harms_nobody() {
    everywhere(async || {
        let (system, ended) = (bare(), Tally::default());
        let actor = carrier(&system).await;
        let bombs = [(); 3].map(|()| Bomb(ended.clone()));
        let down = actor.down();
        tell(&actor, move |cx| {
            for bomb in bombs {
                cx.send_self(Load::Bomb(bomb))?;
            }
            Err(Exit::shutdown())
        });
        assert_eq!(down.await.reason, ExitReason::Shutdown);
        lawful(&system).await;
        assert_eq!(law(&actor).undelivered, 3);
        until("all are gone", || ended.get() == 3).await;
    });
}

#[test]
fn g1_a_panic_in_drop_of_a_pipe_harms_nobody_while_the_actor_lives_and_when_it_ends() {
    everywhere(async || {
        let (system, ended) = (bare(), Tally::default());
        let actor = carrier(&system).await;
        let (at_its_end, with_its_actor) = (Bomb(ended.clone()), Bomb(ended.clone()));
        tell(&actor, move |cx| {
            let forever = async move {
                let _bomb = with_its_actor;
                std::future::pending::<()>().await
            };
            cx.pipe(forever, |()| Load::Do(Box::new(|_| Ok(()))))?;
            // Captured by what makes the message, which is not called before the future has ended.
            cx.pipe(std::future::pending::<()>(), move |()| {
                drop(at_its_end);
                Load::Do(Box::new(|_| Ok(())))
            })?;
            Ok(())
        });
        assert_eq!(ends(&actor).await, ExitReason::Shutdown);
        until("both pipes are gone", || ended.get() == 2).await;
        lawful(&system).await;
    });
}

#[test]
fn g1_a_panic_in_drop_of_a_copy_for_the_dead_letter_hook_harms_nobody() {
    everywhere(async || {
        let (system, ended) = (bare(), Tally::default());
        let actor = carrier(&system).await;
        let copied = || actor.tell(Load::Copied(ended.clone())).map_err(|rejected| rejected.why).unwrap();
        copied();
        copied();
        actor.tell(Load::CopiedAwhile(ended.clone())).map_err(|rejected| rejected.why).unwrap();
        tell(&actor, |_| Ok(()));
        actor.settled().await;
        assert_eq!(ended.get(), 3, "copies of what was handled");
        copied();
        assert_eq!(ends(&actor).await, ExitReason::Shutdown);
        assert_eq!(ended.get(), 4);
        lawful(&system).await;
        assert_eq!((law(&actor).handled, law(&actor).given_up), (5, 1), "nothing else is given up");
        // The last message an incarnation has handled.
        let actor = carrier(&system).await;
        actor.tell(Load::Copied(ended.clone())).map_err(|rejected| rejected.why).unwrap();
        actor.settled().await;
        let down = actor.down();
        system.exit(actor.pid(), ExitReason::Shutdown).unwrap();
        assert_eq!(down.await.reason, ExitReason::Shutdown);
        until("the copy is gone", || ended.get() == 5).await;
        lawful(&system).await;
    });
}

#[test]
fn g1_a_panic_in_drop_of_a_dead_letter_that_nobody_reads_harms_nobody() {
    // With a hook and without.
    for hooked in [false, true] {
        everywhere(async || {
            let (read, ended) = (Tally::default(), Tally::default());
            let counted = read.clone();
            let builder = System::builder();
            let builder = if hooked {
                builder.on_dead_letter(move |letter| {
                    counted.bump();
                    drop(letter);
                })
            } else {
                builder
            };
            let system = builder.bare().unwrap();
            let actor = carrier(&system).await;
            let down = actor.down();
            let kept = ended.clone();
            let to = actor.clone();
            // Behind the one that ends it: thrown away unread.
            tell(&actor, move |_| {
                to.tell(Load::Copied(kept)).map_err(|rejected| rejected.why)?;
                Err(Exit::shutdown())
            });
            assert_eq!(down.await.reason, ExitReason::Shutdown);
            until("the copy is gone", || ended.get() == 1).await;
            lawful(&system).await;
            assert_eq!(law(&actor).undelivered, 1);
        });
    }
}

#[test]
fn g1_a_panic_in_drop_of_args_that_no_init_took_harms_nobody() {
    // On one thread: killed before its first turn.
    on_one(async || {
        let (system, ended) = (bare(), Tally::default());
        let actor = system.launch::<Carrier>(Cargo::Bomb(Bomb(ended.clone()))).unwrap();
        let down = actor.down();
        system.kill(actor.pid());
        assert_eq!(down.await.reason, ExitReason::Killed);
        assert_eq!(ended.get(), 1);
        lawful(&system).await;
    });
}

#[test]
fn g1_an_error_of_init_whose_text_or_end_panics_fails_the_start() {
    everywhere(async || {
        let system = bare();
        for (text, end, said) in [(true, false, "no words"), (false, true, "no end")] {
            let cargo = Cargo::Fails(Rotten { text, end });
            let StartError::Failed(reason) = system.spawn::<Carrier>(cargo).await.unwrap_err() else {
                panic!("a start that fails")
            };
            let crash = reason.crash().expect("a crash");
            assert_eq!((crash.message.as_str(), crash.callback), (said, Callback::Init));
        }
        lawful(&system).await;
    });
}

#[test]
fn g1_an_error_of_a_handler_whose_text_or_end_panics_ends_the_incarnation() {
    everywhere(async || {
        let system = bare();
        for (text, end, said) in [(true, false, "no words"), (false, true, "no end")] {
            let actor = carrier(&system).await;
            let down = actor.down();
            tell(&actor, move |_| Err(Rotten { text, end })?);
            let reason = down.await.reason;
            assert_eq!(reason.crash().map(|crash| crash.message.as_str()), Some(said));
            lawful(&system).await;
            assert_eq!(law(&actor).given_up, 1);
        }
    });
}

#[test]
fn g1_a_panic_in_drop_of_what_a_probe_was_sent_and_nobody_reads_harms_nobody() {
    everywhere(async || {
        let ended = Tally::default();
        let probe = Probe::<Carrier>::start().unwrap();
        let address = probe.address();
        for _ in 0..3 {
            address.tell(Load::Bomb(Bomb(ended.clone()))).map_err(|rejected| rejected.why).unwrap();
        }
        let down = address.down();
        // Whoever drops a probe drops what it had for its reader: that one is the test's own.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(probe)));
        assert_eq!(down.await.reason, ExitReason::Killed);
        until("all are gone", || ended.get() == 3).await;
    });
}
