//! How often something may be done.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Lets so many pass in a second, as many at once, and those beyond when their time has come.
#[derive(Debug)]
pub struct Pace {
    apart: Duration,
    ahead: Duration,
    /// When the next would pass if they came evenly.
    due: Instant,
}

impl Pace {
    /// Of so many a second.
    pub fn new(a_second: u32) -> Self {
        let second = Duration::from_secs(1);
        let apart = second / a_second.max(1);
        Self { apart, ahead: second - apart, due: Instant::now() }
    }

    /// What passed last has taken so much of the time of others: those that follow wait for as long, but for what a burst allows.
    pub fn charge(&mut self, cost: Duration) {
        self.due += cost * 2;
    }

    /// Returns when the next may pass.
    ///
    /// # Cancel safety
    /// One that does not wait to the end has not passed.
    pub async fn wait(&mut self) {
        let now = Instant::now();
        self.due = self.due.max(now);
        let passes = self.due - self.ahead.min(self.due - now);
        if passes > now {
            sleep_until(passes).await;
        }
        self.due += self.apart;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_takes_long_is_half_of_the_time_once_the_burst_is_over() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (mut pace, cost) = (Pace::new(50), Duration::from_millis(500));
            let began = Instant::now();
            for _ in 0..20 {
                pace.wait().await;
                tokio::time::advance(cost).await;
                pace.charge(cost);
            }
            let idle = began.elapsed() - cost * 20;
            assert!((Duration::from_secs(8)..=Duration::from_secs(10)).contains(&idle), "{idle:?}");
        });
    }

    #[test]
    fn who_goes_before_his_time_has_come_has_not_passed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut pace = Pace::new(10);
            for _ in 0..10 {
                pace.wait().await;
            }
            let began = Instant::now();
            for _ in 0..1_000 {
                tokio::time::timeout(Duration::ZERO, pace.wait()).await.unwrap_err();
            }
            pace.wait().await;
            assert!(began.elapsed() <= Duration::from_millis(200), "{:?}", began.elapsed());
        });
    }

    #[test]
    fn a_burst_passes_at_once_and_what_is_beyond_waits_for_its_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut pace = Pace::new(10);
            let began = Instant::now();
            for _ in 0..10 {
                pace.wait().await;
            }
            assert_eq!(began.elapsed(), Duration::ZERO);
            for _ in 0..10 {
                pace.wait().await;
            }
            assert_eq!(began.elapsed(), Duration::from_secs(1));
        });
    }
}
