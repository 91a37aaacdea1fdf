//! Who calls: everybody alike, such as matter more and less, or a few modest ones beside one who is not.

use crate::dice::Dice;
use crate::peer::Class;

/// How callers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parties {
    /// Not at all.
    #[default]
    Alike,
    /// 10, 30, 40 and 20 of a hundred calls are of each [`Class`].
    Classes,
    /// Nine ask for a twentieth of the capacity each, and one for the rest.
    Hog,
}

/// Modest callers beside a hog, and what each asks for as a share of the capacity.
const MODEST: u8 = 9;
const EACH: f64 = 0.05;

/// What the modest ask for in all, as a share of the capacity.
pub(super) const MODEST_LOAD: f64 = MODEST as f64 * EACH;

/// Whoever makes one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// How much the call matters.
    pub(super) class: Class,
    /// On whose behalf it is made, if the actor may know.
    pub(super) whom: Option<u8>,
}

impl Caller {
    /// One like all others.
    pub(super) const USUAL: Self = Self { class: Class::Usual, whom: None };
}

impl Parties {
    /// What those are called whose calls are counted apart.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Alike => &[],
            Self::Classes => &["highest", "high", "usual", "low"],
            Self::Hog => &["modest", "hog"],
        }
    }

    /// Among which of them a caller is counted.
    pub(super) fn group(self, caller: Caller) -> Option<usize> {
        match self {
            Self::Alike => None,
            Self::Classes => Some(caller.class as usize),
            Self::Hog => Some(usize::from(caller.whom == Some(MODEST))),
        }
    }

    /// Draws who makes the next call, at a load in all.
    pub(super) fn draw(self, dice: &mut Dice, load: f64) -> Caller {
        match self {
            Self::Alike => Caller::USUAL,
            Self::Classes => Caller { class: class(dice.below(100)), whom: None },
            Self::Hog => {
                let drawn = dice.uniform() * load / EACH;
                let whom = if drawn < f64::from(MODEST) { drawn as u8 } else { MODEST };
                Caller { whom: Some(whom), ..Caller::USUAL }
            }
        }
    }
}

fn class(of_hundred: u64) -> Class {
    match of_hundred {
        0..10 => Class::Highest,
        10..40 => Class::High,
        40..80 => Class::Usual,
        _ => Class::Low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(parties: Parties, load: f64) -> Vec<u32> {
        let (mut dice, mut counts) = (Dice::of(1, 2), vec![0; parties.names().len()]);
        for _ in 0..10_000 {
            counts[parties.group(parties.draw(&mut dice, load)).expect("they differ")] += 1;
        }
        counts
    }

    #[test]
    fn of_the_calls_each_party_makes_its_share() {
        let near = |counts: &[u32], expected: &[u32]| {
            counts.iter().zip(expected).all(|(count, expected)| count.abs_diff(*expected) < 200)
        };
        assert!(near(&counts(Parties::Classes, 2.0), &[1_000, 3_000, 4_000, 2_000]));
        assert!(near(&counts(Parties::Hog, 0.9), &[5_000, 5_000]));
        assert!(near(&counts(Parties::Hog, 20.45), &[220, 9_780]));
        assert_eq!(Parties::Alike.group(Caller::USUAL), None);
    }

    #[test]
    fn the_classes_are_named_as_the_peers_know_them() {
        assert_eq!(Parties::Classes.names(), Class::ALL.map(Class::name));
    }
}
