//! Tracing: which messages some actors handle, as they handle them, for a while, and not what the messages say.
//!
//! ```text
//! System::trace ─ a bit of each actor that matches ─▶ the actor takes its messages the long way round: taken ─▶ settled
//!                                                                                    a place, if the rate has one ─▶ ring ─▶ Trace::read
//! ```
//! While nobody traces, nothing is looked at for it: the bit is one of those that an incarnation looks at anyway before it takes a
//! message ([`flag::ATTEND`]), all with one mask. An actor whose bit is raised takes its message where it takes those that are not
//! in its mailbox, and settles it where it settles one that failed, which the loop over messages leaves for both
//! (`message_beside` and `settle` in `serve.rs`); so what is known of a message is noted there alone. Starting an incarnation costs a
//! look at one word. Counted in instructions, an optimised loop that tells an actor 500 messages and waits takes 264.5 a message with
//! this module and 263.5 without: the compiler reloads a register. What is looked at is the same.
//!
//! A trace ends by itself. The bits stay until their actors look next: who finds that nobody wants to know any more lowers its own.
//! Whatever is written as text is written by whoever reads.

mod one;
mod pattern;
mod record;
mod registry;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub use record::{Outcome, TraceEnd, TraceRead, TraceRecord};
pub(crate) use registry::Traces;

use self::one::One;
use crate::cell::{Core, flag};
use crate::report::shortened;
use crate::shared::Shared;
use crate::system::System;

/// What is to be traced, and how much of it: all of this has to be said.
///
/// # Examples
/// ```
/// use crashworthy_runtime::TraceSpec;
/// use std::time::Duration;
///
/// let spec = TraceSpec {
///     whom: vec!["shop/front".into(), "Cashier*".into()],
///     messages: vec!["Sell".into()],
///     count: 100,
///     rate: 10,
///     within: Duration::from_secs(5),
/// };
/// # drop(spec);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSpec {
    /// Which actors: those that match one of these patterns, by their path or their name (or that of an actor above them: a branch),
    /// or the beginning of their type. `*` stands for any characters: a pattern with one is compared with the whole of each. 1 to
    /// [`PATTERNS`](Self::PATTERNS), each of 1 to [`PATTERN`](Self::PATTERN) bytes.
    pub whom: Vec<String>,
    /// Which kinds of message, by their names, `*` likewise; all, if none is named. At most [`PATTERNS`](Self::PATTERNS).
    pub messages: Vec<String>,
    /// How many messages at most: 1 to [`COUNT`](Self::COUNT), which is 1,000. With the last one the trace ends.
    pub count: u32,
    /// How many in any one second at most: 1 to [`RATE`](Self::RATE), which is 100. Those beyond are counted.
    pub rate: u32,
    /// For how long at most: 1 ms to [`WITHIN`](Self::WITHIN), which is 60 s.
    pub within: Duration,
}

impl TraceSpec {
    /// Messages of one trace, at most.
    pub const COUNT: u32 = 1_000;
    /// Messages of one trace in any one second, at most.
    pub const RATE: u32 = 100;
    /// How long a trace lasts, at most.
    pub const WITHIN: Duration = Duration::from_secs(60);
    /// Patterns of each sort, at most.
    pub const PATTERNS: usize = 16;
    /// Bytes of a pattern, at most.
    pub const PATTERN: usize = 256;
    /// Actors that one trace watches, at most.
    pub const ACTORS: usize = 10_000;
    /// Traces of a system at a time, at most.
    pub const AT_ONCE: usize = 16;
    /// Records that wait to be read, at most: older ones make room, and are counted.
    pub const UNREAD: usize = 256;

    /// What is out of range, if something is.
    fn fault(&self) -> Result<(), TraceError> {
        // A little too much is too much.
        let ms = |time: Duration| u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let allowed = [
            ("patterns for actors", self.whom.len() as u64, 1..=Self::PATTERNS as u64),
            ("patterns for messages", self.messages.len() as u64, 0..=Self::PATTERNS as u64),
            ("messages (count)", self.count.into(), 1..=Self::COUNT.into()),
            ("messages a second (rate)", self.rate.into(), 1..=Self::RATE.into()),
            ("ms (within)", ms(self.within), 1..=ms(Self::WITHIN)),
        ];
        if let Some((what, value, allowed)) = allowed.into_iter().find(|(_, value, allowed)| !allowed.contains(value)) {
            return Err(TraceError::OutOfRange { what, value, allowed });
        }
        let is_bad = |pattern: &&String| pattern.is_empty() || pattern.len() > Self::PATTERN;
        match self.whom.iter().chain(&self.messages).find(is_bad) {
            Some(bad) => Err(TraceError::Pattern { bytes: bad.len(), begins: shortened(bad, 64).into_owned() }),
            None => Ok(()),
        }
    }
}

/// Why nothing is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceError {
    /// A number is out of range.
    OutOfRange {
        /// Which.
        what: &'static str,
        /// What was said.
        value: u64,
        /// What may be.
        allowed: RangeInclusive<u64>,
    },
    /// A pattern is empty or too long.
    Pattern {
        /// Its length.
        bytes: usize,
        /// How it begins.
        begins: String,
    },
    /// More actors match than one trace may watch.
    TooManyActors {
        /// How many.
        matched: usize,
    },
    /// There are as many traces as there may be.
    TooManyTraces,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { what, value, allowed } => {
                write!(f, "trace: {value} {what}, allowed are {} to {}", allowed.start(), allowed.end())
            }
            Self::Pattern { bytes, begins } => {
                write!(f, "trace: a pattern of {bytes} bytes ({begins:?}), allowed are 1 to {}", TraceSpec::PATTERN)
            }
            Self::TooManyActors { matched } => {
                write!(f, "trace: {matched} actors match, allowed are {}: name fewer", TraceSpec::ACTORS)
            }
            Self::TooManyTraces => write!(f, "trace: there are {} traces already", TraceSpec::AT_ONCE),
        }
    }
}

impl std::error::Error for TraceError {}

/// Tracing.
impl System {
    /// Traces messages from now on, until there are as many as were asked for, or the time has passed, or what is returned is
    /// dropped. Actors that start meanwhile and match are traced, too. It does not keep the system.
    ///
    /// A message is traced when it is taken to be handled: its record says which actor took it, which kind it is, how large
    /// its type, how long it was queued, who had sent it, and when its handler has returned, how that ended and how long it took.
    /// What it says is not told.
    ///
    /// # Guarantees
    /// Each message that matches, was sent after this has returned, and is taken before the trace ends is either recorded, or counted as
    /// withheld for the rate; each record is read, or counted as lost. While nobody traces, messages cost nothing for it.
    ///
    /// # Errors
    /// [`TraceError`]: what is out of range, or that there is too much of something.
    ///
    /// # Examples
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use crashworthy_runtime::{Outcome, Sender, System, TraceSpec};
    /// use std::time::Duration;
    /// # use crashworthy_runtime::{Actor, Context, Exit};
    /// # struct Worker;
    /// # impl Actor for Worker {
    /// #     type Args = (); type Msg = ();
    /// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Worker) }
    /// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
    /// # }
    ///
    /// let system = System::bare()?;
    /// let worker = system.spawn::<Worker>(()).await?;
    /// let everybody = TraceSpec {
    ///     whom: vec!["*".into()], messages: vec![], count: 10, rate: 10, within: Duration::from_secs(1),
    /// };
    /// let trace = system.trace(everybody)?;
    /// worker.tell(()).expect("there is room");
    /// worker.settled().await;
    /// let read = trace.read();
    /// assert_eq!((read.records.len(), read.withheld, read.lost), (1, 0, 0));
    /// let record = &read.records[0];
    /// assert_eq!((record.pid, &record.from, record.outcome), (worker.pid(), &Sender::Outside, Outcome::Handled));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn trace(&self, spec: TraceSpec) -> Result<Trace, TraceError> {
        spec.fault()?;
        let one = Traces::begin(&self.shared, spec)?;
        Ok(Trace { shared: Arc::downgrade(&self.shared), one })
    }
}

/// A trace that is under way, or has ended. It ends when this is dropped.
#[must_use = "nothing is traced any more once it is dropped"]
pub struct Trace {
    shared: Weak<Shared>,
    one: Arc<One>,
}

impl Trace {
    /// What was traced since this was called last, without waiting for more.
    pub fn read(&self) -> TraceRead {
        let Some(shared) = self.shared.upgrade() else {
            return self.one.lose();
        };
        let (actors, left_out) = shared.traces.watched(&self.one);
        TraceRead { actors, left_out, ..self.one.read(&shared) }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.one.end();
        if let Some(shared) = self.shared.upgrade() {
            shared.traces.forget(&self.one);
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

/// A message in hand that is traced: where it has places.
#[derive(Default)]
pub(crate) struct InHand(Vec<(Arc<One>, u32)>);

/// The message in hand is noted by those who want to know; nothing, if nobody does.
#[cold]
pub(crate) fn taken(core: &Core, size: usize, asked: bool) -> Option<InHand> {
    let in_hand = core.shared().traces.taken(core, size, asked)?;
    (!in_hand.0.is_empty()).then_some(in_hand)
}

/// It is settled.
#[cold]
pub(crate) fn settled(core: &Core, in_hand: InHand, outcome: Outcome) {
    let now = core.shared().port.now_ns();
    in_hand.0.into_iter().for_each(|(one, number)| one.settle(number, outcome, now));
}

/// Nobody remembers a cell that goes.
pub(crate) fn goes(core: &Core, shared: &Shared) {
    if core.flags() & flag::TRACED != 0 {
        shared.traces.goes(core.id());
    }
}
