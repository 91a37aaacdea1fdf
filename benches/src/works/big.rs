//! big: everybody pings everybody, and everybody replies.

use std::sync::Arc;
use std::time::Instant;

use super::support::{Countdown, Dice, Wrong, check, rate};
use crate::peer::{Behaviour, Lane, Next, Peer};

/// How many actors there are.
pub(super) const MEMBERS: u64 = 128;
/// How many of its own pings each has under way. All pings together fit one mailbox.
pub(super) const IN_FLIGHT: u64 = 4;

/// Pings others at random, a new one for every pong, until its quota is used up; answers the pings of others.
struct Member<P: Peer> {
    me: u32,
    everybody: Arc<[P::Addr<Member<P>>]>,
    dice: Dice,
    /// Pings still to send.
    left: u64,
    /// Pongs still to come.
    awaited: u64,
    pings: u64,
    pongs: u64,
    end: Countdown,
}

/// What members send each other.
enum Play {
    /// Sends the first pings.
    Begin,
    /// Wants a pong.
    Ping {
        /// Who sends it: its place among everybody.
        from: u32,
    },
    /// Answers a ping.
    Pong,
}

/// What the driver asks a member.
enum Question<P: Peer> {
    /// To know everybody.
    Meet(Arc<[P::Addr<Member<P>>]>),
    /// How many pings it answered.
    Pings,
    /// How many pongs it received.
    Pongs,
}

impl<P: Peer> Member<P> {
    fn ping(&mut self) {
        if self.left > 0 {
            self.left -= 1;
            let to = &self.everybody[self.dice.roll(self.everybody.len() as u64) as usize];
            // A loss shows as a pong that never arrives.
            drop(P::post::<Self>(to, Play::Ping { from: self.me }));
        }
    }
}

impl<P: Peer> Behaviour for Member<P> {
    type Tell = Play;
    type Ask = Question<P>;
    type Answer = u64;

    fn on_tell(&mut self, play: Play) -> Next {
        match play {
            Play::Begin => (0..IN_FLIGHT).for_each(|_| self.ping()),
            Play::Ping { from } => {
                self.pings += 1;
                drop(P::post::<Self>(&self.everybody[from as usize], Play::Pong));
            }
            Play::Pong => {
                self.pongs += 1;
                self.awaited -= 1;
                self.ping();
                if self.awaited == 0 {
                    self.end.arrive();
                }
            }
        }
        Next::Continue
    }

    fn on_ask(&mut self, question: Question<P>) -> u64 {
        match question {
            Question::Meet(everybody) => {
                self.everybody = everybody;
                0
            }
            Question::Pings => self.pings,
            Question::Pongs => self.pongs,
        }
    }
}

/// Counts pings and pongs alike.
pub(super) async fn big<P: Peer>(peer: P, messages: u64) -> Result<f64, Wrong> {
    let quota = messages / 2 / MEMBERS;
    let (end, ended) = Countdown::new(MEMBERS);
    let mut members = Vec::new();
    for n in 0..MEMBERS {
        let member = Member::<P> {
            me: n as u32,
            everybody: Arc::new([]),
            dice: Dice::new(n + 1),
            left: quota,
            awaited: quota,
            pings: 0,
            pongs: 0,
            end: end.clone(),
        };
        members.push(peer.spawn(Lane::Nth(n as usize), member).await);
    }
    let members: Arc<[P::Addr<Member<P>>]> = members.into();
    for member in members.iter() {
        P::ask::<Member<P>>(member, Question::Meet(members.clone())).await?;
    }
    let start = Instant::now();
    for member in members.iter() {
        P::send::<Member<P>>(member, Play::Begin).await?;
    }
    ended.await?;
    let elapsed = start.elapsed();
    let (mut pings, mut pongs) = (0, 0);
    for member in members.iter() {
        pings += P::ask::<Member<P>>(member, Question::Pings).await?;
        pongs += P::ask::<Member<P>>(member, Question::Pongs).await?;
    }
    check("pings", quota * MEMBERS, pings)?;
    check("pongs", quota * MEMBERS, pongs)?;
    Ok(rate(pings + pongs, elapsed))
}
