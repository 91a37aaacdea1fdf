//! How long after some trouble callers are served again.

use super::scene::Script;

/// So many slots to a deadline.
const SLOTS: u64 = 5;
/// Callers are served again when so many of a hundred are.
const SERVED: u64 = 95;

/// The calls behind the trouble by when they were due, in slots of a fifth of a deadline.
#[derive(Clone, Debug)]
pub(super) struct Recovery {
    /// When the trouble is over.
    from_ns: u64,
    slot_ns: u64,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    calls: u64,
    good: u64,
}

impl Recovery {
    pub(super) fn new(script: &Script, deadline_ns: u64) -> Self {
        let slot_ns = (deadline_ns / SLOTS).max(1);
        let from_ns = script.trouble.as_ref().map_or(u64::MAX, |trouble| trouble.end);
        let slots = script.end_ns().saturating_sub(from_ns).div_ceil(slot_ns) as usize;
        Recovery { from_ns, slot_ns, slots: vec![Slot::default(); slots] }
    }

    /// A call that was due at this time has ended.
    pub(super) fn note(&mut self, due_ns: u64, good: bool) {
        let slot = due_ns.checked_sub(self.from_ns).map(|after_ns| (after_ns / self.slot_ns) as usize);
        if let Some(slot) = slot.and_then(|slot| self.slots.get_mut(slot)) {
            slot.calls += 1;
            slot.good += u64::from(good);
        }
    }

    /// After what time 95 of 100 calls are good: of those of the next deadline, and of all that follow.
    pub(super) fn after_ms(&self) -> Option<f64> {
        let recovered = (0..self.slots.len()).find(|&first| {
            let next = self.slots.get(first..first + SLOTS as usize);
            next.is_some_and(are_served) && are_served(&self.slots[first..])
        });
        recovered.map(|slots| slots as f64 * self.slot_ns as f64 / 1e6)
    }
}

fn are_served(slots: &[Slot]) -> bool {
    let (calls, good) = slots.iter().fold((0, 0), |(calls, good), slot| (calls + slot.calls, good + slot.good));
    calls > 0 && good * 100 >= calls * SERVED
}

#[cfg(test)]
mod tests {
    use super::super::scene::Phase;
    use super::*;

    const MS: u64 = 1_000_000;

    /// A hundred calls each millisecond after the trouble, of which so many are good.
    fn after_ms(good: impl Fn(u64) -> u64) -> Option<f64> {
        let phases = vec![Phase { until_ns: 500 * MS, load: 1.0 }];
        let script = Script { phases, trouble: Some(0..100 * MS), ..Script::default() };
        let mut recovery = Recovery::new(&script, 50 * MS);
        for ms in 100..500 {
            (0..100).for_each(|n| recovery.note(ms * MS, n < good(ms - 100)));
        }
        // Before the trouble was over.
        (0..1_000_000).for_each(|_| recovery.note(50 * MS, false));
        recovery.after_ms()
    }

    #[test]
    fn who_serves_everybody_has_recovered_at_once() {
        assert_eq!(after_ms(|_| 96), Some(0.0));
    }

    #[test]
    fn a_backlog_that_is_worked_off_ends_the_recovery() {
        assert_eq!(after_ms(|ms| if ms < 120 { 0 } else { 100 }), Some(120.0));
    }

    #[test]
    fn who_fails_one_in_ten_never_recovers_and_neither_does_who_fails_later() {
        assert_eq!(after_ms(|_| 90), None);
        assert_eq!(after_ms(|ms| if ms < 200 { 100 } else { 0 }), None);
    }
}
