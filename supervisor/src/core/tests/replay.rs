//! Puts the core through a history of the reference and checks that it does the same, and the invariants besides.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::*;
use super::history::{End, Letter, Line, Outcome, Trace, Why};
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
    names: BTreeMap<ChildKey, (std::sync::Arc<str>, Shutdown)>,
}

/// Plays this history on a core.
///
/// # Panics
/// If the core does anything else than the reference, or breaks an invariant.
pub(super) fn replay(flags: Flags, children: &[ChildSpec], trace: &Trace) {
    run(flags, children, trace, None);
}

/// The same; returns all that the core did.
pub(super) fn actions(flags: Flags, children: &[ChildSpec], trace: &Trace) -> Vec<Action<u32, Why>> {
    run(flags, children, trace, Some(Vec::new())).expect("they were asked for")
}

type Log = Option<Vec<Action<u32, Why>>>;

fn run(flags: Flags, children: &[ChildSpec], trace: &Trace, log: Log) -> Log {
    let spec = Spec::new(flags, children.to_vec()).expect("the children keep the rules");
    let core = Core::new(spec);
    let names = core.children().zip(children).map(|(info, spec)| (info.child, (spec.id.clone(), spec.shutdown)));
    let mut replay = Replay {
        names: names.collect(),
        core,
        now: Duration::ZERO,
        trace,
        up: BTreeMap::new(),
        calls: 0,
        replies: 0,
        watch: Watch::new(flags, children),
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
                Action::Flush { .. } | Action::Close { .. } | Action::Unlink { .. } => {}
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
    }

    fn quiet(&mut self) {
        let action = self.next();
        assert_eq!(action, None, "one step at a time: {:?}", self.trace);
    }

    fn arrives(&mut self, pause: Duration, letter: Letter) {
        self.quiet();
        self.now += pause;
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
            Letter::Retry(_) => unreachable!("a supervisor writes this letter itself"),
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
                assert_eq!(self.core.poll_timeout(), Some(self.now + limit), "{:?}", self.trace);
                if !limit.is_zero() {
                    self.event(Event::Timeout);
                    self.quiet();
                    self.now += limit;
                }
                self.event(Event::Timeout);
                assert_eq!(self.next(), Some(Action::Signal { pid, signal: ExitSignal::Kill }), "{:?}", self.trace);
                assert_eq!(self.core.poll_timeout(), None, "a killed child is waited for without limit");
                Why::Killed
            }
        };
        self.up.remove(&pid);
        // The exit and the answer of the monitor may come in either order.
        if end != End::Dead && pid.is_multiple_of(2) {
            self.event(Event::Exited { pid, reason });
        }
        self.event(Event::Down { pid, reason });
        if end != End::Dead && !pid.is_multiple_of(2) {
            self.event(Event::Exited { pid, reason });
        }
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
        Response::Refused(CallError::Restarting) => "restarting",
        Response::Refused(CallError::StartFailed(_)) => "failed",
        other => panic!("{other:?} was not to be expected"),
    }
}
