//! Attributes that say what cannot be meant. Remedy: in each message.

use crashworthy::prelude::*;

#[derive(Message)]
#[message(sla = "soon")]
enum Till {
    #[message(critical)]
    Sell { cents: u64 },
    #[message(from)]
    Total { reply: Reply<u64> },
    #[message(cost = 0)]
    Close,
    #[message(sla = 5)]
    Count,
}

fn main() {}
