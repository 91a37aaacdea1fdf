//! ask, ask64: tasks that ask one actor, each waiting for its answer before it asks again.

use std::time::Instant;

use super::support::{Wrong, check, each, median, rate};
use crate::peer::{Behaviour, Lane, Next, Peer};

/// How many asks are timed together: one alone is as short as reading the clock.
const SAMPLE: u64 = 8;

/// Answers each number with how many it has been asked so far, and adds the numbers up.
#[derive(Default)]
struct Clerk {
    asked: u64,
    sum: u64,
}

/// What the clerk knows after a question.
struct Tally {
    asked: u64,
    sum: u64,
}

impl Behaviour for Clerk {
    type Tell = ();
    type Ask = u64;
    type Answer = Tally;

    fn on_tell(&mut self, (): ()) -> Next {
        Next::Continue
    }

    fn on_ask(&mut self, number: u64) -> Tally {
        self.asked += 1;
        self.sum = self.sum.wrapping_add(number);
        Tally { asked: self.asked, sum: self.sum }
    }
}

/// One asker, on the actor's lane: the median time of an ask.
pub(super) async fn one<P: Peer>(peer: P, count: u64) -> Result<f64, Wrong> {
    let clerk = peer.spawn(Lane::Nth(0), Clerk::default()).await;
    let asker = peer.task(Lane::Nth(0), async move {
        let mut samples = Vec::with_capacity((count / SAMPLE) as usize);
        let mut asked = 0;
        for _ in 0..count / SAMPLE {
            let start = Instant::now();
            for _ in 0..SAMPLE {
                asked += 1;
                check("asks", asked, P::ask::<Clerk>(&clerk, 1).await?.asked)?;
            }
            samples.push(each(SAMPLE, start.elapsed()));
        }
        Ok(median(&mut samples))
    });
    asker.await?
}

/// `askers` tasks on both lanes, one actor: asks answered a second.
pub(super) async fn many<P: Peer>(peer: P, askers: u64, count: u64) -> Result<f64, Wrong> {
    let clerk = peer.spawn(Lane::Nth(0), Clerk::default()).await;
    let share = count / askers;
    let start = Instant::now();
    let mut tasks = Vec::new();
    for asker in 0..askers {
        let clerk = clerk.clone();
        tasks.push(peer.task(Lane::Nth(asker as usize), async move {
            let mut before = 0;
            for _ in 0..share {
                let now = P::ask::<Clerk>(&clerk, asker).await?.asked;
                // The clerk's count grows from one answer to the next.
                check("an answer after an older one", 1, u64::from(now > before))?;
                before = now;
            }
            Ok::<_, Wrong>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let elapsed = start.elapsed();
    let tally = P::ask::<Clerk>(&clerk, 0).await?;
    check("asks", share * askers, tally.asked - 1)?;
    check("the sum of the questions", share * (askers * (askers - 1) / 2), tally.sum)?;
    Ok(rate(share * askers, elapsed))
}
