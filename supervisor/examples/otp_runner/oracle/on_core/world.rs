//! What happens next: a queue of happenings, a virtual clock, and when everything has come to rest.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crashworthy_supervisor::core::Event as CoreEvent;
use serde_json::Value;

use super::super::scenario::Stop;
use super::super::trace::Event;
use super::actor::{Actor, Pid, Role, Supervisor, Why};
use super::worker::Gate;

/// All that there is.
#[derive(Default)]
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) actors: Vec<Actor>,
    pub(super) latest: BTreeMap<String, Pid>,
    pub(super) root: Option<Pid>,
    pub(super) root_outcome: Option<Value>,
    /// The first gated start is to wait.
    pub(super) hold_gate: bool,
    pub(super) gate: Option<Gate>,
    pub(super) answers: BTreeMap<u64, Value>,
    pub(super) calls: u64,
    attempts: BTreeMap<String, u64>,
    events: Vec<Event>,
    queue: VecDeque<Happening>,
    /// Whose `terminate` is over when.
    lingering: BTreeMap<(Duration, Pid), Why>,
}

/// Something on its way.
pub(super) enum Happening {
    /// To a supervisor.
    Core(Pid, CoreEvent<Pid, Why>),
    /// The parent of this one was killed, and its link says so.
    LinkBroken(Pid, Why),
}

/// The world does not come to rest, and why that is.
#[derive(Debug)]
pub(super) struct Stuck(pub(super) String);

/// So much happens in no scenario.
const MOST: usize = 100_000;

impl World {
    // --- Time ---

    /// Lets everything happen that needs no time.
    pub(super) fn run(&mut self) {
        for _ in 0..MOST {
            match self.queue.pop_front() {
                None => return,
                Some(Happening::Core(pid, event)) => self.feed(pid, event),
                Some(Happening::LinkBroken(pid, why)) => self.parent_exited(pid, &why),
            }
        }
        panic!("something happens again and again");
    }

    /// Lets time pass until everything is at rest, or a start waits at the gate.
    pub(super) fn settle(&mut self) -> Result<(), Stuck> {
        for _ in 0..MOST {
            self.run();
            if self.at_gate() || self.at_rest() {
                return Ok(());
            }
            let Some(next) = self.next_due() else {
                return Err(Stuck(format!("nothing will happen any more: {}", self.restless())));
            };
            self.go_to(next);
        }
        Err(Stuck(format!("it does not come to rest: {}", self.restless())))
    }

    pub(super) fn advance(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(next) = self.next_due().filter(|next| *next <= until) {
            self.go_to(next);
            self.run();
        }
        self.now = until;
    }

    fn next_due(&self) -> Option<Duration> {
        let lingering = self.lingering.keys().next().map(|(at, _)| *at);
        let timeouts = self.living_supervisors().filter_map(|(_, supervisor)| supervisor.core.poll_timeout());
        timeouts.chain(lingering).min()
    }

    fn go_to(&mut self, next: Duration) {
        self.now = self.now.max(next);
        let due = |(_, supervisor): &(Pid, &Supervisor)| {
            supervisor.core.poll_timeout().is_some_and(|timeout| timeout <= self.now)
        };
        let timeouts: Vec<Pid> = self.living_supervisors().filter(due).map(|(pid, _)| pid).collect();
        self.queue.extend(timeouts.into_iter().map(|pid| Happening::Core(pid, CoreEvent::Timeout)));
        while let Some(first) = self.lingering.first_entry().filter(|first| first.key().0 <= self.now) {
            let ((_, pid), why) = first.remove_entry();
            self.ends(pid, &why);
        }
    }

    pub(super) fn lingers(&mut self, pid: Pid, ms: u64, why: Why) {
        self.lingering.insert((self.now + Duration::from_millis(ms), pid), why);
    }

    // --- Rest ---

    fn at_rest(&self) -> bool {
        self.restless().is_empty()
    }

    /// Who is not at rest.
    fn restless(&self) -> String {
        let paths = self.actors.iter().filter(|actor| !self.rests(actor)).map(|actor| &*actor.path);
        paths.collect::<Vec<_>>().join(" ")
    }

    fn rests(&self, actor: &Actor) -> bool {
        let orphan = actor.parent.is_some_and(|parent| !self.actors[parent as usize].alive);
        match &actor.role {
            _ if !actor.alive => true,
            Role::Worker { stop, terminating, .. } => {
                !orphan || *stop == Stop::Unlink || (*terminating && stop.outlives())
            }
            Role::Supervisor(supervisor) => !orphan && !supervisor.starting && supervisor.stopping == 0,
        }
    }

    // --- Who is there ---

    pub(super) fn actor(&self, pid: Pid) -> &Actor {
        &self.actors[pid as usize]
    }

    pub(super) fn actor_mut(&mut self, pid: Pid) -> &mut Actor {
        &mut self.actors[pid as usize]
    }

    pub(super) fn is_up(&self, pid: Option<Pid>) -> bool {
        pid.is_some_and(|pid| self.actor(pid).alive)
    }

    pub(super) fn root(&self) -> Option<Pid> {
        self.root
    }

    /// The latest incarnation at `path`, unless it has ended or begun to stop.
    pub(super) fn target(&self, path: &str) -> Option<Pid> {
        let pid = *self.latest.get(path)?;
        let actor = self.actor(pid);
        let stopping = matches!(actor.role, Role::Worker { terminating: true, .. });
        (actor.alive && !stopping).then_some(pid)
    }

    pub(super) fn living_supervisors(&self) -> impl Iterator<Item = (Pid, &Supervisor)> {
        (0..).zip(&self.actors).filter(|(_, actor)| actor.alive).filter_map(|(pid, actor)| match &actor.role {
            Role::Supervisor(supervisor) => Some((pid, &**supervisor)),
            Role::Worker { .. } => None,
        })
    }

    /// Paths of the living supervisors, sorted.
    pub(super) fn supervisors(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.living_supervisors().map(|(pid, _)| self.actor(pid).path.clone()).collect();
        paths.sort();
        paths
    }

    pub(super) fn orphans(&self) -> Vec<String> {
        let living = self.actors.iter().filter(|actor| actor.alive);
        living.map(|actor| format!("{}#{}", actor.path, actor.n)).collect()
    }

    // --- What happens ---

    pub(super) fn attempt(&mut self, path: &str) -> u64 {
        let attempts = self.attempts.entry(path.to_owned()).or_default();
        *attempts += 1;
        *attempts
    }

    /// A new incarnation, from now on the latest at its path.
    pub(super) fn add(&mut self, path: String, n: u64, parent: Option<Pid>, role: Role) -> Pid {
        let pid = Pid::try_from(self.actors.len()).expect("there are few actors");
        self.latest.insert(path.clone(), pid);
        self.actors.push(Actor { path, n, parent, alive: true, linked: true, monitors: Vec::new(), role });
        pid
    }

    pub(super) fn soon(&mut self, happening: Happening) {
        self.queue.push_back(happening);
    }

    pub(super) fn note(&mut self, kind: &str, path: &str, n: u64, words: &[&str]) {
        self.events.push(Event::new(kind, path, n, words));
    }

    pub(super) fn note_of(&mut self, kind: &str, pid: Pid, words: &[&str]) {
        let actor = self.actor(pid);
        self.events.push(Event::new(kind, &actor.path, actor.n, words));
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}
