//! A circuit breaker: stop calling what does not answer, and look again now and then.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::insight::Lamp;

/// Counts failures in a row. After too many it opens: calls are refused at once for a while; then one call is let
/// through, and its outcome decides.
///
/// ```text
/// closed ── failures in a row ──▶ open ── time passes ──▶ one trial ── success ──▶ closed
///                                  ▲                          │
///                                  └────────── failure ───────┘
/// ```
#[derive(Debug)]
pub(crate) struct Breaker {
    failures: u32,
    most: u32,
    pause: Duration,
    open_until: Option<Instant>,
    trial: bool,
    lamp: Arc<Lamp>,
}

impl Breaker {
    pub(crate) fn new(most: u32, pause: Duration, lamp: Arc<Lamp>) -> Self {
        let breaker = Self { failures: 0, most, pause, open_until: None, trial: false, lamp };
        breaker.show();
        breaker
    }

    /// Whether a call may be made now; if not, when to ask again. Every call let through must be reported.
    pub(crate) fn enter(&mut self, now: Instant) -> Result<(), Duration> {
        match self.open_until {
            None => Ok(()),
            Some(until) if now < until => Err(until - now),
            Some(_) if self.trial => Err(self.pause),
            Some(_) => {
                self.trial = true;
                Ok(())
            }
        }
    }

    pub(crate) fn succeeded(&mut self) {
        (self.failures, self.open_until, self.trial) = (0, None, false);
        self.show();
    }

    pub(crate) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.trial = false;
        if self.failures >= self.most {
            self.open_until = Some(now + self.pause);
        }
        self.show();
    }

    fn show(&self) {
        self.lamp.failures.store(self.failures, Relaxed);
        self.lamp.open.store(self.is_open(), Relaxed);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(2);

    fn opened(at: Instant) -> Breaker {
        let mut breaker = Breaker::new(3, PAUSE, Arc::default());
        for _ in 0..3 {
            assert_eq!(breaker.enter(at), Ok(()));
            breaker.failed(at);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_does_not_count() {
        let now = Instant::now();
        let mut breaker = Breaker::new(2, PAUSE, Arc::default());
        breaker.failed(now);
        breaker.succeeded();
        breaker.failed(now);
        assert_eq!(breaker.enter(now), Ok(()));
        breaker.failed(now);
        assert_eq!(breaker.enter(now), Err(PAUSE));
    }

    #[test]
    fn after_the_pause_one_trial_decides() {
        let start = Instant::now();
        let mut breaker = opened(start);
        let later = start + PAUSE;
        assert_eq!(breaker.enter(later), Ok(()));
        assert_eq!(breaker.enter(later), Err(PAUSE), "one trial at a time");
        breaker.failed(later);
        assert_eq!(breaker.enter(later), Err(PAUSE));
        assert_eq!(breaker.enter(later + PAUSE), Ok(()));
        breaker.succeeded();
        assert_eq!(breaker.enter(later + PAUSE), Ok(()));
        assert!(!breaker.is_open());
    }
}
