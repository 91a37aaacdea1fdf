//! A world for one core: children that start, stop and end as they are told, and a transcript of what was done.
//!
//! A transcript holds commands (`> a exits boom`) and below each what the supervisor did about it, separated by
//! commas. The commands:
//!
//! | command | meaning |
//! |---|---|
//! | `begin` | the supervisor starts |
//! | `a exits R` | the running `a` ends by itself with reason R |
//! | `a next O..` | the next starts of `a` have these outcomes: `ok`, `ignore`, `wait`, anything else is an error |
//! | `open a` | the start of `a` that waits succeeds (`open a O`: has outcome O) |
//! | `a stops H` | from now on, when asked to stop `a` does: `shutdown` (at once, default), `never`, or exits with H |
//! | `parent exits R`, `stranger exits R` | an exit signal of somebody else |
//! | `after MS` | time passes, in milliseconds |
//! | `start T I..`, `terminate I`, `restart I`, `delete I`, `spec I`, `which`, `count` | calls; T is `p`, `t`, `x`(temporary) |
//! | `show places`, `show progress` | what is not shown otherwise |

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::super::*;
use crate::child_spec::ChildSpec;

/// An exit reason in Erlang's notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term(pub(super) String);

impl Reason for Term {
    fn class(&self) -> ReasonClass {
        match self.0.as_str() {
            "shutdown" => ReasonClass::Shutdown,
            "killed" => ReasonClass::Killed,
            other if other == "normal" || other.starts_with("{shutdown,") => ReasonClass::OtherNormal,
            _ => ReasonClass::Abnormal,
        }
    }

    fn shutdown() -> Self {
        Self("shutdown".into())
    }

    fn failed_to_start(child: &str, why: &Self) -> Self {
        Self(format!("{{shutdown,{{failed_to_start_child,{child},{}}}}}", why.0))
    }
}

/// One life of one child.
#[derive(Clone, Debug)]
struct Life {
    name: String,
    attempt: u64,
    alive: bool,
    monitored: bool,
}

pub(super) struct World {
    pub(super) core: Core<u32, Term>,
    now: Duration,
    names: BTreeMap<ChildKey, String>,
    lives: Vec<Life>,
    outcomes: BTreeMap<String, VecDeque<String>>,
    manners: BTreeMap<String, String>,
    waits: BTreeMap<String, ChildKey>,
    calls: u64,
    dynamic: Option<String>,
    shown: Vec<String>,
    done: Vec<String>,
}

impl World {
    pub(super) fn new(spec: Spec) -> Self {
        let dynamic = match &spec.members {
            Members::Static(_) => None,
            Members::Dynamic { template, .. } => Some(template.id.to_string()),
        };
        let core = Core::new(spec);
        let names = core.children().map(|child| (child.child, child.id.expect("named").to_string())).collect();
        Self {
            core,
            now: Duration::ZERO,
            names,
            lives: Vec::new(),
            outcomes: BTreeMap::new(),
            manners: BTreeMap::new(),
            waits: BTreeMap::new(),
            calls: 0,
            dynamic,
            shown: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Carries out one command and says what the supervisor did.
    pub(super) fn command(&mut self, command: &str) -> Vec<String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            ["begin"] => self.event(Event::Begin),
            ["show", what] => self.shown.push(what.into()),
            ["parent", "exits", reason] => self.event(Event::ParentExit { reason: term(reason) }),
            ["stranger", "exits", reason] => self.event(Event::Exited { pid: 9999, reason: term(reason) }),
            ["after", ms] => self.pass(Duration::from_millis(ms.parse().expect("milliseconds"))),
            ["open", name] => self.open(name, "ok"),
            ["open", name, outcome] => self.open(name, outcome),
            ["which"] => self.call(Request::WhichChildren),
            ["count"] => self.call(Request::CountChildren),
            ["start", kind, name] => self.start(kind, name),
            ["terminate", who] => self.target(who, Request::TerminateChild),
            ["restart", who] => self.target(who, Request::RestartChild),
            ["delete", who] => self.target(who, Request::DeleteChild),
            ["spec", who] => self.target(who, Request::ChildSpec),
            [name, "exits", reason] => self.dies(name, reason),
            [name, "stops", how] => drop(self.manners.insert(name.into(), how.into())),
            [name, "next", ..] => {
                let outcomes = words[2..].iter().map(|word| (*word).to_owned());
                self.outcomes.entry(name.into()).or_default().extend(outcomes);
            }
            _ => panic!("no such command: {command}"),
        }
        std::mem::take(&mut self.done)
    }

    fn event(&mut self, event: Event<u32, Term>) {
        self.core.handle(self.now, event);
        while let Some(action) = self.core.poll_action() {
            self.perform(action);
        }
    }

    fn call(&mut self, request: Request<u32>) {
        self.calls += 1;
        self.event(Event::Call(CallId(self.calls), request));
    }

    fn start(&mut self, kind: &str, name: &str) {
        let child = self.core.next_key();
        self.names.insert(child, name.into());
        if self.dynamic.is_some() {
            return self.call(Request::StartDynamic { child, own: None });
        }
        self.call(Request::StartChild { child, spec: child_spec(kind, name) });
    }

    fn target(&mut self, who: &str, request: fn(Target<u32>) -> Request<u32>) {
        let target = match who.split_once('#') {
            None => Target::Id(who.into()),
            Some((name, attempt)) => {
                let attempt: u64 = attempt.parse().expect("an attempt's number");
                let life = self.lives.iter().position(|life| life.name == name && life.attempt == attempt);
                Target::Pid(life.expect("there was such a life") as u32)
            }
        };
        self.call(request(target));
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.core.poll_timeout().filter(|deadline| *deadline <= end) {
            self.now = deadline;
            self.event(Event::Timeout);
            assert!(self.core.poll_timeout() != Some(deadline), "what was due has been done");
        }
        self.now = end;
        self.event(Event::Timeout);
    }

    fn dies(&mut self, name: &str, reason: &str) {
        let pid = self.lives.iter().rposition(|life| life.name == name && life.alive).expect("it runs");
        self.lives[pid].alive = false;
        self.event(Event::Exited { pid: pid as u32, reason: term(reason) });
        if self.lives[pid].monitored {
            self.event(Event::Down { pid: pid as u32, reason: term(reason) });
        }
    }

    fn open(&mut self, name: &str, outcome: &str) {
        let child = self.waits.remove(name).expect("a start of it waits");
        let attempt = self.attempt(child);
        self.answer(child, attempt, outcome);
    }

    fn attempt(&self, child: ChildKey) -> u64 {
        self.core.children.get(child).expect("it is here").attempts().into()
    }

    fn answer(&mut self, child: ChildKey, attempt: u64, outcome: &str) {
        let name = self.names[&child].clone();
        match outcome {
            "ok" => {
                self.lives.push(Life { name, attempt, alive: true, monitored: false });
                self.event(Event::Started { child, pid: (self.lives.len() - 1) as u32 });
            }
            "ignore" => self.event(Event::Ignored { child }),
            "wait" => drop(self.waits.insert(name, child)),
            reason => self.event(Event::StartFailed { child, reason: term(reason) }),
        }
    }

    fn perform(&mut self, action: Action<u32, Term>) {
        match action {
            Action::Start { child, attempt } => {
                let name = self.names[&child].clone();
                let outcome = self.outcomes.get_mut(&name).and_then(VecDeque::pop_front).unwrap_or("ok".into());
                self.did(if outcome == "ok" { format!("start {name}") } else { format!("start {name}: {outcome}") });
                self.answer(child, attempt, &outcome);
            }
            Action::Monitor { pid } => {
                let life = &mut self.lives[pid as usize];
                life.monitored = true;
                if !life.alive {
                    self.event(Event::Down { pid, reason: term("noproc") });
                }
            }
            Action::Signal { pid, signal } => self.signal(pid, signal),
            Action::Unlink { pid } => assert!(!self.lives[pid as usize].alive, "the link goes last"),
            Action::Flush { child } => self.show("places", "flush", child),
            Action::Postpone { child, .. } => self.show("waits", "postpone", child),
            Action::Close { child } => self.show("places", "close", child),
            Action::Forget { child } => self.show("places", "forget", child),
            Action::Report(report) => self.reported(&report),
            Action::Reply(_, response) => {
                let text = self.response(response);
                self.did(format!("reply {text}"));
            }
            Action::Ready => self.did("ready".into()),
            Action::Exit { reason } => self.did(format!("exit {}", reason.0)),
        }
    }

    fn signal(&mut self, pid: u32, signal: ExitSignal) {
        let life = &mut self.lives[pid as usize];
        assert!(life.monitored, "a child is monitored before it is asked to stop");
        if !life.alive {
            return;
        }
        let name = life.name.clone();
        let how = match signal {
            ExitSignal::Kill => "killed",
            ExitSignal::Shutdown => self.manners.get(&name).map_or("shutdown", |manner| manner.as_str()),
        };
        let verb = if signal == ExitSignal::Kill { "kill" } else { "stop" };
        self.done.push(format!("{verb} {name}"));
        if how != "never" {
            life.alive = false;
            let reason = term(how);
            self.event(Event::Down { pid, reason: reason.clone() });
            self.event(Event::Exited { pid, reason });
        }
    }

    fn show(&mut self, what: &str, verb: &str, child: ChildKey) {
        let name = self.names[&child].clone();
        if self.shown.iter().any(|shown| shown == what) {
            self.did(format!("{verb} {name}"));
        }
    }

    fn reported(&mut self, report: &Report<u32, Term>) {
        if report.context == Context::Progress && !self.shown.iter().any(|what| what == "progress") {
            return;
        }
        let cause = match &report.cause {
            Cause::Reason(reason) => format!(" {}", reason.0),
            Cause::ReachedMaxRestartIntensity(_) => " reached_max_restart_intensity".into(),
            Cause::Various => " various".into(),
            Cause::Started => String::new(),
        };
        let count = report.offender.count.map_or(String::new(), |count| format!("*{count}"));
        self.did(format!("report {} {}{count}{cause}", report.context.as_str(), report.offender.id));
    }

    fn response(&self, response: Response<u32, Term>) -> String {
        match response {
            Response::Started(pid) => self.shown_pid(pid),
            Response::Ignored => "ignored".into(),
            Response::Done => "ok".into(),
            Response::Spec(spec) => format!("{} {}", spec.id, spec.restart),
            Response::Children(children) => {
                let shown = children.iter().map(|child| {
                    let id = child.id.as_deref().unwrap_or("_");
                    match child.place {
                        Place::Running(pid) => format!("{id}={}", self.shown_pid(pid)),
                        Place::Down => format!("{id}=undefined"),
                        Place::Restarting(_) => format!("{id}=restarting"),
                    }
                });
                format!("[{}]", shown.collect::<Vec<_>>().join(" "))
            }
            Response::Counts(counts) => {
                let dead = counts.check.iter().filter(|pid| !self.lives[**pid as usize].alive).count();
                format!(
                    "{} specs {} active {} supervisors {} workers",
                    counts.specs,
                    counts.active - dead,
                    counts.supervisors,
                    counts.workers
                )
            }
            Response::Refused(error) => match error {
                CallError::AlreadyStarted(pid) => format!("already_started {}", self.shown_pid(pid)),
                CallError::StartFailed(reason) => format!("failed {}", reason.0),
                CallError::Invalid(rule) => format!("{rule:?}"),
                CallError::NotFound => "not_found".into(),
                CallError::AlreadyPresent => "already_present".into(),
                CallError::Running => "running".into(),
                CallError::Restarting => "restarting".into(),
                CallError::MaxChildren(_) => "max_children".into(),
                CallError::Dynamic => "simple_one_for_one".into(),
                CallError::Static => "static".into(),
            },
        }
    }

    fn shown_pid(&self, pid: u32) -> String {
        let life = &self.lives[pid as usize];
        format!("{}#{}", life.name, life.attempt)
    }

    fn did(&mut self, what: String) {
        self.done.push(what);
    }
}

fn term(text: &str) -> Term {
    Term(text.into())
}

fn child_spec(kind: &str, name: &str) -> ChildSpec {
    let restart = match kind.trim_end_matches('!') {
        "p" => Restart::Permanent,
        "t" => Restart::Transient,
        "x" => Restart::Temporary,
        other => panic!("p, t or x, not {other}"),
    };
    let spec = ChildSpec::worker(name).restart(restart);
    if kind.ends_with('!') { spec.significant() } else { spec }
}

/// Children written as `p:a t:b x:c`: permanent, transient, temporary; `t!:d` is significant.
pub(super) fn children(text: &str) -> Vec<ChildSpec> {
    let one = |word: &str| {
        let (kind, name) = word.split_once(':').expect("kind:name");
        child_spec(kind, name)
    };
    text.split_whitespace().map(one).collect()
}

/// Plays the commands of a transcript and compares what was done with what it says.
#[track_caller]
pub(super) fn check(spec: Spec, transcript: &str) {
    let mut world = World::new(spec);
    let mut played = Vec::new();
    let mut expected = Vec::new();
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
        expected.push(line.to_owned());
        if let Some(command) = line.strip_prefix('>') {
            played.push(line.to_owned());
            let done = world.command(command);
            if !done.is_empty() {
                played.push(done.join(", "));
            }
        }
    }
    assert_eq!(played.join("\n"), expected.join("\n"), "\n--- played:\n{}\n", played.join("\n"));
}
