//! What actors depend on: it is up or down, and when it goes down all that depend on it refuse.
//!
//! ```text
//!  whoever owns it             dependency                          each dependant's cell
//!  mark_down / mark_up ─▶ state (lock): outage, dependants ─▶ needs (lock): who lacks what ─▶ flag UNREADY ─▶ senders
//! ```
//! The flag is set by whoever marks it, under the lock of the dependency: no message, no wake-up, no turn. Dependants are
//! told in stretches; each stretch tells what is so when it is told, not what was when the telling began. Of two that mark
//! it at once both go through all, so each dependant is told last of what was marked last.
//!
//! Locks are taken in this order: ties of a cell, state of a dependency, needs of a cell, stragglers of a system.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor_ref::ActorRef;
use crate::cell::{AnyCell, Core, WeakCell, flag};
use crate::crash::discard;
use crate::event::News;
use crate::port::moment;
use crate::slot::Slot;

/// Dependants that are told under one lock.
const STRETCH: usize = 128;

/// Something that actors depend on, and that is up or down: what a circuit breaker, a connection pool or a health check
/// owns and marks. Cheap to clone; all clones are one. It is up to begin with.
///
/// Actors name it with [`Context::depends_on`](crate::Context::depends_on). While it is down, whoever sends to one of them is
/// refused with [`NotReady`](crate::Reason::NotReady), its name, and, as `retry_after`, what is left of the time it was said
/// to take. It belongs to no system: actors of several may depend on it.
///
/// # Guarantees
/// * When [`mark_down`](Self::mark_down) returns, each of its dependants refuses, and when [`mark_up`](Self::mark_up) does,
///   none refuses because of it any more: whatever their handlers do, and without a turn of theirs.
/// * Dependants are not kept alive by it.
///
/// # Examples
/// ```
/// # use std::time::Duration;
/// # use crashworthy_runtime::{Actor, Context, Dep, Dependency, Exit, Reason, Solo};
/// struct Till;
///
/// impl Actor for Till {
///     type Args = Dependency;
///     type Msg = ();
///
///     async fn init(database: Dependency, cx: &mut Context<Self>) -> Result<Self, Exit> {
///         cx.depends_on(&database)?;
///         Ok(Till)
///     }
///
///     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let database = Dependency::named("orders-db");
/// let till = Solo::<Till>::start(database.clone()).await?;
///
/// database.mark_down(Some(Duration::from_secs(30)));
/// let refused = till.tell(()).unwrap_err().why;
/// assert_eq!(refused.reason, Reason::NotReady(Dep::named("orders-db")));
/// assert!(refused.retry_after.is_some_and(|after| after <= Duration::from_secs(30)));
///
/// database.mark_up();
/// till.tell(())?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Dependency {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Its owner has marked it down.
    marked: Option<Outage>,
    /// It is an actor, and that takes nothing: not started, or ended.
    over: Option<Outage>,
    /// By ticket, that is, in the order in which they have named it. Each leaves when its cell goes.
    dependants: BTreeMap<u64, WeakCell>,
    tickets: u64,
}

/// Since when something is down, and until when by what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) since: Instant,
    pub(crate) until: Option<Instant>,
}

impl Outage {
    /// From now on, for so long if that is known.
    pub(crate) fn begins(eta: Option<Duration>) -> Self {
        let since = moment();
        Self { since, until: eta.and_then(|eta| since.checked_add(eta)) }
    }
}

impl State {
    fn outage(&self) -> Option<Outage> {
        self.marked.or(self.over)
    }
}

impl Dependency {
    /// Something that is up. Its name is what callers are told; refusals have the first [22 bytes](crate::Dep) of it.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self { shared: Arc::new(Shared { name: name.into(), state: Mutex::default() }) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.shared.state.lock().outage().is_none()
    }

    /// It is down from now on: who depends on it refuses. `eta` is after what time it is expected back, or somebody will look
    /// whether it is: what callers are told to wait. It does not come up by itself.
    ///
    /// To mark it down again while it is down changes the time alone.
    pub fn mark_down(&self, eta: Option<Duration>) {
        self.change(|state| {
            let outage = Outage::begins(eta);
            let since = state.marked.map_or(outage.since, |marked| marked.since);
            state.marked = Some(Outage { since, ..outage });
        });
    }

    /// It is up again: who depends on it takes new work, if nothing else is missing.
    pub fn mark_up(&self) {
        self.change(|state| state.marked = None);
    }

    /// Whether it is the same one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Notes whether an actor, which this is, takes anything. To be called after that has changed, under no lock.
    pub(crate) fn follow(&self, core: &Core) {
        self.change(|state| {
            let over = || state.over.unwrap_or_else(|| Outage::begins(None));
            state.over = (core.is_over() || core.orders().tripped).then(over);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let (was, is) = {
            let mut state = self.shared.state.lock();
            let was = state.outage();
            change(&mut state);
            (was, state.outage())
        };
        if was != is {
            self.tell_all(was.is_some() != is.is_some());
        }
    }

    /// Tells every dependant how it is; their systems, too, if it has gone down or come up.
    fn tell_all(&self, is_news: bool) {
        let mut next = Some(0);
        let mut news = News::default();
        while let Some(from) = next {
            let mut told = Vec::new();
            let is_down = {
                let state = self.shared.state.lock();
                let mut rest = state.dependants.range(from..);
                for cell in rest.by_ref().take(STRETCH).filter_map(|(_, cell)| cell.upgrade()) {
                    if cell.core().gate.hears(cell.core(), self, state.outage()) {
                        cell.core().raise(flag::RECHECK);
                    }
                    told.push(cell);
                }
                next = rest.next().map(|(ticket, _)| *ticket);
                state.outage().is_some()
            };
            for cell in &told {
                if is_news {
                    news.enter(cell.core(), is_down);
                }
                if is_down {
                    cell.rouse_waiters();
                }
                if cell.core().flags() & flag::RECHECK != 0 {
                    cell.wake();
                }
            }
            // Whoever has let go of one meanwhile leaves it to us, and what is queued in it: not under the lock.
            discard(told);
        }
        news.tell(self.name());
    }

    /// A living incarnation depends on this from now on.
    pub(crate) fn is_named_by(&self, cell: &Arc<dyn AnyCell>, incarnation: u32) -> Result<(), DependencyError> {
        let mut state = self.shared.state.lock();
        let (ticket, outage) = (state.tickets, state.outage());
        if cell.core().gate.names(cell.core(), self, ticket, incarnation, outage)? {
            state.tickets += 1;
            state.dependants.insert(ticket, Arc::downgrade(cell));
        }
        Ok(())
    }

    /// The dependant with this ticket is told no more.
    pub(crate) fn is_left_by(&self, ticket: u64) {
        self.shared.state.lock().dependants.remove(&ticket);
    }

    #[cfg(test)]
    pub(crate) fn dependants(&self) -> usize {
        self.shared.state.lock().dependants.len()
    }
}

impl fmt::Debug for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dependency").field("name", &self.name()).field("up", &self.is_up()).finish()
    }
}

/// What an actor may [depend on](crate::Context::depends_on): a [`Dependency`], whatever owns one, and another actor.
pub trait AsDependency {
    /// What is marked up and down.
    fn as_dependency(&self) -> Dependency;
}

impl AsDependency for Dependency {
    fn as_dependency(&self) -> Dependency {
        self.clone()
    }
}

/// An actor is up as long as it takes messages, and down while it is [tripped](crate::System::trip), not started, stopped or gone,
/// so also when its supervisor has given up. It is called by its slot's name, or by its identity if that has none.
///
/// While it is being restarted it is up: what is sent to it waits in its mailbox, and a restart is over, as a rule, before
/// anybody would have come again. That it is not [ready](Actor::ready) itself, or lacks something, says nothing of those who
/// depend on it: each names what it needs.
impl<A: Actor> AsDependency for ActorRef<A> {
    fn as_dependency(&self) -> Dependency {
        let core = self.cell.core();
        let dependency = core.gate.as_dependency(core);
        // Whoever has changed the status before this lock has done so before the look below; whoever changes it after sees
        // that there is a dependency.
        drop(core.ties.lock());
        dependency.follow(core);
        dependency
    }
}

impl<A: Actor> AsDependency for Slot<A> {
    fn as_dependency(&self) -> Dependency {
        ActorRef::as_dependency(self)
    }
}

/// Why an actor could not be made to depend on something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DependencyError {
    /// It has named so many already, the most allowed.
    TooMany(usize),
    /// The incarnation was abandoned: the slot is another's.
    Fenced,
}

impl fmt::Display for DependencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(most) => write!(f, "it has named {most} others already, the most allowed"),
            Self::Fenced => f.write_str("the incarnation was abandoned"),
        }
    }
}

impl std::error::Error for DependencyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;
    use crate::port::{Port, Simulation};
    use crate::target::sealed::Choose as _;
    use crate::{Balancer, Context, Exit, Refused, System, turn};

    const SECOND: Duration = Duration::from_secs(1);

    /// Depends on what it is told to, or fails to start then.
    struct Till;

    impl Actor for Till {
        type Args = (Vec<Dependency>, bool);
        type Msg = ();

        async fn init((on, fails): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
            on.iter().try_for_each(|on| cx.depends_on(on))?;
            if fails { Err("as it was told".into()) } else { Ok(Self) }
        }

        async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
            Ok(())
        }
    }

    async fn till(system: &System, on: &Dependency) -> ActorRef<Till> {
        system.spawn::<Till>((vec![on.clone()], false)).await.expect("it starts")
    }

    fn refused(till: &ActorRef<Till>) -> Refused {
        till.tell(()).expect_err("it lacks something").why
    }

    #[tokio::test(start_paused = true)]
    async fn callers_are_told_what_is_left_of_the_time_that_an_outage_was_said_to_take() {
        let port = Port::simulated(tokio::runtime::Handle::current(), Simulation::seeded(1));
        let system = Builder::default().bare_on(port).expect("default settings are valid");
        let database = Dependency::named("db");
        let early = till(&system, &database).await;
        tokio::time::advance(SECOND).await;
        database.mark_down(Some(10 * SECOND));
        assert_eq!(refused(&early).retry_after, Some(10 * SECOND));
        tokio::time::advance(4 * SECOND).await;
        let late = till(&system, &database).await;
        assert_eq!([&early, &late].map(|till| refused(till).retry_after), [Some(6 * SECOND); 2]);
        let lacks: Vec<_> = system.unready().into_iter().flat_map(|actor| actor.lacks).collect();
        assert_eq!(
            lacks.iter().map(|lack| (lack.since, lack.eta)).collect::<Vec<_>>(),
            [(SECOND, Some(6 * SECOND)); 2]
        );
        tokio::time::advance(6 * SECOND).await;
        assert_eq!(refused(&early).retry_after, None, "it does not come up by itself, and nobody knows when it will");
        database.mark_up();
        assert!(early.tell(()).is_ok() && late.tell(()).is_ok());
    }

    #[tokio::test]
    async fn of_two_members_of_a_balancer_the_one_that_lacks_nothing_is_asked_first() {
        let system = System::bare().expect("default settings are valid");
        let [database, cache] = ["db", "cache"].map(Dependency::named);
        let (one, other) = (till(&system, &database).await, till(&system, &cache).await);
        let balancer = Balancer::over([one.clone(), other]).expect("there are two");
        cache.mark_down(None);
        for _ in 0..64 {
            assert_eq!(balancer.choose().first, &one);
        }
    }

    #[tokio::test]
    async fn senders_look_whom_they_send_to_while_somebody_lacks_something_and_then_no_more() {
        let system = System::bare().expect("default settings are valid");
        let is_carefree = || turn::is_carefree(&system.shared.stragglers);
        let [database, cache] = ["db", "cache"].map(Dependency::named);
        let (one, other) = (till(&system, &database).await, till(&system, &cache).await);
        assert!(is_carefree());
        database.mark_down(None);
        database.mark_down(Some(SECOND));
        cache.mark_down(None);
        assert!(!is_carefree());
        database.mark_up();
        assert!(!is_carefree() && one.tell(()).is_ok() && other.tell(()).is_err());

        let down = other.down();
        system.kill(other.pid());
        down.await;
        drop(other);
        let forgotten = async {
            while cache.dependants() != 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(60 * SECOND, forgotten).await.expect("who has gone is forgotten");
        assert!(is_carefree(), "who has gone lacks nothing");
        assert_eq!(database.dependants(), 1);
    }

    #[tokio::test]
    async fn what_was_named_by_incarnations_that_failed_to_start_does_not_pile_up() {
        let system = System::bare().expect("default settings are valid");
        let slot = Slot::<Till>::named("till");
        let new = |fails| (vec![Dependency::named("its own")], fails);
        let mut all = Vec::new();
        for fails in [false, true, true, true] {
            let args: (Vec<Dependency>, bool) = new(fails);
            all.extend(args.0.iter().cloned());
            let started = system.start_top(&slot, args).await;
            assert_eq!(started.is_err(), fails);
            if !fails {
                let down = slot.down();
                system.kill(slot.pid());
                down.await;
            }
        }
        let dependants: Vec<_> = all.iter().map(Dependency::dependants).collect();
        assert_eq!(dependants, [1, 0, 0, 1], "of the last that has begun, and the last that has not");
        let args = new(false);
        all.extend(args.0.iter().cloned());
        system.start_top(&slot, args).await.expect("it starts");
        let dependants: Vec<_> = all.iter().map(Dependency::dependants).collect();
        assert_eq!(dependants, [0, 0, 0, 0, 1]);
    }
}
