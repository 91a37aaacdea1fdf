//! What an actor needs, and what of it is missing.
//!
//! Kept in the gate, made when something is first named, and read by who is refused: other senders read one word, which
//! says that nobody in the system lacks anything, or a flag of the cell. It outlives incarnations: what one has named or
//! said of itself holds until the next has begun, which then has named and said its own.

use parking_lot::Mutex;

use crate::cell::{Core, flag};
use crate::dep::Dep;
use crate::dependency::{Dependency, DependencyError, Outage};
use crate::message::Criticality;
use crate::readiness::Readiness;
use crate::route::Route;

/// Dependencies an incarnation may name.
pub(crate) const MOST: usize = 64;

/// What an actor needs.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    state: Mutex<State>,
    /// Whom it forwards to.
    pub(super) route: Route,
}

#[derive(Debug, Default)]
struct State {
    /// By the living incarnation, the last that has begun, and no other.
    named: Vec<Named>,
    /// The last incarnation that has begun.
    begun: u32,
    own: Own,
    /// It is counted among those of its system that refuse for want of something.
    is_counted: bool,
}

/// Something that was named.
#[derive(Debug)]
struct Named {
    what: Dependency,
    ticket: u64,
    /// Who named it last.
    incarnation: u32,
    outage: Option<Outage>,
}

/// What the actor says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Own {
    #[default]
    Ready,
    Lacks(Dep, Outage),
    Only(Criticality),
}

/// What matters of a message to whoever may lack something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) criticality: Criticality,
    /// Of what the actor has named.
    pub(crate) needs_nothing: bool,
    /// Until when it is to be handled: nanoseconds of the system's clock, or never.
    pub(crate) deadline: u64,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// This is missing.
    Lacks(Dep, Outage),
    /// It takes what matters more.
    MattersMore,
}

impl Needs {
    /// An incarnation names something. Whether it is new. By whoever holds the lock of that.
    pub(super) fn names(
        &self,
        core: &Core,
        what: &Dependency,
        ticket: u64,
        incarnation: u32,
        outage: Option<Outage>,
    ) -> Result<bool, DependencyError> {
        let mut state = self.state.lock();
        if state.named.iter().filter(|named| named.incarnation == incarnation).count() == MOST {
            let known = state.named.iter().any(|named| named.what.is(what) && named.incarnation == incarnation);
            return if known { Ok(false) } else { Err(DependencyError::TooMany(MOST)) };
        }
        if let Some(named) = state.named.iter_mut().find(|named| named.what.is(what)) {
            named.incarnation = incarnation;
            return Ok(false);
        }
        state.named.push(Named { what: what.clone(), ticket, incarnation, outage });
        state.publish(core);
        Ok(true)
    }

    /// Something that was named has gone up or down. By whoever holds the lock of that. Whether what the actor says of itself
    /// may change with it: it is not ready.
    pub(super) fn hears(&self, core: &Core, what: &Dependency, outage: Option<Outage>) -> bool {
        let mut state = self.state.lock();
        let Some(named) = state.named.iter_mut().find(|named| named.what.is(what)) else { return false };
        named.outage = outage;
        state.publish(core);
        state.own != Own::Ready
    }

    /// What an incarnation says of itself.
    pub(super) fn says(&self, core: &Core, readiness: Readiness) {
        let mut state = self.state.lock();
        state.own = match (readiness, state.own) {
            (Readiness::Yes, _) => Own::Ready,
            (Readiness::Only(criticality), _) => Own::Only(criticality),
            (Readiness::No { dep, eta }, was) => {
                let outage = Outage::begins(eta);
                match was {
                    Own::Lacks(same, Outage { since, .. }) if same == dep => {
                        Own::Lacks(dep, Outage { since, ..outage })
                    }
                    Own::Ready | Own::Only(_) | Own::Lacks(..) => Own::Lacks(dep, outage),
                }
            }
        };
        state.publish(core);
    }

    /// An incarnation has begun: what those before it have named, and it has not, is forgotten.
    pub(super) fn begins(&self, core: &Core, incarnation: u32) {
        self.state.lock().begun = incarnation;
        self.forget(core, |named| named.incarnation != incarnation);
    }

    /// An incarnation is about to name something: what others have named whose `init` failed is forgotten, lest it pile up.
    pub(super) fn tidies(&self, core: &Core, incarnation: u32) {
        let begun = self.state.lock().begun;
        self.forget(core, |named| named.incarnation != incarnation && named.incarnation != begun);
    }

    /// The cell goes: nothing is named any more, and nothing said.
    pub(super) fn end(&self, core: &Core) {
        self.state.lock().own = Own::Ready;
        self.forget(core, |_| true);
    }

    fn forget(&self, core: &Core, which: impl Fn(&Named) -> bool) {
        let forgotten: Vec<_> = {
            let mut state = self.state.lock();
            let forgotten = state.named.extract_if(.., |named| which(named)).collect();
            state.publish(core);
            forgotten
        };
        // Their locks come before the one above.
        for named in forgotten {
            named.what.is_left_by(named.ticket);
        }
    }

    /// Why a message is not taken, if it is not. Of several things that are missing, the one that is expected last.
    pub(super) fn wants(&self, wish: Wish) -> Option<Want> {
        let state = self.state.lock();
        let mut last: Option<(Dep, Outage)> = None;
        let named = (!wish.needs_nothing).then(|| state.lacks_of_named()).into_iter().flatten();
        for (name, outage) in state.lacks_itself().into_iter().chain(named) {
            if last.is_none_or(|(_, last)| is_later(outage, last)) {
                last = Some((Dep::named(name), outage));
            }
        }
        match (last, state.own) {
            (Some((dep, outage)), _) => Some(Want::Lacks(dep, outage)),
            (None, Own::Only(least)) if wish.criticality > least => Some(Want::MattersMore),
            (None, _) => None,
        }
    }

    /// What is missing, by its whole name; and which messages are taken, if only some are.
    pub(super) fn list(&self) -> (Vec<(String, Outage)>, Option<Criticality>) {
        let state = self.state.lock();
        let lacks = state.lacks().map(|(name, outage)| (name.to_owned(), outage)).collect();
        let only = if let Own::Only(criticality) = state.own { Some(criticality) } else { None };
        (lacks, only)
    }
}

impl State {
    fn lacks(&self) -> impl Iterator<Item = (&str, Outage)> {
        self.lacks_itself().into_iter().chain(self.lacks_of_named())
    }

    /// What the actor says that it lacks.
    fn lacks_itself(&self) -> Option<(&str, Outage)> {
        match &self.own {
            Own::Lacks(dep, outage) => Some((dep.as_str(), *outage)),
            Own::Ready | Own::Only(_) => None,
        }
    }

    fn lacks_of_named(&self) -> impl Iterator<Item = (&str, Outage)> {
        self.named.iter().filter_map(|named| Some((named.what.name(), named.outage?)))
    }

    /// Has senders look, or look no more.
    fn publish(&mut self, core: &Core) {
        let refuses = self.own != Own::Ready || self.named.iter().any(|named| named.outage.is_some());
        if refuses == self.is_counted {
            return;
        }
        self.is_counted = refuses;
        // What was named by an incarnation, or said, implies a system.
        let stragglers = &core.shared().stragglers;
        if refuses {
            core.raise(flag::UNREADY);
            stragglers.one_more_is_unready();
        } else {
            core.lower(flag::UNREADY);
            stragglers.one_less_is_unready();
        }
    }
}

/// Whether something is expected back later than something else. What nobody knows comes last.
fn is_later(outage: Outage, than: Outage) -> bool {
    match (outage.until, than.until) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(until), Some(than)) => until > than,
    }
}
