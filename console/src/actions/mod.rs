//! What can be done to a running system: planned, committed, governed, audited.
//!
//! ```text
//! plan ─▶ scope: to whom ─▶ effect: what comes of it ─▶ plans: kept under a nonce, with the incarnations it is for
//! commit ─▶ plans: taken once ─▶ the same incarnations? ─▶ outlook: restarts left now ─▶ governor ─▶ done ─▶ audit, event
//! ```
//! Nothing here asks an actor or waits for one: what is done is a word to its system lane.

mod audit;
mod effect;
mod family;
mod governor;
mod limits;
mod outlook;
mod plans;
mod reach;
mod scope;
mod suspensions;
mod told;
mod under_way;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crashworthy_runtime::{Callback, Crash, ExitReason, LARGEST_MAILBOX, Pid, System, WeakSystem};

use self::audit::Audit;
use self::effect::allowed;
use self::governor::Governor;
pub use self::limits::ActionLimits;
use self::outlook::Supervisors;
use self::plans::{Plans, Taken};
use self::reach::Reach;
use self::scope::{Scope, changed, is_top, takes};
use self::suspensions::Suspensions;
use self::under_way::UnderWay;
use crate::inspector::Inspector;
use crate::log::Log;
use crate::picture::Picture;
use crate::protocol::{
    AuditEntry, AuditQuery, AuditResult, AuditView, AuditedPlan, Code, CommitQuery, CommitView, Deed, Peer, PlanQuery,
    PlanView, Refusal, Target,
};
use crate::role::Caller;
use crate::search::Search;

/// Entries of the audit in an answer unless told otherwise.
const ENTRIES: usize = 20;

/// What acts for one console.
#[derive(Debug)]
pub(crate) struct Actions {
    inspector: Arc<Inspector>,
    protected: Vec<String>,
    audit: Audit,
    suspensions: Suspensions,
    log: Log,
    began: Instant,
    held: Mutex<Held>,
}

/// What somebody who sets up a console says of actions.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// The paths of those who are protected.
    pub(crate) protected: Vec<String>,
    pub(crate) log: Log,
}

/// What waits, and what may still be done.
#[derive(Debug)]
struct Held {
    plans: Plans<Plan>,
    governor: Governor,
    under_way: UnderWay,
}

/// What was planned.
#[derive(Debug)]
struct Plan {
    peer: Peer,
    deed: Deed,
    targets: Vec<Target>,
    effect: Vec<String>,
    /// Although that may be too many.
    force: bool,
}

impl Actions {
    pub(crate) fn new(inspector: Arc<Inspector>, terms: Terms, audit: PathBuf) -> Self {
        let Terms { protected, log } = terms;
        let limits = &inspector.limits().actions;
        let plans = Plans::of(limits.plans, limits.plan_valid);
        let governor = Governor::of(limits.destructive, limits.bulks);
        let audit = Audit::to(audit, limits.audit);
        let held = Mutex::new(Held { plans, governor, under_way: UnderWay::default() });
        Self { inspector, protected, audit, suspensions: Suspensions::default(), log, began: Instant::now(), held }
    }

    fn limits(&self) -> &ActionLimits {
        &self.inspector.limits().actions
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The console ends: nobody stays suspended by it.
    pub(crate) fn end(&self, system: &WeakSystem) {
        self.suspensions.end_all(system);
    }

    /// The answer to `plan`, by a search that may be cut short: nothing is kept then.
    pub(crate) fn plan(&self, peer: Peer, query: &PlanQuery, search: &mut Search) -> Result<PlanView, Refusal> {
        let limits = self.limits();
        check(query.deed, limits)?;
        let (system, mut picture) = self.inspector.look()?;
        let mut scope = Scope::of(&picture, query, limits, &self.protected, search)?;
        if scope.targets.iter().any(|&place| !lives(&system, picture.actor(place).pid, query.deed)) {
            // The picture is older than one of them is.
            self.inspector.rest();
            picture = self.inspector.look()?.1;
            scope = Scope::of(&picture, query, limits, &self.protected, search)?;
        }
        let effect = match query.deed {
            Deed::LogLevel { .. } => effect::logging(query.deed, &self.log.current()?),
            deed => {
                let mut held = self.held();
                held.under_way.look(&system);
                let known = Supervisors::of(&system, &held.under_way);
                let reach = self.reach(&picture, &scope, deed, &known);
                effect::effect(&picture, &scope, reach.as_ref(), deed, &known, query.force)?
            }
        };
        let targets: Vec<_> = scope.targets.iter().map(|&place| target(&picture, place)).collect();
        let (deed, force) = (query.deed, query.force);
        let plan = Plan { peer, deed, targets: targets.clone(), effect: effect.clone(), force };
        let (now, ends) = (self.began.elapsed(), if query.deed.ends() { scope.touched.len() } else { 0 });
        let mut held = self.held();
        let left = held.governor.left(now, scope.is_bulk());
        let nonce = held.plans.keep(now, plan);
        let (total, valid) = (targets.len(), limits.plan_valid);
        let (at, counts) = (picture.at, deed.is_destructive());
        Ok(PlanView { at, nonce, valid, deed, total, targets, ends, effect, counts, left })
    }

    /// The answer to `commit`. Whatever becomes of a plan that is there, the audit has it.
    pub(crate) fn commit(&self, peer: Peer, query: &CommitQuery) -> Result<CommitView, Refusal> {
        let system = self.inspector.held()?;
        let reason = self.reason(&query.reason)?;
        let taken = self.held().plans.take(self.began.elapsed(), &query.nonce, |plan| plan.peer.uid == peer.uid);
        let (plan, done) = match taken {
            Taken::Not(code) => {
                self.audit.count_forged();
                return Err(Refusal::new(code, why_not(code)));
            }
            Taken::Late(plan) => (plan, Err(Refusal::new(Code::PlanExpired, why_not(Code::PlanExpired)))),
            Taken::Plan(plan) => {
                let done = self.act(&system, peer, &plan, reason);
                (plan, done)
            }
        };
        let Plan { deed, targets, effect, .. } = plan;
        let result = done.as_ref().map_or_else(|why| AuditResult::Refused(why.code), |()| AuditResult::Done);
        let audited = Some(AuditedPlan { deed, targets: targets.clone(), effect });
        let audited = self.enter(peer, audited, reason, result);
        done.map(|()| CommitView { at: system.now(), deed, targets, audited })
    }

    /// Notes a process that was turned away.
    pub(crate) fn turned_away(&self, caller: Caller) {
        let result = AuditResult::Refused(Code::NotAllowed);
        let why = format!("turned away at {}: another user", caller.role.socket());
        self.enter(caller.peer, None, &why, result);
    }

    /// Enters it in the audit, and among the events of the system. Whether the file has it.
    fn enter(&self, peer: Peer, plan: Option<AuditedPlan>, reason: &str, result: AuditResult) -> bool {
        let entry = self.entry(peer, plan, reason, result);
        if let Ok(system) = self.inspector.held() {
            told::tell(&system, &entry);
        }
        self.audit.enter(entry)
    }

    /// The answer to `audit`.
    pub(crate) fn audit(&self, query: &AuditQuery) -> Result<AuditView, Refusal> {
        let at = self.inspector.held()?.now();
        let most = query.limit.unwrap_or(ENTRIES).min(self.inspector.limits().rows);
        let book = self.audit.book();
        let entries = book.entries.iter().skip(book.entries.len().saturating_sub(most)).cloned().collect();
        let file = self.audit.file().exists().then(|| self.audit.file().to_owned());
        let (total, unwritten, forged) = (book.total, book.unwritten, book.forged);
        Ok(AuditView { at, file, total, unwritten, forged, entries })
    }

    /// A reason as a line of some words.
    fn reason<'q>(&self, said: &'q str) -> Result<&'q str, Refusal> {
        let (reason, most) = (said.trim(), self.limits().reason);
        let wrong = if reason.is_empty() {
            "a reason is needed".to_owned()
        } else if reason.len() > most {
            format!("a reason has at most {most} bytes, this one has {}", reason.len())
        } else if reason.chars().any(char::is_control) {
            "a reason is one line of text".to_owned()
        } else {
            return Ok(reason);
        };
        Err(Refusal::new(Code::BadArguments, wrong))
    }

    /// Who ends by it, if somebody does and that is not the whole system.
    fn reach(&self, picture: &Picture, scope: &Scope, deed: Deed, known: &Supervisors<'_>) -> Option<Reach> {
        let is_all = || scope.targets.iter().any(|&place| is_top(picture, place));
        (deed.ends() && !is_all()).then(|| Reach::of(picture, scope, deed, &self.protected, known))
    }

    /// Does it, if it is still what was planned and may be done now.
    fn act(&self, system: &System, peer: Peer, plan: &Plan, reason: &str) -> Result<(), Refusal> {
        for Target { pid, path, .. } in &plan.targets {
            if !lives(system, *pid, plan.deed) {
                return Err(changed(path, *pid));
            }
        }
        let (deed, most) = (plan.deed, self.limits().suspended);
        let targets = plan.targets.iter().map(|target| target.pid);
        if matches!(deed, Deed::Suspend { .. }) && !self.suspensions.has_room(system, targets, most) {
            return Err(Refusal::new(Code::TooMany, format!("allowed are {most} suspended actors at a time")));
        }
        self.pass(system, plan)?;
        if let Deed::LogLevel { level } = deed {
            self.log.set(level)?;
        }
        for target in &plan.targets {
            self.carry(system, deed, target, &format!("console: {peer}: {reason}"))?;
        }
        Ok(())
    }

    /// Whether it may be done now, and counts it then. A plan is as old as its maker was slow, and others commit, too.
    fn pass(&self, system: &System, plan: &Plan) -> Result<(), Refusal> {
        let now = match plan.deed.ends() {
            true => Some(self.again(plan)?),
            false => None,
        };
        let mut held = self.held();
        held.under_way.look(system);
        let known = Supervisors::of(system, &held.under_way);
        let mut reached = Vec::new();
        if let Some((picture, scope)) = &now
            && let Some(reach) = self.reach(picture, scope, plan.deed, &known)
        {
            let outlooks = reach.outlooks(picture, &known);
            allowed(&outlooks, &known, plan.force)?;
            reached = reach.reached(&outlooks);
        }
        if !held.under_way.has_room(&reached) {
            return Err(Refusal::new(Code::TooMany, "too many actors that were ended are still about to end"));
        }
        if plan.deed.is_destructive()
            && let Err(wait) = held.governor.pass(self.began.elapsed(), plan.targets.len() > 1)
        {
            let why = format!("too much was done in the last minute: plan again in {:.1} s", wait.as_secs_f64());
            return Err(Refusal::new(Code::TooOften, why));
        }
        held.under_way.begin(reached);
        Ok(())
    }

    /// To whom a plan is, as they are now: since it was made others may have been linked with them, or started below them.
    fn again(&self, plan: &Plan) -> Result<(Arc<Picture>, Scope), Refusal> {
        self.inspector.rest();
        let (_, picture) = self.inspector.look()?;
        let scope = Scope::again(&picture, plan.deed, &plan.targets, &self.protected)?;
        Ok((picture, scope))
    }

    /// Does it to one actor.
    fn carry(&self, system: &System, deed: Deed, target: &Target, mark: &str) -> Result<(), Refusal> {
        let pid = target.pid;
        match deed {
            Deed::Stop => system.stop_actor(pid, ExitReason::ShutdownWith(mark.to_owned())),
            Deed::Restart => system.stop_actor(pid, failed(format!("restart by {mark}"))),
            Deed::Kill => system.kill(pid),
            Deed::Suspend { span } => self.suspensions.begin(system, pid, span),
            Deed::Resume => self.suspensions.end(system, pid),
            Deed::Limit { capacity } => system
                .set_mailbox(pid, capacity)
                .map_err(|error| Refusal::new(Code::BadArguments, error.to_string()))?,
            // The whole system: as on SIGTERM.
            Deed::Drain { within } if system.top() == Some(pid) => {
                system.begin_stop(within, ExitReason::ShutdownWith(mark.to_owned()));
            }
            // It goes on by itself; nobody waits for it here.
            Deed::Drain { within } => drop(system.drain(pid, within, ExitReason::ShutdownWith(mark.to_owned()))),
            // Whether or not that is news, it is so.
            Deed::Trip => _ = system.trip(pid),
            Deed::Untrip => _ = system.untrip(pid),
            // Done to no actor.
            Deed::LogLevel { .. } => {}
        }
        Ok(())
    }

    fn entry(&self, peer: Peer, plan: Option<AuditedPlan>, reason: &str, result: AuditResult) -> AuditEntry {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        AuditEntry {
            unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            system: self.inspector.name().to_owned(),
            process: std::process::id(),
            peer,
            plan,
            reason: reason.to_owned(),
            result,
        }
    }
}

/// The reason of an end that is not in order, so that a transient child comes back. It says that it came as a signal.
fn failed(message: String) -> ExitReason {
    ExitReason::Crashed(Arc::new(Crash { message, callback: Callback::OnSignal, ..Crash::default() }))
}

/// Whether it is still this incarnation, and that can be done to it.
fn lives(system: &System, pid: Pid, deed: Deed) -> bool {
    system.inspect(pid).is_some_and(|actor| actor.pid == pid && takes(actor.state, deed))
}

/// Whether its figures are in range.
fn check(deed: Deed, limits: &ActionLimits) -> Result<(), Refusal> {
    let least = Duration::from_millis(1);
    let wrong = match deed {
        Deed::Suspend { span } if !(least..=limits.suspend).contains(&span) => {
            format!("a suspension for {span:?}, allowed are {least:?} to {:?}", limits.suspend)
        }
        Deed::Drain { within } if !(least..=limits.drain).contains(&within) => {
            format!("a drain within {within:?}, allowed are {least:?} to {:?}", limits.drain)
        }
        Deed::Limit { capacity } if !(1..=LARGEST_MAILBOX).contains(&capacity) => {
            format!("a limit of {capacity} messages, allowed are 1 to {LARGEST_MAILBOX}")
        }
        _ => return Ok(()),
    };
    Err(Refusal::new(Code::BadArguments, wrong))
}

fn target(picture: &Picture, place: usize) -> Target {
    let actor = picture.actor(place);
    Target { pid: actor.pid, path: picture.path(place), kind: actor.kind.to_owned(), state: actor.state }
}

fn why_not(code: Code) -> &'static str {
    match code {
        Code::PlanUsed => "that plan was committed already: plan again",
        Code::PlanExpired => "that plan is too old, nothing was done: plan again",
        _ => "no such plan: it was displaced by newer ones, or never was",
    }
}
