//! What a receiver has to look at before its next message, as bits.
//!
//! ```text
//!  a sender                                   the receiver
//!  puts a signal into the lane                sees its next message ready        (Acquire)
//!  raises a bit                  (Release)    looks at the bits: none raised?    then takes the message
//!  sends a message               (Release)    else looks into the lane first
//! ```
//! The receiver looks at the bits *after* it has seen the message. So a bit that was raised before that message was sent
//! is seen: what one sender put into the lane is read before what it sent afterwards. The other way round, with the bits
//! first, both could arrive in between, and the message would pass the signal.
//!
//! That a signal does not pass the messages sent before it rests on its *ticket*, the mailbox's
//! [`tail`](crate::mailbox::Mailbox::tail) when it was put into the lane, under the lane's lock: it is due when the
//! receiver's [`position`](crate::mailbox::Receiver::position) has reached that. `loom-tests/tests/signals.rs` has both.

use crate::facade::{AtomicU32, Ordering};

/// Bits that senders raise, each before it wakes the receiver, and the receiver lowers, each under the lock of what it
/// speaks of.
#[derive(Debug)]
pub struct Attention(AtomicU32);

impl Attention {
    /// No bit is raised.
    #[expect(clippy::new_without_default, reason = "it belongs to a mailbox, and is no value of its own")]
    pub fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// The bits, as far as this thread has heard of them.
    #[inline(always)]
    pub fn bits(&self) -> u32 {
        // Relaxed: what must be seen was published by the message that was seen before.
        self.0.load(Ordering::Relaxed)
    }

    /// Raises bits.
    #[inline]
    pub fn raise(&self, bits: u32) {
        self.0.fetch_or(bits, Ordering::Release);
    }

    /// Makes the bits of `mask` those of `bits`, in one step.
    pub fn assign(&self, mask: u32, bits: u32) {
        // Release, as for bits that are raised.
        let _ = self.0.fetch_update(Ordering::Release, Ordering::Relaxed, |all| Some(all & !mask | bits & mask));
    }

    /// Lowers bits. One that is raised just now counts as raised afterwards.
    #[inline]
    pub fn lower(&self, bits: u32) {
        if self.bits() & bits != 0 {
            self.0.fetch_and(!bits, Ordering::Acquire);
        }
    }
}
