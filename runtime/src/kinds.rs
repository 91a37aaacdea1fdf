//! Which kinds of message an actor has had in hand: the last sixteen.

use crashworthy_sync::label::Label;

/// How many kinds a crash report looks back.
pub(crate) const LOOK_BACK: usize = 16;

/// The last part of a path: what people call a type.
pub(crate) fn short(kind: &'static str) -> &'static str {
    let name = kind.as_bytes().windows(2).rposition(|pair| pair == b"::").map_or(kind, |at| &kind[at + 2..]);
    if name.is_empty() { "?" } else { name }
}

/// What people call the kind with this label.
pub(crate) fn called(kind: Label) -> &'static str {
    short(kind.name().unwrap_or_default())
}

/// The kinds of the last messages of one incarnation, and when they were taken. Owned by the incarnation.
///
/// Most messages are of the kind of the one before, and taken in the same step of the coarse clock: those are counted, and
/// entered when another kind or another step comes.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// The kind met last, as its message says it, and as it is noted.
    last: &'static str,
    label: Label,
    /// When the last was taken: a stamp of the coarse clock.
    taken: u32,
    /// Messages like the last that are not entered yet.
    pending: u32,
    /// What came before. Most have nothing of it.
    before: Option<Box<Before>>,
}

#[derive(Debug, Default)]
struct Before {
    kinds: [Label; LOOK_BACK],
    taken: [u32; LOOK_BACK],
    /// How many were entered; once the rings are full it stays within their second round.
    entered: u8,
}

impl Before {
    fn enter(&mut self, kind: Label, taken: u32) {
        const FULL: u8 = LOOK_BACK as u8;
        let at = usize::from(self.entered % FULL);
        (self.kinds[at], self.taken[at]) = (kind, taken);
        self.entered = if self.entered == 2 * FULL - 1 { FULL } else { self.entered + 1 };
    }
}

impl Recent {
    /// Records a kind, and when it was taken, and returns its label. If it is another than the last, that is told first: an empty
    /// text of the first.
    #[inline(always)]
    pub(crate) fn note(
        &mut self,
        kind: &'static str,
        taken: u32,
        turns: impl FnOnce(&'static str, &'static str),
    ) -> Label {
        if !std::ptr::eq(self.last, kind) || self.taken != taken {
            self.change(kind, taken, turns);
        }
        // Not so many in one step of the clock that this wraps.
        self.pending = self.pending.wrapping_add(1);
        self.label
    }

    #[inline(never)]
    fn change(&mut self, kind: &'static str, taken: u32, turns: impl FnOnce(&'static str, &'static str)) {
        if !std::ptr::eq(self.last, kind) {
            turns(self.last, kind);
        }
        self.enter();
        (self.last, self.label, self.taken) = (kind, Label::new(kind), taken);
    }

    /// Enters what is pending.
    fn enter(&mut self) {
        let pending = std::mem::take(&mut self.pending).min(LOOK_BACK as u32);
        if pending > 0 {
            let before = self.before.get_or_insert_default();
            for _ in 0..pending {
                before.enter(self.label, self.taken);
            }
        }
    }

    /// The kinds and when each was taken, oldest first.
    pub(crate) fn kinds(&mut self) -> Vec<(&'static str, u32)> {
        self.enter();
        let Some(before) = &self.before else { return Vec::new() };
        let entered = usize::from(before.entered);
        let places = (entered.saturating_sub(LOOK_BACK)..entered).map(|at| at % LOOK_BACK);
        places.map(|at| (called(before.kinds[at]), before.taken[at])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_to_know_is_told_when_another_kind_comes_and_not_when_the_clock_goes_on() {
        let (mut recent, mut told) = (Recent::default(), Vec::new());
        for (kind, taken) in [("sell", 1), ("sell", 2), ("buy", 2), ("buy", 3), ("sell", 3)] {
            recent.note(kind, taken, |last, kind| told.push((last, kind)));
        }
        assert_eq!(told, [("", "sell"), ("sell", "buy"), ("buy", "sell")]);
    }

    #[test]
    fn the_last_sixteen_kinds_come_oldest_first_with_their_times() {
        let (mut recent, told) = (Recent::default(), |_, _| {});
        let [first, sell, total] = ["first", "shop::sell", "total"];
        assert_eq!(recent.kinds(), []);
        recent.note(first, 1, told);
        for _ in 0..LOOK_BACK - 1 {
            recent.note(sell, 2, told);
        }
        assert_eq!(recent.kinds()[0], ("first", 1));
        recent.note(total, 2, told);
        let kinds = recent.kinds();
        assert_eq!((kinds.len(), kinds[0], kinds[LOOK_BACK - 1]), (LOOK_BACK, ("sell", 2), ("total", 2)));
        for time in 0..2 * LOOK_BACK as u32 + 3 {
            recent.note(sell, 3 + time / 8, told);
        }
        recent.note(total, 9, told);
        let kinds = recent.kinds();
        assert_eq!((kinds.len(), kinds[0], kinds[LOOK_BACK - 1]), (LOOK_BACK, ("sell", 5), ("total", 9)));
        assert!(kinds.is_sorted_by_key(|(_, taken)| *taken));
    }
}
