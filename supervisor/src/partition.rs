//! Copies of one actor, each with its share of the keys.

#![expect(clippy::disallowed_types, reason = "the shell's: what partitions start from, and one resize at a time")]

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::time::Duration;

use crashworthy_runtime::{Actor, ActorRef, Bulkhead, Slot, StartError, Threads};
use parking_lot::Mutex;

use crate::backoff::Backoff;
use crate::child::{AnyChild, IntoChild};
use crate::child_spec::{ChildSpec, Shutdown};
use crate::core::CallError;
use crate::init::Init;
use crate::launch::{Launcher, Launchers, START_WITHIN, Static};
use crate::management::{ManageError, Management};
use crate::manager::{Blueprint, Manager};
use crate::strategy::{Flags, Strategy};
use crate::supervisor::settle;
use crate::tree::{Members, Node, Tree};

/// A supervisor of N copies of one actor, between which a key decides. A handle: declare it before the tree starts, clone
/// it to whoever sends. Until it runs, its partitions refuse with [`NotStarted`](crashworthy_runtime::Reason::NotStarted).
///
/// Routing is arithmetic: it asks nobody and waits for nobody, whatever the supervisor does. A partition is a slot, so
/// that its address survives restarts. Partitions are permanent and are restarted alone.
///
/// # Guarantees
/// The same key goes to the same partition as long as the number of partitions stays the same: from one run of a program to
/// the next, too, as long as it is built by the same compiler. Messages of one sender with one key are handled in order.
///
/// # Differs from OTP
/// Elixir's `PartitionSupervisor` keeps a public table of pids; here the addresses are known beforehand. Its integer keys
/// and others are told apart by their type; here by [`partition`](Self::partition) and [`route`](Self::route). Its intensity
/// is 3 in 5 s; here it is 1, as in every supervisor.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Context, Exit, System};
/// # use crashworthy_supervisor::{Partition, Supervisor};
/// # struct Counter;
/// # impl Actor for Counter {
/// #     type Args = usize; type Msg = ();
/// #     async fn init(_: usize, _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Counter) }
/// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let counters = Partition::<Counter>::named("counters", 4, |number| number);
/// let system = System::start(Supervisor::one_for_one("service").child(counters.clone())).await?;
/// counters.route("alice").tell(())?;
/// assert_eq!(counters.route("alice"), counters.route("alice"));
/// assert_eq!(counters.partition(6), counters.partition(2));
/// # system.stop().await;
/// # Ok(()) }
/// ```
pub struct Partition<A: Actor> {
    slot: Slot<Manager>,
    tree: Tree,
    start_within: Duration,
    /// One a partition, and one where none was asked for: such a tree does not start.
    slots: Arc<[Slot<A>]>,
    /// Not `Sync`, perhaps, and cloned for the supervisor only.
    args: Arc<Mutex<Vec<A::Args>>>,
    routed: Arc<Routed>,
}

/// Most partitions of one supervisor.
pub const MAX_PARTITIONS: usize = 4_096;

/// How many partitions have keys, and since which life of their supervisor: the next life begins with all of them.
#[derive(Default)]
struct Routed {
    /// The incarnation, and below it the number.
    packed: AtomicU64,
    /// One changes the number at a time.
    resizing: tokio::sync::Mutex<()>,
}

impl<A: Actor> Partition<A> {
    /// So many partitions (at most [`MAX_PARTITIONS`]) under a supervisor with this name. `args` is called once for each,
    /// with its number from 0; every incarnation starts from a clone of what it gave.
    pub fn named(name: impl Into<Arc<str>>, partitions: usize, args: impl FnMut(usize) -> A::Args) -> Self
    where
        A::Args: Clone,
    {
        let name = name.into();
        let declared = partitions.min(MAX_PARTITIONS);
        Self {
            slot: Slot::named(name.clone()),
            tree: Tree::partitions(name, Flags::new(Strategy::OneForOne), ChildSpec::worker("partition"), partitions),
            start_within: START_WITHIN,
            slots: (0..declared.max(1)).map(|number| Slot::named(number.to_string())).collect(),
            args: Arc::new(Mutex::new((0..declared).map(args).collect())),
            routed: Arc::default(),
        }
    }

    /// How partitions are stopped: each within 5 s unless told otherwise.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        if let Members::Partitions { template, .. } = &mut self.tree.members {
            template.shutdown = shutdown;
        }
        self
    }

    /// All its children run on threads of their own, which are made when it starts:
    /// [`Supervisor::bulkhead`](crate::Supervisor::bulkhead).
    #[must_use]
    pub fn bulkhead(mut self, bulkhead: Bulkhead) -> Self {
        self.tree.spec.threads = Threads::Bulkhead(bulkhead);
        self
    }

    /// Each partition runs on a thread of its own, which it may block: [`Child::blocking`](crate::Child::blocking).
    #[must_use]
    pub fn blocking(mut self) -> Self {
        if let Members::Partitions { template, .. } = &mut self.tree.members {
            template.threads = Threads::Own;
        }
        self
    }

    /// More than this many restarts within the period end the supervisor, all partitions together.
    #[must_use]
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.tree.flags = self.tree.flags.intensity(restarts, period);
        self
    }

    /// How long restarts wait; unless told otherwise, not at all.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.tree.flags = self.tree.flags.backoff(backoff);
        self
    }

    /// How long the `init` of a partition may take.
    #[must_use]
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.start_within = limit;
        self
    }

    /// Messages the mailbox of each partition holds.
    ///
    /// # Errors
    /// [`StartError::Setting`] unless it is between 1 and [`LARGEST_MAILBOX`](crashworthy_runtime::LARGEST_MAILBOX).
    pub fn mailbox(self, capacity: u32) -> Result<Self, StartError> {
        for slot in self.slots.iter() {
            slot.clone().mailbox(capacity)?;
        }
        Ok(self)
    }

    /// The partition that this key belongs to.
    pub fn route(&self, key: &(impl Hash + ?Sized)) -> &ActorRef<A> {
        // Its keys are fixed: the order of nothing depends on them, and every run routes alike.
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.partition(hasher.finish())
    }

    /// The partition of this number, counted round and round.
    pub fn partition(&self, number: u64) -> &ActorRef<A> {
        &self.slots[(number % self.partitions() as u64) as usize]
    }

    /// How many partitions keys are routed to.
    pub fn partitions(&self) -> usize {
        let packed = self.routed.packed.load(Acquire);
        let (life, routed) = ((packed >> 32) as u32, packed as u32 as usize);
        if life != 0 && life == self.life() { routed } else { self.slots.len() }
    }

    /// All partitions that keys are routed to, by number.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ActorRef<A>> {
        self.slots[..self.partitions()].iter().map(|slot| &**slot)
    }

    /// A handle to ask the supervisor what its children do. Their names are their numbers.
    pub fn management(&self) -> Management {
        Management::new(self.slot.address())
    }

    /// Changes how many partitions there are, at most to as many as were declared. Keys move: whoever keeps state by key
    /// has to bring it along.
    ///
    /// Going down, keys are routed to those that stay before the others are stopped, from the last one; what is queued
    /// there is thrown away, as with every child that is terminated. Going up, each has keys as soon as it has started.
    /// When the supervisor is restarted it begins with all that were declared.
    ///
    /// # Errors
    /// [`ResizeError::OutOfRange`], and nothing has changed. [`ResizeError::Supervisor`] if a partition could not be started,
    /// or if the supervisor is not there: those before it have been changed.
    ///
    /// # Cancel safety
    /// What has been changed stays so; resizing again goes on from there.
    pub async fn resize(&self, partitions: usize) -> Result<(), ResizeError> {
        let declared = self.slots.len();
        if !(1..=declared).contains(&partitions) {
            return Err(ResizeError::OutOfRange { partitions, declared });
        }
        let _one_at_a_time = self.routed.resizing.lock().await;
        let (life, management) = (self.life(), self.management());
        for number in self.partitions()..partitions {
            match management.restart_child(&number.to_string()).await {
                Ok(_) | Err(ManageError::Refused(CallError::Running | CallError::Restarting)) => {}
                Err(why) => return Err(ResizeError::Supervisor(why)),
            }
            self.route_to(number + 1, life);
        }
        self.route_to(partitions, life);
        for number in (partitions..declared).rev() {
            management.terminate_child(&number.to_string()).await.map_err(ResizeError::Supervisor)?;
        }
        Ok(())
    }

    fn route_to(&self, partitions: usize, life: u32) {
        self.routed.packed.store(u64::from(life) << 32 | partitions as u64, Release);
    }

    /// The incarnation of the supervisor; 0 before the first.
    fn life(&self) -> u32 {
        self.slot.pid().incarnation
    }
}

/// Why the number of partitions was not changed, or not all the way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResizeError {
    /// There is at least one partition, and never more than were declared.
    OutOfRange {
        /// How many there were to be.
        partitions: usize,
        /// How many were declared.
        declared: usize,
    },
    /// The supervisor refused, or did not answer.
    Supervisor(ManageError),
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { partitions, declared } => {
                write!(f, "{partitions} partitions, allowed are 1 to the {declared} that were declared")
            }
            Self::Supervisor(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ResizeError {}

impl<A: Actor> IntoChild for Partition<A>
where
    A::Args: Clone,
{
    fn into_child(self) -> AnyChild {
        let start_within = self.start_within;
        let partition = |(slot, args): (&Slot<A>, &A::Args)| -> Launcher {
            let (slot, args) = (slot.address(), args.clone());
            Launcher::new(Static { slot, args, settle: |_, _| {}, begun: false }, start_within)
        };
        let launchers = Launchers(self.slots.iter().zip(self.args.lock().iter()).map(partition).collect());
        let args =
            Blueprint { path: self.tree.name().clone(), tree: self.tree.clone(), launchers, init: Init::default() };
        let slot = self.slot.address();
        let launch = Static { slot, args, settle, begun: false };
        AnyChild { node: Node::Supervisor(self.tree), launch: Launcher::new(launch, START_WITHIN) }
    }
}

impl<A: Actor> Clone for Partition<A> {
    fn clone(&self) -> Self {
        Self {
            slot: self.slot.clone(),
            tree: self.tree.clone(),
            start_within: self.start_within,
            slots: self.slots.clone(),
            args: self.args.clone(),
            routed: self.routed.clone(),
        }
    }
}

impl<A: Actor> fmt::Debug for Partition<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Partition").field(&self.tree).field(&self.partitions()).finish()
    }
}
