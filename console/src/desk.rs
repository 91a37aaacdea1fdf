//! Who answers what: questions go to the inspector, deeds to the actions, if the caller may.

use std::sync::Arc;
use std::time::Instant;

use crashworthy_runtime::Attending;
use serde_json::Value;

use crate::actions::Actions;
use crate::inspector::Inspector;
use crate::protocol::{AuditView, Code, Greeting, Hello, Refusal, Request};
use crate::queue::{Account, Queue, deadline, looks_for};
use crate::role::{Caller, Role};
use crate::search::Search;
use crate::traces::Tracer;
use crate::watches::Watches;
use crate::wire::{line, read, refusal};

/// What a connection has of its own, which ends with it.
pub(crate) struct Session {
    pub(crate) watches: Watches,
    tracer: Tracer,
    /// How much it has looked for patterns.
    account: Account,
    /// It has asked for events: until it leaves, beginnings and ends are told, too.
    attending: Option<Attending>,
}

impl Session {
    pub(crate) fn new(inspector: &Arc<Inspector>) -> Self {
        let (watches, tracer) = (Watches::new(inspector.clone()), Tracer::new(inspector.clone()));
        Self { watches, tracer, account: Account::default(), attending: None }
    }

    /// Returns when there may be a frame to be sent unasked.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn due(&mut self, searches: &Queue) {
        self.watches.due(searches, &mut self.account).await;
    }

    /// Attends to events from now on.
    fn attend(&mut self, inspector: &Inspector) {
        if self.attending.is_none() {
            // Of a system that has ended nothing is told.
            self.attending = inspector.attend_events().ok();
        }
    }
}

/// What answers the clients of a console.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) inspector: Arc<Inspector>,
    /// None where nothing can be done.
    pub(crate) actions: Option<Arc<Actions>>,
    /// Those who look for a pattern.
    pub(crate) searches: Queue,
}

impl Desk {
    /// The first line to a client: who is there, and what it may do.
    pub(crate) fn greeting(&self, caller: Caller) -> Vec<u8> {
        line(&Greeting { hello: self.hello(caller) }, usize::MAX).unwrap_or_default()
    }

    fn hello(&self, caller: Caller) -> Hello {
        let role = caller.role;
        Hello { role: role.name().to_owned(), verbs: role.verbs(), ..self.inspector.hello() }
    }

    /// The answer to one question of a client.
    pub(crate) async fn answer(&self, caller: Caller, session: &mut Session, asked: Request) -> Vec<u8> {
        let Request { id, verb, args } = asked;
        let question = (id, verb.as_str());
        let searches = looks_for(&verb, &args) || (verb == "frame" && session.watches.looks_for(&args));
        if !searches {
            return self.told(caller, session, question, args, &mut Search::at_once()).await;
        }
        let (mut search, by) = (Search::in_slices(), deadline());
        loop {
            let turn = match self.searches.turn(session.account, by).await {
                Ok(turn) => turn,
                Err(why) => return refusal(Some(id), why),
            };
            let began = Instant::now();
            search.go_on();
            let told = self.told(caller, session, question, args.clone(), &mut search).await;
            turn.took(began.elapsed(), &mut session.account);
            if !search.is_cut_short() {
                return told;
            }
        }
    }

    /// The answer to a question. If the search is cut short there is none yet, and nothing has happened.
    async fn told(
        &self,
        caller: Caller,
        session: &mut Session,
        (id, verb): (u64, &str),
        args: Value,
        search: &mut Search,
    ) -> Vec<u8> {
        let inspector = &self.inspector;
        match (verb, &self.actions, caller.role) {
            ("hello", ..) => inspector.tell(id, Ok(self.hello(caller))),
            ("audit", Some(actions), _) => inspector.tell(id, read(args).and_then(|query| actions.audit(&query))),
            ("audit", None, _) => inspector.tell(id, self.nothing()),
            ("plan", Some(actions), Role::Acts) => {
                inspector.tell(id, read(args).and_then(|query| actions.plan(caller.peer, &query, search)))
            }
            ("commit", Some(actions), Role::Acts) => {
                inspector.tell(id, read(args).and_then(|query| actions.commit(caller.peer, &query)))
            }
            ("watch", ..) => session.watches.watch(id, args),
            ("frame", ..) => session.watches.frame(id, args, search),
            ("unwatch", ..) => session.watches.unwatch(id, args),
            ("trace", ..) => inspector.tell(id, read(args).and_then(|query| session.tracer.trace(query))),
            ("traced", ..) => session.tracer.traced(id),
            ("untrace", ..) => inspector.tell(id, session.tracer.untrace()),
            ("events", ..) => {
                let told = inspector.ask(id, verb, args, search);
                // It is told of those that come.
                session.attend(inspector);
                told
            }
            ("state", ..) => match read(args) {
                Ok(query) => inspector.tell(id, inspector.state(&query).await),
                Err(why) => refusal(Some(id), why),
            },
            ("plan" | "commit", ..) => refusal(Some(id), read_only()),
            _ => inspector.ask(id, verb, args, search),
        }
    }

    /// The audit where nothing can be done.
    fn nothing(&self) -> Result<AuditView, Refusal> {
        let at = self.inspector.held()?.now();
        Ok(AuditView { at, file: None, total: 0, unwritten: 0, forged: 0, entries: Vec::new() })
    }
}

fn read_only() -> Refusal {
    Refusal::new(Code::ReadOnly, "this socket is for looking: actions go to `rw.sock` beside it, where there is one")
}
