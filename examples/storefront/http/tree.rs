//! The tree as text: one line an actor, its supervisor above it.

use std::collections::BTreeMap;
use std::fmt::Write;

use crashworthy::{ActorSnapshot, Pid, SystemSnapshot};

/// Draws everyone who has a place in the tree.
pub(crate) fn draw(system: &SystemSnapshot) -> String {
    let mut below: BTreeMap<Option<Pid>, Vec<&ActorSnapshot>> = BTreeMap::new();
    for actor in &system.actors {
        below.entry(actor.parent).or_default().push(actor);
    }
    let mut text = format!("up for {:.0?}, {} crashes\n", system.uptime, system.crashes);
    let mut rest: Vec<(usize, &ActorSnapshot)> = Vec::new();
    let push = |rest: &mut Vec<_>, parent, depth| {
        let children: &[&ActorSnapshot] = below.get(&parent).map(Vec::as_slice).unwrap_or_default();
        rest.extend(children.iter().rev().map(|child| (depth, *child)));
    };
    // The parent of the root is no actor.
    push(&mut rest, Some(Pid::OUTSIDE), 0);
    push(&mut rest, None, 0);
    while let Some((depth, actor)) = rest.pop() {
        draw_one(&mut text, depth, actor);
        push(&mut rest, Some(actor.pid), depth + 1);
    }
    text
}

fn draw_one(text: &mut String, depth: usize, actor: &ActorSnapshot) {
    let name = format!("{:indent$}{}", "", actor.name.as_deref().unwrap_or("-"), indent = 2 * depth);
    let state = format!("{:?}", actor.state).to_lowercase();
    let ActorSnapshot { restarts, depth, limit, law, .. } = actor;
    let (handled, given_up, lost) = (law.handled, law.given_up, law.expired + law.cancelled + law.undelivered);
    let _ = write!(text, "{name:<24}{state:<11}restarts {restarts:<4}queued {depth:>4}/{limit:<5}");
    let _ = write!(text, "handled {handled:<9}given up {given_up:<5}dropped {lost}");
    if let Some((kind, since)) = &actor.in_hand {
        let _ = write!(text, "  busy with {kind} for {since:?}");
    }
    text.push('\n');
}
