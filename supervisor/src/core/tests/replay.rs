//! Puts the core through a history of the reference and checks that it does the same, and the invariants besides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use super::history::{Cast, End, Letter, Line, Outcome, Picture, Scene, Trace, Why};
use super::invariants::{Broken, Watch};
use crate::child_spec::{ChildSpec, Restart, Shutdown};

struct Replay<'a> {
    core: Core<u32, Why>,
    now: Duration,
    trace: &'a Trace,
    /// Who is up, by what the core was told.
    up: BTreeMap<u32, ChildKey>,
    calls: u64,
    replies: u64,
    /// Who checks the invariants.
    watch: Watch,
    /// What the core did, if somebody wants to know.
    log: Log,
    names: BTreeMap<ChildKey, (Arc<str>, Shutdown)>,
    /// What they are like who join a crowd.
    kinds: Vec<ChildSpec>,
    /// A crowd is being stopped.
    together: bool,
}

/// Plays this history on a core.
///
/// # Panics
/// If the core does anything else than the reference, or breaks an invariant.
pub(super) fn replay(scene: &Scene, seed: u64, trace: &Trace) {
    run(scene, seed, trace, None);
}

/// The same; returns all that the core did.
pub(super) fn actions(scene: &Scene, seed: u64, trace: &Trace) -> Vec<Action<u32, Why>> {
    run(scene, seed, trace, Some(Vec::new())).expect("they were asked for")
}

type Log = Option<Vec<Action<u32, Why>>>;

fn run(scene: &Scene, seed: u64, trace: &Trace, log: Log) -> Log {
    let (children, kinds) = match &scene.cast {
        Cast::Named(children) => (children.as_slice(), Vec::new()),
        Cast::Crowd { kinds, .. } => (&[][..], kinds.clone()),
    };
    let names = (0..).zip(children).map(|(key, spec)| (ChildKey(key), (spec.id.clone(), spec.shutdown)));
    let mut replay = Replay {
        core: Core::new(scene.spec()).seeded(seed),
        names: names.collect(),
        kinds,
        together: false,
        now: Duration::ZERO,
        trace,
        up: BTreeMap::new(),
        calls: 0,
        replies: 0,
        watch: Watch::new(scene),
        log,
    };
    replay.event(Event::Begin);
    let mut lines = trace.iter();
    while let Some(line) = lines.next() {
        match line {
            Line::Arrives(pause, letter) => {
                replay.arrives(*pause, *letter);
            }
            Line::Start(key) => replay.start(ChildKey(*key), &mut lines),
            Line::Stop(pid) => replay.stop(*pid, &mut lines),
            Line::Rests(picture, alarm) => replay.rests(*picture, *alarm),
            Line::Ask(pid) => replay.ask(*pid),
            Line::Falls(pid, end) => replay.falls(*pid, *end),
            Line::TimeIsUp(deadline) => replay.time_is_up(*deadline),
            done => replay.expect(done),
        }
    }
    assert_eq!(replay.next(), None, "nothing comes after the exit: {trace:?}");
    assert!(replay.core.has_ended(), "every history ends: {trace:?}");
    assert!(replay.replies <= replay.calls, "at most one answer a call: {trace:?}");
    replay.log
}

impl Replay<'_> {
    /// The next action that the reference knows of.
    fn next(&mut self) -> Option<Action<u32, Why>> {
        loop {
            let action = self.core.poll_action()?;
            self.holds(|replay| replay.watch.action(replay.now, &action));
            if let Some(log) = &mut self.log {
                log.push(action.clone());
            }
            match action {
                Action::Report(report) if report.context == Context::Progress => {}
                Action::Flush { .. } | Action::Close { .. } | Action::Postpone { .. } | Action::Unlink { .. } => {}
                Action::Forget { child } => assert!(!self.up.values().any(|up| *up == child), "it is down"),
                action => return Some(action),
            }
        }
    }

    /// An invariant, which must hold.
    fn holds(&mut self, look: impl FnOnce(&mut Self) -> Result<(), Broken>) {
        if let Err(broken) = look(self) {
            panic!("invariant {broken} is broken: {:?}", self.trace);
        }
    }

    fn event(&mut self, event: Event<u32, Why>) {
        self.watch.event(&event);
        self.core.handle(self.now, event);
        self.holds(|replay| replay.watch.looks(replay.now, &replay.core));
    }

    fn quiet(&mut self) {
        let action = self.next();
        assert_eq!(action, None, "one step at a time: {:?}", self.trace);
    }

    fn arrives(&mut self, pause: Duration, letter: Letter) {
        if !self.together {
            // While a crowd is being stopped, somebody may be left to be asked.
            self.quiet();
        }
        let then = self.now + pause;
        if let Some(due) = self.core.poll_timeout().filter(|due| letter == Letter::Alarm && *due > self.now) {
            self.now = due - Duration::from_nanos(1);
            self.event(Event::Timeout);
            self.quiet();
        }
        self.now = then;
        let call = |request| Event::Call(CallId(0), request);
        let name = |key: u64| Target::Id(self.names.get(&ChildKey(key)).expect("known").0.to_string());
        let event = match letter {
            Letter::Exited(pid, reason) => {
                self.up.remove(&pid);
                Event::Exited { pid, reason }
            }
            Letter::ParentExit(reason) => Event::ParentExit { reason },
            Letter::Terminate(key) => call(Request::TerminateChild(name(key))),
            Letter::Restart(key) => call(Request::RestartChild(name(key))),
            Letter::Delete(key) => call(Request::DeleteChild(name(key))),
            Letter::Add => {
                let child = self.core.next_key();
                let spec = ChildSpec::worker(format!("added {}", child.0)).restart(Restart::Temporary);
                self.names.insert(child, (spec.id.clone(), spec.shutdown));
                call(Request::StartChild { child, spec })
            }
            Letter::Join(kind) => {
                let (child, own) = (self.core.next_key(), self.kinds[kind].clone());
                self.names.insert(child, (own.id.clone(), own.shutdown));
                call(Request::StartDynamic { child, own: (kind > 0).then_some(own) })
            }
            Letter::Dismiss(life) => call(Request::TerminateChild(Target::Pid(life))),
            Letter::Which => call(Request::WhichChildren),
            Letter::Alarm => Event::Timeout,
            Letter::Retry(_) | Letter::Waited(..) => unreachable!("a supervisor writes this letter itself"),
        };
        self.calls += u64::from(matches!(event, Event::Call(..)));
        self.event(event);
    }

    fn start(&mut self, key: ChildKey, lines: &mut std::slice::Iter<'_, Line>) {
        let Some(Action::Start { child, .. }) = self.next() else { panic!("start {key:?}: {:?}", self.trace) };
        assert_eq!(child, key, "{:?}", self.trace);
        loop {
            match lines.next() {
                Some(Line::Arrives(pause, letter)) => {
                    self.arrives(*pause, *letter);
                }
                Some(Line::Started(outcome)) => {
                    self.quiet();
                    return self.started(child, *outcome);
                }
                other => panic!("a start is interrupted by letters only, not {other:?}"),
            }
        }
    }

    fn started(&mut self, child: ChildKey, outcome: Outcome) {
        match outcome {
            Outcome::Ok(pid) => {
                self.up.insert(pid, child);
                self.event(Event::Started { child, pid });
            }
            Outcome::Ignore => self.event(Event::Ignored { child }),
            Outcome::Fails => self.event(Event::StartFailed { child, reason: Why::Boom }),
        }
    }

    fn stop(&mut self, expected: u32, lines: &mut std::slice::Iter<'_, Line>) {
        assert_eq!(self.next(), Some(Action::Monitor { pid: expected }), "{:?}", self.trace);
        let info = self.core.children().find(|info| info.place.pid() == Some(expected));
        self.holds(|replay| replay.watch.stopping(info.as_ref().map(|info| info.child)));
        let info = info.expect("a child is stopped");
        let shutdown = self.names[&info.child].1;
        let signal = if shutdown == Shutdown::BrutalKill { ExitSignal::Kill } else { ExitSignal::Shutdown };
        assert_eq!(self.next(), Some(Action::Signal { pid: expected, signal }), "{:?}", self.trace);
        loop {
            match lines.next() {
                Some(Line::Arrives(pause, letter)) => {
                    self.arrives(*pause, *letter);
                }
                Some(Line::Stopped(end)) => {
                    self.quiet();
                    return self.stopped(expected, shutdown, *end);
                }
                other => panic!("a stop is interrupted by letters only, not {other:?}"),
            }
        }
    }

    fn stopped(&mut self, pid: u32, shutdown: Shutdown, end: End) {
        let reason = match end {
            End::Dead => Why::NoProc,
            End::With(why) => why,
            End::Late => {
                let Shutdown::Within(limit) = shutdown else { panic!("only who has a time can be late") };
                self.waits_until(self.now + limit);
                assert_eq!(self.next(), Some(Action::Signal { pid, signal: ExitSignal::Kill }), "{:?}", self.trace);
                Why::Killed
            }
        };
        self.ends(pid, reason, end);
    }

    /// Time passes until a stop has taken too long, and waits may be over meanwhile.
    fn waits_until(&mut self, deadline: Duration) {
        if deadline > self.now {
            self.event(Event::Timeout);
            self.quiet();
        }
        while let Some(due) = self.core.poll_timeout().filter(|due| *due < deadline) {
            assert!(due > self.now, "what was due has been done: {:?}", self.trace);
            self.now = due;
            self.event(Event::Timeout);
            self.quiet();
        }
        assert_eq!(self.core.poll_timeout(), Some(deadline), "{:?}", self.trace);
        self.now = deadline;
        self.event(Event::Timeout);
    }

    fn ends(&mut self, pid: u32, reason: Why, end: End) {
        self.up.remove(&pid);
        // The exit and the answer of the monitor may come in either order. (A wait of no time at all would be over when
        // the later one comes.)
        let exit_first = pid.is_multiple_of(2) || self.core.flags().backoff.is_some();
        if end != End::Dead && exit_first {
            self.event(Event::Exited { pid, reason });
        }
        self.event(Event::Down { pid, reason });
        if end != End::Dead && !exit_first {
            self.event(Event::Exited { pid, reason });
        }
    }

    fn ask(&mut self, pid: u32) {
        self.together = true;
        let info = self.core.children().find(|info| info.place.pid() == Some(pid)).expect("a child is stopped");
        let shutdown = self.names[&info.child].1;
        self.holds(|replay| replay.watch.stopping_together(replay.now, pid, shutdown));
        assert_eq!(self.next(), Some(Action::Monitor { pid }), "{:?}", self.trace);
        let signal = if shutdown == Shutdown::BrutalKill { ExitSignal::Kill } else { ExitSignal::Shutdown };
        assert_eq!(self.next(), Some(Action::Signal { pid, signal }), "{:?}", self.trace);
    }

    fn falls(&mut self, pid: u32, end: End) {
        let reason = match end {
            End::Dead => Why::NoProc,
            End::With(why) => why,
            End::Late => unreachable!("time is up for several at once"),
        };
        self.ends(pid, reason, end);
    }

    fn time_is_up(&mut self, deadline: Duration) {
        self.quiet();
        self.waits_until(deadline);
    }

    /// Nothing is left to do, and all is as it should be.
    fn rests(&mut self, picture: Picture, alarm: Option<Duration>) {
        self.quiet();
        let shown = Picture::of(self.core.children().map(|info| (info.child, info.place)));
        assert_eq!(shown, picture, "{:?}: {:?}", self.core.children().collect::<Vec<_>>(), self.trace);
        assert_eq!(self.core.poll_timeout(), alarm, "{:?}", self.trace);
        let count = |what: fn(&Place<u32>) -> bool| self.core.children().filter(|info| what(&info.place)).count();
        let counted = (self.core.children.running(), self.core.children.restarting());
        let counts = (count(|place| place.pid().is_some()), count(|place| matches!(place, Place::Restarting(_))));
        assert_eq!(counted, counts, "{:?}", self.trace);
        self.holds(|replay| replay.watch.rests(replay.now, &replay.core));
    }

    fn expect(&mut self, line: &Line) {
        let action = self.next().unwrap_or_else(|| panic!("expected {line:?}: {:?}", self.trace));
        match (line, action) {
            (Line::Report(context, key), Action::Report(report)) => {
                assert_eq!(report.context, *context, "{:?}", self.trace);
                assert_eq!(report.offender.id, self.names[&ChildKey(*key)].0, "{:?}", self.trace);
            }
            (Line::Reply(text), Action::Reply(_, response)) => {
                self.replies += 1;
                assert_eq!(*text, reply(&response), "{:?}", self.trace);
            }
            (Line::Shown(picture), Action::Reply(_, Response::Children(mut shown))) => {
                self.replies += 1;
                shown.reverse();
                assert_eq!(
                    *picture,
                    Picture::of(shown.iter().map(|info| (info.child, info.place))),
                    "{shown:?}: {:?}",
                    self.trace
                );
            }
            (Line::Kill(pid), action) => {
                assert_eq!(action, Action::Signal { pid: *pid, signal: ExitSignal::Kill }, "{:?}", self.trace);
            }
            (Line::Counted(why, count), Action::Report(report)) => {
                assert_eq!(report.context, Context::ShutdownError, "{:?}", self.trace);
                assert_eq!(report.cause, Cause::Reason(*why), "{:?}", self.trace);
                assert_eq!(report.offender.count, Some(*count), "{:?}", self.trace);
            }
            (Line::Ready, Action::Ready) => {}
            (Line::Exit(why), Action::Exit { reason }) => {
                assert_eq!(*why, reason, "{:?}", self.trace);
            }
            (line, action) => panic!("{action:?} instead of {line:?}: {:?}", self.trace),
        }
    }
}

fn reply(response: &Response<u32, Why>) -> &'static str {
    match response {
        Response::Started(_) => "started",
        Response::Ignored => "ignored",
        Response::Done => "ok",
        Response::Refused(CallError::NotFound) => "not_found",
        Response::Refused(CallError::Running) => "running",
        Response::Refused(CallError::MaxChildren(_)) => "max_children",
        Response::Refused(CallError::Restarting) => "restarting",
        Response::Refused(CallError::StartFailed(_)) => "failed",
        other => panic!("{other:?} was not to be expected"),
    }
}
