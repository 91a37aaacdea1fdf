//! Units promised to orders that are not on disk yet.

use std::collections::HashMap;
use std::time::Instant;

/// Names a reservation.
pub(crate) type HoldId = u64;

/// The reservations of an inventory, at most so many.
pub(crate) struct Holds {
    room: usize,
    last: HoldId,
    held: HashMap<HoldId, Hold>,
    units: HashMap<String, u32>,
}

struct Hold {
    lines: Vec<(String, u32)>,
    until: Instant,
}

impl Holds {
    /// Ids begin after `first`, so that two incarnations do not give the same one.
    pub(crate) fn new(room: usize, first: HoldId) -> Self {
        Self { room, last: first, held: HashMap::new(), units: HashMap::new() }
    }

    /// Units of a product that are held.
    pub(crate) fn units(&self, sku: &str) -> u32 {
        self.units.get(sku).copied().unwrap_or(0)
    }

    /// Units that are held, of each product that has any, by name.
    pub(crate) fn by_product(&self) -> Vec<(&str, u32)> {
        let mut held: Vec<_> = self.units.iter().map(|(sku, units)| (sku.as_str(), *units)).collect();
        held.sort_unstable();
        held
    }

    /// How many reservations there are.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Holds these units; `None` when there are too many reservations.
    pub(crate) fn hold(&mut self, lines: Vec<(String, u32)>, until: Instant) -> Option<HoldId> {
        if self.held.len() >= self.room {
            return None;
        }
        for (sku, units) in &lines {
            *self.units.entry(sku.clone()).or_default() += units;
        }
        self.last += 1;
        self.held.insert(self.last, Hold { lines, until });
        Some(self.last)
    }

    /// Ends a reservation: it has become an order, or nothing. One that is not there any more is no error.
    pub(crate) fn end(&mut self, id: HoldId) {
        let Some(hold) = self.held.remove(&id) else {
            return;
        };
        for (sku, units) in hold.lines {
            let Some(all) = self.units.get_mut(&sku) else {
                continue;
            };
            *all -= units;
            if *all == 0 {
                self.units.remove(&sku);
            }
        }
    }

    /// Ends what nobody ended in time. Returns how many.
    pub(crate) fn sweep(&mut self, now: Instant) -> usize {
        let late: Vec<HoldId> = self.held.iter().filter(|(_, hold)| hold.until <= now).map(|(&id, _)| id).collect();
        late.iter().for_each(|&id| self.end(id));
        late.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn units_are_held_until_the_reservation_ends() {
        let (mut holds, now) = (Holds::new(10, 0), Instant::now());
        let first = holds.hold(vec![("mug".to_owned(), 2), ("mug".to_owned(), 1)], now).expect("room");
        let second = holds.hold(vec![("mug".to_owned(), 4)], now).expect("room");
        assert_eq!(holds.units("mug"), 7);
        holds.end(first);
        holds.end(first);
        assert_eq!(holds.units("mug"), 4);
        holds.end(second);
        assert_eq!(holds.units("mug"), 0);
        assert!(holds.units.is_empty());
    }

    #[test]
    fn a_reservation_nobody_ends_is_swept() {
        let (mut holds, now) = (Holds::new(10, 0), Instant::now());
        holds.hold(vec![("mug".to_owned(), 1)], now).expect("room");
        holds.hold(vec![("mug".to_owned(), 1)], now + Duration::from_secs(1)).expect("room");
        assert_eq!(holds.sweep(now), 1);
        assert_eq!(holds.units("mug"), 1);
    }

    #[test]
    fn reservations_are_bounded() {
        let (mut holds, now) = (Holds::new(1, 0), Instant::now());
        assert!(holds.hold(Vec::new(), now).is_some());
        assert!(holds.hold(Vec::new(), now).is_none());
    }
}
