//! The children of one supervisor in start order, found by key, name or incarnation.
//!
//! Adding one at the end, removing one anywhere, finding one and finding the next in the start order cost the same among ten
//! as among a million; nothing but a walk over all takes longer when there are more.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use super::action::Place;
use super::event::{ChildKey, Identity};
use crate::child_spec::{ChildSpec, Kind};
use crate::index::{ByName, Index};
use crate::roll::Roll;

/// One child. There may be a million.
#[derive(Clone, Debug)]
pub(super) struct Child<P> {
    pub(super) spec: Arc<ChildSpec>,
    state: State<P>,
}

/// What its place holds, each time with the starts so far: so they take what would be padding otherwise.
#[derive(Clone, Copy, Debug)]
enum State<P> {
    Down(Attempts),
    Running(Attempts, P),
    Restarting(Attempts),
    RestartingAfter(Attempts, P),
}

/// How often a child was started, up to what fits: some sixteen millions.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts([u8; 3]);

impl Attempts {
    const MOST: u32 = (1 << 24) - 1;

    fn count(self) -> u32 {
        let [low, middle, high] = self.0;
        u32::from_le_bytes([low, middle, high, 0])
    }

    fn one_more(self) -> Self {
        let [low, middle, high, _] = (self.count() + 1).min(Self::MOST).to_le_bytes();
        Self([low, middle, high])
    }
}

impl<P: Copy> State<P> {
    fn new(place: Place<P>, attempts: Attempts) -> Self {
        match place {
            Place::Down => Self::Down(attempts),
            Place::Running(pid) => Self::Running(attempts, pid),
            Place::Restarting(None) => Self::Restarting(attempts),
            Place::Restarting(Some(before)) => Self::RestartingAfter(attempts, before),
        }
    }

    fn place(self) -> Place<P> {
        match self {
            Self::Down(_) => Place::Down,
            Self::Running(_, pid) => Place::Running(pid),
            Self::Restarting(_) => Place::Restarting(None),
            Self::RestartingAfter(_, before) => Place::Restarting(Some(before)),
        }
    }

    fn attempts(self) -> Attempts {
        let (Self::Down(attempts)
        | Self::Running(attempts, _)
        | Self::Restarting(attempts)
        | Self::RestartingAfter(attempts, _)) = self;
        attempts
    }
}

impl<P: Identity> Child<P> {
    pub(super) fn place(&self) -> Place<P> {
        self.state.place()
    }

    /// Starts so far, up to what fits.
    pub(super) fn attempts(&self) -> u32 {
        self.state.attempts().count()
    }

    /// The incarnation it is known by.
    fn life(&self) -> Option<P> {
        known(&self.place())
    }
}

/// All of them. Keys grow, so that key order is start order.
///
/// A name or an incarnation, running or about to be followed by the next, is indexed exactly as long as its child is here
/// and holds it.
#[derive(Clone, Debug)]
pub(super) struct Children<P> {
    by_key: Roll<Child<P>>,
    by_name: Index<Arc<str>, ChildKey>,
    by_pid: ByName,
    running: usize,
    restarting: usize,
    /// Significant children that run or are being restarted.
    significant: usize,
    supervisors: usize,
    named: bool,
}

impl<P: Identity> Children<P> {
    /// No children yet, with names to be or without.
    pub(super) fn new(named: bool) -> Self {
        Self {
            by_key: Roll::default(),
            by_name: Index::default(),
            by_pid: ByName::default(),
            running: 0,
            restarting: 0,
            significant: 0,
            supervisors: 0,
            named,
        }
    }

    pub(super) fn add(&mut self, key: ChildKey, spec: Arc<ChildSpec>) {
        if self.named {
            let earlier = self.by_name.insert(spec.id.clone(), key);
            assert!(earlier.is_none(), "names are unique in a supervisor");
        }
        self.supervisors += usize::from(spec.kind == Kind::Supervisor);
        self.by_key.push(key, Child { spec, state: State::Down(Attempts::default()) });
    }

    pub(super) fn remove(&mut self, key: ChildKey) {
        self.put(key, Place::Down);
        let child = self.by_key.remove(key).expect("put has found it");
        self.supervisors -= usize::from(child.spec.kind == Kind::Supervisor);
        if self.named {
            self.by_name.remove(&child.spec.id);
        }
    }

    /// What the child's place held, which now holds `place`.
    pub(super) fn put(&mut self, key: ChildKey, place: Place<P>) -> Place<P> {
        let child = self.by_key.get_mut(key).expect("only a child that is here is moved");
        let before = child.place();
        child.state = State::new(place, child.state.attempts());
        if child.spec.significant {
            self.significant -= usize::from(!matches!(before, Place::Down));
            self.significant += usize::from(!matches!(place, Place::Down));
        }
        match before {
            Place::Running(_) => self.running -= 1,
            Place::Restarting(_) => self.restarting -= 1,
            Place::Down => {}
        }
        match place {
            Place::Running(_) => self.running += 1,
            Place::Restarting(_) => self.restarting += 1,
            Place::Down => {}
        }
        self.index_by_pid(key, known(&before), known(&place));
        before
    }

    /// The child's incarnation is now another. Its place says so already.
    fn index_by_pid(&mut self, key: ChildKey, left: Option<P>, taken: Option<P>) {
        if left == taken {
            return;
        }
        let by_key = &self.by_key;
        if left.is_some() {
            self.by_pid.remove(key, |other| if other == key { left } else { by_key.get(other).and_then(Child::life) });
        }
        if taken.is_some() {
            let life = |key| by_key.get(key).and_then(Child::life);
            assert!(self.by_pid.find(&taken, life).is_none(), "an incarnation belongs to one child");
            self.by_pid.insert(key, life);
        }
    }

    /// Counts one more start of this child.
    pub(super) fn attempt(&mut self, key: ChildKey) -> u64 {
        let child = self.by_key.get_mut(key).expect("only a child that is here is started");
        child.state = State::new(child.place(), child.state.attempts().one_more());
        child.attempts().into()
    }

    pub(super) fn get(&self, key: ChildKey) -> Option<&Child<P>> {
        self.by_key.get(key)
    }

    pub(super) fn named(&self, name: &str) -> Option<ChildKey> {
        self.by_name.get(name).copied()
    }

    /// The child that runs as this incarnation.
    pub(super) fn running_as(&self, pid: P) -> Option<ChildKey> {
        self.known_as(pid).filter(|key| matches!(self.by_key.get(*key).map(Child::place), Some(Place::Running(_))))
    }

    /// The same, or the child that is being restarted after it.
    pub(super) fn known_as(&self, pid: P) -> Option<ChildKey> {
        self.by_pid.find(&Some(pid), |key| self.by_key.get(key).and_then(Child::life))
    }

    pub(super) fn first(&self) -> Option<ChildKey> {
        self.by_key.first()
    }

    /// Who comes after a child in the start order.
    pub(super) fn after(&self, key: ChildKey) -> Option<ChildKey> {
        self.by_key.after(key)
    }

    /// In start order.
    pub(super) fn iter(&self) -> Walk<'_, P> {
        Walk { children: self, next: self.by_key.first(), last: self.by_key.last() }
    }

    /// A part of the start order whose ends are children, or its own ends.
    pub(super) fn range(&self, range: impl RangeBounds<ChildKey>) -> Walk<'_, P> {
        let end = |bound: Bound<&ChildKey>, open: Option<ChildKey>| match bound {
            Bound::Included(key) => Some(*key),
            Bound::Unbounded => open,
            Bound::Excluded(_) => unreachable!("a fate is shared by the child that has it"),
        };
        let (first, last) = (self.by_key.first(), self.by_key.last());
        let (next, last) = (end(range.start_bound(), first), end(range.end_bound(), last));
        Walk { children: self, next, last }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn restarting(&self) -> usize {
        self.restarting
    }

    /// How many children are supervisors, running or not.
    pub(super) fn supervisors(&self) -> usize {
        self.supervisors
    }

    /// How many significant children run or are being restarted.
    pub(super) fn significant(&self) -> usize {
        self.significant
    }
}

/// Children from one to another, from both ends.
pub(super) struct Walk<'c, P> {
    children: &'c Children<P>,
    next: Option<ChildKey>,
    last: Option<ChildKey>,
}

impl<'c, P: Identity> Walk<'c, P> {
    fn step(&mut self, from: Option<ChildKey>) -> Option<(ChildKey, &'c Child<P>)> {
        let key = from?;
        let child = self.children.get(key).expect("walks are along neighbours");
        if self.next == self.last {
            (self.next, self.last) = (None, None);
        }
        Some((key, child))
    }
}

impl<'c, P: Identity> Iterator for Walk<'c, P> {
    type Item = (ChildKey, &'c Child<P>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, child) = self.step(self.next)?;
        if self.next.is_some() {
            self.next = self.children.by_key.after(key);
        }
        Some((key, child))
    }
}

impl<P: Identity> DoubleEndedIterator for Walk<'_, P> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let (key, child) = self.step(self.last)?;
        if self.last.is_some() {
            self.last = self.children.by_key.before(key);
        }
        Some((key, child))
    }
}

/// The incarnation that a child is known by.
fn known<P: Copy>(place: &Place<P>) -> Option<P> {
    match place {
        Place::Running(pid) => Some(*pid),
        Place::Restarting(before) => *before,
        Place::Down => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Strategy;

    fn keys<'c>(walk: impl Iterator<Item = (ChildKey, &'c Child<u32>)>) -> Vec<u64> {
        walk.map(|(key, _)| key.0).collect()
    }

    fn five() -> Children<u32> {
        let mut children = Children::new(false);
        let spec = Arc::new(ChildSpec::worker("w"));
        for key in 0..5 {
            children.add(ChildKey(key), spec.clone());
        }
        children
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_child_is_small() {
        let child = size_of::<Child<crashworthy_runtime::Pid>>();
        assert!(child <= 24, "a child has {child} bytes");
    }

    #[test]
    fn starts_are_counted_up_to_what_fits() {
        let mut attempts = Attempts::default();
        for count in 1..=1_000 {
            attempts = attempts.one_more();
            assert_eq!(attempts.count(), count);
        }
        let most = Attempts([u8::MAX; 3]);
        assert_eq!((most.count(), most.one_more().count()), (Attempts::MOST, Attempts::MOST));
    }

    #[test]
    fn the_start_order_stays_whoever_is_removed() {
        for gone in 0..5 {
            let mut children = five();
            children.remove(ChildKey(gone));
            let left: Vec<u64> = (0..5).filter(|key| *key != gone).collect();
            assert_eq!(keys(children.iter()), left);
            assert_eq!(keys(children.iter().rev()), left.iter().rev().copied().collect::<Vec<_>>());
            children.add(ChildKey(5), Arc::new(ChildSpec::worker("w")));
            assert_eq!(keys(children.iter()).last(), Some(&5));
            for key in keys(children.iter()) {
                children.remove(ChildKey(key));
            }
            assert_eq!((keys(children.iter()), children.len()), (vec![], 0));
            children.add(ChildKey(9), Arc::new(ChildSpec::worker("w")));
            assert_eq!(keys(children.iter().rev()), [9]);
        }
    }

    #[test]
    fn a_fate_is_a_part_of_the_start_order() {
        let mut children = five();
        children.remove(ChildKey(3));
        let of = |strategy: Strategy, key| keys(children.range(strategy.fate(ChildKey(key))));
        assert_eq!(of(Strategy::OneForOne, 2), [2]);
        assert_eq!(of(Strategy::RestForOne, 2), [2, 4]);
        assert_eq!(of(Strategy::RestForOne, 4), [4]);
        assert_eq!(of(Strategy::OneForAll, 2), [0, 1, 2, 4]);
        assert_eq!(keys(children.range(Strategy::RestForOne.fate(ChildKey(1))).rev()), [4, 2, 1]);
    }

    #[test]
    fn a_walk_from_both_ends_meets_everybody_once() {
        let children = five();
        let mut walk = children.iter();
        let mut met = Vec::new();
        while let Some((key, _)) = walk.next() {
            met.push(key.0);
            met.extend(walk.next_back().map(|(key, _)| key.0));
        }
        assert_eq!(met, [0, 4, 1, 3, 2]);
    }
}
