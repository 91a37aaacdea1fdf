//! Restarts that wait: what happens meanwhile, who goes along, how the waits are spread.

use std::time::Duration;

use super::super::*;
use super::spec;
use super::world::{Term, check};
use crate::backoff::Backoff;
use crate::child_spec::ChildSpec;
use crate::strategy::{Flags, Strategy};

const MS: Duration = Duration::from_millis(1);
/// Every wait is over after 100 ms.
const SHORT: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(100));

fn waiting(strategy: Strategy, restarts: u32, children: &str) -> Spec {
    let mut spec = spec(strategy, restarts, children);
    spec.flags.backoff = Some(SHORT);
    spec
}

fn dynamic(backoff: Backoff, restarts: u32) -> Spec {
    let flags = Flags::default().intensity(restarts, Duration::from_secs(5)).backoff(backoff);
    Spec::dynamic(flags, ChildSpec::worker("w"), None).expect("the template keeps the rules")
}

#[test]
fn a_child_that_waits_for_its_restart_is_restarting_for_everybody() {
    check(
        waiting(Strategy::OneForOne, 9, "p:a p:b"),
        "> begin
         start a, start b, ready
         > a exits boom
         report child_terminated a boom
         > which
         reply [b=b#1 a=restarting]
         > count
         reply 2 specs 1 active 0 supervisors 2 workers
         > restart a
         reply restarting
         > delete a
         reply restarting
         > start p a
         reply already_present
         > spec a
         reply a permanent
         > b exits boom
         report child_terminated b boom
         > after 100
         start b, start a
         > which
         reply [b=b#2 a=a#2]",
    );
}

#[test]
fn terminate_child_cancels_the_wait() {
    check(
        waiting(Strategy::OneForOne, 9, "p:a"),
        "> show places
         > begin
         start a, ready
         > a exits boom
         report child_terminated a boom
         > terminate a
         close a, reply ok
         > after 1000
         > restart a
         start a, reply a#2
         > a exits boom
         report child_terminated a boom
         > after 100
         start a",
    );
}

#[test]
fn a_nameless_child_that_waits_is_terminated_by_the_incarnation_before() {
    check(
        dynamic(SHORT, 9),
        "> show places
         > begin
         ready
         > start p a
         start a, reply a#1
         > a exits boom
         report child_terminated w boom
         > spec a#1
         reply w permanent
         > which
         reply [_=restarting]
         > count
         reply 1 specs 0 active 0 supervisors 1 workers
         > terminate a#1
         forget a, reply ok
         > terminate a#1
         reply not_found
         > after 1000
         > count
         reply 1 specs 0 active 0 supervisors 0 workers",
    );
}

#[test]
fn a_wait_that_is_over_while_its_cancellation_is_waiting_to_be_read_is_not_heeded() {
    check(
        waiting(Strategy::OneForOne, 9, "p:a"),
        "> begin
         start a, ready
         > a exits boom
         report child_terminated a boom
         > b next wait
         > start p b
         start b: wait
         > terminate a
         > after 100
         > open b
         reply b#1, reply ok
         > which
         reply [b=b#1 a=undefined]",
    );
}

#[test]
fn a_wait_that_is_over_before_it_is_cancelled_has_ended_in_a_start() {
    check(
        waiting(Strategy::OneForOne, 9, "p:a"),
        "> begin
         start a, ready
         > a exits boom
         report child_terminated a boom
         > b next wait
         > start p b
         start b: wait
         > after 100
         > terminate a
         > open b
         reply b#1, start a, stop a, reply ok",
    );
}

#[test]
fn the_parents_exit_is_obeyed_however_long_a_child_would_wait() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut core = begun(waiting(strategy, 9, "p:a"), 0);
        crash(&mut core, MS, 0);
        assert!(core.poll_timeout().is_some());
        core.handle(2 * MS, Event::ParentExit { reason: Term("shutdown".into()) });
        let last = std::iter::from_fn(|| core.poll_action()).last();
        assert!(matches!(last, Some(Action::Exit { .. })), "{strategy}: {last:?}");
        assert_eq!(core.poll_timeout(), None);
    }
}

#[test]
fn the_intensity_counts_a_restart_when_it_is_decided() {
    check(
        waiting(Strategy::OneForOne, 1, "p:a p:b"),
        "> begin
         start a, start b, ready
         > a exits boom
         report child_terminated a boom
         > b exits boom
         report child_terminated b boom, report shutdown b reached_max_restart_intensity, exit shutdown",
    );
}

#[test]
fn a_restart_that_fails_waits_again_and_counts_again() {
    check(
        waiting(Strategy::OneForOne, 2, "p:a"),
        "> begin
         start a, ready
         > a next e1 e2
         > a exits boom
         report child_terminated a boom
         > after 100
         start a: e1, report start_error a e1
         > which
         reply [a=restarting]
         > after 100
         start a: e2, report start_error a e2, report shutdown a reached_max_restart_intensity, exit shutdown",
    );
}

#[test]
fn terminate_child_of_a_waiting_child_closes_those_that_were_to_be_started_with_it() {
    check(
        waiting(Strategy::OneForAll, 9, "p:a p:b p:c"),
        "> show places
         > begin
         start a, start b, start c, ready
         > b exits boom
         report child_terminated b boom, flush b, stop c, flush c, stop a, flush a
         > terminate b
         close b, close a, close b, close c, reply ok
         > after 1000",
    );
}

#[test]
fn a_group_is_stopped_at_once_and_started_after_the_wait() {
    check(
        waiting(Strategy::OneForAll, 9, "p:a x:t p:b p:c"),
        "> show places
         > begin
         start a, start t, start b, start c, ready
         > b exits boom
         report child_terminated b boom, flush b, stop c, flush c, stop t, forget t, stop a, flush a
         > which
         reply [c=undefined b=restarting a=undefined]
         > after 100
         start a, start b, start c",
    );
}

#[test]
fn a_member_started_by_hand_during_the_wait_is_stopped_and_started_with_its_group() {
    check(
        waiting(Strategy::OneForAll, 9, "p:a p:b"),
        "> begin
         start a, start b, ready
         > b exits boom
         report child_terminated b boom, stop a
         > restart a
         start a, reply a#2
         > after 100
         stop a, start a, start b",
    );
}

#[test]
fn a_group_restart_takes_a_waiting_child_along() {
    check(
        waiting(Strategy::RestForOne, 9, "p:a p:b p:c"),
        "> begin
         start a, start b, start c, ready
         > b exits boom
         report child_terminated b boom, stop c
         > a exits boom
         report child_terminated a boom
         > which
         reply [c=undefined b=undefined a=restarting]
         > after 100
         start a, start b, start c
         > after 1000",
    );
}

#[test]
fn the_wait_after_a_failed_group_start_is_that_of_the_child_that_failed() {
    check(
        waiting(Strategy::RestForOne, 9, "p:a p:b p:c"),
        "> begin
         start a, start b, start c, ready
         > b next e1
         > a exits boom
         report child_terminated a boom, stop c, stop b
         > after 100
         start a, start b: e1, report start_error b e1
         > which
         reply [c=undefined b=restarting a=a#2]
         > after 100
         start b, start c",
    );
}

#[test]
fn a_significant_child_that_waits_is_present() {
    let mut spec = super::automatic(crate::strategy::AutoShutdown::AllSignificant, "t!:a t!:b");
    spec.flags.backoff = Some(SHORT);
    check(
        spec,
        "> begin
         start a, start b, ready
         > a exits boom
         report child_terminated a boom
         > b exits normal
         > after 100
         start a
         > a exits normal
         exit shutdown",
    );
}

// --- How long ---

/// A core whose first start is over.
fn begun(spec: Spec, seed: u64) -> Core<u32, Term> {
    let mut core = Core::new(spec).seeded(seed);
    core.handle(Duration::ZERO, Event::Begin);
    let mut pid = 0;
    while let Some(action) = core.poll_action() {
        if let Action::Start { child, .. } = action {
            core.handle(Duration::ZERO, Event::Started { child, pid });
            pid += 1;
        }
    }
    core
}

fn crash(core: &mut Core<u32, Term>, now: Duration, pid: u32) {
    core.handle(now, Event::Exited { pid, reason: Term("boom".into()) });
    assert!(matches!(core.poll_action(), Some(Action::Report(_))));
    let mut actions = std::iter::from_fn(|| core.poll_action());
    let next = actions.find(|action| !matches!(action, Action::Flush { .. }));
    let Some(Action::Postpone { until, .. }) = next else { panic!("it is postponed") };
    assert_eq!(core.poll_timeout(), Some(until));
}

/// Crashes the only child and lets it wait: how long it did.
fn wait(core: &mut Core<u32, Term>, now: &mut Duration, pid: &mut u32) -> Duration {
    crash(core, *now, *pid);
    assert_eq!(core.poll_action(), None, "not at once");
    let until = core.poll_timeout().expect("it waits");
    let waited = until - *now;
    if !waited.is_zero() {
        core.handle(until - Duration::from_nanos(1), Event::Timeout);
        assert_eq!(core.poll_action(), None, "not before its time");
    }
    *now = until;
    core.handle(until, Event::Timeout);
    let Some(Action::Start { child, .. }) = core.poll_action() else { panic!("its time has come") };
    *pid += 1;
    core.handle(until, Event::Started { child, pid: *pid });
    assert!(matches!(core.poll_action(), Some(Action::Report(_))), "progress");
    waited
}

#[test]
fn waits_double_while_restarts_do_not_help_and_begin_anew_after_a_stable_time() {
    let backoff = Backoff::new(100 * MS, 1_000 * MS).reset_after(5_000 * MS);
    let mut longest = [Duration::ZERO; 7];
    for seed in 0..300 {
        let mut spec = spec(Strategy::OneForOne, u32::MAX, "p:a");
        spec.flags.backoff = Some(backoff);
        let mut core = begun(spec, seed);
        let (mut now, mut pid) = (Duration::ZERO, 0);
        for longest in &mut longest[..5] {
            *longest = wait(&mut core, &mut now, &mut pid).max(*longest);
        }
        now += 5_000 * MS - Duration::from_nanos(1);
        longest[5] = wait(&mut core, &mut now, &mut pid).max(longest[5]);
        now += 5_000 * MS;
        longest[6] = wait(&mut core, &mut now, &mut pid).max(longest[6]);
    }
    for (longest, limit) in longest.into_iter().zip([100, 200, 400, 800, 1_000, 1_000, 100]) {
        assert!(longest <= limit * MS && longest > limit * MS * 9 / 10, "{longest:?} of {limit} ms");
    }
}

#[test]
fn the_wait_that_was_cancelled_does_not_end_the_next_one() {
    let mut tried = 0;
    for seed in 0..50 {
        let mut core = begun(waiting(Strategy::OneForOne, 9, "p:a"), seed);
        crash(&mut core, Duration::ZERO, 0);
        let first = core.poll_timeout().expect("it waits");
        let call = |core: &mut Core<u32, Term>, request| core.handle(Duration::ZERO, Event::Call(CallId(0), request));
        call(&mut core, Request::TerminateChild(Target::Id("a".into())));
        call(&mut core, Request::RestartChild(Target::Id("a".into())));
        while let Some(action) = core.poll_action() {
            if let Action::Start { child, .. } = action {
                core.handle(Duration::ZERO, Event::Started { child, pid: 1 });
            }
        }
        crash(&mut core, Duration::ZERO, 1);
        let second = core.poll_timeout().expect("it waits");
        if first < second {
            tried += 1;
            core.handle(first, Event::Timeout);
            assert_eq!(core.poll_action(), None, "that was the wait before");
        }
        core.handle(second, Event::Timeout);
        assert!(matches!(core.poll_action(), Some(Action::Start { .. })));
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn the_same_seed_and_events_give_the_same_waits() {
    let waits = |seed| {
        let mut spec = spec(Strategy::OneForOne, u32::MAX, "p:a");
        spec.flags.backoff = Some(Backoff::new(MS, 1_000 * MS));
        let mut core = begun(spec, seed);
        let (mut now, mut pid) = (Duration::ZERO, 0);
        (0..20).map(|_| wait(&mut core, &mut now, &mut pid)).collect::<Vec<_>>()
    };
    assert_eq!(waits(7), waits(7));
    assert_ne!(waits(7), waits(8));
}

/// The children of one supervisor all crash at once, because what they need is gone, and crash again as soon as they are
/// back.
#[test]
fn ten_thousand_children_of_a_dead_dependency_do_not_restart_in_step() {
    const MANY: u32 = 10_000;
    let mut core = begun(dynamic(Backoff::new(1_000 * MS, 30_000 * MS), u32::MAX), 1);
    for pid in 0..MANY {
        let child = core.next_key();
        core.handle(Duration::ZERO, Event::Call(CallId(0), Request::StartDynamic { child, own: None }));
        core.handle(Duration::ZERO, Event::Started { child, pid });
    }
    let boom = || Term("boom".into());
    for pid in 0..MANY {
        core.handle(Duration::ZERO, Event::Exited { pid, reason: boom() });
    }
    while core.poll_action().is_some() {}
    // Each is back once, and crashes; then once more.
    let mut restarts = [Vec::new(), Vec::new()];
    let mut pid = MANY;
    while restarts[1].len() < MANY as usize {
        let now = core.poll_timeout().expect("somebody waits");
        core.handle(now, Event::Timeout);
        while let Some(action) = core.poll_action() {
            let Action::Start { child, attempt } = action else { continue };
            if let Some(round) = restarts.get_mut(attempt as usize - 2) {
                round.push(now);
            }
            core.handle(now, Event::Started { child, pid });
            core.handle(now, Event::Exited { pid, reason: boom() });
            pid += 1;
        }
    }
    let first = &restarts[0];
    assert_eq!(first.len(), MANY as usize);
    assert!(first.iter().all(|at| *at < 1_000 * MS));
    for tenth in 0..10 {
        let many = first.iter().filter(|at| at.as_millis() / 100 == tenth).count();
        assert!((850..1_150).contains(&many), "{many} of 1,000 in tenth {tenth}");
    }
    let mut moments: Vec<u128> = restarts.iter().flatten().map(Duration::as_millis).collect();
    moments.sort_unstable();
    let most = moments.chunk_by(|a, b| a == b).map(<[u128]>::len).max();
    // In step it would be ten thousand; evenly spread it is ten in a millisecond.
    assert!(most.is_some_and(|most| most < 40), "{most:?} in one millisecond");
}

#[test]
fn memory_of_waits_goes_with_the_child() {
    let mut core = begun(dynamic(SHORT, u32::MAX), 0);
    for pid in 0..100 {
        let child = core.next_key();
        core.handle(Duration::ZERO, Event::Call(CallId(0), Request::StartDynamic { child, own: None }));
        core.handle(Duration::ZERO, Event::Started { child, pid });
        core.handle(Duration::ZERO, Event::Exited { pid, reason: Term("boom".into()) });
        core.handle(Duration::ZERO, Event::Call(CallId(0), Request::TerminateChild(Target::Pid(pid))));
    }
    assert_eq!(core.poll_timeout(), None);
    assert!(core.waits.is_empty());
}
