//! How the reference lets restarts wait: every wait is written down, nothing is forgotten that could be looked at again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Letter;
use crate::backoff::Backoff;

pub(super) struct Delays {
    pub(super) backoff: Option<Backoff>,
    random: u64,
    records: BTreeMap<u64, Record>,
    begun: u64,
}

#[derive(Default)]
struct Record {
    restarts: i32,
    since: Option<Duration>,
    wait: Option<Wait>,
}

struct Wait {
    until: Duration,
    number: u64,
    /// Its letter is in the mail.
    over: bool,
}

impl Delays {
    pub(super) fn new(backoff: Option<Backoff>, seed: u64) -> Self {
        Self { backoff, random: seed, records: BTreeMap::new(), begun: 0 }
    }

    /// How long the next restart of this child waits.
    pub(super) fn draw(&mut self, key: u64, now: Duration, backoff: Backoff) -> Duration {
        let record = self.records.entry(key).or_default();
        if record.since.take().is_some_and(|since| since + backoff.reset_after <= now) {
            record.restarts = 0;
        }
        let limit = backoff.base.as_secs_f64() * 2_f64.powi(record.restarts);
        record.restarts += 1;
        let limit = if limit > backoff.cap.as_secs_f64() { backoff.cap } else { Duration::from_secs_f64(limit) };
        Duration::from_nanos((limit.as_nanos() * self.fraction() / (1 << 32)) as u64)
    }

    /// Of 2 to the 32nd: SplitMix64, as everybody writes it.
    fn fraction(&mut self) -> u128 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u128::from((mixed ^ (mixed >> 31)) >> 32)
    }

    pub(super) fn begin(&mut self, key: u64, until: Duration) {
        self.records.entry(key).or_default().wait = Some(Wait { until, number: self.begun, over: false });
        self.begun += 1;
    }

    pub(super) fn cancel(&mut self, key: u64) {
        if let Some(record) = self.records.get_mut(&key) {
            record.wait = None;
        }
    }

    pub(super) fn started(&mut self, key: u64, now: Duration) {
        if let Some(record) = self.records.get_mut(&key) {
            record.since = Some(now);
        }
    }

    pub(super) fn forget(&mut self, key: u64) {
        self.records.remove(&key);
    }

    pub(super) fn forget_all(&mut self) {
        self.records.clear();
    }

    pub(super) fn waits(&self, key: u64) -> bool {
        self.records.get(&key).is_some_and(|record| record.wait.is_some())
    }

    pub(super) fn waits_for(&self, key: u64, number: u64) -> bool {
        let wait = self.records.get(&key).and_then(|record| record.wait.as_ref());
        wait.is_some_and(|wait| wait.number == number)
    }

    /// The letters of waits that are over, in their order.
    pub(super) fn over(&mut self, now: Duration) -> Vec<Letter> {
        let mut over = Vec::new();
        for (key, record) in &mut self.records {
            if let Some(wait) = record.wait.as_mut().filter(|wait| !wait.over && wait.until <= now) {
                wait.over = true;
                over.push((wait.until, Letter::Waited(*key, wait.number)));
            }
        }
        // The sort is stable: at the same moment it is the order of the children.
        over.sort_by_key(|(until, _)| *until);
        over.into_iter().map(|(_, letter)| letter).collect()
    }

    fn ends(&self) -> impl Iterator<Item = Duration> {
        let waits = self.records.values().filter_map(|record| record.wait.as_ref());
        waits.filter(|wait| !wait.over).map(|wait| wait.until)
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.ends().min()
    }

    pub(super) fn last(&self) -> Option<Duration> {
        self.ends().max()
    }
}
