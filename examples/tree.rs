//! # A whole tree
//!
//! Supervisors look after supervisors. A tree is a value until it is started: it can be printed and is checked. What
//! crashes too often makes its supervisor give up, and *its* supervisor restarts the whole branch from a known good state.
//! The other branches notice nothing.
//!
//! ```sh
//! cargo run --example tree
//! ```
//!
//! Expected output:
//!
//! ```text
//! shop: supervisor, one_for_one, 3 restarts in 5s
//!   clock: worker, permanent, shutdown within 5s
//!   checkout: supervisor, rest_for_one, 1 restart in 5s, permanent, shutdown without limit
//!     stock: worker, permanent, shutdown within 5s
//!     orders: worker, permanent, shutdown within 5s
//!   customers: dynamic supervisor, 1 restart in 5s, at most 100 children, permanent, shutdown without limit
//!     customers (any number): worker, temporary, shutdown within 5s
//! started: the clock runs, stock begins life 1, orders begins life 1
//! a crash restarts orders alone: orders begins life 2
//! the next is one too many, checkout starts anew: stock begins life 2, orders begins life 3
//! on request: a customer begins life 1
//! a broken tree: the supervision tree is not valid: shop/till: an earlier child of the same supervisor has this name
//! ```
//!
//! Next: `many`.

use std::sync::Arc;

use crashworthy::prelude::*;
use tokio::sync::{Notify, mpsc};

/// Where clerks write down that they begin.
type Diary = mpsc::UnboundedSender<String>;

struct Clerk;

#[derive(Message)]
struct Crash;

impl Actor for Clerk {
    type Args = (&'static str, Diary);
    type Msg = Crash;

    async fn init((name, diary): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        diary.send(format!("{name} begins life {}", cx.incarnation()))?;
        Ok(Clerk)
    }

    async fn handle(&mut self, _: Crash, _: &mut Context<Self>) -> Result<(), Exit> {
        Err("told to crash")?
    }
}

/// Waits until this many clerks have begun.
async fn read(pages: &mut mpsc::UnboundedReceiver<String>, count: usize) -> String {
    let mut lines = Vec::new();
    for _ in 0..count {
        lines.extend(pages.recv().await);
    }
    lines.join(", ")
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (diary, mut pages) = mpsc::unbounded_channel();
    // Addresses first: actors can be wired to each other before any of them runs.
    let [stock, orders] = ["stock", "orders"].map(Slot::<Clerk>::named);
    // A handle to children that are started on request.
    let customers = Dynamic::<Clerk>::named("customers").max_children(100);
    // A future can be a child, too: a server, a consumer, a clock.
    let runs = Arc::new(Notify::new());
    let clock = Task::named("clock", runs.clone(), |runs, cx| async move {
        runs.notify_one();
        cx.stopping().await;
        Ok(())
    });

    // Orders need the stock: when the stock is restarted, so are they.
    let checkout = Supervisor::rest_for_one("checkout")
        .child(stock.child(("stock", diary.clone())))
        .child(orders.child(("orders", diary.clone())));
    let shop =
        Supervisor::one_for_one("shop").intensity(3, secs(5)).child(clock).child(checkout).child(customers.clone());
    print!("{shop}");

    let system = System::start(shop).await?;
    runs.notified().await;
    println!("started: the clock runs, {}", read(&mut pages, 2).await);

    orders.tell(Crash)?;
    println!("a crash restarts orders alone: {}", read(&mut pages, 1).await);
    orders.tell(Crash)?;
    println!("the next is one too many, checkout starts anew: {}", read(&mut pages, 2).await);

    customers.start(("a customer", diary.clone())).await?;
    println!("on request: {}", read(&mut pages, 1).await);
    system.stop().await;

    // Mistakes are found before anything is started.
    let twins = [(); 2].map(|()| Slot::<Clerk>::named("till").child(("till", diary.clone())));
    let broken = twins.into_iter().fold(Supervisor::one_for_one("shop"), Supervisor::child);
    if let Err(error) = System::start(broken).await {
        println!("a broken tree: {error}");
    }
    Ok(())
}
