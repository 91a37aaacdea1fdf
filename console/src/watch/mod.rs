//! A list of a system that is watched: told once, and then in steps.

mod differ;
mod sampler;
#[cfg(test)]
mod tests;
mod watched;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use differ::{Differ, Shot};
pub(crate) use sampler::EVERY as SAMPLED;
use sampler::Sampler;
pub use watched::{Amiss, Watched};

use crate::inspector::Inspector;
use crate::outline::Outline;
use crate::pattern::Pattern;
use crate::protocol::{Actors, Frame, Node, Refusal, TreeView, Watchable};
use crate::search::Search;

/// A list that somebody watches, on the side of the system.
#[derive(Debug)]
pub struct Watch {
    of: Watchable,
    differ: Differ,
    sampler: Sampler,
    dropped: u64,
}

impl Watch {
    /// Of this list. Nothing is looked at before the first frame is asked for.
    pub fn new(of: Watchable) -> Self {
        Self { of, differ: Differ::default(), sampler: Sampler::default(), dropped: 0 }
    }

    /// Whether something is looked for by a pattern.
    pub(crate) fn looks_for(&self) -> bool {
        match &self.of {
            Watchable::Tree(query) => query.pattern.is_some(),
            Watchable::Actors(query) => query.filter.pattern.is_some(),
        }
    }

    /// The next step: the first is whole, and so is one after an error.
    ///
    /// # Errors
    /// [`Code::SystemEnded`](crate::protocol::Code::SystemEnded); [`Code::NotFound`](crate::protocol::Code::NotFound) if the
    /// top of a branch is not there.
    pub fn frame(&mut self, inspector: &Inspector, whole: bool) -> Result<Frame, Refusal> {
        self.frame_by(inspector, whole, &mut Search::at_once())
    }

    /// The same by a search that may be cut short: then nothing has happened.
    pub(crate) fn frame_by(
        &mut self,
        inspector: &Inspector,
        whole: bool,
        search: &mut Search,
    ) -> Result<Frame, Refusal> {
        let shot = shoot(&self.of, inspector, search);
        if shot.is_err() && !search.is_cut_short() {
            self.differ.forget();
        }
        let shot = shot?;
        let (samples, busy) = self.sampler.turn_to(&shot.rows);
        Ok(Frame { dropped: self.dropped, samples, busy, ..self.differ.next(shot, whole) })
    }

    /// Looks once at what those do that the last frame has shown. Returns how long to rest until the next look; it is to be
    /// called again then.
    ///
    /// # Errors
    /// [`Code::SystemEnded`](crate::protocol::Code::SystemEnded).
    pub fn sample(&mut self, inspector: &Inspector) -> Result<Duration, Refusal> {
        Ok(self.sampler.look(&inspector.held()?))
    }

    /// So many frames were due and could not be told.
    pub fn drop_frames(&mut self, frames: u64) {
        self.dropped += frames;
    }

    /// The last frame was not told after all: the next one is whole.
    pub fn untold(&mut self) {
        self.differ.forget();
    }
}

/// Makes sure that there can be a list of that.
pub(crate) fn check(of: &Watchable) -> Result<(), Refusal> {
    let pattern = match of {
        Watchable::Tree(query) => {
            Outline::new(query)?;
            &query.pattern
        }
        Watchable::Actors(query) => &query.filter.pattern,
    };
    if let Some(pattern) = pattern {
        pattern.parse::<Pattern>()?;
    }
    Ok(())
}

fn shoot(of: &Watchable, inspector: &Inspector, search: &mut Search) -> Result<Shot, Refusal> {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(match of {
        Watchable::Tree(query) => {
            let TreeView { at, total, matched, lines, nodes } = inspector.tree_by(query, search)?;
            Shot { at, wall, total, matched: matched.unwrap_or(total), lines, rows: nodes }
        }
        Watchable::Actors(query) => {
            let Actors { at, total, matched, rows } = inspector.actors_by(query, search)?;
            Shot {
                at,
                wall,
                total,
                matched,
                lines: None,
                rows: rows.into_iter().map(|row| Node { level: 0, row }).collect(),
            }
        }
    })
}
