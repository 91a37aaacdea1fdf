//! Where somebody is in a recording, and how fast that goes on.

use std::time::Duration;

/// Speeds: how much of the recording passes in a second, in quarters.
const SPEEDS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
/// As fast as it was.
const PLAIN: usize = 2;

/// A place in a recording. It does not play when it is opened at its end.
#[derive(Clone, Debug)]
pub(crate) struct Playback {
    /// When its pictures were taken, from its beginning; never empty.
    times: Vec<Duration>,
    /// When it began, since the epoch.
    began: Duration,
    position: Duration,
    speed: usize,
    plays: bool,
    /// The time up to which it has been played.
    played: Duration,
}

impl Playback {
    /// At the first of these pictures; `times` are in their order, since it began.
    pub(crate) fn new(began: Duration, times: Vec<Duration>) -> Self {
        let plays = times.len() > 1;
        let times = if times.is_empty() { vec![Duration::ZERO] } else { times };
        Self { began, position: times[0], times, speed: PLAIN, plays, played: Duration::ZERO }
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.played);
        self.played = now;
        if self.plays {
            self.position = self.position.saturating_add(passed * SPEEDS[self.speed] / 4).min(self.end());
            self.plays = self.position < self.end();
        }
    }

    /// Goes on, or stops; from the end it begins anew.
    pub(crate) fn toggle(&mut self) {
        if self.position >= self.end() {
            self.position = self.times[0];
        }
        self.plays = !self.plays && self.times.len() > 1;
    }

    /// To the picture before or behind, and stops there.
    pub(crate) fn step(&mut self, by: i8) {
        self.plays = false;
        let last = self.times.len() - 1;
        self.position = self.times[self.index().saturating_add_signed(by.into()).min(last)];
    }

    /// To the first picture, and stops there.
    pub(crate) fn rewind(&mut self) {
        self.plays = false;
        self.position = self.times[0];
    }

    /// To the last picture.
    pub(crate) fn wind(&mut self) {
        self.plays = false;
        self.position = self.end();
    }

    pub(crate) fn faster(&mut self) {
        self.speed = (self.speed + 1).min(SPEEDS.len() - 1);
    }

    pub(crate) fn slower(&mut self) {
        self.speed = self.speed.saturating_sub(1);
    }

    pub(crate) fn plays(&self) -> bool {
        self.plays
    }

    /// Which picture is shown, from 0.
    pub(crate) fn index(&self) -> usize {
        self.times.partition_point(|&time| time <= self.position).saturating_sub(1)
    }

    pub(crate) fn pictures(&self) -> usize {
        self.times.len()
    }

    /// How much of it has passed, and how long it is.
    pub(crate) fn progress(&self) -> (Duration, Duration) {
        (self.position - self.times[0], self.end() - self.times[0])
    }

    /// When it was, since the epoch.
    pub(crate) fn moment(&self) -> Duration {
        self.began.saturating_add(self.position)
    }

    /// The speed, as one says it.
    pub(crate) fn speed(&self) -> String {
        format!("{}x", f64::from(SPEEDS[self.speed]) / 4.0)
    }

    fn end(&self) -> Duration {
        self.times[self.times.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: &[u64]) -> Vec<Duration> {
        seconds.iter().copied().map(Duration::from_secs).collect()
    }

    #[test]
    fn it_plays_to_the_end_at_its_speed_and_begins_anew() {
        let mut playback = Playback::new(Duration::ZERO, secs(&[0, 1, 2, 10]));
        playback.tick(Duration::from_secs(2));
        assert_eq!((playback.index(), playback.plays()), (2, true));
        playback.faster();
        playback.tick(Duration::from_secs(5));
        assert_eq!((playback.index(), playback.progress().0), (2, Duration::from_secs(8)));
        playback.tick(Duration::from_secs(60));
        assert_eq!((playback.index(), playback.plays()), (3, false));
        playback.toggle();
        assert_eq!((playback.index(), playback.plays()), (0, true));
    }

    #[test]
    fn steps_go_from_picture_to_picture_and_not_beyond() {
        let mut playback = Playback::new(Duration::ZERO, secs(&[0, 1, 5]));
        playback.step(-1);
        assert_eq!(playback.index(), 0);
        for expected in [1, 2, 2] {
            playback.step(1);
            assert_eq!(playback.index(), expected);
        }
        playback.tick(Duration::from_secs(9));
        assert_eq!(playback.index(), 2, "who steps has stopped it");
        playback.rewind();
        assert_eq!(playback.index(), 0);
        playback.wind();
        assert_eq!(playback.index(), 2);
    }

    #[test]
    fn time_that_passes_while_it_stands_is_not_made_up_for() {
        let mut playback = Playback::new(Duration::ZERO, secs(&[0, 1, 2]));
        playback.toggle();
        playback.tick(Duration::from_secs(100));
        playback.toggle();
        playback.tick(Duration::from_secs(101));
        assert_eq!(playback.index(), 1);
    }

    #[test]
    fn one_picture_stands_still() {
        let mut playback = Playback::new(Duration::ZERO, secs(&[3]));
        assert!(!playback.plays());
        playback.toggle();
        assert!(!playback.plays());
        assert_eq!(playback.progress(), (Duration::ZERO, Duration::ZERO));
    }
}
