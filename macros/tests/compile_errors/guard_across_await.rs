//! A lock that is held while the handler waits. Remedy: end the guard's scope before the await.

use std::sync::{Arc, Mutex};

use crashworthy::prelude::*;

struct Cashier {
    prices: Arc<Mutex<Vec<u64>>>,
}

impl Actor for Cashier {
    type Args = Arc<Mutex<Vec<u64>>>;
    type Msg = ();

    async fn init(prices: Self::Args, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Cashier { prices })
    }

    async fn handle(&mut self, _: (), cx: &mut Context<Self>) -> Result<(), Exit> {
        let prices = self.prices.lock().map_err(|_| "poisoned")?;
        cx.cancelled().await;
        println!("{prices:?}");
        Ok(())
    }
}

fn main() {}
