//! What must hold when the faults are over: once while the system still runs and is quiet again, once when it has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::SeqCst;

use crashworthy::supervisor::core::Place;
use crashworthy::{ActorSnapshot, Down, Law, Offer, Pid, State, System, SystemSnapshot, ms, secs};
use tokio::sync::mpsc;

use super::ledger::{Findings, Ledger, Peer};
use super::message::{Body, Msg, Report};
use super::register::mark;
use super::tree::World;
use super::worker::PATIENCE;

/// Workers whose mailboxes are filled to see that they hold what they should.
const FILLED: usize = 6;

/// The living supervisors of a system, by age: the top comes first.
pub fn supervisors(shot: &SystemSnapshot) -> impl Iterator<Item = &ActorSnapshot> {
    shot.actors.iter().filter(|actor| actor.kind.ends_with("::Manager") && lives(actor))
}

fn lives(actor: &ActorSnapshot) -> bool {
    matches!(actor.state, State::Starting | State::Running | State::Suspended)
}

/// A supervised future is its actor's message in hand for as long as it lives.
fn is_task(actor: &ActorSnapshot) -> bool {
    actor.kind.ends_with("::Runner")
}

/// Why a system is not quiet; empty when it is.
pub fn noise(shot: &SystemSnapshot) -> Vec<String> {
    let mut noise = Vec::new();
    let mut loud = |what: &str, n: usize| {
        if n != 0 {
            noise.push(format!("{n} {what}"));
        }
    };
    loud("runnable actors", shot.runnable);
    loud("timers armed", shot.timers);
    loud("turns stuck", shot.stragglers.len());
    noise.extend(shot.actors.iter().filter_map(unrest));
    noise
}

/// Why an actor is not quiet.
fn unrest(actor: &ActorSnapshot) -> Option<String> {
    let at_rest = matches!(actor.state, State::NotStarted | State::Running | State::Stopped | State::Gone)
        && actor.depth == 0
        && actor.signals == 0
        && actor.law.queued == 0
        && (is_task(actor) || actor.in_hand.is_none());
    (!at_rest).then(|| describe(actor))
}

/// An actor in one line.
pub fn describe(actor: &ActorSnapshot) -> String {
    let ActorSnapshot { pid, name, state, in_hand, depth, limit, signals, law, parent, .. } = actor;
    let name = name.as_deref().unwrap_or("-");
    let kind = actor.kind.rsplit("::").next().unwrap_or_default();
    format!(
        "{kind} {name} {pid} below {parent:?}: {state:?}, in hand {in_hand:?}, {depth} of {limit} places taken, {signals} signals unread, {law:?}"
    )
}

/// Why a system that runs is not quiet: [`noise`], and what is kept of those that have ended. While nobody supervises it,
/// it is about to end.
pub fn bustle(ledger: &Ledger, shot: &SystemSnapshot) -> Vec<String> {
    let mut bustle = noise(shot);
    let workers = shot.actors.iter().filter(|actor| actor.kind.ends_with("::Worker") && lives(actor)).count() as u64;
    if ledger.states.living() != workers {
        bustle.push(format!("{} states of {workers} workers", ledger.states.living()));
    }
    if ledger.messages.living() != 0 {
        bustle.push(format!("{} messages not dropped", ledger.messages.living()));
    }
    if supervisors(shot).next().is_none() {
        bustle.push("the top has ended".to_owned());
    }
    bustle
}

/// Checks what must hold while the system runs and is quiet. Nothing, if it was not: somebody has ended meanwhile.
pub async fn living(world: &World, system: &System) -> Option<Findings> {
    let (ledger, mut found) = (&world.ledger, Findings::default());
    let shot = system.snapshot();
    let by_pid: BTreeMap<Pid, &ActorSnapshot> =
        shot.actors.iter().filter(|actor| lives(actor)).map(|actor| (actor.pid, actor)).collect();
    ties(&mut found, &by_pid);

    let peers: Vec<Peer> = ledger.peers().clone();
    let mut reports = Vec::new();
    for peer in peers.iter().filter(|peer| by_pid.contains_key(&peer.actor.pid())) {
        let ask = peer.actor.ask(|reply| Msg::new(ledger, mark::ASK, (0, 0), Body::Report(reply)));
        ledger.counts.asked.fetch_add(1, SeqCst);
        match ask.within(PATIENCE).await {
            Ok(report) => reports.push(report),
            Err(error) => found.violate("a living worker answers", format!("{} says {error}", peer.actor.pid())),
        }
        ledger.counts.answered.fetch_add(1, SeqCst);
    }
    for Report { pid, monitors, .. } in &reports {
        for (monitor, of) in monitors.iter().filter(|(_, of)| !by_pid.contains_key(of)) {
            ledger
                .violate("one Down for each monitor", format!("{pid} waits for {monitor:?} of {of}, which has ended"));
        }
    }
    names(&mut found, system, &shot, &reports);

    for peer in peers.iter().filter(|peer| peer.actor.is_alive()).take(FILLED) {
        room(&mut found, peer);
    }
    for branch in &world.branches {
        let Ok(children) = tokio::time::timeout(PATIENCE, branch.management.which_children()).await else {
            found.violate("a living supervisor answers", format!("{:?}", branch.management));
            continue;
        };
        for child in children.into_iter().flatten() {
            let ended = match &child.place {
                Place::Running(pid) => !by_pid.contains_key(pid),
                Place::Restarting(_) => true,
                Place::Down => false,
            };
            if ended {
                let seen = format!("{:?} of {:?} is {:?}", child.id, branch.management, child.place);
                found.violate("a supervisor knows which of its children live", seen);
            }
        }
    }
    let still: BTreeSet<Pid> =
        system.snapshot().actors.iter().filter(|actor| lives(actor)).map(|actor| actor.pid).collect();
    by_pid.into_keys().eq(still).then_some(found)
}

/// Links, monitors and parents point to the living, and links both ways.
fn ties(found: &mut Findings, by_pid: &BTreeMap<Pid, &ActorSnapshot>) {
    for (pid, actor) in by_pid {
        for other in &actor.links {
            if !by_pid.get(other).is_some_and(|other| other.links.contains(pid)) {
                found.leak(
                    "a link ends with either end",
                    format!("{pid} is linked with {other}, which knows nothing of it"),
                );
            }
        }
        for other in &actor.monitors {
            if !by_pid.get(other).is_some_and(|other| other.watchers.contains(pid)) {
                found.leak(
                    "a monitor ends with either end",
                    format!("{pid} monitors {other}, which knows nothing of it"),
                );
            }
        }
        for watcher in actor.watchers.iter().filter(|watcher| **watcher != Pid::OUTSIDE) {
            if !by_pid.get(watcher).is_some_and(|watcher| watcher.monitors.contains(pid)) {
                found.leak(
                    "a monitor ends with either end",
                    format!("{pid} has the watcher {watcher}, which knows nothing of it"),
                );
            }
        }
        // The top's parent is the system.
        if let Some(parent) = actor.parent.filter(|parent| *parent != Pid::OUTSIDE)
            && !by_pid.contains_key(&parent)
        {
            found.violate("whoever lives has a parent that lives", format!("{pid} is below {parent}"));
        }
    }
}

/// Names and groups are those that the living say they have.
fn names(found: &mut Findings, system: &System, shot: &SystemSnapshot, reports: &[Report]) {
    let held: BTreeSet<(String, Pid)> =
        reports.iter().flat_map(|report| report.names.iter().map(|name| (name.clone(), report.pid))).collect();
    let taken: BTreeSet<(String, Pid)> =
        system.registered().into_iter().map(|(name, pid)| (name.to_string(), pid)).collect();
    if held != taken || shot.names != taken.len() {
        found.leak("names are given back", format!("registered {taken:?}, held {held:?}, counted {}", shot.names));
    }
    let memberships: usize = reports.iter().map(|report| report.groups.len()).sum();
    if shot.memberships != memberships {
        found.leak("groups are left", format!("{} memberships, {memberships} of them of the living", shot.memberships));
    }
}

/// All places of a mailbox can be had, and not one more.
fn room(found: &mut Findings, peer: &Peer) {
    let limit = peer.actor.load().limit;
    // So long that time limits nothing.
    let offer = Offer::within(secs(24 * 60 * 60));
    let permits: Vec<_> = (0..=limit).map_while(|_| peer.actor.reserve(offer).ok()).collect();
    if permits.len() != limit as usize {
        let seen = format!("{} of {limit} places of {} can be had", permits.len(), peer.actor.pid());
        found.leak("a mailbox has as many places as it says", seen);
    }
    drop(permits);
    if peer.actor.load().depth != 0 {
        found.leak("a permit that is dropped gives its place back", describe_load(peer));
    }
}

fn describe_load(peer: &Peer) -> String {
    format!("{}: {:?}", peer.actor.pid(), peer.actor.load())
}

/// Why a system that has ended has not come to rest; empty when it has.
pub fn remains(ledger: &Ledger, system: &System) -> Vec<String> {
    let shot = system.snapshot();
    let mut remains = noise(&shot);
    remains.extend(shot.actors.iter().filter(|actor| lives(actor)).map(describe));
    let mut left = |what: &str, n: u64| {
        if n != 0 {
            remains.push(format!("{n} {what}"));
        }
    };
    left("states not dropped", ledger.states.living());
    left("messages not dropped", ledger.messages.living());
    left("names taken", shot.names as u64);
    left("memberships", shot.memberships as u64);
    let (posted, lost) = system.dead_letters();
    let counts = &ledger.counts;
    let read = counts.letters.load(SeqCst) + counts.letters_other.load(SeqCst);
    left("dead letters not told of", posted.saturating_sub(read + lost));
    left("questions without an end", counts.asked.load(SeqCst).saturating_sub(counts.answered.load(SeqCst)));
    remains
}

/// Checks what must hold when the system has ended and rests.
pub fn ended(world: &World, system: &System, downs: &mut mpsc::UnboundedReceiver<Down>) {
    let ledger = &world.ledger;
    monitors(ledger, downs);
    let peers: Vec<Peer> = ledger.peers().clone();
    let mut total = Law::default();
    for peer in &peers {
        let law = peer.actor.law();
        if !law.holds() || law.queued + law.in_hand != 0 {
            ledger.violate("every accepted message ends in one way", format!("{}: {law:?}", peer.actor.pid()));
        }
        total += law;
        if peer.actor.load().depth != 0 {
            ledger.leak("an actor that has ended has no places taken", describe_load(peer));
        }
        if peer.actor.reserve(Offer::within(ms(1))).is_ok() {
            ledger.violate("an actor that has ended takes nothing", format!("{}", peer.actor.pid()));
        }
    }
    if !system.snapshot().law_holds() {
        ledger.violate("every accepted message ends in one way", "an actor of the runtime's own");
    }
    books(ledger, system, total);
    if ledger.messages.dropped_twice() + ledger.states.dropped_twice() != 0 {
        ledger.violate("a value is dropped once", "a destructor ran twice");
    }
}

/// Every monitor from outside has been answered once.
fn monitors(ledger: &Ledger, downs: &mut mpsc::UnboundedReceiver<Down>) {
    let mut monitors = ledger.monitors.lock().expect("nobody panics with the list");
    while let Ok(down) = downs.try_recv() {
        match monitors.get_mut(&down.monitor) {
            Some(watched) if watched.pid == down.pid => watched.downs += 1,
            _ => ledger.violate("one Down for each monitor", format!("{down:?}, which nobody asked for")),
        }
    }
    for (monitor, watched) in monitors.iter().filter(|(_, watched)| watched.downs != 1) {
        ledger.violate("one Down for each monitor", format!("{monitor:?}: {watched:?}"));
    }
}

/// The actors' own figures are what their senders and handlers have seen.
fn books(ledger: &Ledger, system: &System, total: Law) {
    let counts = &ledger.counts;
    let [entered, handled, unnamed, letters, anonymous] =
        [&counts.entered, &counts.handled, &counts.unnamed, &counts.letters, &counts.letters_anonymous]
            .map(|n| n.load(SeqCst));
    let lost = system.dead_letters().1;
    let seen = || {
        format!(
            "{total:?}; {entered} entered, {handled} to their end, {unnamed} unnamed, {letters} letters, {anonymous} without a copy, {lost} lost"
        )
    };

    let begun = total.handled + total.given_up;
    if begun < entered || begun > entered + unnamed {
        ledger.violate("what a handler is given is handled or given up", seen());
    }
    // Of an abandoned turn nobody hears that its handler came to its end.
    if total.handled > handled || handled - total.handled > anonymous + lost {
        ledger.violate("what comes to its end is handled", seen());
    }
    let fallen = total.given_up + total.undelivered;
    let own_unread = ledger.messages.count(mark::OWN, mark::ENTERED);
    if letters + lost < fallen.saturating_sub(own_unread) || letters > fallen {
        ledger
            .violate("what falls is told of as a dead letter", format!("{}; {own_unread} of their own unread", seen()));
    }

    let (mut silent, mut sure, mut maybe) = (0, 0, 0);
    for (id, marks) in ledger.messages.all() {
        let is = |bits: u32| marks & bits == bits;
        if is(mark::REFUSED | mark::ENTERED) || is(mark::REFUSED | mark::LETTER) {
            ledger.violate("what is refused goes nowhere else", format!("message {id}: {marks:#b}"));
        }
        silent += u64::from(is(mark::TELL | mark::ACCEPTED) && marks & (mark::HANDLED | mark::LETTER) == 0);
        let accepted = marks & (mark::ACCEPTED | mark::ENTERED | mark::LETTER) != 0;
        sure += u64::from(accepted);
        maybe += u64::from(!accepted && marks & (mark::ASK | mark::OWN) != 0);
    }
    if silent > anonymous + lost {
        ledger.violate("a tell that is accepted is handled or told of", format!("{silent} were not; {}", seen()));
    }
    if total.accepted < sure || total.accepted > sure + maybe {
        ledger.violate(
            "accepted is what was sent and not refused",
            format!("{sure} to {} were; {}", sure + maybe, seen()),
        );
    }
}

/// How long an answer that is not about actors may take.
pub const SOON: std::time::Duration = secs(20);
