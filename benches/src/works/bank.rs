//! bank: tellers move money between accounts, asking one account and then the other.

use std::time::Instant;

use super::support::{Dice, Wrong, check, rate};
use crate::peer::{Behaviour, Lane, Next, Peer};

/// How many accounts there are.
pub(super) const ACCOUNTS: u64 = 1_024;
/// How many tellers move money at a time.
pub(super) const TELLERS: u64 = 64;
/// What an account begins with.
const FLOAT: u64 = 1_000_000;

/// An account: what is on it, and how often it moved.
struct Account {
    cents: u64,
    moves: u64,
}

/// What a teller, or the auditor at the end, asks.
enum Question {
    Withdraw(u64),
    Deposit(u64),
    Balance,
    Moves,
}

impl Behaviour for Account {
    type Tell = ();
    type Ask = Question;
    /// What was moved, or what was asked for.
    type Answer = u64;

    fn on_tell(&mut self, (): ()) -> Next {
        Next::Continue
    }

    fn on_ask(&mut self, question: Question) -> u64 {
        match question {
            Question::Withdraw(cents) => {
                let cents = cents.min(self.cents);
                self.cents -= cents;
                self.moves += 1;
                cents
            }
            Question::Deposit(cents) => {
                self.cents += cents;
                self.moves += 1;
                cents
            }
            Question::Balance => self.cents,
            Question::Moves => self.moves,
        }
    }
}

/// Counts transfers; each is two asks, one after the other.
pub(super) async fn bank<P: Peer>(peer: P, transfers: u64) -> Result<f64, Wrong> {
    let mut accounts = Vec::new();
    for n in 0..ACCOUNTS {
        accounts.push(peer.spawn(Lane::Nth(n as usize), Account { cents: FLOAT, moves: 0 }).await);
    }
    let share = transfers / TELLERS;
    let start = Instant::now();
    let mut tellers = Vec::new();
    for teller in 0..TELLERS {
        let accounts = accounts.clone();
        tellers.push(peer.task(Lane::Nth(teller as usize), async move {
            let mut dice = Dice::new(teller + 1);
            for _ in 0..share {
                let from = dice.roll(ACCOUNTS);
                let to = (from + 1 + dice.roll(ACCOUNTS - 1)) % ACCOUNTS;
                let cents = P::ask::<Account>(&accounts[from as usize], Question::Withdraw(1 + dice.roll(100))).await?;
                P::ask::<Account>(&accounts[to as usize], Question::Deposit(cents)).await?;
            }
            Ok::<_, Wrong>(())
        }));
    }
    for teller in tellers {
        teller.await??;
    }
    let elapsed = start.elapsed();
    let (mut cents, mut moves) = (0, 0);
    for account in &accounts {
        cents += P::ask::<Account>(account, Question::Balance).await?;
        moves += P::ask::<Account>(account, Question::Moves).await?;
    }
    check("cents", ACCOUNTS * FLOAT, cents)?;
    check("withdrawals and deposits", 2 * share * TELLERS, moves)?;
    Ok(rate(share * TELLERS, elapsed))
}
