//! State that cannot move to another thread. Remedy: `Arc` for `Rc`.

use std::rc::Rc;

use crashworthy::prelude::*;

struct Cashier {
    log: Rc<Vec<u64>>,
}

impl Actor for Cashier {
    type Args = ();
    type Msg = ();

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Cashier { log: Rc::default() })
    }

    async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
        println!("{:?}", self.log);
        Ok(())
    }
}

fn main() {}
