//! # Trying again, within limits
//!
//! Who is refused, or has bad luck, may try again. If everybody does, a short overload becomes a long one. A
//! [`RetryPolicy`] tries again only what does no harm, only while there is time, and only as often as its budget allows.
//!
//! ```sh
//! cargo run --example retry
//! ```
//!
//! Expected output:
//!
//! ```text
//! a coffee: Ok("a coffee, asked for 3 times")
//! a coffee within 1 s: refused after 1 time, come again in 60s
//! a coffee that crashed the barista: Err(Died)
//! the menu, which crashed him as well: Ok("coffee, tea")
//! 7.3 retries are left of 10
//! ```
//!
//! Next: `balance`.

use crashworthy::prelude::*;

#[derive(Message)]
enum Bar {
    /// One that is made twice is paid twice.
    Coffee { reply: Reply<String> },
    /// Reading it twice does no harm.
    #[message(idempotent)]
    Menu { reply: Reply<&'static str> },
    /// What the machine does next.
    Next(Machine),
}

enum Machine {
    /// It is not hot yet, so many times.
    Warming {
        times: u32,
        each: std::time::Duration,
    },
    Hot,
    /// Whoever touches it gets a shock.
    Shorted,
}

struct Barista {
    machine: Machine,
    asked: u32,
}

impl Actor for Barista {
    type Args = ();
    type Msg = Bar;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        // A new barista, a new machine.
        Ok(Barista { machine: Machine::Hot, asked: 0 })
    }

    async fn handle(&mut self, msg: Bar, _: &mut Context<Self>) -> Result<(), Exit> {
        match (msg, &mut self.machine) {
            (Bar::Next(machine), _) => *self = Barista { machine, asked: 0 },
            (_, Machine::Shorted) => return Err("a shock".into()),
            (Bar::Menu { reply }, _) => reply.send("coffee, tea"),
            (Bar::Coffee { reply }, machine) => {
                self.asked += 1;
                match machine {
                    // An actor that is overloaded says this by itself. This one has reasons of its own.
                    Machine::Warming { times: times @ 1.., each } => {
                        *times -= 1;
                        reply.refuse(Refused { retry_after: Some(*each), ..Refused::because(Reason::NoTime) });
                    }
                    _ => reply.send(format!("a coffee, asked for {} times", self.asked)),
                }
            }
        }
        Ok(())
    }
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let barista = Slot::<Barista>::named("barista");
    let system = System::start(Supervisor::one_for_one("bar").intensity(3, secs(5)).child(barista.child(()))).await?;
    // One policy for all guests: clones share its budget.
    let retries = RetryPolicy::new();

    // Refused twice, each time with a time to come again. All of it is one question, with one deadline.
    barista.tell(Bar::Next(Machine::Warming { times: 2, each: ms(10) }))?;
    let coffee = retries.ask(&barista, |reply| Bar::Coffee { reply }).within(secs(5)).await;
    println!("a coffee: {coffee:?}");

    // What would not be answered before the deadline is not asked again: the guest is told at once.
    barista.tell(Bar::Next(Machine::Warming { times: 1, each: secs(60) }))?;
    let mut times = 0;
    let ask = |reply| {
        times += 1;
        Bar::Coffee { reply }
    };
    if let Err(AskError::Refused(Refused { retry_after: Some(after), .. })) =
        retries.ask(&barista, ask).within(secs(1)).await
    {
        println!("a coffee within 1 s: refused after {times} time, come again in {after:?}");
    }

    // After a crash nobody knows how much of a coffee was made. A menu can be read again: by the next barista.
    barista.tell(Bar::Next(Machine::Shorted))?;
    let coffee = retries.ask(&barista, |reply| Bar::Coffee { reply }).await;
    println!("a coffee that crashed the barista: {coffee:?}");
    barista.tell(Bar::Next(Machine::Shorted))?;
    let menu = retries.ask(&barista, |reply| Bar::Menu { reply }).await;
    println!("the menu, which crashed him as well: {menu:?}");

    // Three retries were made. Ten calls earn one, and one a second there is in any case.
    println!("{:.1} retries are left of 10", retries.saved());
    system.stop().await;
    Ok(())
}
