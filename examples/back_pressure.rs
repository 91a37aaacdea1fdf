//! # Back pressure
//!
//! A mailbox is bounded: there is no other kind. What does not fit is refused at once, and the message comes back to its
//! sender, who decides: give up, do something else, or wait for room, up to a deadline.
//!
//! ```sh
//! cargo run --example back_pressure
//! ```
//!
//! Expected output:
//!
//! ```text
//! parcels 1 to 3 are accepted: one in hand, two queued
//! parcel 4 comes back: its mailbox is full (2 of 2)
//! waiting 10 ms for room: there is no room before the deadline
//! a place is free: parcel 5 goes there
//! delivered: [1, 2, 3, 5]
//! accepted 5 = handled 5, and 0 otherwise
//! ```
//!
//! Next: `retry`.

use std::sync::Arc;

use crashworthy::prelude::*;
use tokio::sync::Semaphore;

#[derive(Message, Debug)]
enum Depot {
    Deliver { parcel: u32 },
    Delivered { reply: Reply<Vec<u32>> },
}

struct Driver {
    /// One permit a parcel: how the lesson decides when a delivery ends.
    road: Arc<Semaphore>,
    delivered: Vec<u32>,
}

impl Actor for Driver {
    type Args = Arc<Semaphore>;
    type Msg = Depot;

    async fn init(road: Arc<Semaphore>, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Driver { road, delivered: Vec::new() })
    }

    async fn handle(&mut self, msg: Depot, _: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            Depot::Deliver { parcel } => {
                self.road.acquire().await?.forget();
                self.delivered.push(parcel);
            }
            Depot::Delivered { reply } => reply.send(self.delivered.clone()),
        }
        Ok(())
    }
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let road = Arc::new(Semaphore::new(0));
    let driver = Slot::<Driver>::named("driver").mailbox(2)?;
    let system = System::start(Supervisor::one_for_one("depot").child(driver.child(road.clone()))).await?;

    // The first parcel is soon in hand, and leaves its place to another: wait for the room it takes.
    for parcel in 1..=3 {
        driver.admitted(secs(1)).await?.send(Depot::Deliver { parcel })?;
    }
    println!("parcels 1 to 3 are accepted: one in hand, two queued");

    if let Err(rejected) = driver.tell(Depot::Deliver { parcel: 4 }) {
        let Refused { reason, load, .. } = rejected.why;
        if let Depot::Deliver { parcel } = rejected.into_message() {
            println!("parcel {parcel} comes back: {reason} ({} of {})", load.depth, load.limit);
        }
    }
    if let Err(refused) = driver.admitted(ms(10)).await {
        println!("waiting 10 ms for room: {}", refused.reason);
    }

    // When the driver goes on there is room: whoever waits for it gets a permit, a place that nobody else can take.
    road.add_permits(4);
    let permit = driver.admitted(secs(1)).await?;
    permit.send(Depot::Deliver { parcel: 5 })?;
    println!("a place is free: parcel 5 goes there");

    // Questions need room as well. The permit is for the message, whatever the message is.
    driver.settled().await;
    println!("delivered: {:?}", driver.ask(|reply| Depot::Delivered { reply }).await?);

    // Every message ends in exactly one way.
    driver.settled().await;
    let law = driver.law();
    println!("accepted {} = handled {}, and {} otherwise", law.accepted, law.handled, law.accepted - law.handled);
    system.stop().await;
    Ok(())
}
