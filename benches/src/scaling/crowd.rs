//! A crowd of one size, and what is done with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::Figures;
use crate::crowd::resident;
use crate::peer::{Behaviour, Lane, Next, Peer, Workers};
use crate::works::{Countdown, Dice, Wrong, check, each};

/// Messages that are under way at a time.
const TOKENS: u64 = 64;
/// How often who spawns or asks in a loop lets others run.
const STRIDE: usize = 64;
/// Actors that come first and stay, so that the runtime has taken what it takes.
const BEFORE: usize = 1_000;

/// Hands a token on to the next of the ring; counts tokens and questions.
struct Member<P: Peer> {
    next: Option<P::Addr<Member<P>>>,
    started: Arc<AtomicU64>,
    handled: u64,
    asked: u64,
    end: Countdown,
}

enum Question<P: Peer> {
    /// To hand tokens to this one.
    Join(P::Addr<Member<P>>),
    /// How often it was asked this.
    Asked,
    /// How many tokens it has handled.
    Handled,
}

impl<P: Peer> Behaviour for Member<P> {
    /// The hops that are left after this one.
    type Tell = u64;
    type Ask = Question<P>;
    type Answer = u64;

    fn started(&mut self) {
        self.started.fetch_add(1, Ordering::Release);
    }

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
        match question {
            Question::Join(next) => {
                self.next = Some(next);
                0
            }
            Question::Asked => {
                self.asked += 1;
                self.asked
            }
            Question::Handled => self.handled,
        }
    }
}

/// Measures a crowd of `actors` with so many messages and so many questions, in this process.
///
/// # Errors
/// When something that was sent or asked is not counted in the end.
pub(super) fn measure_here<P: Peer>(actors: usize, messages: u64, asks: u64) -> Result<Figures, Wrong> {
    P::run(Workers::Two, move |peer| async move {
        let (end, ended) = Countdown::new(TOKENS);
        // Touched beforehand, so that the driver's own list is not counted.
        let mut all: Vec<Option<P::Addr<Member<P>>>> = vec![None; actors + BEFORE];
        let started = Arc::<AtomicU64>::default();
        spawn(&peer, &started, &end, &mut all[..BEFORE]).await;
        until(&started, BEFORE).await;
        let (before, began) = (resident(), Instant::now());
        spawn(&peer, &started, &end, &mut all[BEFORE..]).await;
        until(&started, all.len()).await;
        let spawn_ns = each(actors as u64, began.elapsed());
        let bytes = resident().saturating_sub(before) as f64 / actors as f64;

        let mut order: Vec<_> = all.drain(BEFORE..).flatten().collect();
        shuffle(&mut order);
        let hop_ns = pass_tokens::<P>(&order, messages, ended).await?;
        shuffle(&mut order);
        let ask_ns = ask_all::<P>(&order, asks).await?;
        Ok(Figures { actors, spawn_ns, bytes, hop_ns, ask_ns })
    })
}

/// Waits until so many have started.
async fn until(started: &AtomicU64, many: usize) {
    while started.load(Ordering::Acquire) < many as u64 {
        tokio::task::yield_now().await;
    }
}

/// An actor for every place.
async fn spawn<P: Peer>(
    peer: &P,
    started: &Arc<AtomicU64>,
    end: &Countdown,
    places: &mut [Option<P::Addr<Member<P>>>],
) {
    for (n, place) in places.iter_mut().enumerate() {
        let member = Member::<P> { next: None, started: started.clone(), handled: 0, asked: 0, end: end.clone() };
        *place = Some(peer.spawn(Lane::Nth(n), member).await);
        let_others_run(n).await;
    }
}

async fn let_others_run(n: usize) {
    if n.is_multiple_of(STRIDE) {
        tokio::task::yield_now().await;
    }
}

/// The same disorder for everybody, so that neighbours in the ring are none in memory.
fn shuffle<T>(all: &mut [T]) {
    let mut dice = Dice::new(all.len() as u64);
    for n in (1..all.len()).rev() {
        all.swap(n, dice.roll(n as u64 + 1) as usize);
    }
}

/// Tokens go round the crowd, at most one for each actor. The time of a hop.
async fn pass_tokens<P: Peer>(
    ring: &[P::Addr<Member<P>>],
    hops: u64,
    ended: tokio::sync::oneshot::Receiver<()>,
) -> Result<f64, Wrong> {
    for (n, member) in ring.iter().enumerate() {
        P::ask::<Member<P>>(member, Question::Join(ring[(n + 1) % ring.len()].clone())).await?;
        let_others_run(n).await;
    }
    let per_token = hops / TOKENS;
    let began = Instant::now();
    for token in 0..TOKENS {
        let first = &ring[token as usize * ring.len() / TOKENS as usize];
        P::send::<Member<P>>(first, per_token - 1).await?;
    }
    ended.await?;
    let elapsed = began.elapsed();
    let mut handled = 0;
    for (n, member) in ring.iter().enumerate() {
        handled += P::ask::<Member<P>>(member, Question::Handled).await?;
        let_others_run(n).await;
    }
    check("hops", per_token * TOKENS, handled)?;
    Ok(each(handled, elapsed))
}

/// One after the other is asked, again and again. The time of a question.
async fn ask_all<P: Peer>(crowd: &[P::Addr<Member<P>>], asks: u64) -> Result<f64, Wrong> {
    let rounds = asks / crowd.len() as u64;
    if rounds == 0 {
        return Ok(0.0);
    }
    let began = Instant::now();
    for round in 1..=rounds {
        for member in crowd {
            check("questions of an actor", round, P::ask::<Member<P>>(member, Question::Asked).await?)?;
        }
    }
    Ok(each(rounds * crowd.len() as u64, began.elapsed()))
}
