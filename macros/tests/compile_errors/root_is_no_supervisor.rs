//! A tree whose root is one actor. Remedy: a supervisor above it.

use crashworthy::prelude::*;

#[derive(Message)]
enum Till {
    Sell { cents: u64 },
    Total { reply: Reply<u64> },
}

struct Cashier;

impl Actor for Cashier {
    type Args = ();
    type Msg = Till;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Cashier)
    }

    async fn handle(&mut self, _: Till, _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

fn main() {
    let till = Slot::<Cashier>::named("till");
    drop(System::start(till.child(())));
}
