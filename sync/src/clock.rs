//! The monotonic clock as a number.
//!
//! It is the clock of [`std::time::Instant`]. That makes a difference of two readings with checks and a division of its
//! own, which is most of what a reading costs where the kernel is not entered for it.

/// Nanoseconds since some moment that is the same for the whole process. Never less than an earlier reading.
#[cfg(all(target_os = "linux", not(miri)))]
#[inline]
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is that of a local of the type that the call fills in.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    // Every Linux has this clock, and it is set to no time before its start.
    debug_assert_eq!(read, 0, "the monotonic clock can be read");
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Nanoseconds since some moment that is the same for the whole process. Never less than an earlier reading.
#[cfg(not(all(target_os = "linux", not(miri))))]
pub fn monotonic_ns() -> u64 {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::monotonic_ns;

    #[test]
    fn it_is_the_clock_of_instants() {
        let (outer, began, inner) = (Instant::now(), monotonic_ns(), Instant::now());
        let mut least = Duration::ZERO;
        while least < Duration::from_micros(100) {
            least = inner.elapsed();
        }
        let took = Duration::from_nanos(monotonic_ns() - began);
        assert!(least <= took && took <= outer.elapsed(), "{least:?} {took:?}");
    }
}
