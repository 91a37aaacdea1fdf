//! What has happened, the newest first, and one event in full; and which kinds of it there are to choose.

use crashworthy_runtime::{Pid, SystemEvent};
use serde_json::Value;

use super::super::happened::{Happened, Kinds};
use super::super::held::Held;
use super::super::model::Model;
use super::super::page::{Column, Item, Opens, Page, Tone};
use super::super::question::Question;
use super::{Text, data, id, nothing};
use crate::events::{Weight, weight};
use crate::text::{clean, span};

/// What is told of every event in words of its own.
const COMMON: [&str; 4] = ["seq", "at_ms", "pid", "path"];
/// Columns for the name of a field, and from how many on it has them.
const FIELD: usize = 20;
const WIDE: u16 = 60;

pub(crate) fn page(model: &Model) -> Page {
    // What has happened says more than when, and more than the whole of a path.
    let columns = vec![Column::text("ACTOR", 9), Column::number("AGO", 8), Column::text("WHAT", 10)];
    let Some(happened) = &model.picture.happened else {
        // The newest, or what is new: as it was asked.
        let refused = model.picture.refusal(&Question::Events).is_some();
        return nothing(model, &if refused { Question::Events } else { Question::News });
    };
    let shown = happened.events.iter().rev().filter(|event| model.kinds.takes(&event.what));
    let items: Vec<_> = shown.map(|event| item(model, event)).collect();
    let note = Some(note(model.kinds, happened, items.len()));
    Page { columns, items, note, empty: "nothing of that has happened".to_owned(), panels: None }
}

fn item(model: &Model, event: &SystemEvent) -> Item {
    let cells = vec![who(event), ago(model, event), clean(&event.what.to_string())];
    Item { key: event.seq.to_string(), cells, tone: tone(event), opens: Some(Opens::Event(event.seq)), panel: 0 }
}

fn who(event: &SystemEvent) -> String {
    if event.path.is_empty() { "the system".to_owned() } else { clean(&event.path) }
}

fn ago(model: &Model, event: &SystemEvent) -> String {
    span(model.picture.at().saturating_sub(event.at))
}

fn tone(event: &SystemEvent) -> Tone {
    match weight(&event.what) {
        Weight::Usual => Tone::Plain,
        Weight::Trouble => Tone::Warn,
        Weight::Bad => Tone::Bad,
    }
}

/// One of them, with all that is known of it.
pub(crate) fn one(model: &Model, asked: u64) -> Page {
    let width = model.body().0;
    let mut text = Text::new(width);
    let Some(event) = find(model, asked) else {
        text.line(Tone::Dim, "this event is not kept any more");
        return text.page();
    };
    match event.pid {
        Some(pid) => text.link(&format!("{} {pid}", event.path), Tone::Head, Opens::Actor(id(pid.id))),
        None => text.line(Tone::Head, &who(event)),
    }
    text.line(Tone::Dim, &format!("{} ago, event {}", ago(model, event), event.seq));
    text.lines(tone(event), &event.what.to_string());
    text.gap();
    let Some(Value::Object(all)) = data(event) else { return text.page() };
    for (name, value) in all.iter().filter(|(name, _)| !COMMON.contains(&name.as_str())) {
        field(&mut text, width, name, value);
    }
    text.page()
}

/// A field, or those that are in it: each by the way that leads to it.
fn field(text: &mut Text, width: u16, name: &str, value: &Value) {
    let value = match value {
        Value::Object(fields) => match serde_json::from_value::<Pid>(value.clone()) {
            Ok(pid) => pid.to_string(),
            Err(_) => {
                return fields.iter().for_each(|(part, value)| field(text, width, &format!("{name}.{part}"), value));
            }
        },
        Value::String(word) => word.clone(),
        Value::Null => "none".to_owned(),
        value => value.to_string(),
    };
    if width < WIDE {
        text.line(Tone::Plain, &format!("{name}: {value}"));
    } else {
        text.entry(&format!("{name:<FIELD$} "), &value);
    }
}

/// Whom it is about.
pub(crate) fn actor(model: &Model, asked: u64) -> Option<String> {
    Some(id(find(model, asked)?.pid?.id))
}

pub(crate) fn raw(model: &Model, asked: u64) -> Option<(String, Value)> {
    let event = find(model, asked)?;
    Some((format!("an event of {}", who(event)), data(event)?))
}

pub(super) fn find(model: &Model, asked: u64) -> Option<&SystemEvent> {
    let held = match &model.picture.held {
        Some(Held::Event(event)) => Some(event),
        _ => None,
    };
    let known = model.picture.happened.iter().flat_map(|happened| &happened.events);
    held.into_iter().chain(known).find(|event| event.seq == asked)
}

/// How much of what has happened is shown. What matters most comes first.
fn note(kinds: Kinds, happened: &Happened, shown: usize) -> String {
    let lost = match happened.lost {
        0 => String::new(),
        lost => format!("{lost} lost; "),
    };
    let all = happened.events.len();
    let kinds = match kinds {
        Kinds::All => format!("{all} events"),
        kinds => format!("{shown} of {all} events, only {}", kinds.name()),
    };
    let since = match happened.lifecycle_since {
        Some(_) => "",
        None => "; beginnings and ends are not told yet",
    };
    format!("{lost}{kinds}{since}")
}

/// Which kinds there are.
pub(crate) fn kinds(model: &Model) -> Page {
    let columns = vec![Column::text("ONLY", 9), Column::number("KNOWN", 8)];
    let known = |kinds: Kinds| {
        let events = model.picture.happened.iter().flat_map(|happened| &happened.events);
        events.filter(|event| kinds.takes(&event.what)).count()
    };
    let item = |kinds: Kinds| {
        let mark = if kinds == model.kinds { "* " } else { "  " };
        let cells = vec![format!("{mark}{}", kinds.name()), known(kinds).to_string()];
        let tone = if known(kinds) == 0 { Tone::Dim } else { Tone::Plain };
        Item { key: kinds.name().to_owned(), cells, tone, opens: Some(Opens::Kinds(kinds)), panel: 0 }
    };
    Page { columns, items: Kinds::all().map(item).collect(), ..Page::default() }
}
