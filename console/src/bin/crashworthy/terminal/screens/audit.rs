//! What was done through the console: the list as it grows, and one entry in full.

use std::time::Duration;

use crashworthy_console::protocol::{AuditEntry, AuditResult, AuditView};
use serde_json::Value;

use super::super::held::Held;
use super::super::model::Model;
use super::super::page::{Column, Item, Opens, Page, Tone};
use super::super::question::Question;
use super::{Text, data, id, nothing};
use crate::calendar;
use crate::text::clean;

/// The entries with their numbers since the console began: what tells one from all others.
fn numbered(view: &AuditView) -> impl DoubleEndedIterator<Item = (u64, &AuditEntry)> {
    let first = view.total.saturating_sub(view.entries.len() as u64);
    view.entries.iter().enumerate().map(move |(at, entry)| (first + at as u64, entry))
}

pub(crate) fn page(model: &Model) -> Page {
    let columns = vec![
        Column::text("WHEN (UTC)", 9),
        Column::text("WHAT", 8),
        Column::text("RESULT", 6),
        Column::text("TO", 7),
        Column::text("BY", 3),
        Column::text("REASON", 5),
    ];
    let Some(view) = &model.picture.audit else {
        return nothing(model, &Question::Audit);
    };
    let items: Vec<_> = numbered(view).rev().map(|(number, entry)| item(number, entry)).collect();
    let mut note = format!("{} of {} entries", items.len(), view.total);
    if view.forged + view.unwritten > 0 {
        note += &format!("; {} named no plan, {} are not in the file", view.forged, view.unwritten);
    }
    if let Some(file) = &view.file {
        note += &format!("; all: {}", clean(&file.display().to_string()));
    }
    Page { columns, items, note: Some(note), empty: "nothing was done yet".to_owned(), panels: None }
}

fn item(number: u64, entry: &AuditEntry) -> Item {
    let to = match entry.plan.as_ref().map_or(&[][..], |plan| &plan.targets) {
        [] => String::new(),
        [one] => clean(&one.path),
        all => format!("{} actors", all.len()),
    };
    let cells = vec![when(entry), what(entry), result(entry), to, entry.peer.to_string(), clean(&entry.reason)];
    let key = number.to_string();
    Item { key, cells, tone: tone(entry), opens: Some(Opens::Audit(number)), panel: 0 }
}

fn when(entry: &AuditEntry) -> String {
    calendar::moment(Duration::from_millis(entry.unix_ms))
}

fn what(entry: &AuditEntry) -> String {
    entry.plan.as_ref().map_or_else(|| "connect".to_owned(), |plan| plan.deed.to_string())
}

fn result(entry: &AuditEntry) -> String {
    match entry.result {
        AuditResult::Done => "done".to_owned(),
        AuditResult::Refused(code) => format!("refused: {code:?}"),
    }
}

fn tone(entry: &AuditEntry) -> Tone {
    if entry.result == AuditResult::Done { Tone::Plain } else { Tone::Warn }
}

pub(crate) fn one(model: &Model, asked: u64) -> Page {
    let mut text = Text::new(model.body().0);
    let Some(entry) = find(model, asked) else {
        text.line(Tone::Dim, "this entry is not kept any more; the file has it");
        return text.page();
    };
    text.say("what", &what(entry));
    text.say_in(tone(entry), "result", &result(entry), None);
    text.say("when", &format!("{} UTC", when(entry)));
    text.say("by", &entry.peer.to_string());
    text.say("reason", &entry.reason);
    for target in entry.plan.iter().flat_map(|plan| &plan.targets) {
        let line = format!("{} {}", target.path, target.pid);
        text.say_in(Tone::Plain, "actor", &line, Some(Opens::Actor(id(target.pid.id))));
    }
    for line in entry.plan.iter().flat_map(|plan| &plan.effect) {
        text.say("plan", line);
    }
    text.page()
}

pub(crate) fn raw(model: &Model, asked: u64) -> Option<(String, Value)> {
    Some(("an entry of the audit".to_owned(), data(find(model, asked)?)?))
}

pub(super) fn find(model: &Model, asked: u64) -> Option<&AuditEntry> {
    let held = match &model.picture.held {
        Some(Held::Audit(number, entry)) => Some((*number, entry)),
        _ => None,
    };
    let known = model.picture.audit.iter().flat_map(numbered);
    held.into_iter().chain(known).find(|(number, _)| *number == asked).map(|(_, entry)| entry)
}
