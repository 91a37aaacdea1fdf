//! The newest dead letters of a system, as data: what of a message may be shown to anybody, and never the message.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cell::Core;
use crate::dead_letter::{DeadLetter, Fallen};
use crate::event::{self, Happening};
use crate::pid::{ActorId, Pid};
use crate::report::millis::{self, whole};
use crate::report::{self, Ring, Sender};
use crate::shared::Shared;
use crate::system::System;

/// Letters a system keeps: the newest.
const LETTERS: usize = 256;

/// What is kept of a message that nobody handled. In its serialised form every duration is in milliseconds and its name ends
/// in `_ms`; it is bounded as a [`CrashReport`](crate::CrashReport) is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// When it fell, by the [clock of the system](System::now).
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// The incarnation that had it, or would have.
    pub to: Pid,
    /// Where in its tree that is, or was: the names from the top, with `/` between.
    pub path: Arc<str>,
    /// The message's kind.
    pub kind: Cow<'static, str>,
    /// Who sent it.
    pub from: Sender,
    /// How long it had been queued, to a millisecond or so.
    #[serde(rename = "age_ms", with = "millis")]
    pub age: Duration,
    /// Its size in bytes, what it points to aside.
    pub size: usize,
    /// Why it fell.
    pub why: Fallen,
}

/// The dead letters of a system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letters {
    /// Messages that were in hand when their incarnation ended, so far.
    pub given_up: u64,
    /// Messages that were queued when their slot was emptied, so far.
    pub undelivered: u64,
    /// Own messages (ticks, results of pipes, what an actor sent itself) that were queued when their incarnation ended, so
    /// far. They are no letters, and the law of their actor counts them as undelivered, too: over all actors, those that have
    /// gone included, it comes to `undelivered` and these.
    #[serde(default)]
    pub own_undelivered: u64,
    /// How many of all the hook never saw because it was too slow.
    pub unseen: u64,
    /// The newest 256 of all, oldest first.
    pub letters: Vec<Letter>,
}

/// A letter as it is kept: who sent it is looked up when somebody reads it.
#[derive(Clone, Debug)]
struct Kept {
    letter: Letter,
    from: ActorId,
}

/// The newest letters.
#[derive(Debug)]
pub(crate) struct LetterRing(Ring<Kept>);

impl LetterRing {
    pub(crate) fn new() -> Self {
        Self(Ring::new(LETTERS))
    }
}

/// Letters of one actor that fall together: one event, however many they are.
#[derive(Debug, Default)]
pub(crate) struct Fall {
    path: Option<Arc<str>>,
    first: Option<Letter>,
    from: ActorId,
    count: u64,
}

impl Fall {
    /// One of them. The hook is told of it, and it is kept.
    pub(crate) fn post(&mut self, core: &Core, letter: DeadLetter) {
        let shared = core.shared();
        let kept = Kept {
            from: letter.from,
            letter: Letter {
                at: whole(Duration::from_nanos(shared.port.now_ns())),
                to: letter.to,
                path: self.path.get_or_insert_with(|| core.last_path()).clone(),
                kind: report::kind(letter.kind),
                from: Sender::Outside,
                age: whole(letter.age),
                size: letter.size,
                why: letter.fallen,
            },
        };
        if self.first.is_none() {
            (self.first, self.from) = (Some(kept.letter.clone()), kept.from);
        }
        self.count += 1;
        shared.letters.0.push(kept);
        shared.dead_letters.post(letter);
    }
}

impl Fall {
    /// That was all: tells of them, if there were any.
    pub(crate) fn tell(self, core: &Core) {
        let Self { first: Some(Letter { to, path, kind, age, why, .. }), from, count, .. } = self else { return };
        let fell = Happening::DeadLetters { why, count, message: kind, from, age };
        event::note(core.shared(), Some(to), path, fell);
    }
}

/// Dead letters.
impl System {
    /// How many messages nobody handled, why, and the newest 256 of them.
    ///
    /// # Examples
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use crashworthy_runtime::{Fallen, Sender, System};
    /// # use crashworthy_runtime::{Actor, Context, Exit};
    /// # struct Worker;
    /// # impl Actor for Worker {
    /// #     type Args = (); type Msg = ();
    /// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Worker) }
    /// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Err("no".into()) }
    /// # }
    ///
    /// let system = System::bare()?;
    /// let worker = system.spawn::<Worker>(()).await?;
    /// worker.tell(()).expect("there is room");
    /// worker.down().await;
    /// let letters = system.letters();
    /// assert_eq!((letters.given_up, letters.undelivered), (1, 0));
    /// assert_eq!((letters.letters[0].why, &letters.letters[0].from), (Fallen::GivenUp, &Sender::Outside));
    /// # Ok::<(), crashworthy_runtime::StartError>(())
    /// # }).unwrap();
    /// ```
    pub fn letters(&self) -> Letters {
        let shared = &self.shared;
        let (_, kept) = shared.letters.0.read();
        let [given_up, undelivered, unseen] = shared.dead_letters.tally();
        let letters = kept.into_iter().map(|kept| told(shared, kept)).collect();
        Letters { given_up, undelivered, own_undelivered: shared.dead_letters.own(), unseen, letters }
    }
}

fn told(shared: &Shared, Kept { letter, from }: Kept) -> Letter {
    Letter { from: Sender::of(shared, letter.to.id, from), ..letter }
}
