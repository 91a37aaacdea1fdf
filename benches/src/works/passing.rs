//! pingpong, ring1, ring64: tokens that go round a ring of actors. Two actors and one token are ping-pong.

use std::time::Instant;

use super::support::{Countdown, Wrong, check, each};
use crate::peer::{Behaviour, Lane, Next, Peer};

/// How many actors stand in the ring.
pub(super) const RING: u64 = 503;

/// Hands each token on until it has no hops left.
struct Member<P: Peer> {
    next: Option<P::Addr<Member<P>>>,
    handled: u64,
    end: Countdown,
}

/// What the driver asks a member.
enum Question<P: Peer> {
    /// To take this one as its neighbour.
    Join(P::Addr<Member<P>>),
    /// How many tokens it has handled.
    Handled,
}

impl<P: Peer> Behaviour for Member<P> {
    /// The hops that are left after this one.
    type Tell = u64;
    type Ask = Question<P>;
    type Answer = u64;

    fn on_tell(&mut self, left: u64) -> Next {
        self.handled += 1;
        match (&self.next, left) {
            (Some(next), 1..) => {
                // A loss shows as a token that never arrives.
                drop(P::post::<Member<P>>(next, left - 1));
            }
            _ => self.end.arrive(),
        }
        Next::Continue
    }

    fn on_ask(&mut self, question: Question<P>) -> u64 {
        if let Question::Join(next) = question {
            self.next = Some(next);
        }
        self.handled
    }
}

/// `tokens` tokens, spread evenly, make `hops` hops between them round `members` actors; actors of one half of the ring share a lane.
pub(super) async fn ring<P: Peer>(peer: P, members: u64, tokens: u64, hops: u64) -> Result<f64, Wrong> {
    let (end, ended) = Countdown::new(tokens);
    let mut ring = Vec::new();
    for n in 0..members {
        let lane = if members == 2 { Lane::Nth(0) } else { Lane::Nth((n * 2 / members) as usize) };
        ring.push(peer.spawn(lane, Member::<P> { next: None, handled: 0, end: end.clone() }).await);
    }
    for (n, member) in ring.iter().enumerate() {
        let next = ring[(n + 1) % ring.len()].clone();
        P::ask::<Member<P>>(member, Question::Join(next)).await?;
    }
    let per_token = hops / tokens;
    let start = Instant::now();
    for token in 0..tokens {
        let first = &ring[(token * members / tokens) as usize];
        P::send::<Member<P>>(first, per_token - 1).await?;
    }
    ended.await?;
    let elapsed = start.elapsed();
    let mut handled = 0;
    for member in &ring {
        handled += P::ask::<Member<P>>(member, Question::Handled).await?;
    }
    check("hops", per_token * tokens, handled)?;
    Ok(each(handled, elapsed))
}

/// Two actors, one token; a round trip is two hops.
pub(super) async fn ping_pong<P: Peer>(peer: P, round_trips: u64) -> Result<f64, Wrong> {
    Ok(2.0 * ring(peer, 2, 1, 2 * round_trips).await?)
}
