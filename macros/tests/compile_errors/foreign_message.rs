//! A message of a type of another crate. Remedy: a type of one's own around it.

use crashworthy::prelude::*;

struct Counter;

impl Actor for Counter {
    type Args = ();
    type Msg = u64;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Counter)
    }

    async fn handle(&mut self, _: u64, _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

fn main() {}
