//! # Bulkheads
//!
//! A handler should not block its thread. Where it has to, because a library knows no other way, or where it computes for a
//! long time, it gets threads that are nobody else's: a bulkhead for a part of the tree, or a thread of its own for one actor.
//! When these are all taken, the others do not notice.
//!
//! ```sh
//! cargo run --example bulkhead
//! ```
//!
//! Expected output:
//!
//! ```text
//! shop: supervisor, one_for_one, 1 restart in 5s
//!   till: worker, permanent, shutdown within 5s
//!   printer: worker, permanent, shutdown within 5s, a thread of its own
//!   reports: supervisor, one_for_one, 1 restart in 5s, permanent, shutdown without limit, bulkhead of 1 thread
//!     yearly: worker, permanent, shutdown within 5s
//! pools: shop, shop/printer, shop/reports
//! the printer and the yearly report hold their threads
//! till: 1 sold
//! till: 2 sold
//! till: 3 sold
//! the printer has printed, the report is done
//! ```
//!
//! Next: `testing`.

use std::sync::mpsc;

use crashworthy::prelude::*;

/// Answers at once, on the system's threads.
struct Till {
    sold: u32,
}

#[derive(Message)]
struct Sell {
    reply: Reply<u32>,
}

impl Actor for Till {
    type Args = ();
    type Msg = Sell;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Till { sold: 0 })
    }

    async fn handle(&mut self, Sell { reply }: Sell, _: &mut Context<Self>) -> Result<(), Exit> {
        self.sold += 1;
        reply.send(self.sold);
        Ok(())
    }
}

/// Waits for a device in a way that blocks its thread.
struct Device;

/// Until the other end is dropped.
#[derive(Message)]
struct Wait {
    ready: mpsc::Receiver<()>,
    reply: Reply<()>,
}

impl Actor for Device {
    type Args = ();
    type Msg = Wait;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Device)
    }

    async fn handle(&mut self, Wait { ready, reply }: Wait, _: &mut Context<Self>) -> Result<(), Exit> {
        // No await: this is the call that blocks.
        let _ = ready.recv();
        reply.send(());
        Ok(())
    }
}

/// Has a device wait for what the sender stands for, and says when its handler is in there.
fn wait(device: &ActorRef<Device>) -> Result<(mpsc::Sender<()>, Answer<()>), Box<dyn std::error::Error>> {
    let ((sender, ready), (reply, done)) = (mpsc::channel(), Reply::pair());
    device.tell(Wait { ready, reply })?;
    while device.load().depth != 0 {
        std::thread::yield_now();
    }
    Ok((sender, done))
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (till, printer, yearly) = (Slot::<Till>::named("till"), Slot::named("printer"), Slot::named("yearly"));
    let reports = Supervisor::one_for_one("reports").bulkhead(Bulkhead::threads(1)).child(yearly.child(()));
    let shop = Supervisor::one_for_one("shop").child(till.child(())).child(printer.child(()).blocking()).child(reports);
    print!("{shop}");
    let system = System::builder().name("shop").start(shop).await?;
    let names: Vec<_> = system.pools().into_iter().map(|pool| pool.name).collect();
    println!("pools: {}", names.join(", "));

    let [(printed, page), (computed, report)] = [wait(&printer)?, wait(&yearly)?];
    println!("the printer and the yearly report hold their threads");
    for _ in 0..3 {
        println!("till: {} sold", till.ask(|reply| Sell { reply }).await?);
    }

    drop((printed, computed));
    page.await?;
    report.await?;
    println!("the printer has printed, the report is done");
    system.stop().await;
    Ok(())
}
