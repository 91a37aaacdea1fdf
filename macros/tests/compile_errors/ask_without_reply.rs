//! A question that nobody can answer: the variant has no place for the reply. Remedy: `tell` it, or give the variant a
//! `Reply`.

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

async fn ask(till: ActorRef<Cashier>) {
    let _ = till.ask(|_| Till::Sell { cents: 250 }).await;
}

fn main() {}
