//! How busy those are that are shown: they are looked at, now and then, and not asked.

use std::time::{Duration, Instant};

#[cfg(test)]
use crashworthy_runtime::ActorId;
use crashworthy_runtime::System;

use crate::protocol::{Node, SeenBusy};

/// How often somebody is looked at.
pub(crate) const EVERY: Duration = Duration::from_millis(20);
/// A round of looks rests for so many times as long as it took.
const REST: u32 = 20;

/// Those that are looked at, and how often each was busy.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    seen: Vec<SeenBusy>,
    samples: u32,
}

impl Sampler {
    /// Looks at everybody once. Returns how long to rest.
    pub(crate) fn look(&mut self, system: &System) -> Duration {
        let began = Instant::now();
        for seen in &mut self.seen {
            seen.times += u32::from(system.is_busy(seen.id) == Some(true));
        }
        // A look at nobody says nothing of those who are shown next.
        self.samples += u32::from(!self.seen.is_empty());
        EVERY.max(began.elapsed() * REST)
    }

    /// How often it was looked, and who was busy how often. From now on these are looked at.
    pub(crate) fn turn_to(&mut self, shown: &[Node]) -> (u32, Vec<SeenBusy>) {
        let next = shown.iter().map(|node| SeenBusy { id: node.row.pid.id, times: 0 }).collect();
        let seen = std::mem::replace(&mut self.seen, next);
        (std::mem::take(&mut self.samples), seen.into_iter().filter(|seen| seen.times > 0).collect())
    }

    /// Those that are looked at.
    #[cfg(test)]
    pub(crate) fn ids(&self) -> Vec<ActorId> {
        self.seen.iter().map(|seen| seen.id).collect()
    }
}
