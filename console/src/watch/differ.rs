//! What has changed between two looks at a list, and how to make the second of the first.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crashworthy_runtime::Pid;

use crate::protocol::{Frame, Node};

/// A list at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shot {
    pub(crate) at: Duration,
    pub(crate) wall: Duration,
    pub(crate) total: usize,
    pub(crate) matched: usize,
    pub(crate) lines: Option<usize>,
    /// In their order, each incarnation once.
    pub(crate) rows: Vec<Node>,
}

/// Tells a list in steps.
#[derive(Debug, Default)]
pub(crate) struct Differ {
    seq: u64,
    /// What the other side has, if it has taken in all that it was told.
    told: Option<Vec<Node>>,
}

impl Differ {
    /// The next step.
    pub(crate) fn next(&mut self, shot: Shot, whole: bool) -> Frame {
        self.seq += 1;
        let Shot { at, wall, total, matched, lines, rows } = shot;
        let mut frame = Frame { seq: self.seq, at, wall, total, matched, lines, ..Frame::default() };
        match self.told.take().filter(|_| !whole) {
            None => {
                frame.whole = true;
                frame.rows.clone_from(&rows);
            }
            Some(told) => differ(&mut frame, &told, &rows),
        }
        self.told = Some(rows);
        frame
    }

    /// The next step is a whole one: this one was not told.
    pub(crate) fn forget(&mut self) {
        self.told = None;
    }
}

fn differ(frame: &mut Frame, told: &[Node], now: &[Node]) {
    let before: HashMap<Pid, &Node> = told.iter().map(|node| (node.row.pid, node)).collect();
    let there: HashSet<Pid> = now.iter().map(|node| node.row.pid).collect();
    frame.rows = now.iter().filter(|node| before.get(&node.row.pid) != Some(node)).cloned().collect();
    frame.removed = told.iter().map(|node| node.row.pid).filter(|pid| !there.contains(pid)).collect();
    let stays = told.iter().map(|node| node.row.pid).filter(|pid| there.contains(pid));
    let comes = now.iter().map(|node| node.row.pid).filter(|pid| !before.contains_key(pid));
    if !stays.chain(comes).eq(now.iter().map(|node| node.row.pid)) {
        frame.order = Some(now.iter().map(|node| node.row.pid).collect());
    }
}

/// The list after a step that is not whole; none if the step does not fit.
pub(crate) fn apply(before: Vec<Node>, frame: Frame) -> Option<Vec<Node>> {
    let removed: HashSet<Pid> = frame.removed.into_iter().collect();
    let mut rows = before;
    rows.retain(|node| !removed.contains(&node.row.pid));
    let mut places: HashMap<Pid, usize> = rows.iter().enumerate().map(|(place, node)| (node.row.pid, place)).collect();
    for node in frame.rows {
        match places.get(&node.row.pid) {
            Some(&place) => rows[place] = node,
            None => {
                places.insert(node.row.pid, rows.len());
                rows.push(node);
            }
        }
    }
    let Some(order) = frame.order else { return Some(rows) };
    let mut rows: Vec<_> = rows.into_iter().map(Some).collect();
    let ordered: Option<Vec<_>> = order.iter().map(|pid| rows[*places.get(pid)?].take()).collect();
    ordered.filter(|ordered| ordered.len() == rows.len())
}
