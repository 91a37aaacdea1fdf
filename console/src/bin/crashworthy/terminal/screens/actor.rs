//! One actor: what it does, how its messages ended, whom it is tied to, and its crashes.

use std::time::Duration;

use crashworthy_console::protocol::{ActorView, Row, Tie, Ties};
use crashworthy_runtime::{Law, Pid};
use serde_json::Value;

use super::super::model::Model;
use super::super::page::{Opens, Page, Tone};
use super::super::question::Question;
use super::{Text, data, id, rows, unanswered};
use crate::show;
use crate::text::span;

/// What may be so much older than the rest of the picture is not told to be.
const FRESH: Duration = Duration::from_secs(3);
/// Crashes of the actor, at most.
const CRASHES: usize = 10;

/// What is known of an actor.
enum Known<'a> {
    All(&'a ActorView),
    /// What lists say of it.
    Listed(&'a Row),
    Nothing,
}

pub(crate) fn title(model: &Model, asked: &str) -> String {
    path(model, asked).map_or_else(|| format!("actor {asked}"), crate::text::clean)
}

/// Its path, if it is known.
pub(crate) fn path<'a>(model: &'a Model, asked: &str) -> Option<&'a str> {
    match known(model, asked) {
        Known::All(ActorView { row, .. }) | Known::Listed(row) => Some(&row.path),
        Known::Nothing => None,
    }
}

pub(crate) fn raw(model: &Model, asked: &str) -> Option<(String, Value)> {
    let value = match known(model, asked) {
        Known::All(view) => data(view),
        Known::Listed(row) => data(row),
        Known::Nothing => None,
    };
    Some((title(model, asked), value?))
}

pub(crate) fn page(model: &Model, asked: &str) -> Page {
    let mut text = Text::new(model.body().0);
    let missed = match &model.picture.actor {
        Some((known, _, Some(why))) if known == asked => Some(why),
        _ => None,
    };
    let known = known(model, asked);
    if let Some(why) = missed {
        let rest = match known {
            Known::All(_) => ": this is what was known of it last",
            Known::Listed(_) => ": this is what lists say of it",
            Known::Nothing => "",
        };
        text.line(Tone::Bad, &format!("{why}{rest}"));
    }
    match known {
        Known::All(view) => {
            let age = model.picture.at().saturating_sub(view.at);
            if age > FRESH {
                text.line(Tone::Warn, &format!("this was {} before the rest of the picture", span(age)));
            }
            self::row(&mut text, &view.row);
            rest(&mut text, view);
            crashed(&mut text, model, &view.row);
        }
        Known::Listed(row) => {
            self::row(&mut text, row);
            crashed(&mut text, model, row);
        }
        Known::Nothing if missed.is_none() => {
            text.line(Tone::Dim, &unanswered(model, &Question::Actor(asked.to_owned())));
        }
        Known::Nothing => {}
    }
    text.page()
}

fn known<'a>(model: &'a Model, asked: &str) -> Known<'a> {
    let picture = &model.picture;
    if let Some((known, Some(view), _)) = &picture.actor
        && known == asked
    {
        return Known::All(view);
    }
    let tree = picture.tree.iter().flat_map(|tree| tree.nodes.iter().map(|node| &node.row));
    let listed = tree.chain(picture.top.iter().flat_map(|top| &top.rows));
    let listed = listed.chain(picture.worst.iter().flat_map(|(_, worst)| &worst.rows));
    let mut listed = listed.chain(picture.ghosts.dead().iter().map(|ghost| &ghost.row));
    listed.find(|row| id(row.pid.id) == asked).map_or(Known::Nothing, Known::Listed)
}

fn row(text: &mut Text, row: &Row) {
    let tone = rows::tone(row);
    text.say("path", &row.path);
    text.say("pid", &row.pid.to_string());
    text.say("kind", &row.kind);
    text.say_in(tone, "state", show::state(row.state), None);
    if show::is_held(row) {
        text.say_in(Tone::Warn, "gate", &row.gate.to_string(), None);
    }
    text.say_in(tone, "doing", &row.doing.as_ref().map_or("nothing".to_owned(), show::doing), None);
    if let Some(back_in) = row.back_in {
        text.say("back in", &span(back_in));
    }
    if let Some(supervises) = &row.supervises {
        text.say("strategy", &supervises.text);
    }
    text.say("restarts", &row.restarts.to_string());
    text.say("mailbox", &show::mailbox(row));
}

fn rest(text: &mut Text, view: &ActorView) {
    text.say("signals", &format!("{} wait to be read", view.signals));
    text.say("messages", &messages(&view.law));
    if view.refusals.total() > 0 {
        text.say_in(Tone::Warn, "refused", &show::refused(&view.refusals), None);
    }
    if let Some(pool) = &view.pool {
        text.say("threads", pool);
    }
    if view.blocked > 0 {
        text.say_in(Tone::Warn, "blocked", &show::blocked(view.blocked), None);
    }
    match &view.parent {
        Some(parent) => tie(text, "parent", parent),
        None => text.say("parent", "none"),
    }
    ties(text, "children", &view.below);
    ties(text, "links", &view.links);
    ties(text, "monitors", &view.monitors);
    ties(text, "watchers", &view.watchers);
}

fn messages(law: &Law) -> String {
    let ends = [
        (law.expired, "expired"),
        (law.cancelled, "cancelled"),
        (law.displaced, "displaced"),
        (law.undelivered, "undelivered"),
        (law.given_up, "given up"),
    ];
    let ends = ends.into_iter().filter(|(count, _)| *count > 0).map(|(count, end)| format!("{count} {end}, "));
    let (accepted, handled) = (law.accepted, law.handled);
    format!(
        "{accepted} accepted: {handled} handled, {}{} in hand, {} queued",
        ends.collect::<String>(),
        law.in_hand,
        law.queued
    )
}

fn ties(text: &mut Text, label: &str, ties: &Ties) {
    if ties.total == 0 {
        return text.say(label, "none");
    }
    let mut label = label;
    for one in &ties.first {
        tie(text, label, one);
        label = "";
    }
    if ties.total > ties.first.len() {
        text.say("", &format!("and {} more", ties.total - ties.first.len()));
    }
}

/// A line that leads to whom it names.
fn tie(text: &mut Text, label: &str, tie: &Tie) {
    let opens = (tie.pid != Pid::OUTSIDE && tie.path.is_some()).then(|| Opens::Actor(id(tie.pid.id)));
    text.say_in(Tone::Plain, label, &show::tie(tie), opens);
}

fn crashed(text: &mut Text, model: &Model, row: &Row) {
    let reports = model.picture.crashes.iter().flat_map(|crashes| crashes.reports.iter().rev());
    let its: Vec<_> = reports.filter(|report| report.pid.id == row.pid.id).take(CRASHES).collect();
    if its.is_empty() {
        return;
    }
    text.gap();
    text.line(Tone::Head, "crashes, the newest first");
    for report in its {
        let ago = span(model.picture.at().saturating_sub(report.at));
        let line = format!("{ago} ago: {}", report.crash.message);
        text.link(&line, Tone::Plain, Opens::Crash(report.pid));
    }
}
