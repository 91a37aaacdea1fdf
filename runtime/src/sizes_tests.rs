//! What an actor costs that does nothing: two allocations, as long as their lengths below. An allocator rounds up: what they
//! may be is the most that fits where they fit.

use crashworthy_sync::task::Task;

use crate::actor::Actor;
use crate::cell::{Cell, ROOMS};
use crate::context::Context;
use crate::exit::Exit;
use crate::gate::{Gate, LazyGate};
use crate::life::lives;

/// As small as an actor can be, with a message that somebody waits for.
struct Small;

impl Actor for Small {
    type Args = ();
    type Msg = crate::Reply<u64>;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, reply: crate::Reply<u64>, _: &mut Context<Self>) -> Result<(), Exit> {
        reply.send(1);
        Ok(())
    }
}

impl crate::Message for crate::Reply<u64> {}

/// The length of what a function makes.
const fn made<A, B, C, R>(_: &impl Fn(A, B, C) -> R) -> usize {
    size_of::<R>()
}

#[test]
#[cfg(target_pointer_width = "64")]
fn an_idle_actor_is_small() {
    let counts = 2 * size_of::<usize>();
    let cell = size_of::<Task<Cell<Small>>>() + counts;
    assert!(cell <= 296, "a cell has {cell} bytes");
    let frame = made(&|cell, cx: Context<Small>, state| lives(cell, cx, state));
    assert!(frame <= 96, "the frame of a life has {frame} bytes");
}

#[test]
#[cfg(target_pointer_width = "64")]
fn the_gate_of_an_actor_whose_pace_is_known_is_small() {
    let gate = size_of::<LazyGate>() + ROOMS + size_of::<Gate>();
    assert!(gate <= 216, "a gate has {gate} bytes");
}
