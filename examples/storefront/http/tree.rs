//! The tree as text: one line an actor, its supervisor above it.

use std::collections::HashMap;
use std::fmt::Write;

use crashworthy::{ActorId, ActorSnapshot, SystemSnapshot};

/// Draws everyone who has a place in the tree, in the order in which they are started.
pub(crate) fn draw(system: &SystemSnapshot) -> String {
    let actors: HashMap<ActorId, &ActorSnapshot> = system.actors.iter().map(|actor| (actor.pid.id, actor)).collect();
    let is_root = |actor: &&&ActorSnapshot| actor.parent.is_none_or(|parent| !actors.contains_key(&parent.id));
    let mut text = format!("up for {:.0?}, {} crashes\n", system.uptime, system.crashes);
    let mut rest: Vec<(usize, &ActorSnapshot)> = actors.values().filter(is_root).map(|root| (0, *root)).collect();
    while let Some((depth, actor)) = rest.pop() {
        draw_one(&mut text, depth, actor);
        let children = actor.children.iter().rev().filter_map(|child| actors.get(child));
        rest.extend(children.map(|child| (depth + 1, *child)));
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
        let _ = write!(text, "  busy with {kind} for {since:.1?}");
    }
    text.push('\n');
}
