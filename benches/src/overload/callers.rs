//! The callers: one thread that keeps their schedule and waits for all answers at once.
//!
//! No task is made for a call: the thread polls the questions itself, first when they are due, then when they wake. It naps in between,
//! and nobody wakes it: so an answer costs the actor no wake-up of a sleeping core, and is seen up to a nap later than it was given.

use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::Wrong;
use super::arrivals::Arrivals;
use super::scene::{Scene, Script};
use super::server::{Clock, Request, Server};
use super::tally::{End, Tally};
use crate::crowd::resident;
use crate::peer::Peer;

/// As long as the thread naps at the most while it waits for answers.
const NAP: Duration = Duration::from_micros(50);
/// Calls that are made before it looks at the answers again.
const AT_ONCE: usize = 64;
/// How often it looks at the memory.
const LOOKS_NS: u64 = 20_000_000;
/// How long it waits for ends after the script's end.
const PATIENCE_NS: u64 = 30_000_000_000;

/// Makes all calls of a scene, and waits for their ends. Hands back how far the resident set grew, too.
pub(super) fn call<P: Peer>(
    to: &P::Addr<Server>,
    scene: &Scene,
    script: &Script,
    tally: &mut Tally<'_>,
    clock: Clock,
) -> Result<u64, Wrong> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut arrivals = Arrivals::new(&script.phases, scene.seed).peekable();
    let mut open = FuturesUnordered::new();
    let mut memory = Memory::new();
    loop {
        for _ in 0..AT_ONCE {
            let now_ns = clock.now_ns();
            let Some(due_ns) = arrivals.next_if(|due_ns| *due_ns <= now_ns) else { break };
            tally.begins(due_ns, now_ns);
            let request = Request { deadline_ns: due_ns + scene.deadline_ns(), counted: script.counts(due_ns) };
            open.push(async move { (due_ns, ask::<P>(to, request, clock).await) });
        }
        while let Poll::Ready(Some((due_ns, end))) = open.poll_next_unpin(&mut cx) {
            tally.ends(due_ns, end, clock.now_ns());
        }
        let now_ns = clock.now_ns();
        memory.look(now_ns);
        match arrivals.peek() {
            Some(due_ns) => {
                if let Some(early_ns) = due_ns.checked_sub(now_ns).filter(|early_ns| *early_ns > 0) {
                    thread::sleep(NAP.min(Duration::from_nanos(early_ns)));
                }
            }
            None if open.is_empty() => return Ok(memory.growth()),
            None if now_ns > script.end_ns() + PATIENCE_NS => return Err(Wrong::Endless(open.len())),
            None => thread::sleep(NAP),
        }
    }
}

/// One call, made when it is polled first.
async fn ask<P: Peer>(to: &P::Addr<Server>, request: Request, clock: Clock) -> End {
    let left_ns = request.deadline_ns.saturating_sub(clock.now_ns());
    P::ask_within::<Server>(to, request, Duration::from_nanos(left_ns)).await
}

/// How much the process holds, looked at now and then.
struct Memory {
    before: u64,
    most: u64,
    next_ns: u64,
}

impl Memory {
    fn new() -> Self {
        let before = resident();
        Memory { before, most: before, next_ns: 0 }
    }

    fn look(&mut self, now_ns: u64) {
        if now_ns >= self.next_ns {
            self.most = self.most.max(resident());
            self.next_ns = now_ns + LOOKS_NS;
        }
    }

    fn growth(&self) -> u64 {
        self.most - self.before
    }
}
