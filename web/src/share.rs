//! How much of the server's thread is spent on those who show no token: a share of its time, and rests for the others' sake.
//!
//! They cannot be told apart, and whatever they do (ask, say garbage, say one byte at a time, come and say nothing) takes time of this
//! thread and of nothing else. So what is counted is time, by the thread itself, and not requests. Who has had the share sends the thread
//! to sleep: all of it, for some milliseconds. Everybody waits meanwhile, in the order of the kernel, where it costs nothing.
//! Where the kernel says how long the thread ran, what it waited for a core is not counted: on a machine that is busy it would pay for others.
//! What is done for somebody who has shown the token is not counted: it has a [turn](crate::turns) of its own.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A burst is free of rests until the time that pays for it is so long: with a fifth of the thread it is a fifth of a second.
const AHEAD: Duration = Duration::from_secs(1);
/// How long a rest is: what was done before it was enough for everybody who is connected to have a turn.
const REST: Duration = Duration::from_millis(20);
/// A rest is never longer. What would have to be paid beyond is forgiven: the process may have been stopped in the middle of something.
const LONGEST: Duration = Duration::from_millis(200);

/// The thread's time, as the thread itself tells it.
#[derive(Debug)]
pub(crate) struct Share(Mutex<Watch>);

#[derive(Debug)]
struct Watch {
    account: Account,
    /// It has been awake since then, without what was counted already.
    since: Instant,
    /// What was counted, and what was spared, since the kernel was asked last.
    counted: Duration,
    spared: Duration,
    ran: Ran,
}

impl Share {
    /// So many of a hundred.
    pub(crate) fn new(percent: u32) -> Self {
        let now = Instant::now();
        let account = Account { percent, due: now };
        Self(Mutex::new(Watch {
            account,
            since: now,
            counted: Duration::ZERO,
            spared: Duration::ZERO,
            ran: Ran::Unasked,
        }))
    }

    fn held(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread has something to do again.
    pub(crate) fn wakes(&self) {
        self.held().since = Instant::now();
    }

    /// It has nothing to do. What there was is counted, and the rest that is due is due when it wakes.
    pub(crate) fn dozes(&self) {
        self.held().counts(Instant::now());
    }

    /// What it has done since then is not counted.
    pub(crate) fn spares(&self, since: Instant) {
        let mut watch = self.held();
        watch.counts(since);
        let now = Instant::now();
        watch.spared += now.saturating_duration_since(since);
        watch.since = now;
    }

    /// Has the thread sleep if a rest is due. To be called by that thread alone.
    pub(crate) fn rests(&self) {
        let mut watch = self.held();
        let now = Instant::now();
        if watch.counts(now).is_zero() {
            return;
        }
        let rest = watch.corrects(now);
        if !rest.is_zero() {
            thread::sleep(rest);
            watch.since = Instant::now();
        }
    }
}

impl Watch {
    fn counts(&mut self, now: Instant) -> Duration {
        let cost = now.saturating_duration_since(self.since);
        self.since = now;
        self.counted += cost;
        self.account.charge(cost, now)
    }

    /// What was counted while others had the core is given back.
    fn corrects(&mut self, now: Instant) -> Duration {
        let (counted, spared) = (std::mem::take(&mut self.counted), std::mem::take(&mut self.spared));
        if let Some(ran) = self.ran.since_last() {
            self.account.refund(counted.saturating_sub(ran.saturating_sub(spared)));
        }
        self.account.charge(Duration::ZERO, now)
    }
}

/// For how long the kernel says that this thread ran.
#[derive(Debug)]
enum Ran {
    Unasked,
    Unknown,
    Known(File, Duration),
}

impl Ran {
    /// Since it was asked last, if it was and can be.
    fn since_last(&mut self) -> Option<Duration> {
        match self {
            Self::Unasked => {
                let file = File::open("/proc/thread-self/schedstat").ok();
                let known = file.and_then(|file| nanos(&file).map(|ran| Self::Known(file, ran)));
                *self = known.unwrap_or(Self::Unknown);
                None
            }
            Self::Unknown => None,
            Self::Known(file, last) => {
                let ran = nanos(file)?;
                Some(ran.saturating_sub(std::mem::replace(last, ran)))
            }
        }
    }
}

/// The first of the three numbers in such a file.
fn nanos(file: &File) -> Option<Duration> {
    let mut text = [0; 64];
    let read = file.read_at(&mut text, 0).ok()?;
    let first = std::str::from_utf8(&text[..read]).ok()?.split(' ').next()?;
    first.parse().ok().map(Duration::from_nanos)
}

/// What was spent, and what is due for it. It reads no clock.
#[derive(Debug)]
struct Account {
    percent: u32,
    /// When all that was spent has been paid for.
    due: Instant,
}

impl Account {
    /// So much was spent up to now: for how long to rest.
    fn charge(&mut self, cost: Duration, now: Instant) -> Duration {
        let began = now.checked_sub(cost).unwrap_or(now);
        let due = self.due.max(began) + cost * 100 / self.percent.max(1);
        self.due = due.min(now + AHEAD + LONGEST);
        let ahead = self.due.saturating_duration_since(now);
        if ahead <= AHEAD { Duration::ZERO } else { (ahead - AHEAD + REST).min(LONGEST) }
    }

    /// So much was not spent after all.
    fn refund(&mut self, cost: Duration) {
        let due = self.due.checked_sub(cost * 100 / self.percent.max(1));
        self.due = due.unwrap_or(self.due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// How much of so long is worked, if there is always something to do that takes so long.
    fn works(account: &mut Account, from: Instant, span: Duration, cost: Duration) -> Duration {
        let (mut now, mut worked) = (from, Duration::ZERO);
        while now < from + span {
            now += cost;
            worked += cost;
            now += account.charge(cost, now);
        }
        worked
    }

    #[test]
    fn once_the_burst_is_over_its_share_is_all_that_is_spent() {
        let began = Instant::now();
        for (percent, cost) in [(20, MILLI / 10), (20, MILLI * 30), (5, MILLI), (100, MILLI)] {
            let mut account = Account { percent, due: began };
            let burst = works(&mut account, began, AHEAD * 2, cost);
            let worked = works(&mut account, began + AHEAD * 2, AHEAD * 100, cost);
            let share = worked.as_secs_f64() / (AHEAD * 100).as_secs_f64() * 100.0;
            assert!((share - f64::from(percent)).abs() < 0.1 * f64::from(percent), "{percent} {cost:?}: {share}");
            assert!(burst > AHEAD * 2 * percent / 100 || percent == 100, "{percent} {cost:?}: {burst:?}");
        }
    }

    #[test]
    fn who_spends_less_than_his_share_never_waits() {
        let began = Instant::now();
        let mut account = Account { percent: 20, due: began };
        for second in 1..100 {
            let rest = account.charge(MILLI * 190, began + AHEAD * second);
            assert_eq!(rest, Duration::ZERO, "{second}");
        }
    }

    #[test]
    fn however_long_something_took_the_thread_is_back_soon() {
        let began = Instant::now();
        let (mut account, hour) = (Account { percent: 1, due: began }, MILLI * 3_600_000);
        assert_eq!(account.charge(hour, began + hour), LONGEST);
        assert_eq!(account.charge(Duration::ZERO, began + hour + LONGEST), Duration::ZERO);
    }

    #[test]
    fn what_the_thread_did_not_run_is_given_back() {
        let share = Share::new(1);
        let mut watch = share.held();
        watch.corrects(Instant::now());
        if matches!(watch.ran, Ran::Unknown) {
            eprintln!("skipped: this kernel does not say for how long a thread ran");
            return;
        }
        // As if somebody else had had the core for a while.
        watch.since -= MILLI * 500;
        let now = Instant::now();
        assert!(!watch.counts(now).is_zero());
        let Ran::Known(_, last) = &mut watch.ran else { unreachable!("it is known") };
        *last = Duration::from_secs(u64::MAX / 2);
        assert!(watch.corrects(now).is_zero());
        assert!(watch.account.due < now + AHEAD);
    }

    #[test]
    fn what_is_spared_is_not_counted() {
        let share = Share::new(1);
        // As if it had been awake for a while, first for somebody who is known, and then for somebody who is not.
        let awake = || share.held().since -= MILLI * 100;
        awake();
        let since = share.held().since;
        share.spares(since);
        assert!(share.held().account.due <= Instant::now());
        awake();
        share.dozes();
        assert!(share.held().account.due > Instant::now() + AHEAD);
    }
}
