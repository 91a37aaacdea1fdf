//! When those who have shown the token are answered: what they may ask for takes long in a large system.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crashworthy_console::Pace;
use tokio::sync::Mutex;

/// What one of them is charged with at most: the process may have been stopped in the middle of it.
const MOST: Duration = Duration::from_secs(1);

/// They come one after the other, and all of them together have half of the thread once their burst is over.
#[derive(Debug)]
pub(crate) struct Turns {
    line: Mutex<Pace>,
    /// Nanoseconds that they have taken and nobody has waited for yet.
    owed: AtomicU64,
}

impl Turns {
    /// Of so many a second.
    pub(crate) fn new(a_second: u32) -> Self {
        Self { line: Mutex::new(Pace::new(a_second)), owed: AtomicU64::new(0) }
    }

    /// Returns when the next has his.
    ///
    /// # Cancel safety
    /// Who does not wait to the end has had none.
    pub(crate) async fn next(&self) {
        let mut pace = self.line.lock().await;
        pace.charge(Duration::from_nanos(self.owed.swap(0, Relaxed)));
        pace.wait().await;
    }

    /// One of them has taken so much of the thread.
    pub(crate) fn charge(&self, cost: Duration) {
        let nanos = cost.min(MOST).as_nanos();
        self.owed.fetch_add(u64::try_from(nanos).unwrap_or(0), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn whatever_takes_long_is_half_of_the_time_and_however_long_it_took_the_next_waits_for_a_moment() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (turns, cost) = (Turns::new(200), MOST / 2);
            let began = Instant::now();
            for _ in 0..20 {
                turns.next().await;
                tokio::time::advance(cost).await;
                turns.charge(cost);
            }
            let idle = began.elapsed() - cost * 20;
            assert!((Duration::from_secs(8)..=Duration::from_secs(10)).contains(&idle), "{idle:?}");
            turns.charge(Duration::from_secs(3600));
            let began = Instant::now();
            turns.next().await;
            assert!(began.elapsed() <= MOST * 4, "{:?}", began.elapsed());
        });
    }
}
