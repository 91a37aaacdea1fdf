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

/// The kinds of the last messages of one incarnation, newest last. Owned by the incarnation.
///
/// Most messages are of the kind of the one before: those are counted, and entered when another kind comes.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Address of the name met last.
    last_address: usize,
    /// Its index.
    last: u8,
    /// Kinds entered; once the ring is full it stays within its second round.
    entered: u8,
    /// Messages of the last kind that are not entered yet.
    pending: u32,
    ring: [u8; LOOK_BACK],
    /// Every name met, if there are several.
    #[expect(clippy::box_collection, reason = "one word in the many that have none")]
    known: Option<Box<Vec<(usize, u8)>>>,
}

impl Recent {
    /// Records a kind and returns its index.
    #[inline(always)]
    pub(crate) fn note(&mut self, kind: &'static str, names: &KindNames) -> u8 {
        let address = kind.as_ptr() as usize;
        if self.last_address != address {
            self.change(address, kind, names);
        }
        self.pending = self.pending.saturating_add(1);
        self.last
    }

    #[inline(never)]
    fn change(&mut self, address: usize, kind: &'static str, names: &KindNames) {
        self.enter();
        self.last = self.find(address, kind, names);
        self.last_address = address;
    }

    /// Enters what is pending.
    fn enter(&mut self) {
        const FULL: u8 = LOOK_BACK as u8;
        for _ in 0..std::mem::take(&mut self.pending).min(u32::from(FULL)) {
            self.ring[usize::from(self.entered % FULL)] = self.last;
            self.entered = if self.entered == 2 * FULL - 1 { FULL } else { self.entered + 1 };
        }
    }

    fn find(&mut self, address: usize, kind: &'static str, names: &KindNames) -> u8 {
        if self.last_address == 0 {
            return names.intern(kind);
        }
        let first = (self.last_address, self.last);
        let known = self.known.get_or_insert_with(|| Box::new(vec![first]));
        if let Some((_, index)) = known.iter().find(|(known, _)| *known == address) {
            return *index;
        }
        let index = names.intern(kind);
        if known.len() < KINDS {
            known.push((address, index));
        }
        index
    }

    /// The kinds, oldest first.
    pub(crate) fn kinds(&mut self, names: &KindNames) -> Vec<&'static str> {
        self.enter();
        let entered = usize::from(self.entered);
        (entered.saturating_sub(LOOK_BACK)..entered).map(|at| names.name(self.ring[at % LOOK_BACK])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sixteen_kinds_come_oldest_first() {
        let (names, mut recent) = (KindNames::default(), Recent::default());
        recent.note("first", &names);
        for _ in 0..LOOK_BACK - 1 {
            recent.note("sell", &names);
        }
        assert_eq!(recent.kinds(&names)[0], "first");
        recent.note("total", &names);
        let kinds = recent.kinds(&names);
        assert_eq!((kinds.len(), kinds[0], kinds[LOOK_BACK - 1]), (LOOK_BACK, "sell", "total"));
        for _ in 0..2 * LOOK_BACK + 3 {
            recent.note("sell", &names);
        }
        recent.note("total", &names);
        let kinds = recent.kinds(&names);
        assert_eq!((kinds.len(), kinds[0], kinds[LOOK_BACK - 1]), (LOOK_BACK, "sell", "total"));
    }
}
