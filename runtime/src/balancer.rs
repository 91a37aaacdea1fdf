//! A choice between actors that do the same work: the better of two, drawn by lot.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::Actor;
use crate::actor_ref::{ActorRef, Offer};
use crate::ask::Door as _;
use crate::cell::{Status, flag};
use crate::error::{Refused, Rejected, StartError};
use crate::permit::Permit;
use crate::reply::Reply;
use crate::retry::Asking;
use crate::target::sealed::{Choice, Choose};

/// Most members of a balancer.
pub const MAX_MEMBERS: usize = 4_096;

/// Spreads calls over actors that do the same work. For each call two of them are drawn, and the one with the shorter
/// [wait](crate::Load::wait) is asked; if waits are equal, the one with fewer messages queued or in hand. If it refuses, the other is,
/// once: then the call is refused.
///
/// Looking at a member costs it nothing, and nobody is asked for the state of the others. Two are enough: the longest queue is
/// then about as long as the average one, and callers who look at the same moment do not all choose the same. A member that
/// is not running is chosen only if the other is not running either.
///
/// A call that was taken is not made elsewhere, whatever becomes of it: whether it may be done twice is for a
/// [`RetryPolicy`](crate::RetryPolicy) to know, which takes a balancer as well as an actor.
///
/// Members are slots, whose addresses survive restarts. Calls that belong together by a key belong to a partition instead.
///
/// # Guarantees
/// At most two members see a call, and the second only if the first has refused it.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Balancer, Context, Exit, Message, Reply, System};
/// # struct Resize { pixels: u64, reply: Reply<u64> }
/// # impl Message for Resize {}
/// # struct Resizer;
/// # impl Actor for Resizer {
/// #     type Args = (); type Msg = Resize;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Resizer) }
/// #     async fn handle(&mut self, Resize { pixels, reply }: Resize, _: &mut Context<Self>) -> Result<(), Exit> {
/// #         reply.send(pixels / 2);
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let system = System::bare()?;
/// # let workers = [system.spawn::<Resizer>(()).await?, system.spawn::<Resizer>(()).await?];
/// let resizers = Balancer::over(workers)?;
/// assert_eq!(resizers.ask(|reply| Resize { pixels: 640, reply }).await?, 320);
/// # system.stop().await;
/// # Ok(()) }
/// ```
pub struct Balancer<A: Actor> {
    members: Arc<[ActorRef<A>]>,
}

impl<A: Actor> Balancer<A> {
    /// A balancer over these actors of one system.
    ///
    /// # Errors
    /// [`StartError::Setting`] unless there are between 1 and [`MAX_MEMBERS`].
    pub fn over(members: impl IntoIterator<Item = ActorRef<A>>) -> Result<Self, StartError> {
        let members: Arc<[_]> = members.into_iter().take(MAX_MEMBERS + 1).collect();
        match members.len() {
            1..=MAX_MEMBERS => Ok(Self { members }),
            0 => Err(StartError::Setting(format!("a balancer over nobody, allowed are 1 to {MAX_MEMBERS} members"))),
            _ => Err(StartError::Setting(format!("more than {MAX_MEMBERS} members of a balancer"))),
        }
    }

    /// Asks a question, as [`ActorRef::ask`]. `make` is called again if the first member refuses.
    ///
    /// # Errors
    /// See [`AskError`](crate::AskError); a refusal is that of the member asked last.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the question.
    pub fn ask<R, F>(&self, make: F) -> Asking<'_, Self, R, F>
    where
        F: FnMut(Reply<R>) -> A::Msg,
    {
        Asking::new(self, None, make)
    }

    /// Sends a message, as [`ActorRef::tell`].
    ///
    /// # Errors
    /// [`Rejected`] gives the message back, and says why the member asked last refused.
    pub fn tell(&self, msg: impl Into<A::Msg>) -> Result<(), Rejected<A::Msg>> {
        let Choice { first, second } = self.choose();
        match (first.tell(msg), second) {
            (Err(rejected), Some(second)) => second.tell(rejected.into_message()),
            (sent, _) => sent,
        }
    }

    /// Reserves room for one message, as [`ActorRef::reserve`].
    ///
    /// # Errors
    /// [`Refused`], as the member asked last says.
    pub fn reserve(&self, offer: Offer) -> Result<Permit<A::Msg>, Refused> {
        let Choice { first, second } = self.choose();
        match (first.reserve(offer), second) {
            (Err(_), Some(second)) => second.reserve(offer),
            (reserved, _) => reserved,
        }
    }

    /// The members, in the order they were given.
    pub fn members(&self) -> &[ActorRef<A>] {
        &self.members
    }

    /// Two different members by lot.
    fn draw(&self) -> Choice<'_, A> {
        let members = &*self.members;
        let shared = match members {
            [only] => return Choice { first: only, second: None },
            members => members.iter().find_map(|member| member.cell.shared()),
        };
        // Where nobody was ever started the answer is the same whoever is asked.
        let random = shared.map_or(0, |shared| shared.port.rng_u64());
        let (one, other) = two_of(members.len(), random);
        Choice { first: &members[one], second: Some(&members[other]) }
    }
}

impl<A: Actor> Choose for Balancer<A> {
    type Actor = A;

    fn choose(&self) -> Choice<'_, A> {
        let drawn = self.draw();
        match drawn.second {
            Some(other) if rank(other) < rank(drawn.first) => Choice { first: other, second: Some(drawn.first) },
            _ => drawn,
        }
    }
}

/// Two different numbers below `of`, which is at least 2.
fn two_of(of: usize, random: u64) -> (usize, usize) {
    let below = |half: u64, of: usize| ((half * of as u64) >> 32) as usize;
    let one = below(random >> 32, of);
    let other = below(random & 0xFFFF_FFFF, of - 1);
    (one, if other < one { other } else { other + 1 })
}

/// The smaller, the sooner a message is handled there. What a member has in hand is not in its load.
pub(crate) fn rank<A: Actor>(member: &ActorRef<A>) -> (bool, Duration, u32) {
    let (core, load) = (member.cell.core(), member.load());
    let in_hand = !core.doing.get().is_none();
    let takes = core.status() == Status::Running && core.flags() & (flag::UNREADY | flag::HELD) == 0;
    (!takes, load.wait, load.depth.saturating_add(u32::from(in_hand)))
}

impl<A: Actor> Clone for Balancer<A> {
    fn clone(&self) -> Self {
        Self { members: self.members.clone() }
    }
}

impl<A: Actor> fmt::Debug for Balancer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members.iter()).finish()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod laws {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_pair_is_drawn_about_as_often() {
        let mut drawn = [[0_u32; 4]; 4];
        let mut random = 1_u64;
        for _ in 0..12_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // The low bits of such a generator are not random.
            let (one, other) = two_of(4, random.rotate_left(13) ^ random >> 7);
            drawn[one][other] += 1;
        }
        let pairs = drawn
            .iter()
            .enumerate()
            .flat_map(|(one, row)| row.iter().enumerate().map(move |(other, n)| (one, other, *n)));
        for (one, other, times) in pairs {
            assert!(if one == other { times == 0 } else { (800..1_200).contains(&times) }, "{drawn:?}");
        }
    }

    proptest! {
        #[test]
        fn two_different_members_are_drawn(of in 2..=MAX_MEMBERS, random in any::<u64>()) {
            let (one, other) = two_of(of, random);
            prop_assert!(one != other && one < of && other < of);
        }
    }
}
