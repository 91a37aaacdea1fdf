//! Where timers live: fixed segments, never moved, freed when empty.

use std::sync::Arc;
use std::task::Waker;

use super::wheel::Expire;

/// Nodes per segment: 32 KiB of them.
const SEGMENT: usize = 1 << SEGMENT_BITS;
const SEGMENT_BITS: u32 = 9;

/// The index that names no node.
pub(super) const NIL: u32 = u32::MAX;

/// What is done when a timer ends.
pub(super) enum Entry {
    /// The node is free.
    Vacant,
    Call(Arc<dyn Expire>, u64),
    Wake(Waker),
}

/// One timer: a cache line.
pub(super) struct Node {
    /// Never given twice within a slab, so that a stale key meets a stranger and notices. 0 in a free node.
    pub(super) serial: u64,
    pub(super) tick: u64,
    /// Neighbours in the ring of a slot; `next` links the free nodes of a segment.
    pub(super) prev: u32,
    pub(super) next: u32,
    /// Level and digit of the slot it is in.
    pub(super) place: (u8, u8),
    pub(super) entry: Entry,
}

struct Segment {
    nodes: Box<[Node]>,
    free: u32,
    live: u32,
    /// Is on the list of segments with room.
    listed: bool,
}

pub(super) struct Slab {
    segments: Vec<Option<Segment>>,
    /// Numbers in `segments` without a segment.
    vacant: Vec<u32>,
    /// Segments that have room, besides the current one. May name some that have filled up or gone since.
    roomy: Vec<u32>,
    /// Where new nodes are taken from.
    current: u32,
    len: usize,
    serials: u64,
}

impl Slab {
    pub(super) const fn new() -> Self {
        Self { segments: Vec::new(), vacant: Vec::new(), roomy: Vec::new(), current: NIL, len: 0, serials: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of nodes held, used or not.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.segments.iter().flatten().count() * SEGMENT * size_of::<Node>()
    }

    pub(super) fn insert(&mut self, tick: u64, entry: Entry) -> (u32, u64) {
        let number = self.with_room();
        self.serials += 1;
        self.len += 1;
        let serial = self.serials;
        let segment = self.segment(number);
        let offset = segment.free;
        let node = &mut segment.nodes[offset as usize];
        segment.free = node.next;
        segment.live += 1;
        *node = Node { serial, tick, prev: NIL, next: NIL, place: (0, 0), entry };
        (number << SEGMENT_BITS | offset, serial)
    }

    /// Frees a node that is in no ring.
    pub(super) fn remove(&mut self, index: u32) -> Entry {
        let (number, offset) = (index >> SEGMENT_BITS, index & (SEGMENT as u32 - 1));
        let current = self.current;
        let segment = self.segment(number);
        let (node, free) = (&mut segment.nodes[offset as usize], segment.free);
        let entry = std::mem::replace(&mut node.entry, Entry::Vacant);
        (node.serial, node.next) = (0, free);
        segment.free = offset;
        segment.live -= 1;
        let (emptied, list) = (segment.live == 0 && number != current, !segment.listed && number != current);
        if emptied {
            self.segments[number as usize] = None;
            self.vacant.push(number);
        } else if list {
            segment.listed = true;
            self.roomy.push(number);
        }
        self.len -= 1;
        if self.len == 0 {
            self.give_back();
        }
        entry
    }

    /// Leaves an empty slab, which goes on counting.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self { serials: self.serials, ..Self::new() };
        std::mem::replace(self, empty)
    }

    /// What all its nodes hold.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        let nodes = self.segments.into_iter().flatten().flat_map(|segment| segment.nodes);
        nodes.filter(|node| node.serial != 0).map(|node| node.entry)
    }

    /// The node of this index if it is still the one of this serial.
    pub(super) fn get(&self, index: u32, serial: u64) -> Option<&Node> {
        let segment = self.segments.get((index >> SEGMENT_BITS) as usize)?.as_ref()?;
        Some(&segment.nodes[(index & (SEGMENT as u32 - 1)) as usize]).filter(|node| node.serial == serial)
    }

    pub(super) fn node(&mut self, index: u32) -> &mut Node {
        let segment = self.segment(index >> SEGMENT_BITS);
        &mut segment.nodes[(index & (SEGMENT as u32 - 1)) as usize]
    }

    fn segment(&mut self, number: u32) -> &mut Segment {
        self.segments[number as usize].as_mut().expect("a node in use keeps its segment")
    }

    /// The number of a segment with a free node, which becomes the current one.
    fn with_room(&mut self) -> u32 {
        let has_room = |segments: &[Option<Segment>], number: u32| {
            segments.get(number as usize).and_then(Option::as_ref).is_some_and(|segment| segment.free != NIL)
        };
        if has_room(&self.segments, self.current) {
            return self.current;
        }
        while let Some(number) = self.roomy.pop() {
            if has_room(&self.segments, number) {
                self.segment(number).listed = false;
                self.current = number;
                return number;
            }
        }
        let segment = Segment { nodes: free_nodes(), free: 0, live: 0, listed: false };
        self.current = match self.vacant.pop() {
            Some(number) => {
                self.segments[number as usize] = Some(segment);
                number
            }
            None => {
                let number = self.segments.len() as u32;
                assert!(number < NIL >> SEGMENT_BITS, "a wheel's shard holds fewer than 2^32 timers");
                self.segments.push(Some(segment));
                number
            }
        };
        self.current
    }

    /// Nothing is armed: keeps the current segment, for the next timer, and gives the lists back.
    fn give_back(&mut self) {
        if self.segments.len() > 1 {
            let kept = self.segments[self.current as usize].take();
            *self = Self { serials: self.serials, current: 0, segments: vec![kept], ..Self::new() };
        }
    }
}

fn free_nodes() -> Box<[Node]> {
    (1..=SEGMENT as u32)
        .map(|next| Node {
            serial: 0,
            tick: 0,
            prev: NIL,
            next: if next == SEGMENT as u32 { NIL } else { next },
            place: (0, 0),
            entry: Entry::Vacant,
        })
        .collect()
}

const _: () = assert!(size_of::<Node>() == 64 || !cfg!(target_pointer_width = "64"), "a node is one cache line");
