//! The same on the side of whoever watches: what there is to see, and what it comes to in a second.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crashworthy_runtime::ActorId;

use super::differ::apply;
use crate::limits::ROWS;
use crate::protocol::{Actors, Frame, Node, Rates, Row, SeenBusy, TreeView};

/// A list that is watched, as far as its frames have told it.
///
/// It reads no clock: rates are by the clock of the system.
///
/// # Examples
/// ```
/// use crashworthy_console::{Amiss, Watched, protocol::Frame};
///
/// let mut list = Watched::default();
/// assert_eq!(list.take(Frame { seq: 1, whole: true, ..Frame::default() }), Ok(()));
/// assert_eq!(list.take(Frame { seq: 3, ..Frame::default() }), Err(Amiss::Missed { after: 1 }), "a whole one is to be asked for");
/// assert_eq!(list.take(Frame { seq: 4, whole: true, ..Frame::default() }), Ok(()));
/// assert_eq!(list.actors().map(|actors| actors.rows.len()), Some(0));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// None before the first whole frame, and after one was missed.
    known: Option<Known>,
    /// The number of the last frame that was taken in.
    seq: u64,
    rates: HashMap<ActorId, Rates>,
    last: Option<Sums>,
}

#[derive(Clone, Debug)]
struct Known {
    frame: Frame,
    /// In their order.
    rows: Vec<Node>,
}

/// What rates are made of.
#[derive(Clone, Debug)]
struct Sums {
    at: Duration,
    by: HashMap<ActorId, Counted>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    handled: u64,
    refused: u64,
}

/// Why a frame cannot be taken in: a whole one is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Amiss {
    /// Frames after this one were missed.
    Missed {
        /// The last one that was taken in.
        after: u64,
    },
    /// It does not fit to what it is to be applied to.
    Unfit,
    /// There would be more rows than any system tells.
    TooMany,
}

impl Watched {
    /// Takes the next step.
    ///
    /// # Errors
    /// Nothing is shown then, until a whole frame comes.
    pub fn take(&mut self, mut frame: Frame) -> Result<(), Amiss> {
        let before = self.known.take();
        let missed = Amiss::Missed { after: self.seq };
        let rows = if frame.whole {
            std::mem::take(&mut frame.rows)
        } else {
            let before = before.filter(|_| frame.seq == self.seq.wrapping_add(1)).ok_or(missed)?;
            let step = Frame {
                rows: std::mem::take(&mut frame.rows),
                removed: std::mem::take(&mut frame.removed),
                order: frame.order.take(),
                ..Frame::default()
            };
            apply(before.rows, step).ok_or(Amiss::Unfit)?
        };
        if rows.len() > ROWS || frame.busy.len() > ROWS {
            return Err(Amiss::TooMany);
        }
        self.seq = frame.seq;
        self.rate(&rows, &frame);
        self.known = Some(Known { frame, rows });
        Ok(())
    }

    /// Makes rates of what was counted at two times. Of the same moment there is nothing new to say.
    fn rate(&mut self, rows: &[Node], frame: &Frame) {
        let count = |node: &Node| (node.row.pid.id, Counted { handled: node.row.handled, refused: node.row.refused });
        let now = Sums { at: frame.at, by: rows.iter().map(count).collect() };
        let Some(last) = self.last.as_ref().filter(|last| last.at <= now.at) else {
            self.rates.clear();
            self.last = Some(now);
            return;
        };
        let seconds = (now.at - last.at).as_secs_f64();
        if seconds == 0.0 {
            return;
        }
        let busy: HashMap<_, _> = frame.busy.iter().map(|&SeenBusy { id, times }| (id, times)).collect();
        let rated = now.by.iter().filter_map(|(id, now)| {
            let last = last.by.get(id)?;
            let times = busy.get(id).copied().unwrap_or(0);
            let rates = Rates {
                handled: now.handled.saturating_sub(last.handled) as f64 / seconds,
                refused: now.refused.saturating_sub(last.refused) as f64 / seconds,
                busy_percent: percent(times, frame.samples),
            };
            Some((*id, rates))
        });
        self.rates = rated.collect();
        self.last = Some(now);
    }

    /// When it was, by the clock of the system; nothing while nothing is known.
    pub fn at(&self) -> Option<Duration> {
        self.known.as_ref().map(|known| known.frame.at)
    }

    /// The same by the clock of its machine, since the beginning of 1970.
    pub fn wall(&self) -> Option<Duration> {
        self.known.as_ref().map(|known| known.frame.wall)
    }

    /// Frames that were due and not sent, because this side had not read.
    pub fn dropped(&self) -> u64 {
        self.known.as_ref().map_or(0, |known| known.frame.dropped)
    }

    /// The list as [`Actors`] tells it, with rates.
    pub fn actors(&self) -> Option<Actors> {
        let Known { frame: Frame { at, total, matched, .. }, rows } = self.known.as_ref()?;
        let rows = rows.iter().map(|node| self.rated(&node.row)).collect();
        Some(Actors { at: *at, total: *total, matched: *matched, rows })
    }

    /// The list as [`TreeView`] tells it, with rates.
    pub fn tree(&self) -> Option<TreeView> {
        let Known { frame: Frame { at, total, matched, lines, .. }, rows } = self.known.as_ref()?;
        // Who does not say how many lines there are does not say who matches.
        let matched = lines.map(|_| *matched);
        let nodes = rows.iter().map(|node| Node { level: node.level, row: self.rated(&node.row) }).collect();
        Some(TreeView { at: *at, total: *total, matched, lines: *lines, nodes })
    }

    fn rated(&self, row: &Row) -> Row {
        Row { rates: self.rates.get(&row.pid.id).copied(), ..row.clone() }
    }

    /// What it shows, as it was told.
    #[cfg(test)]
    pub(super) fn shot(&self) -> Option<super::Shot> {
        let Known { frame: Frame { at, wall, total, matched, lines, .. }, rows } = self.known.as_ref()?;
        let (at, wall, total, matched, lines) = (*at, *wall, *total, *matched, *lines);
        Some(super::Shot { at, wall, total, matched, lines, rows: rows.clone() })
    }
}

/// How many of so many, in percent; nothing of none.
fn percent(times: u32, samples: u32) -> Option<u8> {
    let percent = (u64::from(times.min(samples)) * 100).checked_div(samples.into())?;
    Some(u8::try_from(percent).unwrap_or(100))
}

impl fmt::Display for Amiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missed { after } => write!(f, "a frame was missed after number {after}"),
            Self::Unfit => f.write_str("a frame does not fit to the one before it"),
            Self::TooMany => write!(f, "a list of more than {ROWS} rows"),
        }
    }
}

impl std::error::Error for Amiss {}
