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
use super::parties::Caller;
use super::scene::{Scene, Script};
use super::server::{Clock, Request, Served, Server, Work};
use super::tally::{End, Tally};
use super::target::Target;
use crate::crowd::resident;
use crate::dice::Dice;
use crate::peer::Unanswered;

/// As long as the thread naps at the most while it waits for answers.
const NAP: Duration = Duration::from_micros(50);
/// Calls that are made before it looks at the answers again.
const AT_ONCE: usize = 64;
/// How often it looks at the memory.
const LOOKS_NS: u64 = 20_000_000;
/// How long it waits for ends after the script's end.
const PATIENCE_NS: u64 = 30_000_000_000;

/// Makes all calls of a scene, and waits for their ends. Hands back how far the resident set grew, too.
pub(super) fn call(
    to: &impl Target<Server>,
    scene: &Scene,
    script: &Script,
    tally: &mut Tally<'_>,
    served: &Served,
    clock: Clock,
) -> Result<u64, Wrong> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut arrivals = Arrivals::new(&script.phases, scene.seed).peekable();
    let mut open = FuturesUnordered::new();
    let mut parties = Dice::of(scene.seed, PARTIES);
    let mut memory = Memory::new();
    let has_stages = scene.scenario.stages().len() > 1;
    loop {
        for _ in 0..AT_ONCE {
            let now_ns = clock.now_ns();
            let Some(due_ns) = arrivals.next_if(|due_ns| *due_ns <= now_ns) else { break };
            let caller = script.parties.draw(&mut parties, script.load_at(due_ns));
            tally.begins(due_ns, caller, now_ns);
            let call = Call::due(due_ns, caller, scene.deadline_ns());
            let work = has_stages.then(Work::default);
            open.push(attempt(to, Call { work, ..call }, script, clock));
        }
        while let Poll::Ready(Some((call, end))) = open.poll_next_unpin(&mut cx) {
            let now_ns = clock.now_ns();
            let end = call.end(end, now_ns);
            if end != End::Good
                && let Some(work) = &call.work
            {
                served.fails(work);
            }
            if end != End::Good && call.attempts < script.attempts {
                open.push(attempt(to, call.again(now_ns, scene.deadline_ns()), script, clock));
            } else {
                tally.ends(call.due_ns, call.caller, end, now_ns);
            }
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

/// The dice that say who calls.
const PARTIES: u64 = 1;

/// A call, and how often it was tried.
#[derive(Clone, Debug)]
struct Call {
    due_ns: u64,
    caller: Caller,
    /// That of this attempt.
    deadline_ns: u64,
    attempts: u32,
    /// What is done for it, if that takes several.
    work: Option<Work>,
}

impl Call {
    fn due(due_ns: u64, caller: Caller, within_ns: u64) -> Self {
        Call { due_ns, caller, deadline_ns: due_ns + within_ns, attempts: 1, work: None }
    }

    fn again(self, now_ns: u64, within_ns: u64) -> Self {
        Call { deadline_ns: now_ns + within_ns, attempts: self.attempts + 1, ..self }
    }

    fn end(&self, answer: Result<(), Unanswered>, now_ns: u64) -> End {
        match answer {
            Ok(()) if now_ns <= self.deadline_ns => End::Good,
            Ok(()) => End::Late,
            Err(why) => End::Without(why),
        }
    }
}

/// One attempt, made when it is polled first.
async fn attempt(
    to: &impl Target<Server>,
    call: Call,
    script: &Script,
    clock: Clock,
) -> (Call, Result<(), Unanswered>) {
    let request = Request {
        deadline_ns: call.deadline_ns,
        counted: script.counts(call.due_ns),
        caller: call.caller,
        work: call.work.clone(),
    };
    let left_ns = call.deadline_ns.saturating_sub(clock.now_ns());
    (call, to.ask(request, Duration::from_nanos(left_ns)).await)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_has_a_deadline_of_its_own() {
        let call = Call::due(100, Caller::USUAL, 50);
        assert_eq!([150, 151].map(|now_ns| call.end(Ok(()), now_ns)), [End::Good, End::Late]);
        let again = call.again(160, 50);
        assert_eq!((again.deadline_ns, again.attempts, again.due_ns), (210, 2, 100));
        assert_eq!(again.end(Ok(()), 210), End::Good);
        assert_eq!(again.end(Err(Unanswered::Refused), 160), End::Without(Unanswered::Refused));
    }
}
