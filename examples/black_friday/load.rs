//! Load: requests that come by the clock, whatever became of the ones before (an open loop).
//!
//! A fixed number of connections take the arrivals in order. Each waits for its arrival's time and sends it; a latency
//! counts from that time, so an arrival that found every connection busy has waited, and the figures say so.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::client::Connection;
use crate::mix::{Customers, Dice};
use crate::tally::Tally;

/// A customer who finds every connection taken for so long goes away.
const WAIT: Duration = Duration::from_millis(250);
/// After this long an unanswered request is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// A stretch of load under way.
pub(crate) struct Load {
    service: SocketAddr,
    customers: Arc<Customers>,
    /// When each request is due, from the start.
    due: Vec<Duration>,
    next: AtomicU64,
    /// Number of the first customer.
    first: u64,
    start: Instant,
    tally: Mutex<Tally>,
}

impl Load {
    /// Arrivals by chance, at this rate on average.
    pub(crate) fn open(
        service: SocketAddr,
        customers: Arc<Customers>,
        rate: f64,
        length: Duration,
        first: u64,
    ) -> Arc<Self> {
        let mut dice = Dice::new(first);
        let mut at = 0.0;
        let gaps = std::iter::repeat_with(|| {
            at += dice.gap() / rate;
            Duration::from_secs_f64(at)
        });
        let due = gaps.take_while(|at| *at < length).collect();
        Self::new(service, customers, due, first)
    }

    /// As fast as the service answers, one request a connection at a time: what it is capable of.
    pub(crate) fn closed(service: SocketAddr, customers: Arc<Customers>, most: usize, first: u64) -> Arc<Self> {
        Self::new(service, customers, vec![Duration::ZERO; most], first)
    }

    fn new(service: SocketAddr, customers: Arc<Customers>, due: Vec<Duration>, first: u64) -> Arc<Self> {
        let (next, start, tally) = (AtomicU64::new(0), Instant::now(), Mutex::new(Tally::new()));
        Arc::new(Self { service, customers, due, next, first, start, tally })
    }

    pub(crate) fn arrivals(&self) -> u64 {
        self.due.len() as u64
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Sends everything, over so many connections, and waits until all of it has ended.
    pub(crate) async fn run(self: &Arc<Self>, connections: u16) {
        let mut senders = JoinSet::new();
        for _ in 0..connections {
            senders.spawn(self.clone().send());
        }
        senders.join_all().await;
    }

    /// As [`run`](Self::run), but nothing is begun after this time, and every request counts as sent when it is.
    pub(crate) async fn run_closed(self: &Arc<Self>, connections: u16, length: Duration) {
        let mut senders = JoinSet::new();
        for _ in 0..connections {
            let load = self.clone();
            senders.spawn(async move {
                let mut connection = Connection::new(load.service);
                while let Some((n, _)) = load.take().filter(|_| load.start.elapsed() < length) {
                    load.one(&mut connection, n, Instant::now()).await;
                }
            });
        }
        senders.join_all().await;
    }

    async fn send(self: Arc<Self>) {
        let mut connection = Connection::new(self.service);
        while let Some((n, due)) = self.take() {
            sleep_until(due).await;
            if due.elapsed() > WAIT {
                self.tally().late += 1;
            } else {
                self.one(&mut connection, n, due).await;
            }
        }
    }

    fn take(&self) -> Option<(u64, Instant)> {
        let n = self.next.fetch_add(1, Relaxed);
        let due = self.due.get(n as usize)?;
        Some((n, self.start + *due))
    }

    async fn one(&self, connection: &mut Connection, n: u64, due: Instant) {
        let visit = self.customers.visit(self.first + n);
        let answer = timeout_at(due + PATIENCE, connection.ask(visit.question)).await;
        let mut tally = self.tally();
        match answer {
            Ok(Ok(answer)) => tally.answered(&answer, due.elapsed(), visit.customer),
            Ok(Err(_)) | Err(_) => tally.failed += 1,
        }
    }
}
