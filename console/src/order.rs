//! Who comes first, of any number: kept are no more than are wanted.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::picture::Picture;
use crate::protocol::Sort;

/// How many there are of these places, and the first so many of them in an order, or the reverse of it. Equals are in the order of the tree.
pub(crate) fn first(
    picture: &Picture,
    places: impl Iterator<Item = usize>,
    (sort, reversed): (Sort, bool),
    limit: usize,
) -> (usize, Vec<usize>) {
    let keys = places.map(|place| {
        let (size, rank) = (size(picture, place, sort), picture.rank(place));
        let size = if reversed { u64::MAX - size } else { size };
        // Of paths the order is the tree's, and nothing else.
        let rank = if reversed && sort == Sort::Path { u32::MAX - rank } else { rank };
        Key { size: Reverse(size), rank, place }
    });
    let (all, first) = least(keys, limit);
    (all, first.into_iter().map(|key| key.place).collect())
}

/// What somebody is placed by: the larger first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    size: Reverse<u64>,
    rank: u32,
    place: usize,
}

fn size(picture: &Picture, place: usize, sort: Sort) -> u64 {
    let actor = picture.actor(place);
    match sort {
        Sort::Depth => actor.depth.into(),
        Sort::InHand | Sort::Busy => actor.busy_for().map_or(0, |busy| 1 + busy.as_millis() as u64),
        Sort::Handled | Sort::Rate => actor.handled(),
        Sort::Oldest => picture.oldest(place).map_or(0, |age| 1 + age.as_millis() as u64),
        Sort::Restarts => actor.restarts().into(),
        Sort::Lost => lost(picture, place),
        Sort::Path => 0,
    }
}

/// Messages of an actor that nobody handled.
pub(crate) fn lost(picture: &Picture, place: usize) -> u64 {
    let law = picture.actor(place).law();
    law.given_up + law.undelivered
}

/// How many there are, and the least so many, in order.
fn least<T: Ord>(all: impl Iterator<Item = T>, limit: usize) -> (usize, Vec<T>) {
    let mut kept = BinaryHeap::new();
    let mut count = 0;
    for one in all {
        count += 1;
        if kept.len() < limit {
            kept.push(one);
        } else if let Some(mut last) = kept.peek_mut()
            && one < *last
        {
            *last = one;
        }
    }
    (count, kept.into_sorted_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_are_kept_in_order_and_all_are_counted() {
        let all = [5, 3, 9, 1, 7, 3];
        assert_eq!(least(all.into_iter(), 3), (6, vec![1, 3, 3]));
        assert_eq!(least(all.into_iter(), 9), (6, vec![1, 3, 3, 5, 7, 9]));
        assert_eq!(least(all.into_iter(), 0), (6, vec![]));
    }
}
