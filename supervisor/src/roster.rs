//! How the children of one supervisor are started: a launcher a child, found by its key.
//!
//! ```text
//!   crowds   60 s: [ Own<Session>, Own<Session>, … ]      those that are alike, side by side: the slot and the arguments each
//!             5 s: [ Once<Session>, … ]
//!   alone    [ Box<dyn Launch>, … ]                       everybody else
//! ```
//! There may be a million children of a kind: what they have in common, the type and how long a start may take, is kept
//! once. Who is of yet another kind than the first few, or large, is alone, so that nobody is looked for in many places.

use std::any::Any;
use std::time::Duration;

use crate::core::ChildKey;
use crate::launch::{Launch, Launcher};
use crate::roll::Roll;

/// All of them.
#[derive(Default)]
pub(crate) struct Roster {
    crowds: Vec<Crowd>,
    alone: Roll<Launcher>,
}

/// So many kinds lie side by side.
const CROWDS: usize = 2;
/// And nobody larger than this: when one goes, up to sixty-three neighbours move up.
const LARGEST: usize = 64;

/// Launchers of one type, whose starts may take equally long.
struct Crowd {
    start_within: Duration,
    roll: Box<dyn Alike>,
}

/// A roll of launchers of one type.
trait Alike: Send {
    fn get(&self, key: ChildKey) -> Option<&dyn Launch>;
    fn get_mut(&mut self, key: ChildKey) -> Option<&mut dyn Launch>;
    /// Whether it was here.
    fn remove(&mut self, key: ChildKey) -> bool;
    /// As what it is.
    fn any(&mut self) -> &mut dyn Any;
}

impl<L: Launch + 'static> Alike for Roll<L> {
    fn get(&self, key: ChildKey) -> Option<&dyn Launch> {
        self.get(key).map(|launch| launch as &dyn Launch)
    }

    fn get_mut(&mut self, key: ChildKey) -> Option<&mut dyn Launch> {
        self.get_mut(key).map(|launch| launch as &mut dyn Launch)
    }

    fn remove(&mut self, key: ChildKey) -> bool {
        self.remove(key).is_some()
    }

    fn any(&mut self) -> &mut dyn Any {
        self
    }
}

impl Roster {
    /// Adds a child that may have others like it. Its key is above all that were added.
    pub(crate) fn add<L: Launch + 'static>(&mut self, key: ChildKey, launch: Box<L>, start_within: Duration) {
        if size_of::<L>() > LARGEST {
            return self.add_alone(key, Launcher::of(launch, start_within));
        }
        for crowd in &mut self.crowds {
            if crowd.start_within == start_within
                && let Some(roll) = crowd.roll.any().downcast_mut::<Roll<L>>()
            {
                return roll.push(key, *launch);
            }
        }
        if self.crowds.len() == CROWDS {
            return self.add_alone(key, Launcher::of(launch, start_within));
        }
        let mut roll = Roll::default();
        roll.push(key, *launch);
        self.crowds.push(Crowd { start_within, roll: Box::new(roll) });
    }

    /// Adds one that has not. Likewise.
    pub(crate) fn add_alone(&mut self, key: ChildKey, launcher: Launcher) {
        self.alone.push(key, launcher);
    }

    pub(crate) fn get(&self, key: ChildKey) -> Option<&dyn Launch> {
        let among = self.crowds.iter().find_map(|crowd| crowd.roll.get(key));
        among.or_else(|| self.alone.get(key).map(Launcher::launch))
    }

    pub(crate) fn get_mut(&mut self, key: ChildKey) -> Option<&mut dyn Launch> {
        let among = self.crowds.iter_mut().find_map(|crowd| crowd.roll.get_mut(key));
        among.or_else(|| self.alone.get_mut(key).map(Launcher::launch_mut))
    }

    /// How long the `init` of a child may take.
    pub(crate) fn start_within(&self, key: ChildKey) -> Option<Duration> {
        let among = self.crowds.iter().find(|crowd| crowd.roll.get(key).is_some());
        among.map(|crowd| crowd.start_within).or_else(|| self.alone.get(key).map(Launcher::start_within))
    }

    /// Drops what starts a child, if it is here.
    pub(crate) fn remove(&mut self, key: ChildKey) {
        if !self.crowds.iter_mut().any(|crowd| crowd.roll.remove(key)) {
            self.alone.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crashworthy_runtime::{Actor, Context, Exit, Slot};

    use super::*;
    use crate::launch::{Once, Own};

    struct Session;

    impl Actor for Session {
        type Args = Arc<str>;
        type Msg = ();

        async fn init(_: Arc<str>, _: &mut Context<Self>) -> Result<Self, Exit> {
            Ok(Self)
        }

        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), Exit> {
            Ok(())
        }
    }

    fn own() -> Box<Own<Session>> {
        Box::new(Own::new(Slot::anonymous().address(), "args".into()))
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_child_is_its_slot_and_its_arguments() {
        assert_eq!(size_of::<Own<Session>>(), size_of::<usize>() + size_of::<Arc<str>>());
        assert_eq!(size_of::<Once<Session>>(), 2 * size_of::<usize>(), "arguments that are used leave nothing behind");
    }

    #[test]
    fn who_is_alike_lies_side_by_side_and_all_are_found_and_removed() {
        let [minute, second, day] = [60, 1, 86_400].map(Duration::from_secs);
        let mut roster = Roster::default();
        let limits = [minute, minute, second, day, minute];
        for (key, limit) in (0..).zip(limits) {
            roster.add(ChildKey(key), own(), limit);
        }
        assert_eq!((roster.crowds.len(), roster.alone.len()), (CROWDS, 1), "the third kind is alone");
        for (key, limit) in (0..).zip(limits) {
            assert_eq!(roster.start_within(ChildKey(key)), Some(limit));
            assert!(roster.get(ChildKey(key)).is_some() && roster.get_mut(ChildKey(key)).is_some());
            roster.remove(ChildKey(key));
            assert!(roster.get(ChildKey(key)).is_none() && roster.start_within(ChildKey(key)).is_none());
        }
    }
}
