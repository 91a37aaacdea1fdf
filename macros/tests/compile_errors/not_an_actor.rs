//! A slot for what is no actor. Remedy: `impl Actor`.

use crashworthy::prelude::*;

struct Cashier;

fn main() {
    let _ = Slot::<Cashier>::named("till");
}
