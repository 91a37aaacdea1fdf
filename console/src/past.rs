//! The last minute of a system, second by second, for whoever begins to look: of what is counted anyway, so that nobody walks over actors.
//!
//! The console's thread reads it once a second while turns are taken, and less and less often while none are; what lies between two
//! looks is spread evenly, so that the seconds are as far apart for everybody. Of what has to be summed up over all actors there is what
//! somebody who looked has had summed up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crashworthy_runtime::{System, SystemSnapshot};
use tokio::time::sleep;

use crate::inspector::Inspector;
use crate::protocol::Moment;

/// How many seconds are kept.
const SECONDS: usize = 60;
/// How far they are apart.
const APART: Duration = Duration::from_secs(1);
/// How long nobody looks at the most: several times within what is kept.
const LONGEST: Duration = Duration::from_secs(16);

/// The last minute.
#[derive(Debug, Default)]
pub(crate) struct Past(Mutex<VecDeque<Moment>>);

impl Past {
    fn held(&self) -> MutexGuard<'_, VecDeque<Moment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it is now. Whether turns were taken since the last second that is known; of several looks in a second the first counts.
    pub(crate) fn note(&self, now: Moment) -> bool {
        let mut held = self.held();
        let Some(last) = held.back().cloned() else {
            held.push_back(now);
            return true;
        };
        let is_busy = now.turns != last.turns;
        let seconds = now.at.saturating_sub(last.at).as_secs();
        // Of a long time its end.
        for second in (1..=seconds).skip(seconds.saturating_sub(SECONDS as u64) as usize) {
            let between = if second == seconds { now.clone() } else { between(&last, &now, second) };
            held.push_back(Moment { at: last.at + APART * second as u32, ..between });
        }
        let excess = held.len().saturating_sub(SECONDS);
        held.drain(..excess);
        is_busy
    }

    /// All that is known before now.
    pub(crate) fn told(&self) -> Vec<Moment> {
        self.held().iter().cloned().collect()
    }
}

/// So many seconds after the first, if everything came evenly.
fn between(first: &Moment, last: &Moment, second: u64) -> Moment {
    let share = second as f64 / last.at.saturating_sub(first.at).as_secs_f64();
    let part = |from: u64, to: u64| from + (to.saturating_sub(from) as f64 * share) as u64;
    Moment {
        at: first.at,
        turns: part(first.turns, last.turns),
        crashes: part(first.crashes, last.crashes),
        dead_letters: part(first.dead_letters, last.dead_letters),
        busy: None,
        queued: None,
    }
}

/// How a system is by what it counts; by actors if somebody has just looked at them.
pub(crate) fn moment(system: &System, load: Option<(usize, u64)>) -> Moment {
    let SystemSnapshot { turns, crashes, dead_letters, .. } = system.totals();
    let (busy, queued) = load.unzip();
    Moment { at: system.now(), turns, crashes, dead_letters, busy, queued }
}

/// Looks again and again, until the system has gone.
pub(crate) async fn keep(inspector: &Arc<Inspector>) {
    let mut rest = APART;
    loop {
        sleep(rest).await;
        match inspector.note_past() {
            Ok(is_busy) => rest = pause(rest, is_busy),
            Err(_) => return,
        }
    }
}

/// How long nobody looks after a look.
fn pause(last: Duration, is_busy: bool) -> Duration {
    if is_busy { APART } else { (last * 2).min(LONGEST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, turns: u64) -> Moment {
        let at = Duration::from_millis(ms);
        Moment { at, turns, crashes: turns / 100, dead_letters: 0, busy: Some(1), queued: None }
    }

    fn turns(past: &Past) -> Vec<(u128, u64)> {
        past.told().iter().map(|moment| (moment.at.as_millis(), moment.turns)).collect()
    }

    #[test]
    fn seconds_are_as_far_apart_whenever_it_is_looked() {
        let past = Past::default();
        for (ms, turns) in [(500, 0), (700, 10), (1_600, 100), (2_499, 150), (6_500, 900)] {
            past.note(at(ms, turns));
        }
        let spread = [(2_500, 260), (3_500, 420), (4_500, 580), (5_500, 740), (6_500, 900)];
        assert_eq!(turns(&past), [&[(500, 0), (1_500, 100)][..], &spread].concat());
        let last = past.told().pop().unwrap();
        assert_eq!((last.crashes, last.busy), (9, Some(1)));
        assert_eq!(past.told()[3].busy, None, "nobody has looked then");
    }

    #[test]
    fn a_minute_is_kept_however_long_nobody_looks() {
        let past = Past::default();
        past.note(at(0, 0));
        past.note(at(1_000_000, 1_000));
        let told = turns(&past);
        assert_eq!((told.len(), told[0], told[59]), (60, (941_000, 941), (1_000_000, 1_000)));
        for second in 1_001..1_100 {
            past.note(at(second * 1_000, second));
        }
        assert_eq!((turns(&past).len(), turns(&past)[0]), (60, (1_040_000, 1_040)));
    }

    #[test]
    fn while_no_turns_are_taken_it_is_looked_less_and_less_often() {
        let past = Past::default();
        assert!(past.note(at(0, 5)) && !past.note(at(1_000, 5)) && past.note(at(3_000, 6)));
        let rests: Vec<_> = (0..6)
            .scan(APART, |rest, _| {
                *rest = pause(*rest, false);
                Some(rest.as_secs())
            })
            .collect();
        assert_eq!(rests, [2, 4, 8, 16, 16, 16]);
        assert_eq!(pause(LONGEST, true), APART);
    }
}
