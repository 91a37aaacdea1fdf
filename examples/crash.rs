//! # A crash and a restart
//!
//! A panic, or an error that a handler returns, ends one *incarnation* of the actor: its state is gone, and so is the
//! message it had in hand. Its supervisor starts the next incarnation. The address and what was queued survive, so that
//! nobody else has to know.
//!
//! ```sh
//! cargo run --example crash
//! ```
//!
//! Expected output:
//!
//! ```text
//! incarnation 1: 350 cents
//! split 0 ways: Err(Died)
//! incarnation 2: 100 cents
//! incarnation 3: 107 cents
//! dead letter: Split to till, given up
//! dead letter: Sell to till, given up
//! crash of shop/till <[..]#1> at [..] s
//!   reason     panic in handle: attempt to divide by zero
//!   location   examples/crash.rs:[..]
//!   in hand    Split, asked from outside [..] ms ago, taken [..] ms ago
//!   last kinds Sell ([..] ms ago), Total ([..] ms ago), Split ([..] ms ago)
//!   actor      crash::Cashier, incarnation 1, never restarted before
//!   decision   restarted (by shop)
//!   budget     1 of 3 restarts in 5s, 2 left
//! crash of till, incarnation 2: till overflow, 1 restart left
//! ```
//!
//! Next: `strategies`.

use crashworthy::prelude::*;
use crashworthy::{CrashReport, DeadLetter, Fallen};
use tokio::sync::mpsc;

#[derive(Message)]
enum Till {
    Sell { cents: u64 },
    Split { ways: u64, reply: Reply<u64> },
    Total { reply: Reply<u64> },
}

struct Cashier {
    total: u64,
}

impl Actor for Cashier {
    type Args = u64;
    type Msg = Till;

    /// Every incarnation starts here, from a copy of the same arguments.
    async fn init(float: u64, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Cashier { total: float })
    }

    async fn handle(&mut self, msg: Till, _: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            // Any error is an exit: `?` is how you let it crash.
            Till::Sell { cents } => self.total = self.total.checked_add(cents).ok_or("till overflow")?,
            // So is a panic.
            Till::Split { ways, reply } => reply.send(self.total / ways),
            Till::Total { reply } => reply.send(self.total),
        }
        Ok(())
    }
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let till = Slot::<Cashier>::named("till");
    let shop = Supervisor::one_for_one("shop").intensity(3, secs(5)).child(till.child(100));
    // Messages that nobody handled are told to a hook, away from the crash.
    let (letters, mut fallen) = mpsc::channel(8);
    let hook = move |letter: DeadLetter| letters.try_send(letter).expect("there is room for eight");
    let system = System::builder().on_dead_letter(hook).start(shop).await?;

    till.tell(Till::Sell { cents: 250 })?;
    print_total(&till).await?;

    // Whoever asked learns at once that the answer will not come. The message is not tried again.
    println!("split 0 ways: {:?}", till.ask(|reply| Till::Split { ways: 0, reply }).await);
    print_total(&till).await?;

    // The first of these crashes the till; the next incarnation goes on with what was queued behind it.
    till.tell(Till::Sell { cents: u64::MAX })?;
    till.tell(Till::Sell { cents: 7 })?;
    print_total(&till).await?;

    for _ in 0..2 {
        let letter = fallen.recv().await.ok_or("the hook lives as long as the system")?;
        assert_eq!(letter.fallen, Fallen::GivenUp);
        println!("dead letter: {} to {}, given up", letter.kind, letter.to_name.unwrap_or_default());
    }
    // What is known of a crash is text to read, and data to work with.
    let (_, mut crashes) = system.crashes();
    let second = crashes.pop().ok_or("there were two")?;
    let first = crashes.pop().ok_or("there were two")?;
    println!("{}", CrashReport { backtrace: None, ..first });
    let left = second.judgement.verdict().map_or(0, |verdict| verdict.ruling.budget.left());
    let name = second.name.unwrap_or_default();
    println!("crash of {name}, incarnation {}: {}, {left} restart left", second.pid.incarnation, second.crash.message);
    system.stop().await;
    Ok(())
}

/// Asks the incarnation that lives.
async fn print_total(till: &ActorRef<Cashier>) -> Result<(), AskError> {
    let total = till.ask(|reply| Till::Total { reply }).await?;
    println!("incarnation {}: {total} cents", till.pid().incarnation);
    Ok(())
}
