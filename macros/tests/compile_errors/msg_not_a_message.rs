//! An enum that is not a message yet. Remedy: `#[derive(Message)]`.

use crashworthy::prelude::*;

enum Till {
    Sell { cents: u64 },
}

struct Cashier;

impl Actor for Cashier {
    type Args = ();
    type Msg = Till;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Cashier)
    }

    async fn handle(&mut self, Till::Sell { cents }: Till, _: &mut Context<Self>) -> Result<(), Exit> {
        println!("{cents}");
        Ok(())
    }
}

fn main() {}
