//! Whether the scheduler gets on: a plain state machine, told what was seen and when.

use std::time::{Duration, Instant};

use crashworthy_console::Vitals;

/// Since when actors have waited while no turn was taken, as far as anybody has looked.
///
/// Nothing ticks for it: who asks whether the system is alive looks, and between two looks a single turn is progress. An
/// idle system, and one whose handlers all take their time, is not stuck; one in which somebody waits and nobody moves is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    still: Option<(u64, Instant)>,
}

impl Progress {
    /// How long it has stood still by now.
    pub(crate) fn look(&mut self, seen: &Vitals, now: Instant) -> Duration {
        if seen.waiting == 0 {
            self.still = None;
            return Duration::ZERO;
        }
        match self.still {
            Some((turns, since)) if turns == seen.turns => now.saturating_duration_since(since),
            _ => {
                self.still = Some((seen.turns, now));
                Duration::ZERO
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_still_while_somebody_waits_and_no_turn_is_taken() {
        let began = Instant::now();
        let second = Duration::from_secs;
        let mut progress = Progress::default();
        let mut look = |at, turns, waiting| {
            let seen = Vitals { at: Duration::ZERO, up: true, stopping: false, ended: false, turns, waiting };
            progress.look(&seen, began + second(at))
        };
        assert_eq!(look(0, 10, 1), second(0), "it is seen for the first time");
        assert_eq!(look(40, 10, 3), second(40), "nothing has moved");
        assert_eq!(look(50, 11, 3), second(0), "a turn was taken");
        assert_eq!(look(60, 11, 1), second(10));
        assert_eq!(look(70, 11, 0), second(0), "nobody waits");
        assert_eq!(look(99, 11, 1), second(0), "somebody waits since then");
    }
}
