//! Who is below whom, of everybody in a picture: four numbers and a bit for each, in rooms that are used again.
//!
//! ```text
//!   place        0    1    2    3    4           where an actor is in the picture
//!   above        4    0    0    4    –
//!   below       [1 2][ ][ ][ ][0 3] [4]          siblings in order; the tops come last
//!   order        4.0  0.1  1.2  2.2  3.1         place and level, parents before their children
//!   ranks        1    2    3    4    0           where in that order
//! ```

use std::cmp::Ordering;

use crashworthy_runtime::{ActorId, Glance, State};

/// No place.
const NONE: u32 = u32::MAX;

/// The tree of a picture.
#[derive(Debug, Default)]
pub(crate) struct Forest {
    /// Places, by the index of the identity.
    places: Vec<u32>,
    above: Vec<u32>,
    /// Where the children of each begin in `below`.
    starts: Vec<u32>,
    below: Vec<u32>,
    order: Vec<(u32, u32)>,
    ranks: Vec<u32>,
    next: Vec<(u32, u32)>,
}

impl Forest {
    /// Grows anew, of these.
    pub(crate) fn grow(&mut self, actors: &[Glance]) {
        self.note_places(actors);
        self.note_parents(actors);
        self.group();
        for parent in 0..=actors.len() {
            let (begins, ends) = (self.starts[parent] as usize, self.starts[parent + 1] as usize);
            arrange(&mut self.below[begins..ends], actors);
        }
        self.walk();
    }

    fn note_places(&mut self, actors: &[Glance]) {
        let most = actors.iter().map(|actor| actor.pid.id.index() as usize + 1).max().unwrap_or(0);
        self.places.clear();
        self.places.resize(most, NONE);
        for (place, actor) in actors.iter().enumerate() {
            self.places[actor.pid.id.index() as usize] = place as u32;
        }
    }

    fn note_parents(&mut self, actors: &[Glance]) {
        self.above.clear();
        for actor in actors {
            let above = above(actor, |id| self.place(id, actors));
            self.above.push(above.map_or(NONE, |place| place as u32));
        }
    }

    /// Puts those with one parent side by side, and those with none behind all.
    fn group(&mut self) {
        let tops = self.above.len();
        let group = |above: u32| if above == NONE { tops } else { above as usize };
        self.starts.clear();
        self.starts.resize(tops + 2, 0);
        for &above in &self.above {
            self.starts[group(above) + 1] += 1;
        }
        for at in 1..self.starts.len() {
            self.starts[at] += self.starts[at - 1];
        }
        self.below.clear();
        self.below.resize(tops, 0);
        // Each start moves on to where the next begins, and all of them back afterwards.
        for (place, &above) in self.above.iter().enumerate() {
            let start = &mut self.starts[group(above)];
            self.below[*start as usize] = place as u32;
            *start += 1;
        }
        self.starts.rotate_right(1);
        self.starts[0] = 0;
        let last = self.starts.len() - 1;
        self.starts[last] = tops as u32;
    }

    /// Goes down before it goes on. A picture is not of one instant: who would be below itself is left out.
    fn walk(&mut self) {
        self.order.clear();
        self.ranks.clear();
        self.ranks.resize(self.above.len(), NONE);
        self.next.clear();
        self.push_below(self.above.len(), 0);
        while let Some((place, level)) = self.next.pop() {
            self.ranks[place as usize] = self.order.len() as u32;
            self.order.push((place, level));
            self.push_below(place as usize, level + 1);
        }
    }

    fn push_below(&mut self, parent: usize, level: u32) {
        let (begins, ends) = (self.starts[parent] as usize, self.starts[parent + 1] as usize);
        self.next.extend(self.below[begins..ends].iter().rev().map(|&child| (child, level)));
    }

    fn group_of(&self, parent: usize) -> &[u32] {
        &self.below[self.starts[parent] as usize..self.starts[parent + 1] as usize]
    }

    /// Where an actor is, whichever incarnation is meant.
    pub(crate) fn place(&self, id: ActorId, actors: &[Glance]) -> Option<usize> {
        let place = *self.places.get(id.index() as usize)?;
        actors.get(place as usize).filter(|actor| actor.pid.id == id).map(|_| place as usize)
    }

    pub(crate) fn above(&self, place: usize) -> Option<usize> {
        Some(self.above[place] as usize).filter(|&above| above != NONE as usize)
    }

    /// Those below an actor, or those at the top, in their order.
    pub(crate) fn below(&self, place: Option<usize>) -> impl ExactSizeIterator<Item = usize> {
        self.group_of(place.unwrap_or(self.above.len())).iter().map(|&child| child as usize)
    }

    /// Where an actor is in the order of the tree, and how far below the top; nothing of who is below itself.
    pub(crate) fn rank(&self, place: usize) -> Option<(u32, usize)> {
        let rank = self.ranks[place];
        self.order.get(rank as usize).map(|&(_, level)| (rank, level as usize))
    }

    /// An actor and those below it, parents first, with how far below they are; everybody if none is named.
    pub(crate) fn branch(&self, top: Option<usize>) -> impl Iterator<Item = (usize, usize)> {
        let start = top.map_or(0, |top| (self.ranks[top] as usize).min(self.order.len()));
        let base = self.order.get(start).map_or(0, |&(_, level)| level);
        let mut rest = self.order[start..].iter();
        let first = rest.next();
        let rest = rest.take_while(move |&&(_, level)| top.is_none() || level > base);
        first.into_iter().chain(rest).map(move |&(place, level)| (place as usize, (level - base) as usize))
    }
}

/// The place of its parent. A slot that is down has none: whoever started it last is above it as long as it is shown, living or
/// not, so that it keeps its path.
fn above(actor: &Glance, place: impl Fn(ActorId) -> Option<usize>) -> Option<usize> {
    if let Some(parent) = actor.parent() {
        return place(parent.id);
    }
    place(actor.owner()?.id)
}

/// Whether an incarnation lives.
pub(crate) fn is_living(state: State) -> bool {
    matches!(state, State::Starting | State::Running | State::Suspended)
}

/// Puts siblings in order, since a picture does not know in which they were started: by name, numbers as numbers, and those
/// without a name by identity.
fn arrange(siblings: &mut [u32], actors: &[Glance]) {
    let actor = |place: &u32| &actors[*place as usize];
    if siblings.iter().all(|place| actor(place).name.is_none()) {
        // They are several runs in order already, which a stable sort merges.
        siblings.sort_by_key(|place| actor(place).pid.id);
        return;
    }
    siblings.sort_by_cached_key(|place| Rank::of(actor(place)));
}

/// What siblings are ordered by.
#[derive(PartialEq, Eq)]
struct Rank<'a> {
    name: Option<&'a str>,
    number: Option<u64>,
    id: ActorId,
}

impl<'a> Rank<'a> {
    fn of(actor: &'a Glance) -> Self {
        let name = actor.name.as_deref();
        Self { name, number: name.and_then(|name| name.parse().ok()), id: actor.pid.id }
    }
}

impl Ord for Rank<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |rank: &Self| (rank.name.is_none(), rank.number);
        key(self).cmp(&key(other)).then_with(|| self.name.cmp(&other.name)).then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Rank<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree in which each is below the one that is named.
    fn grown(above: &[Option<u32>]) -> Forest {
        let mut forest =
            Forest { above: above.iter().map(|above| above.unwrap_or(NONE)).collect(), ..Forest::default() };
        forest.group();
        forest.walk();
        forest
    }

    #[test]
    fn a_walk_goes_down_before_it_goes_on_and_ends_whatever_the_picture_says() {
        // 0 ─ 1 ─ 2, 0 ─ 3; 4 and 5 are each other's parent; 6 is alone.
        let forest = grown(&[None, Some(0), Some(1), Some(0), Some(5), Some(4), None]);
        let all: Vec<_> = forest.branch(None).collect();
        assert_eq!(all, [(0, 0), (1, 1), (2, 2), (3, 1), (6, 0)]);
        assert_eq!(forest.branch(Some(1)).collect::<Vec<_>>(), [(1, 0), (2, 1)]);
        assert_eq!(forest.branch(Some(4)).collect::<Vec<_>>(), []);
        assert_eq!((forest.rank(3), forest.rank(4)), (Some((3, 1)), None));
        assert_eq!(forest.below(Some(0)).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(forest.below(None).collect::<Vec<_>>(), [0, 6]);
        assert_eq!((forest.above(2), forest.above(6)), (Some(1), None));
    }

    #[test]
    fn nobody_is_a_tree_too() {
        let forest = grown(&[]);
        assert_eq!((forest.branch(None).count(), forest.below(None).len()), (0, 0));
    }

    #[test]
    fn siblings_are_in_the_order_of_their_names_numbers_as_numbers_and_the_nameless_last() {
        let rank = |name| Rank { name, number: name.and_then(|name: &str| name.parse().ok()), id: ActorId::OUTSIDE };
        let mut ranks = [None, Some("10"), Some("b"), Some("9"), Some("a")].map(rank);
        ranks.sort();
        assert_eq!(ranks.map(|rank| rank.name), [Some("a"), Some("b"), Some("9"), Some("10"), None]);
    }
}
