//! Who was there a moment ago: dead actors stay in view for a while.

use std::collections::HashSet;
use std::time::Duration;

use crashworthy_console::protocol::Row;
use crashworthy_runtime::ActorId;

/// How long the dead stay, by the clock of their system: whoever stops looking loses nobody meanwhile.
pub(crate) const STAY: Duration = Duration::from_secs(30);
/// The dead that stay, at most.
const MOST: usize = 100;

/// One that is no more.
#[derive(Clone, Debug)]
pub(crate) struct Ghost {
    /// When it was missed, by the clock of the system.
    pub(crate) since: Duration,
    /// What was known of it last.
    pub(crate) row: Row,
}

/// Those that were seen, and are no more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ghosts {
    seen: Vec<Row>,
    /// When they were seen.
    at: Duration,
    dead: Vec<Ghost>,
}

impl Ghosts {
    /// Sees everybody there is at that time, but for those below whoever is folded: of them nothing is known.
    pub(crate) fn see<'a>(&mut self, at: Duration, everybody: impl Iterator<Item = &'a Row>, folded: &[ActorId]) {
        let everybody: Vec<_> = everybody.cloned().collect();
        let there: HashSet<ActorId> = everybody.iter().map(|row| row.pid.id).collect();
        let tops = everybody.iter().filter(|row| folded.contains(&row.pid.id));
        let tops: HashSet<&str> = tops.map(|row| row.path.as_str()).collect();
        let is_hidden = |row: &Row| {
            // Of a path that is told without its beginning nobody knows.
            let is_deep = !tops.is_empty() && row.path.starts_with('…');
            is_deep || row.path.match_indices('/').any(|(end, _)| tops.contains(&row.path[..end]))
        };
        // Who was seen too long ago may have been gone for any time.
        let is_recent = at.saturating_sub(self.at) < STAY;
        let is_missed = |row: &Row| is_recent && !there.contains(&row.pid.id) && !is_hidden(row);
        let missed = self.seen.drain(..).filter(is_missed);
        self.dead.extend(missed.map(|row| Ghost { since: at, row }));
        let is_near = |ghost: &Ghost| at.checked_sub(ghost.since).is_some_and(|past| past < STAY);
        self.dead.retain(|ghost| is_near(ghost) && !there.contains(&ghost.row.pid.id));
        let excess = self.dead.len().saturating_sub(MOST);
        self.dead.drain(..excess);
        self.seen = everybody;
        self.at = at;
    }

    /// The dead, those that were missed first first.
    pub(crate) fn dead(&self) -> &[Ghost] {
        &self.dead
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::row;
    use super::*;

    fn dead(ghosts: &Ghosts) -> Vec<&str> {
        ghosts.dead().iter().map(|ghost| ghost.row.path.as_str()).collect()
    }

    #[test]
    fn the_dead_stay_for_their_time_by_the_clock_of_the_system() {
        let (shop, till) = (row(1, "shop"), row(2, "shop/till"));
        let mut ghosts = Ghosts::default();
        let at = Duration::from_secs(100);
        ghosts.see(at, [&shop, &till].into_iter(), &[]);
        ghosts.see(at, [&shop].into_iter(), &[]);
        assert_eq!(dead(&ghosts), ["shop/till"]);
        ghosts.see(at + STAY - Duration::from_millis(1), [&shop].into_iter(), &[]);
        assert_eq!(dead(&ghosts), ["shop/till"]);
        ghosts.see(at + STAY, [&shop].into_iter(), &[]);
        assert_eq!(dead(&ghosts), [""; 0]);
    }

    #[test]
    fn who_was_seen_too_long_ago_is_not_said_to_have_just_gone() {
        let shop = row(1, "shop");
        let mut ghosts = Ghosts::default();
        ghosts.see(Duration::ZERO, [&shop].into_iter(), &[]);
        ghosts.see(STAY, [].into_iter(), &[]);
        assert_eq!(dead(&ghosts), [""; 0]);
    }

    #[test]
    fn of_those_below_whoever_is_folded_nobody_is_said_to_have_gone() {
        let (shop, till, bank) = (row(1, "shop"), row(2, "shop/front/till"), row(3, "shop/bank"));
        let (front, deep) = (row(4, "shop/front"), row(5, "…/deep"));
        let mut ghosts = Ghosts::default();
        ghosts.see(Duration::ZERO, [&shop, &front, &till, &bank, &deep].into_iter(), &[]);
        ghosts.see(Duration::ZERO, [&shop, &front].into_iter(), &[front.pid.id]);
        assert_eq!(dead(&ghosts), ["shop/bank"]);
        ghosts.see(Duration::ZERO, [&shop, &front].into_iter(), &[]);
        assert_eq!(dead(&ghosts), ["shop/bank"], "who was not seen is not missed");
    }

    #[test]
    fn there_are_only_so_many_of_them() {
        let crowd: Vec<_> = (0..500).map(|number| row(number, "shop/many")).collect();
        let mut ghosts = Ghosts::default();
        ghosts.see(Duration::ZERO, crowd.iter(), &[]);
        ghosts.see(Duration::ZERO, [].into_iter(), &[]);
        assert_eq!(ghosts.dead().len(), MOST);
    }

    #[test]
    fn a_clock_that_goes_back_leaves_no_dead_of_the_future() {
        let shop = row(1, "shop");
        let mut ghosts = Ghosts::default();
        ghosts.see(Duration::from_secs(9), [&shop].into_iter(), &[]);
        ghosts.see(Duration::from_secs(9), [].into_iter(), &[]);
        ghosts.see(Duration::from_secs(1), [].into_iter(), &[]);
        assert_eq!(dead(&ghosts), [""; 0]);
    }
}
