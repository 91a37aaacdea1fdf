//! A trace: how much is asked for, then messages, the newest first.

use std::time::Duration;

use crashworthy_runtime::{Outcome, TraceRecord};
use serde_json::Value;

use super::super::model::Model;
use super::super::page::{Column, Item, Opens, Page, Tone};
use super::super::tracing::{Stage, Tracing};
use super::{Text, data, id};
use crate::events::from;
use crate::text::{clean, short_type, span};
use crate::trace::{clock, outcome};

pub(crate) fn title(model: &Model) -> String {
    model.tracing.as_ref().map_or("a trace".to_owned(), |tracing| format!("trace of {}", clean(&tracing.whom)))
}

pub(crate) fn page(model: &Model) -> Page {
    let Some(tracing) = &model.tracing else { return Page::default() };
    if let Stage::Asked { fault, .. } = &tracing.stage {
        return asks(model, tracing, fault.as_deref());
    }
    let columns = vec![
        Column::text("MESSAGE", 9),
        Column::text("HOW IT ENDED", 8),
        Column::text("FROM", 6),
        Column::number("QUEUED", 5),
        Column::text("ACTOR", 4),
        Column::text("TAKEN AT", 3),
        Column::number("BYTES", 2),
        Column::text("TYPE", 1),
    ];
    // A pause shows what there was when it began.
    let until = if model.is_paused { model.taken.unwrap_or(model.now) } else { Duration::MAX };
    let shown = tracing.messages.iter().rev().filter(|(came, _)| *came <= until);
    let items = shown.map(|(_, record)| item(record)).collect();
    let empty = match tracing.stage {
        Stage::Ended(_) => "no message was traced",
        _ => "waits for messages",
    };
    Page { columns, items, note: Some(note(model, tracing)), empty: empty.to_owned(), panels: None }
}

fn item(record: &TraceRecord) -> Item {
    let tone = match record.outcome {
        Outcome::Handled => Tone::Plain,
        Outcome::InHand => Tone::Dim,
        Outcome::Refused => Tone::Warn,
        _ => Tone::Bad,
    };
    let taken = clock(record.wall);
    let time = taken.split(' ').next_back().unwrap_or_default().to_owned();
    let sender = from(&record.from);
    let cells = vec![
        short_type(&record.message),
        outcome(record),
        if record.asked { format!("{sender} asks") } else { sender },
        span(record.age),
        clean(&record.path),
        time,
        record.size.to_string(),
        short_type(&record.kind),
    ];
    Item { key: record.number.to_string(), cells, tone, opens: Some(Opens::Actor(id(record.pid.id))), panel: 0 }
}

/// How it stands. What matters most comes first.
fn note(model: &Model, tracing: &Tracing) -> String {
    let (query, since) = match &tracing.stage {
        Stage::Ended(why) => return format!("ENDED: {}; t traces again", clean(why)),
        Stage::Runs { query, since } => (query, *since),
        Stage::Begins { .. } | Stage::Asked { .. } => return "begins".to_owned(),
    };
    let passed = model.now.saturating_sub(since);
    let left = query.within.unwrap_or_default().saturating_sub(passed).as_secs();
    let count = query.count.unwrap_or_default();
    match &tracing.told {
        None => format!("traces: {left} s left"),
        Some(told) => format!(
            "traces: {left} s left, {} of {count} taken, {} withheld, {} lost, {} in hand, {} watched",
            told.taken, told.withheld, told.lost, told.in_hand, told.actors
        ),
    }
}

/// What is to be typed.
fn asks(model: &Model, tracing: &Tracing, fault: Option<&str>) -> Page {
    let mut text = Text::new(model.body().0);
    if let Some(fault) = fault {
        text.line(Tone::Bad, fault);
    }
    text.line(Tone::Head, &format!("messages of {}", tracing.whom));
    let limits = model.hello.as_ref().map(|hello| hello.limits.trace.clone()).unwrap_or_default();
    text.say("count", &format!("how many, to {}", limits.count));
    text.say("rate", &format!("in any second, to {}", limits.rate));
    text.say("time", &format!("how long, to {}", span(limits.within)));
    text.say("kinds", "of message, with * for any characters; all if there is none");
    text.gap();
    text.line(Tone::Dim, "What messages say is not told. Who starts later below that path is traced, too.");
    text.page()
}

pub(crate) fn raw(model: &Model) -> Option<(String, Value)> {
    let tracing = model.tracing.as_ref()?;
    let messages: Vec<_> = tracing.messages.iter().map(|(_, message)| message).collect();
    Some((title(model), data(&messages)?))
}
