//! How often actors are asked for views: so seldom that a tenth of their time goes into them at the most.

use std::time::Duration;

use parking_lot::Mutex;

use crate::pid::ActorId;
use crate::port::nanos;

/// An actor is asked again at the earliest after so long, and after so many times what the last view took.
const APART: Duration = Duration::from_millis(100);
const SHARE: u64 = 10;
/// Actors that are remembered; of more, those that may be asked again soonest are forgotten.
const MOST: usize = 64;

/// When actors may be asked again.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<Vec<(ActorId, u64)>>);

impl Paces {
    /// When this one may be asked; 0 if it may be at once.
    pub(super) fn due(&self, actor: ActorId) -> u64 {
        self.0.lock().iter().find(|(who, _)| *who == actor).map_or(0, |(_, due)| *due)
    }

    /// It is about to make a view: whether it may by now. If so, who asks from now on waits.
    pub(super) fn begins(&self, actor: ActorId, now: u64) -> bool {
        let is_due = self.due(actor) <= now;
        if is_due {
            self.took(actor, now, 0);
        }
        is_due
    }

    /// It has made a view, which took so long. Told by its own turns alone.
    pub(super) fn took(&self, actor: ActorId, now: u64, took_ns: u64) {
        let due = now.saturating_add(nanos(APART).max(took_ns.saturating_mul(SHARE)));
        let mut paces = self.0.lock();
        paces.retain(|(who, due)| *who != actor && *due > now);
        if paces.len() >= MOST
            && let Some(at) = (0..paces.len()).min_by_key(|at| paces[*at].1)
        {
            paces.swap_remove(at);
        }
        paces.push((actor, due));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn who_took_long_is_left_alone_for_longer_and_no_more_are_remembered_than_may_be() {
        let paces = Paces::default();
        assert_eq!(paces.due(ActorId::new(1)), 0);
        assert!(paces.begins(ActorId::new(1), 0) && !paces.begins(ActorId::new(1), 0), "not twice in a moment");
        paces.took(ActorId::new(1), MS, MS);
        paces.took(ActorId::new(2), MS, 20 * MS);
        assert_eq!((paces.due(ActorId::new(1)), paces.due(ActorId::new(2))), (101 * MS, 201 * MS));
        paces.took(ActorId::new(3), 150 * MS, 0);
        assert_eq!((paces.due(ActorId::new(1)), paces.0.lock().len()), (0, 2), "its time has come");
        (10..1000).for_each(|actor| paces.took(ActorId::new(actor), 150 * MS, 0));
        assert_eq!(paces.0.lock().len(), MOST);
    }
}
