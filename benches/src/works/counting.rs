//! tell, tell-single, fanin8, fanin64, pairs: senders, and actors that count.

use std::time::Instant;

use tokio::sync::oneshot;

use super::support::{Progress, Wrong, check, rate, sum_to};
use crate::peer::{Behaviour, Lane, Next, Peer};

/// What an actor counted.
struct Total {
    received: u64,
    sum: u64,
}

/// Counts and adds up its messages; tells the driver at the last one.
struct Counter {
    expected: u64,
    received: u64,
    sum: u64,
    progress: Progress,
    done: Option<oneshot::Sender<Total>>,
}

impl Behaviour for Counter {
    type Tell = u64;
    type Ask = ();
    type Answer = ();

    fn on_tell(&mut self, number: u64) -> Next {
        self.received += 1;
        self.sum = self.sum.wrapping_add(number);
        self.progress.publish(self.received);
        if self.received == self.expected
            && let Some(done) = self.done.take()
        {
            drop(done.send(Total { received: self.received, sum: self.sum }));
        }
        Next::Continue
    }

    fn on_ask(&mut self, (): ()) {}
}

/// A counter, and what its senders and its driver need of it.
struct Target<P: Peer> {
    address: P::Addr<Counter>,
    progress: Progress,
    total: oneshot::Receiver<Total>,
}

impl<P: Peer> Target<P> {
    async fn new(peer: &P, lane: Lane, expected: u64) -> Self {
        let (done, total) = oneshot::channel();
        let progress = Progress::default();
        let counter = Counter { expected, received: 0, sum: 0, progress: progress.clone(), done: Some(done) };
        Target { address: peer.spawn(lane, counter).await, progress, total }
    }

    /// Starts one of `senders` tasks that each send 1..=`messages`.
    fn feed(&self, peer: &P, lane: Lane, messages: u64, senders: u64) {
        let (address, progress) = (self.address.clone(), self.progress.clone());
        peer.launch(lane, async move {
            for number in 1..=messages {
                if P::send::<Counter>(&address, number).await.is_err() {
                    return;
                }
                if !P::BOUNDED {
                    progress.wait(number, senders).await;
                }
            }
        });
    }

    async fn verify(self, messages: u64, senders: u64) -> Result<(), Wrong> {
        let total = self.total.await?;
        check("messages", messages * senders, total.received)?;
        check("the sum of the messages", sum_to(messages).wrapping_mul(senders), total.sum)
    }
}

/// `senders` tasks to one actor.
pub(super) async fn fan_in<P: Peer>(peer: P, senders: u64, count: u64) -> Result<f64, Wrong> {
    let messages = count / senders;
    // The actor sits on the second lane, senders on both, beginning with the first.
    let target = Target::new(&peer, Lane::Nth(1), messages * senders).await;
    let start = Instant::now();
    for n in 0..senders {
        target.feed(&peer, Lane::Nth(n as usize), messages, senders);
    }
    target.verify(messages, senders).await?;
    Ok(rate(messages * senders, start.elapsed()))
}

/// Each of `pairs` tasks to an actor of its own, on the same lane.
pub(super) async fn pairs<P: Peer>(peer: P, pairs: u64, count: u64) -> Result<f64, Wrong> {
    let messages = count / pairs;
    let mut targets = Vec::new();
    for n in 0..pairs {
        targets.push(Target::new(&peer, Lane::Nth(n as usize), messages).await);
    }
    let start = Instant::now();
    for (n, target) in targets.iter().enumerate() {
        target.feed(&peer, Lane::Nth(n), messages, 1);
    }
    for target in targets {
        target.verify(messages, 1).await?;
    }
    Ok(rate(messages * pairs, start.elapsed()))
}
