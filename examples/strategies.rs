//! # The three strategies
//!
//! Whose fate a crashed child shares is its supervisor's strategy. Here `b` crashes under each of them. Children start
//! from left to right and stop from right to left.
//!
//! ```sh
//! cargo run --example strategies
//! ```
//!
//! Expected output:
//!
//! ```text
//! one_for_one: a child that crashes is restarted alone
//!   a starts, b starts, c starts
//!   b crashes, b starts
//! one_for_all: children that depend on each other are restarted together
//!   a starts, b starts, c starts
//!   b crashes, c stops, a stops, a starts, b starts, c starts
//! rest_for_one: those that come later depend on those before
//!   a starts, b starts, c starts
//!   b crashes, c stops, b starts, c starts
//! ```
//!
//! Next: `back_pressure`.

use crashworthy::prelude::*;
use tokio::sync::mpsc;

/// Where the children write down what happens to them.
type Diary = mpsc::UnboundedSender<String>;

struct Worker {
    name: &'static str,
    diary: Diary,
}

#[derive(Message)]
struct Crash;

impl Actor for Worker {
    type Args = (&'static str, Diary);
    type Msg = Crash;

    async fn init((name, diary): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        diary.send(format!("{name} starts"))?;
        // Only an actor that traps exits is asked to stop, and may clean up; others just end.
        cx.trap_exit(true);
        Ok(Worker { name, diary })
    }

    async fn handle(&mut self, _: Crash, _: &mut Context<Self>) -> Result<(), Exit> {
        Err("told to crash")?
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
        let how = if reason.crash().is_some() { "crashes" } else { "stops" };
        // The reader may have gone.
        let _ = self.diary.send(format!("{} {how}", self.name));
    }
}

/// Starts three children under `supervisor`, makes the second one crash, and prints the `lines` they write after that.
async fn watch(supervisor: Supervisor, lines: usize) -> Result<(), Box<dyn std::error::Error>> {
    let (diary, mut pages) = mpsc::unbounded_channel();
    let [a, b, c] = ["a", "b", "c"].map(Slot::<Worker>::named);
    let supervisor = supervisor
        .child(a.child(("a", diary.clone())))
        .child(b.child(("b", diary.clone())))
        .child(c.child(("c", diary)));
    let system = System::start(supervisor).await?;
    println!("  {}", read(&mut pages, 3).await);
    b.tell(Crash)?;
    println!("  {}", read(&mut pages, lines).await);
    system.stop().await;
    Ok(())
}

/// Waits for so many lines.
async fn read(pages: &mut mpsc::UnboundedReceiver<String>, count: usize) -> String {
    let mut lines = Vec::new();
    for _ in 0..count {
        lines.extend(pages.recv().await);
    }
    lines.join(", ")
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("one_for_one: a child that crashes is restarted alone");
    watch(Supervisor::one_for_one("one for one"), 2).await?;
    println!("one_for_all: children that depend on each other are restarted together");
    watch(Supervisor::one_for_all("one for all"), 6).await?;
    println!("rest_for_one: those that come later depend on those before");
    watch(Supervisor::rest_for_one("rest for one"), 4).await
}
