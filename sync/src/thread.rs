//! A number for every thread: small, and its own for as long as it runs.

#[cfg(not(loom))]
use crate::facade::Mutex;

/// The numbers of threads that have ended, to be given again, and the first that was never given.
#[cfg(not(loom))]
struct Numbers {
    free: Vec<usize>,
    next: usize,
}

#[cfg(not(loom))]
static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers { free: Vec::new(), next: 0 });

/// A thread's number, until it ends.
#[cfg(not(loom))]
struct Number(usize);

#[cfg(not(loom))]
impl Number {
    fn take() -> Self {
        let mut numbers = NUMBERS.lock();
        Number(numbers.free.pop().unwrap_or_else(|| {
            numbers.next += 1;
            numbers.next - 1
        }))
    }
}

#[cfg(not(loom))]
impl Drop for Number {
    fn drop(&mut self) {
        // Under the lock: who has the number next does so after all that was done by this thread.
        NUMBERS.lock().free.push(self.0);
    }
}

/// This thread's number. `None` when it is ending: it has none any more.
#[cfg(not(loom))]
#[inline]
pub(crate) fn number() -> Option<usize> {
    thread_local! {
        static NUMBER: Number = Number::take();
    }
    NUMBER.try_with(|number| number.0).ok()
}

/// In a model all threads have one number: what relies on it must be entered by one thread alone.
#[cfg(loom)]
pub(crate) fn number() -> Option<usize> {
    Some(0)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn threads_that_run_at_the_same_time_have_numbers_of_their_own() {
        let own = number();
        assert_eq!(own, number());
        std::thread::scope(|scope| {
            let other = scope.spawn(number).join().expect("no panic");
            assert_ne!(own, other);
        });
    }

    #[test]
    fn the_number_of_a_thread_that_has_ended_is_given_again() {
        let most = (0..100).map(|_| std::thread::spawn(number).join().expect("no panic")).max().flatten();
        // Other tests run at the same time, and have numbers, too.
        assert!(most.is_some_and(|most| most < 90), "{most:?}");
    }
}
