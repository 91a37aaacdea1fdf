//! The way to a system: finds it, has it asked what is in view once a second, and comes back to it after it was lost.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use crashworthy_console::Client;
use crashworthy_console::protocol::{CommitQuery, PlanQuery, TraceQuery};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::event::Event;
use super::heir::{Heir, Lost};
use super::line::Line;
use super::model::{Candidate, Found};
use super::question::Question;
use crate::args::Which;
use crate::{Trouble, find};

/// How often is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How often systems are looked for.
const SEARCH: Duration = Duration::from_secs(2);
/// How long it waits before it tries again: twice as long each time, up to a limit.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What the link is told to do.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Asks this from now on.
    Ask(Vec<Question>),
    Connect(PathBuf),
    Search,
    /// Asks what would come of an action.
    Plan(PlanQuery),
    /// Has it done.
    Commit(CommitQuery),
    Trace(TraceQuery),
    Untrace,
}

/// Follows its orders until nobody gives any.
pub(super) fn run(which: Which, orders: &Receiver<Order>, events: &SyncSender<Event>) {
    let _farewell = Farewell(events);
    let mut link = Link { which, goal: Goal::Search, questions: Vec::new(), tries: 0, events };
    let mut due = Instant::now();
    loop {
        match orders.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(order) => {
                let is_at_once = link.obey(order);
                if is_at_once {
                    due = Instant::now();
                }
            }
            Err(RecvTimeoutError::Timeout) => match link.step() {
                Some(pause) => due = Instant::now() + pause,
                None => return,
            },
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Tells that the link has ended, whatever it ended of.
struct Farewell<'a>(&'a SyncSender<Event>);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        // Nobody hears it if the screens ended first.
        let _ = self.0.send(Event::LinkEnded);
    }
}

struct Link<'a> {
    which: Which,
    goal: Goal,
    questions: Vec<Question>,
    /// How often it was tried in vain since it was there.
    tries: u32,
    events: &'a SyncSender<Event>,
}

enum Goal {
    /// Whoever runs.
    Search,
    System {
        socket: PathBuf,
        /// What it would leave, if others may take its place; known once it has answered.
        lost: Option<Lost>,
        client: Option<Box<Line>>,
    },
}

impl Link<'_> {
    /// Whether there is something to do at once. An answer that is missing is not asked for while nobody is there.
    fn obey(&mut self, order: Order) -> bool {
        match order {
            Order::Ask(questions) => {
                self.questions = questions;
                return matches!(self.goal, Goal::System { client: Some(_), .. });
            }
            Order::Connect(socket) => self.goal = Goal::System { socket, lost: None, client: None },
            Order::Search => {
                // Who wants to see the others wants more than the one that was named.
                self.which.system = None;
                self.goal = Goal::Search;
            }
            Order::Plan(query) => {
                let told = Event::Planned(self.act("plan", &query).map(Box::new));
                // Who does not listen any more does not want to know.
                let _ = self.events.send(told);
                return false;
            }
            Order::Commit(query) => {
                let told = Event::Committed(self.act("commit", &query).map(Box::new));
                let _ = self.events.send(told);
                // What came of it is to be seen.
                return matches!(self.goal, Goal::System { client: Some(_), .. });
            }
            Order::Trace(query) => return self.trace(&query),
            Order::Untrace => return self.untrace(),
        }
        self.tries = 0;
        true
    }

    /// Asks the socket for actions of the system that is looked at; a connection for each: nobody acts often.
    fn act<T: DeserializeOwned>(&self, verb: &str, query: &impl Serialize) -> Result<T, String> {
        let Goal::System { socket, .. } = &self.goal else { return Err("no system is chosen".to_owned()) };
        let socket = self.which.connect.is_none().then(|| socket.clone());
        // Over TCP nobody acts, and is told so.
        let which = Which { socket, connect: self.which.connect, ..Which::default() };
        let mut client = find::to_act(&which).map_err(|trouble| match trouble {
            Trouble::Told(why) | Trouble::Misused(why) => why,
            Trouble::Unread | Trouble::Helped => "it cannot be asked".to_owned(),
        })?;
        client.ask(verb, query).map_err(|error| error.to_string())
    }

    /// Has the system trace, and tells whether it does. What becomes of a connection that fails is seen with the next question.
    fn trace(&mut self, query: &TraceQuery) -> bool {
        let told = match &mut self.goal {
            Goal::System { client: Some(line), .. } => line.trace(query),
            _ => Err("nobody is there who could trace".to_owned()),
        };
        // Nobody hears it if the screens ended first.
        let _ = self.events.send(Event::TraceBegun(told));
        true
    }

    fn untrace(&mut self) -> bool {
        if let Goal::System { client: Some(line), .. } = &mut self.goal {
            line.untrace();
        }
        false
    }

    /// Does what there is to do, and returns how long to wait then; none if nobody listens any more.
    fn step(&mut self) -> Option<Duration> {
        match &mut self.goal {
            Goal::Search => {
                self.events.send(Event::Systems(search(&self.which))).ok()?;
                Some(SEARCH)
            }
            Goal::System { socket, lost, client } => {
                // It was there at least until then, if it answers.
                let asked = Instant::now();
                let answered = match client {
                    Some(line) => line.ask(&self.questions).map(Event::Round),
                    None => connect(&self.which, socket, lost.as_ref()).map(|(place, new)| {
                        let hello = new.hello().clone();
                        socket.clone_from(&place);
                        *lost = Lost::new(&self.which, &hello, asked);
                        *client = Some(Box::new(Line::new(new)));
                        let acts = find::can_act(&self.which, &place, &hello);
                        Event::Linked(Box::new(hello), Some(place), acts)
                    }),
                };
                let (event, pause) = match answered {
                    Ok(event) => {
                        self.tries = 0;
                        if let Some(lost) = lost {
                            lost.answered(asked);
                        }
                        let is_first = matches!(event, Event::Linked(..));
                        (event, if is_first { Duration::ZERO } else { EVERY })
                    }
                    Err(why) => {
                        *client = None;
                        let again = pause(self.tries);
                        self.tries = self.tries.saturating_add(1);
                        (Event::Lost { why, again }, again)
                    }
                };
                self.events.send(event).ok()?;
                Some(pause)
            }
        }
    }
}

fn search(which: &Which) -> Found {
    let found = match find::running() {
        Ok(found) => found.into_iter(),
        Err(Trouble::Told(why) | Trouble::Misused(why)) => return Found { systems: Vec::new(), trouble: Some(why) },
        Err(Trouble::Unread | Trouble::Helped) => return Found::default(),
    };
    let named = |system: &Candidate| {
        which.system.as_ref().is_none_or(|word| *word == system.system || *word == system.process.to_string())
    };
    let systems = found.map(Candidate::from).filter(named).collect();
    let trouble = which.system.as_ref().map(|word| format!("no system {word:?} runs"));
    Found { systems, trouble }
}

/// To the system that listens there; or, if nobody does any more, to its [heir](super::heir).
fn connect(which: &Which, socket: &Path, lost: Option<&Lost>) -> Result<(PathBuf, Client), String> {
    let error = match find::open(which, socket) {
        Ok(client) => return Ok((socket.to_owned(), client)),
        Err(error) => error,
    };
    if !find::is_absent(&error) {
        return Err(error.to_string());
    }
    let Some(lost) = lost else { return Err("it does not run any more".to_owned()) };
    let heir = find::running().ok().and_then(|running| lost.heir(running.into_iter().map(Heir::from)));
    let client = heir.and_then(|place| Some((Client::connect(&place, find::PATIENCE).ok()?, place)));
    match client.filter(|(client, _)| client.hello().system == lost.name()) {
        Some((client, place)) => Ok((place, client)),
        None => Err(format!("process {} does not run any more", lost.process())),
    }
}

fn pause(tries: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_longer_each_time_up_to_a_limit() {
        let told: Vec<_> = [0, 1, 2, 5, 6, u32::MAX].map(pause).iter().map(Duration::as_millis).collect();
        assert_eq!(told, [250, 500, 1000, 8000, 10_000, 10_000]);
    }
}
