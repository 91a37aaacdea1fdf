//! What would come of an action, in words and numbers: what snapshots and reports tell, and what they do not.

use std::collections::BTreeMap;
use std::time::Duration;

use crashworthy_runtime::{ActorId, GateState, Glance, Pid, Reason, State};
use crashworthy_supervisor::Strategy;

use super::outlook::{Outlook, Supervisors};
use super::reach::Reach;
use super::scope::{Scope, state};
use crate::forest::is_living;
use crate::picture::{Picture, doing};
use crate::protocol::{Deed, Refusal};

/// Supervisors that are told of one by one.
const SUPERVISORS: usize = 5;

/// Supervisors above those that are told of one by one because they lose one below them.
const LEVELS: usize = 20;

/// What comes of a drain of the top.
const SHUTDOWN: &str =
    "the system: it ends then, as on SIGTERM; the process ends, too, if its main function waits for no more than that";

/// What would come of it, line by line.
///
/// # Errors
/// [`Code::Budget`](crate::protocol::Code::Budget) if it may end a supervisor, unless that is wanted;
/// [`Code::Protected`](crate::protocol::Code::Protected) if a supervisor would stop somebody who is protected, wanted or not.
pub(crate) fn effect(
    picture: &Picture,
    scope: &Scope,
    reach: Option<&Reach>,
    deed: Deed,
    known: &Supervisors<'_>,
    force: bool,
) -> Result<Vec<String>, Refusal> {
    let mut lines = vec![headline(picture, scope, deed)];
    if scope.spared > 0 {
        lines.push(format!("protected: {} more match and are left out", scope.spared));
    }
    match deed {
        Deed::Stop | Deed::Kill | Deed::Restart => {
            lines.extend(ending(picture, scope, deed));
        }
        Deed::Suspend { .. } => {
            lines.push(format!("{}; stop, kill and exit signals are read all the same", queued(picture, scope)));
            lines.push("resumed when the time is over, when somebody says so, or when the console ends".to_owned());
            let already = suspended(picture, scope);
            if already > 0 {
                lines.push(format!("suspended already: {already} of {}, from now on for so long", scope.targets.len()));
            }
        }
        Deed::Resume => {
            let (suspended, all) = (suspended(picture, scope), scope.targets.len());
            lines.push(format!("suspended: {suspended} of {all}; {}", queued(picture, scope)));
        }
        Deed::Limit { capacity } => lines.push(limit(picture, scope, capacity)),
        Deed::Drain { within } => {
            lines.extend(draining(picture, scope, within));
            lines.extend(ending(picture, scope, deed));
            if reach.is_none() {
                lines.push(SHUTDOWN.to_owned());
            }
        }
        Deed::Trip => {
            lines.push(
                "refused from now on: all new messages, whoever sends them, without a time to come again".to_owned(),
            );
            lines.push(format!("{}; handled all the same", queued(picture, scope)));
            lines.push(
                "until it is untripped: nobody does that by itself, and a restart of the actor does not".to_owned(),
            );
            lines.extend(depends(picture, scope));
            let already = tripped(picture, scope);
            if already > 0 {
                lines.push(format!("tripped already: {already} of {}", scope.targets.len()));
            }
        }
        Deed::Untrip => {
            let refused: u64 = scope.targets.iter().map(|&place| refused(picture.actor(place), Reason::Tripped)).sum();
            let (tripped, all) = (tripped(picture, scope), scope.targets.len());
            let refused = many(refused as usize, "message");
            lines.push(format!("tripped: {tripped} of {all}; refused for that so far: {refused}"));
        }
        // Nobody's: what is known of it is the application's.
        Deed::LogLevel { .. } => {}
    }
    if let Some(reach) = reach {
        lines.extend(supervisors(picture, reach, known, force)?);
    }
    Ok(lines)
}

/// What comes of another log level, `current` being what is logged now.
pub(crate) fn logging(deed: Deed, current: &str) -> Vec<String> {
    vec![
        format!("{deed}: of the whole application, {current} now"),
        "until it is set again: nobody does that by itself; a restart of the process forgets it".to_owned(),
    ]
}

/// What is done, and to whom: how many come first.
fn headline(picture: &Picture, scope: &Scope, deed: Deed) -> String {
    if let [place] = scope.targets[..] {
        let actor = picture.actor(place);
        let (path, pid, kind) = (picture.path(place), actor.pid, actor.kind);
        let restarts = many(actor.restarts() as usize, "restart");
        return format!("{deed}: {path} {pid}, {kind}, {}, {restarts} so far", state(actor.state));
    }
    let mut kinds = BTreeMap::<&str, usize>::new();
    for &place in &scope.targets {
        *kinds.entry(picture.actor(place).kind).or_default() += 1;
    }
    let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    format!("{} actors, {deed}: {}", scope.targets.len(), kinds.join(", "))
}

fn queued(picture: &Picture, scope: &Scope) -> String {
    let queued = scope.targets.iter().map(|&place| picture.actor(place).depth as usize).sum();
    format!("queued: {}", many(queued, "message"))
}

fn suspended(picture: &Picture, scope: &Scope) -> usize {
    scope.targets.iter().filter(|&&place| picture.actor(place).state == State::Suspended).count()
}

fn limit(picture: &Picture, scope: &Scope, capacity: u32) -> String {
    let limits = scope.targets.iter().map(|&place| picture.actor(place).limit);
    let (least, most) = (limits.clone().min().unwrap_or(0), limits.max().unwrap_or(0));
    let over = scope.targets.iter().filter(|&&place| picture.actor(place).depth > capacity).count();
    let now = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    format!("limit: {now} now; {over} have more queued than that, which stays queued; the next incarnation keeps it")
}

fn tripped(picture: &Picture, scope: &Scope) -> usize {
    scope.targets.iter().filter(|&&place| picture.actor(place).gate == GateState::Tripped).count()
}

/// Who may notice that somebody takes nothing: as far as is seen, who watches him.
fn depends(picture: &Picture, scope: &Scope) -> Option<String> {
    let waiting = picture.everybody().filter_map(|place| picture.actor(place).waits_for());
    let is_target = |id: ActorId| scope.targets.iter().any(|&place| picture.actor(place).pid.id == id);
    let waiting = waiting.filter(|waits| is_target(waits.id)).count();
    (waiting > 0).then(|| format!("wait for it now: {}, who get their answers", many(waiting, "actor")))
}

/// What comes before the stop.
fn draining(picture: &Picture, scope: &Scope, within: Duration) -> Vec<String> {
    let touched = || scope.touched.iter().map(|&place| picture.actor(place));
    let queued: usize = touched().map(|actor| actor.depth as usize).sum();
    let (held, all) = (touched().filter(|actor| actor.state == State::Suspended).count(), scope.touched.len());
    let of = if all > 1 { format!(" of {all} actors") } else { String::new() };
    let queued = many(queued, "message");
    let mut lines = vec![
        "first: new work from others is refused as draining, timers and what they send themselves are not".to_owned(),
        format!("first: what is queued{of} is handled, {queued} now, for at most {within:?}; then they are stopped"),
    ];
    let again = scope.targets.iter().filter(|&&place| picture.actor(place).gate == GateState::Draining).count();
    if again > 0 {
        lines.push(format!("draining already: {again} of {}, with whom nothing more begins", scope.targets.len()));
    }
    if held > 0 {
        lines.push(format!("suspended: {held}, who handle nothing, so that the time will pass in vain"));
    }
    lines
}

/// What those who end leave behind.
fn ending(picture: &Picture, scope: &Scope, deed: Deed) -> Vec<String> {
    let mut lines = Vec::new();
    let below: Vec<_> = scope.touched.iter().filter(|place| !scope.targets.contains(place)).copied().collect();
    if !below.is_empty() {
        lines.push(format!("below: {} more end, {} in all", below.len(), scope.touched.len()));
    }
    lines.extend(at_work(picture, scope, deed));
    let depth = |places: &[usize]| places.iter().map(|&place| picture.actor(place).depth as usize).sum();
    let (kept, lost): (usize, usize) = (depth(&scope.targets), depth(&below));
    if kept > 0 {
        let kept = many(kept, "message");
        let whose = if matches!(deed, Deed::Drain { .. }) { "what is left then " } else { "" };
        lines.push(format!(
            "queued: {kept}, {whose}for the next incarnation if one comes; the restart of a group throws them away"
        ));
    }
    if lost > 0 {
        let whose = if matches!(deed, Deed::Drain { .. }) { "what is left then " } else { "" };
        lines.push(format!("queued below: {}, {whose}thrown away", many(lost, "message")));
    }
    let pids: Vec<_> = scope.touched.iter().map(|&place| picture.actor(place).pid).collect();
    let links = |&place: &usize| picture.actor(place).peers().iter().filter(|pid| !pids.contains(pid)).count();
    let linked: usize = scope.targets.iter().map(links).sum();
    if linked > 0 {
        lines.push(format!("linked: {}; whoever does not trap exits ends, too", many(linked, "other")));
    }
    lines
}

/// What becomes of those who have something in hand.
fn at_work(picture: &Picture, scope: &Scope, deed: Deed) -> Option<String> {
    let busy: Vec<_> = scope.touched.iter().filter_map(|&place| doing(picture.actor(place))).collect();
    let held = busy.iter().filter(|doing| doing.on_thread).count();
    let in_hand = match deed {
        Deed::Kill => "given up at the next await",
        _ => "finished by who traps exits, given up at the next await by who does not",
    };
    let held =
        if held > 0 { format!(" (on a thread: {held}, not before the callback returns)") } else { String::new() };
    (!busy.is_empty()).then(|| format!("at work: {}{held}, what is in hand is {in_hand}", busy.len()))
}

/// What the supervisors of the targets do, and those above that lose a supervisor by it.
fn supervisors(picture: &Picture, reach: &Reach, known: &Supervisors<'_>, force: bool) -> Result<Vec<String>, Refusal> {
    let (mut lines, mut told, mut levels) = (Vec::new(), 0, 0);
    let families = &reach.families;
    let all = families.all.values().filter(|family| !family.children.is_empty()).count();
    let alone = families.alone;
    if alone > 0 {
        let of = if alone + all > 1 { format!(" of {alone}") } else { String::new() };
        lines.push(format!("supervisor: none{of}, no new incarnation comes"));
    }
    let outlooks = reach.outlooks(picture, known);
    allowed(&outlooks, known, force)?;
    for outlook in &outlooks {
        let is_above = outlook.family.children.is_empty() && outlook.family.linked.is_empty();
        let (count, most) = match is_above {
            true => (&mut levels, LEVELS),
            false => (&mut told, SUPERVISORS),
        };
        *count += 1;
        if *count <= most {
            lines.extend(supervisor(picture, outlook, &outlooks));
        }
    }
    let more = told.saturating_sub(SUPERVISORS) + levels.saturating_sub(LEVELS);
    if more > 0 {
        lines.push(format!("supervisor: {more} more"));
    }
    let is_top = |outlook: &&Outlook<'_>| outlook.ends() && outlook.family.parent == Some(Pid::OUTSIDE);
    if let Some(top) = outlooks.iter().find(is_top) {
        let (who, ends) = (&top.family.path, if top.surely_ends(&outlooks) { "ends" } else { "may end" });
        lines.push(format!(
            "the system {ends}: {who} is the top of the tree; the process ends, too, if its main function waits for no more"
        ));
    }
    Ok(lines)
}

/// Whether it may be done: nobody who is protected is stopped by it, and no supervisor ends unless that is wanted. What is told first is what
/// becomes of the supervisors of those to whom it is done.
pub(crate) fn allowed(outlooks: &[Outlook<'_>], known: &Supervisors<'_>, force: bool) -> Result<(), Refusal> {
    if let Some(refusal) = outlooks.iter().find_map(|outlook| outlook.shield(known)) {
        return Err(refusal);
    }
    let too_many = outlooks.iter().find(|outlook| outlook.exhausts());
    too_many.filter(|_| !force).map_or(Ok(()), |outlook| Err(outlook.refusal(outlooks)))
}

/// What one of them does.
fn supervisor(picture: &Picture, outlook: &Outlook<'_>, all: &[Outlook<'_>]) -> Vec<String> {
    let (who, supervisor) = (outlook.family.path.as_str(), outlook.family.supervisor);
    let ends = outlook.surely_exhausts(all);
    let mut lines = vec![again(picture, outlook, ends)];
    if !outlook.back.is_empty() {
        lines.push(outlook.budget());
        lines.extend(siblings(picture, supervisor, outlook));
    }
    if outlook.fails() {
        lines.push(format!("{who} is being started, and its start fails by that"));
    }
    let below = || {
        let branch = picture.branch(picture.find_pid(supervisor)).skip(1);
        branch.filter(|&(place, _)| is_living(picture.actor(place).state)).count()
    };
    if ends {
        lines.push(format!("too many: {who} ends, and all below it, {} in all", below()));
    } else if outlook.exhausts() {
        lines.push(format!("too many, perhaps: {who} may end, and all below it, {} in all", below()));
    }
    if outlook.shuts_down {
        lines.push(format!("automatic shutdown: {who} ends, and all below it, {} in all", below()));
    }
    lines
}

/// Who is started again, or would be, if its supervisor did not end by that.
fn again(picture: &Picture, outlook: &Outlook<'_>, ends: bool) -> String {
    let Outlook { family, gone, restart, .. } = outlook;
    let open = outlook.open + outlook.linked;
    let (who, back, total) = (&family.path, outlook.back.len() - open, outlook.total());
    // Whom it is done to has been told first; others have names.
    let whom = match (&family.ended[..], &family.linked[..]) {
        ([one], []) | ([], [one]) => picture.tie(*one).path.unwrap_or_else(|| one.to_string()),
        _ => "it".to_owned(),
    };
    match (total, restart) {
        (1, Some(restart)) if outlook.linked == 1 => {
            format!("supervisor: {who} starts {whom} again if it ends by its link, it is {restart}")
        }
        (1, Some(restart)) if ends => {
            format!("supervisor: {who} would start {whom} again, it is {restart}, and has no restart left for that")
        }
        (1, Some(restart)) if back == 1 && !family.ended.is_empty() => {
            format!("supervisor: {who} starts {whom} again, it is {restart}, with all that it starts")
        }
        (1, _) if outlook.settled == 1 => format!("supervisor: {who} is starting {whom} again already, with others"),
        (1, Some(restart)) if back == 1 => format!("supervisor: {who} starts {whom} again, it is {restart}"),
        (1, Some(restart)) => format!("supervisor: {who} does not start {whom} again, it is {restart}"),
        (1, None) => {
            format!("supervisor: {who}; whether {whom} is started again depends on its restart type: not known")
        }
        _ if ends => {
            format!("supervisor: {who} would start {back} of {total} again, and has too few restarts left for that")
        }
        _ => format!("supervisor: {who} starts {back} of {total} again, leaves {gone}; not known of {open}"),
    }
}

/// Who is restarted with those who are.
fn siblings(picture: &Picture, parent: Pid, outlook: &Outlook<'_>) -> Option<String> {
    let all = picture.children(picture.find_pid(parent)?, 0).total;
    let strategy = outlook.strategy()?;
    // Whoever is linked ends by himself, or with the group.
    let linked = if strategy == Strategy::OneForOne { 0 } else { outlook.linked };
    let others = all.checked_sub(outlook.total() - linked).filter(|others| *others > 0)?;
    Some(match strategy {
        Strategy::OneForOne => format!("siblings: {others}, left alone"),
        Strategy::OneForAll => format!("siblings: {others}, stopped and started with it"),
        Strategy::RestForOne => format!("siblings: {others}, those started later are stopped and started with it"),
    })
}

/// How often it has refused for this reason.
fn refused(actor: &Glance, reason: Reason) -> u64 {
    actor.refusals().map_or(0, |refusals| refusals.because(reason))
}

/// So many of something.
fn many(count: usize, one: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {one}{s}")
}
