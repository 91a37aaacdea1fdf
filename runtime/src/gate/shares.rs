//! Who has how many of the places of an actor that refuses.
//!
//! Callers are told apart by their *flow*: a small number drawn from who began the call, so that somebody who asks for too
//! much is found behind a middleman whom others share. While an actor refuses, and more than one flow asks, a flow may have
//! as many places as are free: who asks for little finds some, who asks for much is served as long as he leaves some. That
//! is a *dynamic threshold*, as switches have for the buffers that their ports share (Choudhury and Hahne, 1998).
//!
//! Flows that meet in one number are taken for one. They are salted, so that nobody can choose whom he meets.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

/// How many numbers there are. 0 stands for whoever has none.
pub(crate) const FLOWS: usize = 64;

/// An actor that shares its places has at least so many.
pub(super) const LEAST_SHARED: u32 = 16;

/// The places of one actor that refuses.
#[derive(Debug)]
pub(crate) struct Shares {
    /// Counted by those who get places, and by the actor when it takes their messages. Of two who do so at once either may be
    /// the first.
    held: [AtomicI32; FLOWS],
    /// Which flow asked last: the lower byte; and until when there is more than one.
    last: AtomicU64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { held: [const { AtomicI32::new(0) }; FLOWS], last: AtomicU64::new(0) }
    }
}

impl Shares {
    /// A flow asks for a place. How many it has, if there are others: any that has asked not longer ago than this.
    pub(super) fn ask(&self, flow: u8, now: u64, memory_ns: u64) -> Option<u32> {
        // 256 ns are no time.
        let (last, now) = (self.last.load(Relaxed), now >> 8);
        let until = match last {
            0 => 0,
            _ if last as u8 == flow => last >> 8,
            _ => now.saturating_add(memory_ns >> 8),
        };
        let next = until << 8 | u64::from(flow);
        if next != last {
            self.last.store(next, Relaxed);
        }
        (now < until).then(|| self.held(flow))
    }

    fn held(&self, flow: u8) -> u32 {
        let held = self.held[usize::from(flow) % FLOWS].load(Relaxed);
        u32::try_from(held).unwrap_or(0)
    }

    /// A flow has one place more.
    pub(crate) fn takes(&self, flow: u8) {
        self.held[usize::from(flow) % FLOWS].fetch_add(1, Relaxed);
    }

    /// A flow has one place less.
    pub(crate) fn gives_back(&self, flow: u8) {
        self.held[usize::from(flow) % FLOWS].fetch_sub(1, Relaxed);
    }
}

/// The flow of calls that a key stands for, never 0.
pub(crate) fn flow_of(key: &impl Hash, salt: u64) -> u8 {
    mixed(BuildHasherDefault::<DefaultHasher>::default().hash_one((salt, key)))
}

/// The flow of calls that begin with an actor.
#[inline(always)]
pub(crate) fn flow_of_actor(id: u64, salt: u64) -> u8 {
    // One multiplication spreads identities, which come one after the other.
    mixed((id ^ salt).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// From 1 to 63.
#[inline(always)]
fn mixed(bits: u64) -> u8 {
    (((bits >> 32) * (FLOWS as u64 - 1)) >> 32) as u8 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_limited_who_is_alone_or_has_been_for_long() {
        let (shares, ms) = (Shares::default(), 1_000_000);
        for at in 0..10 {
            assert_eq!(shares.ask(7, at * ms, 50 * ms), None);
            shares.takes(7);
        }
        assert_eq!(shares.ask(9, 10 * ms, 50 * ms), Some(0));
        assert_eq!(shares.ask(7, 11 * ms, 50 * ms), Some(10));
        shares.gives_back(7);
        assert_eq!(shares.ask(7, 60 * ms, 50 * ms), Some(9));
        assert_eq!(shares.ask(7, 62 * ms, 50 * ms), None, "the other has not asked for a deadline");
    }

    #[test]
    fn whoever_gives_back_before_he_is_seen_to_take_owes_nothing() {
        let shares = Shares::default();
        shares.gives_back(3);
        assert_eq!(shares.held(3), 0);
        shares.takes(3);
        shares.takes(3);
        assert_eq!(shares.held(3), 1);
    }

    #[test]
    fn flows_are_spread_and_another_salt_spreads_them_otherwise() {
        let count = |flow: &dyn Fn(u64) -> u8| {
            let mut seen = [0_u32; FLOWS];
            (0..6_300).for_each(|id| seen[usize::from(flow(id))] += 1);
            seen
        };
        for salt in [1, 0x5DEE_CE66_D1CE_4E5B] {
            for seen in [count(&|id| flow_of_actor(id, salt)), count(&|id| flow_of(&id, salt))] {
                assert_eq!(seen[0], 0);
                assert!(seen[1..].iter().all(|&seen| (40..180).contains(&seen)), "{seen:?}");
            }
        }
        let flows = |salt| (0..100).map(|id| flow_of_actor(id, salt)).collect::<Vec<_>>();
        assert_ne!(flows(1), flows(0x5DEE_CE66_D1CE_4E5B));
    }
}
