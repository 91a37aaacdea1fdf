//! # Hello, actor
//!
//! The smallest actor: state behind a mailbox. It is told things and handles them one at a time, in the order they were
//! sent. Nobody supervises this one yet.
//!
//! ```sh
//! cargo run --example hello
//! ```
//!
//! Expected output:
//!
//! ```text
//! hello, Joe (number 1)
//! hello, Robert (number 2)
//! hello, Mike (number 3)
//! the greeter has ended: normal
//! told too late: it is gone
//! ```
//!
//! Next: `ask`.

use crashworthy::prelude::*;

/// What the greeter understands.
#[derive(Message)]
enum Greeting {
    Hello { name: &'static str },
    Goodbye,
}

/// Its state. Nobody else can touch it, so it needs no lock.
struct Greeter {
    greeted: u32,
}

impl Actor for Greeter {
    type Args = ();
    type Msg = Greeting;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Greeter { greeted: 0 })
    }

    async fn handle(&mut self, msg: Greeting, _: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            Greeting::Hello { name } => {
                self.greeted += 1;
                println!("hello, {name} (number {})", self.greeted);
                Ok(())
            }
            // A handler that returns an exit ends its actor.
            Greeting::Goodbye => Err(Exit::normal()),
        }
    }
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let system = System::bare()?;
    let greeter = system.spawn::<Greeter>(()).await?;

    // A tell never waits: when it returns, the message is in the mailbox. Or it is not, and then it comes back.
    for name in ["Joe", "Robert", "Mike"] {
        greeter.tell(Greeting::Hello { name })?;
    }
    // The messages of one sender are handled in the order sent: it ends when it has greeted all three.
    let down = greeter.down();
    greeter.tell(Greeting::Goodbye)?;
    println!("the greeter has ended: {}", down.await.reason);

    if let Err(rejected) = greeter.tell(Greeting::Hello { name: "Bjarne" }) {
        println!("told too late: {}", rejected.why.reason);
    }
    system.stop().await;
    Ok(())
}
