//! A name that lives for ever, in one word.
//!
//! ```text
//!   63 62        48 47                                0
//!   ┌─┬────────────┬───────────────────────────────────┐
//!   │m│ length     │ address                           │   m: a mark, of its owner's meaning
//!   └─┴────────────┴───────────────────────────────────┘
//! ```
//! So what an actor has in hand can be read by anybody while the actor goes on: one store says it, one load reads it.

use std::{
    fmt, ptr, slice, str,
    sync::atomic::{AtomicU64, Ordering},
};

/// A `&'static str`, or none, and a mark.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Label(u64);

const LENGTH: u32 = 48;
const MARK: u64 = 1 << 63;
/// The longest name that is kept whole.
const LONGEST: usize = (1 << 15) - 1;

impl Label {
    /// No name.
    pub const NONE: Self = Self(0);

    /// That name. Of one longer than 32,767 bytes so much as whole characters have; a name at an address that does not
    /// fit into 48 bits, or an empty one, is "?".
    #[inline(always)]
    pub fn new(name: &'static str) -> Self {
        let address = name.as_ptr().expose_provenance() as u64;
        if name.len() > LONGEST || address >> LENGTH != 0 || name.is_empty() {
            return Self::unusual(name);
        }
        Self(address | (name.len() as u64) << LENGTH)
    }

    #[cold]
    fn unusual(name: &'static str) -> Self {
        let kept = &name[..name.floor_char_boundary(LONGEST)];
        if kept.is_empty() || kept.as_ptr().addr() as u64 >> LENGTH != 0 { Self::UNKNOWN } else { Self::new(kept) }
    }

    /// A name of which nothing is known: "?".
    pub const UNKNOWN: Self = Self(1);

    /// The same with the mark.
    #[must_use]
    #[inline(always)]
    pub fn marked(self) -> Self {
        Self(self.0 | MARK)
    }

    /// The same without.
    #[must_use]
    pub fn unmarked(self) -> Self {
        Self(self.0 & !MARK)
    }

    /// Whether it has the mark.
    pub fn is_marked(self) -> bool {
        self.0 & MARK != 0
    }

    /// Whether it is no name.
    #[inline(always)]
    pub fn is_none(self) -> bool {
        self.0 & !MARK == 0
    }

    /// The name.
    pub fn name(self) -> Option<&'static str> {
        let word = self.0 & !MARK;
        match (word & ((1 << LENGTH) - 1), (word >> LENGTH) as usize) {
            (0, _) => None,
            (_, 0) => Some("?"),
            (address, length) => {
                let start = ptr::with_exposed_provenance::<u8>(address as usize);
                // SAFETY: an address with a length came from `new`: those of a `&'static str`, whose provenance was exposed.
                Some(unsafe { str::from_utf8_unchecked(slice::from_raw_parts(start, length)) })
            }
        }
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Label").field(&self.name()).field(&self.is_marked()).finish()
    }
}

/// A label that one writes and anybody reads. It orders nothing.
#[derive(Debug, Default)]
pub struct SharedLabel(AtomicU64);

impl SharedLabel {
    /// The label that was set last.
    #[inline(always)]
    pub fn get(&self) -> Label {
        Label(self.0.load(Ordering::Relaxed))
    }

    /// Sets it.
    #[inline(always)]
    pub fn set(&self, label: Label) {
        self.0.store(label.0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_with_its_mark_and_without() {
        for name in ["Sell", "a", "größer", "app::Order::Place"] {
            let label = Label::new(name);
            assert_eq!((label.name(), label.is_marked(), label.is_none()), (Some(name), false, false));
            let marked = label.marked();
            assert_eq!((marked.name(), marked.is_marked(), marked.is_none()), (Some(name), true, false));
            assert_eq!(marked.unmarked(), label);
        }
        assert_eq!((Label::NONE.name(), Label::NONE.is_none(), Label::NONE.marked().is_none()), (None, true, true));
    }

    #[test]
    fn what_is_unusual_is_cut_or_unknown() {
        assert_eq!(Label::new("").name(), Some("?"));
        let long: &'static str = Box::leak("ä".repeat(20_000).into_boxed_str());
        let cut = Label::new(long).name().expect("it is a name");
        assert!(long.starts_with(cut) && cut.len() == 32_766, "{} bytes", cut.len());
    }

    #[test]
    fn a_shared_label_says_what_was_set_last() {
        let shared = SharedLabel::default();
        assert!(shared.get().is_none());
        shared.set(Label::new("Sell").marked());
        assert_eq!(shared.get(), Label::new("Sell").marked());
        shared.set(Label::NONE);
        assert_eq!(shared.get().name(), None);
    }
}
