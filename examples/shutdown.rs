//! # Graceful shutdown
//!
//! SIGTERM, or Ctrl-C, stops a system: new work from outside is refused, what is queued is served for a while, then the
//! tree stops in reverse order, each child within its time. Who does not stop is killed, and the report names it.
//!
//! ```sh
//! cargo run --example shutdown
//! ```
//!
//! Expected output:
//!
//! ```text
//! server: open
//! printer: prints a very long page
//! SIGTERM
//! new work: it is draining
//! ledger: books 1
//! ledger: books 2
//! ledger: books 3
//! server: closed
//! ledger: closed, 3 entries
//! stopped in [..], 1 message was not served
//!   shop/printer [..] was killed after [..]ms, in handle of Print for [..]ms
//! ```
//!
//! That was the last lesson. `examples/storefront` is a whole service.

use std::sync::Arc;

use crashworthy::prelude::*;
use tokio::sync::{Notify, Semaphore};

/// Books what it is told, and must close its books.
struct Ledger {
    /// How the lesson decides when it may go on.
    ink: Arc<Semaphore>,
    entries: u32,
}

#[derive(Message)]
struct Book(u32);

impl Actor for Ledger {
    type Args = Arc<Semaphore>;
    type Msg = Book;

    async fn init(ink: Arc<Semaphore>, cx: &mut Context<Self>) -> Result<Self, Exit> {
        // Who traps exits is asked to stop, between two messages, and may clean up in `terminate`.
        cx.trap_exit(true);
        Ok(Ledger { ink, entries: 0 })
    }

    async fn handle(&mut self, Book(entry): Book, _: &mut Context<Self>) -> Result<(), Exit> {
        self.ink.acquire().await?.forget();
        self.entries += 1;
        println!("ledger: books {entry}");
        Ok(())
    }

    async fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        println!("ledger: closed, {} entries", self.entries);
    }
}

/// Never ends what it has begun.
struct Printer {
    begun: Arc<Notify>,
}

#[derive(Message)]
struct Print;

impl Actor for Printer {
    type Args = Arc<Notify>;
    type Msg = Print;

    async fn init(begun: Arc<Notify>, cx: &mut Context<Self>) -> Result<Self, Exit> {
        // It wants to be asked, and will not hear the question. Without this it would end at its next await.
        cx.trap_exit(true);
        Ok(Printer { begun })
    }

    async fn handle(&mut self, _: Print, _: &mut Context<Self>) -> Result<(), Exit> {
        println!("printer: prints a very long page");
        self.begun.notify_one();
        std::future::pending().await
    }
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (ink, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let (ledger, printer) = (Slot::<Ledger>::named("ledger"), Slot::<Printer>::named("printer"));
    let open = Arc::new(Notify::new());
    let server = Task::named("server", open.clone(), |open, cx| async move {
        println!("server: open");
        open.notify_one();
        cx.stopping().await;
        println!("server: closed");
        Ok(())
    });
    let shop = Supervisor::one_for_one("shop")
        .child(ledger.child(ink.clone()))
        .child(printer.child(begun.clone()).within(ms(50)))
        .child(server);
    let system = System::builder().drain(ms(200)).start(shop).await?;
    open.notified().await;

    printer.tell(Print)?;
    begun.notified().await;
    for entry in 1..=3 {
        ledger.tell(Book(entry))?;
    }

    // A service ends with `Ok(system.run_until_signal().await.into_result()?)`. This one sends the signal to itself, once
    // that listens.
    let (ended, sent) = tokio::join!(biased; system.run_until_signal(), async {
        println!("SIGTERM");
        let sent = std::process::Command::new("kill").arg(std::process::id().to_string()).status();
        println!("new work: {}", refusal(&ledger).await.reason);
        ink.add_permits(3);
        sent
    });
    sent?;
    println!("{}", ended.report);
    Ok(ended.into_result()?)
}

/// Waits until an actor takes no more work.
async fn refusal<A: Actor>(actor: &ActorRef<A>) -> Refused {
    loop {
        match actor.reserve(Offer::within(secs(1))) {
            // The place is given back.
            Ok(_) => tokio::task::yield_now().await,
            Err(refused) => return refused,
        }
    }
}
