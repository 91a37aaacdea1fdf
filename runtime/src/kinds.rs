//! Which kinds of message an actor has had in hand: a name for each, and the last sixteen.

use parking_lot::Mutex;

/// Most kinds told apart in one actor; what comes later counts as the last.
const KINDS: usize = 255;
/// How many kinds a crash report looks back.
pub(crate) const LOOK_BACK: usize = 16;

/// The last part of a path: what people call a type.
pub(crate) fn short(kind: &'static str) -> &'static str {
    kind.as_bytes().windows(2).rposition(|pair| pair == b"::").map_or(kind, |at| &kind[at + 2..])
}

/// The names of the kinds an actor has met, in order of first meeting. Grows only; read by inspectors.
#[derive(Debug, Default)]
pub(crate) struct KindNames(Mutex<Names>);

/// Most actors are told one kind of thing, or none.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "no longer than one name")]
enum Names {
    /// Empty, as long as there is none.
    One(&'static str),
    More(Box<Vec<&'static str>>),
}

impl Default for Names {
    fn default() -> Self {
        Self::One("")
    }
}

/// The index of a message that has not said what it is.
pub(crate) const UNKNOWN: u32 = KINDS as u32;

impl KindNames {
    pub(crate) fn name(&self, index: u8) -> &'static str {
        match &*self.0.lock() {
            Names::One(name) if index == 0 && !name.is_empty() => name,
            Names::One(_) => "?",
            Names::More(names) => names.get(index as usize).copied().unwrap_or("?"),
        }
    }

    fn intern(&self, kind: &'static str) -> u8 {
        let kind = match short(kind) {
            "" => "?",
            kind => kind,
        };
        let mut names = self.0.lock();
        let index = match &mut *names {
            Names::One(first) if first.is_empty() || *first == kind => {
                *first = kind;
                0
            }
            Names::One(first) => {
                *names = Names::More(Box::new(vec![first, kind]));
                1
            }
            Names::More(names) => names.iter().position(|name| *name == kind).unwrap_or_else(|| {
                if names.len() < KINDS {
                    names.push(kind);
                }
                names.len() - 1
            }),
        };
        index as u8
    }
}

/// The kinds of the last messages of one incarnation, and when they were taken. Owned by the incarnation.
///
/// Most messages are of the kind of the one before, and taken in the same step of the coarse clock: those are counted, and
/// entered when another kind or another step comes.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Address of the name met last.
    last_address: usize,
    /// When the last was taken: a stamp of the coarse clock.
    taken: u32,
    /// Messages like the last that are not entered yet.
    pending: u32,
    /// Index of the name met last.
    last: u8,
    /// What came before. Most have nothing of it.
    before: Option<Box<Before>>,
}

#[derive(Debug, Default)]
struct Before {
    /// Every name met, if there are several.
    known: Vec<(usize, u8)>,
    taken: [u32; LOOK_BACK],
    kinds: [u8; LOOK_BACK],
    /// How many were entered; once the rings are full it stays within their second round.
    entered: u8,
}

impl Before {
    fn enter(&mut self, kind: u8, taken: u32) {
        const FULL: u8 = LOOK_BACK as u8;
        let at = usize::from(self.entered % FULL);
        (self.kinds[at], self.taken[at]) = (kind, taken);
        self.entered = if self.entered == 2 * FULL - 1 { FULL } else { self.entered + 1 };
    }
}

impl Recent {
    /// Records a kind, and when it was taken, and returns its index.
    #[inline(always)]
    pub(crate) fn note(&mut self, kind: &'static str, taken: u32, names: &KindNames) -> u8 {
        let address = kind.as_ptr() as usize;
        if self.last_address != address || self.taken != taken {
            self.change(address, kind, taken, names);
        }
        // Not so many in one step of the clock that this wraps.
        self.pending = self.pending.wrapping_add(1);
        self.last
    }

    #[inline(never)]
    fn change(&mut self, address: usize, kind: &'static str, taken: u32, names: &KindNames) {
        self.enter();
        if self.last_address != address {
            self.last = self.find(address, kind, names);
            self.last_address = address;
        }
        self.taken = taken;
    }

    /// Enters what is pending.
    fn enter(&mut self) {
        let pending = std::mem::take(&mut self.pending).min(LOOK_BACK as u32);
        if pending > 0 {
            let before = self.before.get_or_insert_default();
            for _ in 0..pending {
                before.enter(self.last, self.taken);
            }
        }
    }

    fn find(&mut self, address: usize, kind: &'static str, names: &KindNames) -> u8 {
        if self.last_address == 0 {
            return names.intern(kind);
        }
        let known = &mut self.before.get_or_insert_default().known;
        if known.is_empty() {
            known.push((self.last_address, self.last));
        }
        if let Some((_, index)) = known.iter().find(|(known, _)| *known == address) {
            return *index;
        }
        let index = names.intern(kind);
        if known.len() < KINDS {
            known.push((address, index));
        }
        index
    }

    /// The kinds and when each was taken, oldest first.
    pub(crate) fn kinds(&mut self, names: &KindNames) -> Vec<(&'static str, u32)> {
        self.enter();
        let Some(before) = &self.before else { return Vec::new() };
        let entered = usize::from(before.entered);
        let places = (entered.saturating_sub(LOOK_BACK)..entered).map(|at| at % LOOK_BACK);
        places.map(|at| (names.name(before.kinds[at]), before.taken[at])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sixteen_kinds_come_oldest_first_with_their_times() {
        let (names, mut recent) = (KindNames::default(), Recent::default());
        assert_eq!(recent.kinds(&names), []);
        recent.note("first", 1, &names);
        for _ in 0..LOOK_BACK - 1 {
            recent.note("sell", 2, &names);
        }
        assert_eq!(recent.kinds(&names)[0], ("first", 1));
        recent.note("total", 2, &names);
        let kinds = recent.kinds(&names);
        assert_eq!((kinds.len(), kinds[0], kinds[LOOK_BACK - 1]), (LOOK_BACK, ("sell", 2), ("total", 2)));
        for time in 0..2 * LOOK_BACK as u32 + 3 {
            recent.note("sell", 3 + time / 8, &names);
        }
        recent.note("total", 9, &names);
        let kinds = recent.kinds(&names);
        assert_eq!((kinds.len(), kinds[0], kinds[LOOK_BACK - 1]), (LOOK_BACK, ("sell", 5), ("total", 9)));
        assert!(kinds.is_sorted_by_key(|(_, taken)| *taken));
    }
}
