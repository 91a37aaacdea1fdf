//! A slot where a child is due: it does not say what its incarnations start from. Remedy: `till.child(args)`.

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
    let _ = Supervisor::one_for_one("shop").child(till);
}
