//! # Links and monitors
//!
//! Who must know that an actor has ended? A *monitor* watches one way: its owner reads exactly one `Down`. A *link* ties
//! two together: when one crashes the other gets its exit signal, and ends as well, unless it traps exits; then it reads
//! the signal. What is read comes after everything that the ended actor had sent before.
//!
//! ```sh
//! cargo run --example links
//! ```
//!
//! Expected output:
//!
//! ```text
//! monitor:
//!   41 degrees
//!   42 degrees
//!   down: error in handle: it burns (examples/links.rs:[..])
//! link, exits trapped:
//!   41 degrees
//!   42 degrees
//!   exit signal: error in handle: it burns (examples/links.rs:[..])
//! link:
//!   the watchman ended with the sensor: error in handle: it burns (examples/links.rs:[..])
//! monitor on somebody who has ended already:
//!   down: no such actor
//! ```
//!
//! Next: `tree`.

use crashworthy::prelude::*;

/// Sends its readings to the watchman, and burns.
struct Sensor {
    watchman: ActorRef<Watchman>,
}

#[derive(Message)]
struct Measure {
    readings: Vec<u32>,
}

impl Actor for Sensor {
    type Args = ActorRef<Watchman>;
    type Msg = Measure;

    async fn init(watchman: ActorRef<Watchman>, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Sensor { watchman })
    }

    async fn handle(&mut self, msg: Measure, _: &mut Context<Self>) -> Result<(), Exit> {
        for degrees in msg.readings {
            self.watchman.tell(Watch::Reading { degrees })?;
        }
        Err("it burns")?
    }
}

/// Starts a sensor, tied to it in some way, and prints what it learns.
struct Watchman {
    tie: Tie,
}

#[derive(Clone, Copy)]
enum Tie {
    Monitor,
    TrappedLink,
    Link,
}

#[derive(Message)]
enum Watch {
    Begin { readings: Vec<u32> },
    Reading { degrees: u32 },
}

impl Actor for Watchman {
    type Args = Tie;
    type Msg = Watch;

    async fn init(tie: Tie, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Watchman { tie })
    }

    async fn handle(&mut self, msg: Watch, cx: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            Watch::Begin { readings } => {
                let sensor = self.start(cx).await?;
                sensor.tell(Measure { readings })?;
            }
            Watch::Reading { degrees } => println!("  {degrees} degrees"),
        }
        Ok(())
    }

    async fn on_signal(&mut self, signal: Signal, _: &mut Context<Self>) -> Result<(), Exit> {
        match signal {
            Signal::Down(down) => println!("  down: {}", down.reason),
            Signal::Exit { reason, .. } => println!("  exit signal: {reason}"),
        }
        // There is nothing left to watch. A normal end brings nobody down.
        Err(Exit::normal())
    }
}

impl Watchman {
    async fn start(&self, cx: &mut Context<Self>) -> Result<ActorRef<Sensor>, StartError> {
        match self.tie {
            Tie::Monitor => {
                let sensor = cx.spawn::<Sensor>(cx.address()).await?;
                cx.monitor(sensor.pid());
                Ok(sensor)
            }
            Tie::TrappedLink => {
                cx.trap_exit(true);
                cx.spawn_link(cx.address()).await
            }
            Tie::Link => cx.spawn_link(cx.address()).await,
        }
    }
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let system = System::bare()?;

    for (title, tie) in [("monitor:", Tie::Monitor), ("link, exits trapped:", Tie::TrappedLink)] {
        println!("{title}");
        let watchman = system.spawn::<Watchman>(tie).await?;
        let down = watchman.down();
        watchman.tell(Watch::Begin { readings: vec![41, 42] })?;
        assert_eq!(down.await.reason, ExitReason::Normal);
    }

    println!("link:");
    let watchman = system.spawn::<Watchman>(Tie::Link).await?;
    let down = watchman.down();
    // An exit signal that is not trapped does not wait behind messages: there are none here that it could overtake.
    watchman.tell(Watch::Begin { readings: Vec::new() })?;
    println!("  the watchman ended with the sensor: {}", down.await.reason);

    println!("monitor on somebody who has ended already:");
    println!("  down: {}", watchman.down().await.reason);

    system.stop().await;
    Ok(())
}
