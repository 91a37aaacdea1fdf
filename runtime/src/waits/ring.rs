//! Looking round: whether whoever waits waits for itself.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{Ordering::SeqCst, fence};

use serde::{Deserialize, Serialize};

use super::edge::{Awaited, Edge, Sight};
use crate::cell::AnyCell;
use crate::error::{AskError, Reason, Refused};
use crate::gate::events;
use crate::pid::ActorId;
use crate::places::Hold;
use crate::shared::Shared;

/// Steps that are looked: a ring of more actors than this ends at its deadline.
const LONGEST: usize = 128;

/// Who would have waited for whom: from the actor that was refused to the last, and to the first again. An actor goes by its
/// name, or by its identity if it has none.
///
/// # Examples
/// ```
/// use crashworthy_runtime::Cycle;
///
/// let cycle = Cycle { path: ["orders", "stock", "orders"].map(str::to_owned).to_vec() };
/// assert_eq!(cycle.to_string(), "orders → stock → orders");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cycle {
    /// Each waits for the next. Never more than 129 names.
    pub path: Vec<String>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.join(" → "))
    }
}

/// A member, and whom it waits for.
struct Step {
    cell: Arc<dyn AnyCell>,
    id: ActorId,
    sight: Sight,
}

/// Lets others see for whom a cell waits, after a turn that saw that alone or not, and refuses if that closes a ring.
pub(super) fn publish(cell: &dyn AnyCell, edge: Edge, alone: bool) {
    let core = cell.core();
    let shared = core.shared();
    if !core.counters().rare().standing.publish(edge, alone) {
        return;
    }
    // Whoever publishes his first edge just now has made the place for it before he looks at ours, or sees ours: looks at
    // a place that is not there take no lock.
    fence(SeqCst);
    let Some(ring) = look(shared, core.id()) else { return };
    let mut unsure = ring.iter().filter(|step| !step.sight.is_sure).peekable();
    if unsure.peek().is_some() {
        // Each looks when its turn has ended, as we do: whose is the last finds all of them sure.
        unsure.for_each(|step| step.cell.wake());
    } else if look(shared, core.id()).is_some_and(|again| is_same(&ring, &again)) {
        refuse(shared, &ring);
    }
}

/// The ring that begins and ends with this actor, if it is in one.
fn look(shared: &Shared, first: ActorId) -> Option<Vec<Step>> {
    let mut ring: Vec<Step> = Vec::new();
    let mut id = first;
    // Once more than there are steps: to see that the last one leads back.
    for _ in 0..=LONGEST {
        let cell = shared.find(id)?;
        if ring.last().is_some_and(|step| step.sight.is_open(&*cell)) {
            return None;
        }
        if id == first && !ring.is_empty() {
            return Some(ring);
        }
        let sight = cell.core().counters().standing()?.look(cell.core().pid())?;
        ring.push(Step { cell, id, sight });
        id = sight.to;
    }
    None
}

fn is_same(one: &[Step], other: &[Step]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| (one.id, one.sight) == (other.id, other.sight))
}

/// Refuses what was asked last: whoever finds the ring, it is the same.
fn refuse(shared: &Shared, ring: &[Step]) {
    let mut last = 0;
    for at in 1..ring.len() {
        if (ring[at].sight.since, ring[at].id) > (ring[last].sight.since, ring[last].id) {
            last = at;
        }
    }
    let (asker, callee) = (&ring[last], &ring[(last + 1) % ring.len()]);
    let standing = asker.cell.core().counters().standing();
    let Some(Edge { awaited, criticality, .. }) = standing.and_then(|standing| standing.take(asker.sight)) else {
        return;
    };
    let names = ring[last..].iter().chain(&ring[..=last]).map(|step| step.cell.core().label());
    let cycle = Cycle { path: names.collect() };
    let refused = Refused { cycle: Some(Arc::new(cycle)), ..callee.cell.core().refuse(Reason::Cycle) };
    match awaited {
        Awaited::Answer(wait) => {
            let told = refused.clone();
            let ended = wait.end_with(|| {
                events::counted(callee.cell.core(), Reason::Cycle, criticality);
                AskError::Refused(told)
            });
            if ended {
                events::cycle(shared, &*callee.cell, &refused);
            }
        }
        // Whoever waits there counts and tells what it is told.
        Awaited::Room(pass, sought) => {
            let _ = sought.refused.set(refused);
            callee.cell.give_back(&Hold::Awaited(pass));
        }
    }
}
