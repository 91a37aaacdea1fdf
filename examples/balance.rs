//! # One of several
//!
//! Several actors do the same work, and a question goes to one of them. A [`Balancer`] draws two and takes the one with the
//! shorter wait; if it refuses, the other is asked, and nobody else. Looking at an actor costs it nothing.
//!
//! ```sh
//! cargo run --example balance
//! ```
//!
//! Expected output:
//!
//! ```text
//! three customers with full trolleys stand at the left till
//! the next pay at: right, right, right
//! the right till closes
//! the next one pays at: left
//! the left till closes
//! the next one: it is stopped
//! ```
//!
//! Next: `links`.

use std::sync::Arc;

use crashworthy::prelude::*;
use tokio::sync::Semaphore;

#[derive(Message)]
enum Till {
    /// A full trolley: it takes until the lesson says so.
    Trolley,
    Pay {
        reply: Reply<&'static str>,
    },
    Close,
}

struct Cashier {
    name: &'static str,
    scanned: Arc<Semaphore>,
}

impl Actor for Cashier {
    type Args = (&'static str, Arc<Semaphore>);
    type Msg = Till;

    async fn init((name, scanned): Self::Args, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Cashier { name, scanned })
    }

    async fn handle(&mut self, msg: Till, _: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            Till::Trolley => self.scanned.acquire().await?.forget(),
            Till::Pay { reply } => reply.send(self.name),
            Till::Close => return Err(Exit::normal()),
        }
        Ok(())
    }
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scanned = Arc::new(Semaphore::new(0));
    let (left, right) = (Slot::<Cashier>::named("left"), Slot::<Cashier>::named("right"));
    let tills = Supervisor::one_for_one("tills")
        .child(left.child(("left", scanned.clone())).restart(Restart::Transient))
        .child(right.child(("right", scanned.clone())).restart(Restart::Transient));
    let system = System::start(tills).await?;
    let open = Balancer::over([left.address(), right.address()])?;

    for _ in 0..3 {
        left.tell(Till::Trolley)?;
    }
    println!("three customers with full trolleys stand at the left till");
    let mut paid = Vec::new();
    for _ in 0..3 {
        paid.push(open.ask(|reply| Till::Pay { reply }).await?);
    }
    println!("the next pay at: {}", paid.join(", "));

    let closed = right.down();
    right.tell(Till::Close)?;
    closed.await;
    println!("the right till closes");
    // A till that is not open is passed over. Whoever pays there now waits behind the trolleys.
    let pays = open.ask(|reply| Till::Pay { reply });
    scanned.add_permits(3);
    println!("the next one pays at: {}", pays.await?);

    let closed = left.down();
    left.tell(Till::Close)?;
    closed.await;
    println!("the left till closes");
    if let Err(AskError::Refused(refused)) = open.ask(|reply| Till::Pay { reply }).await {
        println!("the next one: {}", refused.reason);
    }
    system.stop().await;
    Ok(())
}
