//! When the frames of one connection are sent unasked. It reads no clock.

use std::time::Duration;

use tokio::time::Instant;

/// Nothing is sent unasked for so many times as long as a frame took to make, by all connections that are sent some: together
/// they take about a tenth of the thread, however large the system is, and there is always time to hear what clients say.
const APART: u32 = 10;

/// The watches that are sent frames unasked, and when.
#[derive(Debug, Default)]
pub(crate) struct Timetable {
    dues: Vec<Due>,
    /// Before that no frame is sent.
    rests: Option<Instant>,
}

#[derive(Debug)]
struct Due {
    watch: u64,
    next: Instant,
    every: Duration,
}

impl Timetable {
    /// That watch is due now, and again and again from now on.
    pub(crate) fn add(&mut self, watch: u64, now: Instant, every: Duration) {
        self.dues.push(Due { watch, next: now, every });
    }

    pub(crate) fn remove(&mut self, watch: u64) {
        self.dues.retain(|due| due.watch != watch);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.dues.is_empty()
    }

    /// When a frame is due of those watches that may have one.
    pub(crate) fn next(&self, may: impl Fn(u64) -> bool) -> Option<Instant> {
        self.dues.iter().filter(|due| may(due.watch)).map(|due| self.may_be(due)).min()
    }

    fn may_be(&self, due: &Due) -> Instant {
        self.rests.map_or(due.next, |rests| due.next.max(rests))
    }

    /// The watch that has been due for longest, if one is that may, and how many of its frames are left out because nobody came for
    /// them: those that were due while the connection rested are not among them.
    pub(crate) fn take(&mut self, now: Instant, may: impl Fn(u64) -> bool) -> Option<(u64, u64)> {
        let rests = self.rests.filter(|rests| *rests > now);
        let those = self.dues.iter_mut().filter(|due| may(due.watch));
        let due = those.min_by_key(|due| due.next).filter(|due| due.next <= now && rests.is_none())?;
        let since = self.rests.map_or(due.next, |rests| due.next.max(rests));
        let missed = |since: Instant| (now - since).as_nanos() / due.every.as_nanos();
        let (dropped, passed) = (missed(since), missed(due.next));
        due.next += due.every.saturating_mul(u32::try_from(passed + 1).unwrap_or(u32::MAX));
        Some((due.watch, dropped as u64))
    }

    /// A frame has been made by now, in so long, while so many connections are sent some.
    pub(crate) fn rest(&mut self, now: Instant, took: Duration, connections: usize) {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        self.rests = Some(now + took.saturating_mul(APART).saturating_mul(connections.max(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFTEN: Duration = Duration::from_millis(100);

    fn all(_: u64) -> bool {
        true
    }

    /// Follows it for a minute, with four watches whose frames take so long to make, and come so late: how many frames each
    /// was sent, how many were dropped, and how long making them took.
    fn minute(took: Duration, late: Duration) -> ([u32; 4], u64, Duration) {
        let began = Instant::now();
        let (mut table, mut now) = (Timetable::default(), began);
        (0..4).for_each(|watch| table.add(watch, now, OFTEN));
        let (mut sent, mut dropped, mut busy) = ([0; 4], 0, Duration::ZERO);
        while let Some(due) = table.next(all).filter(|due| *due < began + Duration::from_secs(60)) {
            now = now.max(due) + late;
            let (watch, missed) = table.take(now, all).expect("it is due");
            sent[watch as usize] += 1;
            dropped += missed;
            now += took;
            busy += took;
            table.rest(now, took, 1);
            assert_eq!(table.take(now, all), None, "one frame, and then something else");
        }
        (sent, dropped, busy)
    }

    #[test]
    fn frames_that_take_longer_than_they_are_apart_leave_time_for_all_else_and_to_each_watch_as_much() {
        let (sent, dropped, busy) = minute(Duration::from_millis(300), Duration::ZERO);
        assert!(busy <= Duration::from_secs(6), "{busy:?} of a minute");
        assert!(sent.iter().all(|frames| (4..=5).contains(frames)), "{sent:?}");
        assert_eq!(dropped, 0, "the client has read all there was");
    }

    #[test]
    fn frames_that_take_little_come_as_often_as_was_said() {
        let (sent, dropped, _) = minute(Duration::from_millis(1), Duration::ZERO);
        assert_eq!((sent, dropped), ([600; 4], 0));
    }

    #[test]
    fn what_the_client_has_not_read_is_counted_and_nothing_else() {
        let (sent, dropped, _) = minute(Duration::from_millis(300), Duration::from_millis(250));
        assert_eq!(dropped, 2 * u64::from(sent.iter().sum::<u32>()), "two of each while it was late");
    }

    #[test]
    fn the_more_connections_the_longer_each_rests() {
        let now = Instant::now();
        let mut table = Timetable::default();
        table.add(1, now, OFTEN);
        assert_eq!(table.take(now, all), Some((1, 0)));
        table.rest(now, Duration::from_millis(30), 4);
        assert_eq!(table.next(all), Some(now + Duration::from_millis(1_200)));
        table.remove(1);
        assert!(table.is_empty() && table.next(all).is_none());
    }
}
