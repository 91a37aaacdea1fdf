//! An `async fn(&self)` of state that is not `Sync`: while it waits, a reference to the state would move to another
//! thread. Remedy: `&mut self`.

use std::cell::Cell;

use crashworthy::prelude::*;

struct Cashier {
    total: Cell<u64>,
}

impl Cashier {
    async fn print(&self) {
        tokio::task::yield_now().await;
        println!("{}", self.total.get());
    }
}

impl Actor for Cashier {
    type Args = ();
    type Msg = ();

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Cashier { total: Cell::new(0) })
    }

    async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
        self.print().await;
        Ok(())
    }
}

fn main() {}
