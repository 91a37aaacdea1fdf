//! Each invariant can fail.

use super::*;
use crate::backoff::Backoff;
use crate::report::{Cause, Offender};

/// What a core that has broken down might do: two children, the second one temporary.
struct Play {
    watch: Watch,
    broken: Option<Broken>,
    now: Duration,
}

const SECOND: Duration = Duration::from_secs(1);

const A: ChildKey = ChildKey(0);
const B: ChildKey = ChildKey(1);

impl Play {
    /// Started, with `a` up as 1 and `b` as 2.
    fn of(strategy: Strategy) -> Self {
        let flags = Flags::new(strategy).intensity(1, Duration::from_secs(5));
        Self::with(flags)
    }

    /// The same, with a back-off.
    fn waiting(strategy: Strategy) -> Self {
        Self::with(Flags::new(strategy).intensity(9, SECOND).backoff(Backoff::new(SECOND, SECOND)))
    }

    fn with(flags: Flags) -> Self {
        let children = [ChildSpec::worker("a"), ChildSpec::worker("b").restart(Restart::Temporary)];
        let mut play = Self::before(Scene::named(flags, &children));
        play.does(Action::Start { child: A, attempt: 1 }).started(A, 1);
        play.does(Action::Start { child: B, attempt: 1 }).started(B, 2).does(Action::Ready);
        assert_eq!(play.broken, None);
        play
    }

    /// At most two that have a second to end.
    fn crowd() -> Self {
        let template = ChildSpec::worker("a").shutdown(Shutdown::Within(SECOND));
        let mut play = Self::before(Scene::crowd(Flags::default().intensity(9, SECOND), &[template], 2));
        play.does(Action::Ready);
        play
    }

    fn before(scene: Scene) -> Self {
        Self { watch: Watch::new(&scene), broken: None, now: Duration::ZERO }
    }

    fn meets(&mut self, event: Event<u32, Why>) -> &mut Self {
        self.watch.event(&event);
        self
    }

    fn does(&mut self, action: Action<u32, Why>) -> &mut Self {
        let held = self.watch.action(self.now, &action);
        self.broken = self.broken.or(held.err());
        self
    }

    fn starts(&mut self, child: ChildKey) -> &mut Self {
        self.does(Action::Start { child, attempt: 2 })
    }

    fn started(&mut self, child: ChildKey, pid: u32) -> &mut Self {
        self.meets(Event::Started { child, pid })
    }

    fn exited(&mut self, pid: u32) -> &mut Self {
        self.meets(Event::Exited { pid, reason: Why::Boom })
    }

    fn reports(&mut self, context: Context) -> &mut Self {
        let offender = Offender::new(&ChildSpec::worker("a"), Place::Down);
        self.does(Action::Report(Report { context, cause: Cause::Reason(Why::Boom), offender, ruling: None }))
    }

    /// A crash of `a` and what is said of it.
    fn crash(&mut self, pid: u32) -> &mut Self {
        self.exited(pid).reports(Context::ChildTerminated)
    }

    fn stops(&mut self, child: ChildKey, pid: u32) -> &mut Self {
        self.does(Action::Monitor { pid });
        let held = self.watch.stopping(Some(child));
        self.broken = self.broken.or(held.err());
        self.does(Action::Signal { pid, signal: ExitSignal::Shutdown })
    }

    fn stopped(&mut self, pid: u32) -> &mut Self {
        self.meets(Event::Down { pid, reason: Why::Shutdown })
    }

    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    /// Nothing is left to do but at `alarm`, with the children at these places.
    fn rests(&mut self, places: [Place<u32>; 2], alarm: Option<Duration>) -> &mut Self {
        let info = |(child, place)| ChildInfo {
            child,
            id: None,
            place,
            kind: crate::child_spec::Kind::Worker,
            restart: Restart::Permanent,
        };
        let children: Vec<_> = [A, B].into_iter().zip(places).map(info).collect();
        let looked = self.watch.waits.as_mut().map_or(Ok(()), |waits| waits.looks(self.now, &children, alarm));
        let held = looked.and_then(|()| self.watch.at_rest(self.now, &children, alarm));
        self.broken = self.broken.or(held.err());
        self
    }

    /// All are stopped from now on, and this one is asked.
    fn asks(&mut self, pid: u32) -> &mut Self {
        self.watch.stopping_together(self.now, pid, Shutdown::Within(SECOND)).expect("it is a crowd");
        self.does(Action::Monitor { pid }).does(Action::Signal { pid, signal: ExitSignal::Shutdown })
    }

    #[track_caller]
    fn breaks(&self, invariant: Broken) {
        assert_eq!(self.broken, Some(invariant));
    }
}

#[test]
fn each_invariant_can_fail() {
    use Strategy::{OneForAll, OneForOne, RestForOne};
    Play::of(OneForOne).crash(1).starts(A).starts(B).breaks("one_step_at_a_time");
    Play::of(OneForOne).crash(1).starts(A).stops(B, 2).breaks("one_step_at_a_time");
    Play::of(OneForOne).starts(A).breaks("no_running_child_is_started");
    Play::of(OneForAll)
        .crash(1)
        .exited(2)
        .reports(Context::ChildTerminated)
        .starts(B)
        .breaks("temporary_children_start_once");
    let mut down = Play::of(OneForAll);
    down.watch.temporary.clear();
    down.crash(1)
        .stops(B, 2)
        .stopped(2)
        .starts(B)
        .started(B, 3)
        .starts(A)
        .started(A, 4)
        .starts(B)
        .breaks("starts_go_up");
    Play::of(OneForAll).reports(Context::ChildTerminated).stops(A, 1).stopped(1).stops(B, 2).breaks("stops_go_down");
    Play::of(OneForOne)
        .does(Action::Signal { pid: 1, signal: ExitSignal::Kill })
        .breaks("monitored_before_it_is_asked");
    Play::of(OneForOne).does(Action::Unlink { pid: 1 }).breaks("the_link_goes_last");
    Play::of(OneForOne).crash(1).stops(B, 2).stopped(2).starts(A).breaks("one_for_one_stops_nobody_to_restart");
    let mut spared = Play::of(RestForOne);
    spared.watch.temporary.clear();
    spared.crash(2).stops(A, 1).stopped(1).starts(B).breaks("rest_for_one_spares_those_before");
    Play::of(OneForOne)
        .crash(1)
        .starts(A)
        .started(A, 3)
        .crash(3)
        .starts(A)
        .started(A, 4)
        .reports(Context::ChildTerminated)
        .breaks("never_more_restarts_than_allowed");
    Play::of(OneForOne).crash(1).reports(Context::Shutdown).starts(A).breaks("no_start_after_giving_up");
    Play::of(OneForOne).does(Action::Reply(CallId(0), Response::Done)).breaks("one_answer_a_call");
    Play::of(OneForOne)
        .exited(1)
        .exited(2)
        .does(Action::Exit { reason: Why::Shutdown })
        .does(Action::Ready)
        .breaks("exit_is_last");
    Play::of(OneForOne).exited(1).does(Action::Exit { reason: Why::Shutdown }).breaks("nobody_is_up_at_the_end");
}

const DOWN: Place<u32> = Place::Down;
const WAITS: Place<u32> = Place::Restarting(None);

#[test]
fn each_invariant_of_mailboxes_can_fail() {
    use Strategy::OneForAll;
    Play::of(OneForAll).crash(1).stops(B, 2).stopped(2).rests([DOWN, DOWN], None).breaks("who_stays_down_is_closed");
    Play::waiting(OneForAll)
        .crash(1)
        .stops(B, 2)
        .stopped(2)
        .does(Action::Close { child: B })
        .rests([WAITS, DOWN], Some(SECOND))
        .breaks("who_comes_along_is_not_closed");
}

#[test]
fn each_invariant_of_waits_can_fail() {
    use Strategy::{OneForAll, OneForOne};
    let up = Place::Running(2);
    Play::waiting(OneForOne)
        .crash(1)
        .rests([WAITS, up], Some(SECOND))
        .starts(A)
        .started(A, 3)
        .rests([Place::Running(3), up], None)
        .breaks("nobody_starts_before_the_wait_is_over");
    Play::waiting(OneForOne)
        .crash(1)
        .rests([WAITS, up], Some(SECOND))
        .does(Action::Close { child: A })
        .meets(Event::Call(CallId(0), Request::TerminateChild(Target::Id("a".into()))))
        .does(Action::Reply(CallId(0), Response::Done))
        .rests([DOWN, up], None)
        .after(SECOND)
        .starts(A)
        .started(A, 3)
        .rests([Place::Running(3), up], None)
        .breaks("a_cancelled_wait_starts_nobody");
    Play::waiting(OneForAll).crash(1).rests([WAITS, up], Some(SECOND)).breaks("a_group_that_waits_is_down");
    let postpones = |child| Action::Postpone { child, until: SECOND };
    Play::of(OneForOne).crash(1).does(postpones(A)).breaks("who_is_postponed_waits");
    Play::waiting(OneForOne).crash(1).does(postpones(B)).breaks("who_is_postponed_waits");
    Play::waiting(OneForOne).crash(1).after(2 * SECOND).does(postpones(A)).breaks("who_is_postponed_waits");
    Play::waiting(OneForOne).crash(1).rests([WAITS, up], None).breaks("who_waits_has_an_alarm");
    Play::waiting(OneForOne)
        .crash(1)
        .after(SECOND)
        .meets(Event::Timeout)
        .rests([WAITS, up], Some(SECOND))
        .breaks("no_alarm_is_in_the_past");
    Play::waiting(OneForOne)
        .crash(1)
        .after(SECOND)
        .rests([WAITS, up], Some(Duration::ZERO))
        .breaks("no_alarm_is_in_the_past");
}

#[test]
fn each_invariant_of_crowds_can_fail() {
    let two = || {
        let mut play = Play::crowd();
        play.starts(A).started(A, 1).starts(B).started(B, 2);
        play
    };
    two().starts(ChildKey(2)).breaks("no_more_than_max_children");
    two().exited(1).rests([DOWN, Place::Running(2)], None).breaks("nobody_is_kept_who_is_down");
    two().asks(1).stopped(1).starts(ChildKey(0)).breaks("nobody_starts_while_all_are_stopped");
    two().asks(1).asks(1).breaks("each_is_asked_once");
    two()
        .asks(1)
        .does(Action::Signal { pid: 1, signal: ExitSignal::Kill })
        .breaks("nobody_is_killed_before_the_time_is_up");
    let kill = || Action::Signal { pid: 1, signal: ExitSignal::Kill };
    two().asks(1).after(SECOND).does(kill()).does(kill()).breaks("each_is_asked_once");
}

#[test]
fn the_table_names_the_invariants_that_are_checked() {
    let (table, code) = include_str!("mod.rs").split_once("use std::collections").expect("the table comes first");
    let named = table.lines().filter_map(|line| line.strip_prefix("//! | `")?.split_once('`'));
    let named: Vec<&str> = named.map(|(name, _)| name).collect();
    assert_eq!(named.len(), 27);
    let parts = [code, include_str!("mailboxes.rs"), include_str!("waits.rs"), include_str!("crowd.rs")];
    let (checks, tests) = (parts.concat(), include_str!("tests.rs"));
    for name in named {
        let name = format!("\"{name}\"");
        assert!(checks.contains(&name), "{name} is checked");
        assert!(tests.contains(&format!("breaks({name})")), "{name} can fail");
    }
}
