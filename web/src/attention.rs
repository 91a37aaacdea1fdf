//! Beginnings and ends are told as long as somebody asks for events now and then: between two requests nobody may be connected.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crashworthy_runtime::Attending;

/// How long it lasts from the last request on, at least; at most twice as long.
pub(crate) const LASTS: Duration = Duration::from_secs(60);

/// Whether somebody asks for events.
#[derive(Debug, Default)]
pub(crate) struct Attention(Mutex<Option<(Attending, Instant)>>);

impl Attention {
    fn held(&self) -> MutexGuard<'_, Option<(Attending, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody has just asked.
    pub(crate) fn note(&self, now: Instant, attend: impl FnOnce() -> Option<Attending>) {
        let mut held = self.held();
        match &mut *held {
            Some((_, last)) => *last = now,
            none => *none = attend().map(|attending| (attending, now)),
        }
    }

    /// Ends it if nobody has asked for long.
    pub(crate) fn tire(&self, now: Instant) {
        self.held().take_if(|(_, last)| now.saturating_duration_since(*last) >= LASTS);
    }
}

#[cfg(test)]
mod tests {
    use crashworthy_runtime::System;

    use super::*;

    #[tokio::test]
    async fn it_lasts_for_a_while_after_the_last_request_and_no_longer() {
        let system = System::bare().unwrap();
        let is_attended = || system.events_since(0).lifecycle_since.is_some();
        let (attention, began) = (Attention::default(), Instant::now());
        attention.note(began, || Some(system.attend_events()));
        attention.note(began + LASTS / 2, || panic!("it is there already"));
        attention.tire(began + LASTS);
        assert!(is_attended());
        attention.tire(began + LASTS / 2 + LASTS);
        assert!(!is_attended());
    }
}
