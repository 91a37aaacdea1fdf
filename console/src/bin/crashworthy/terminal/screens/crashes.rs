//! Crashes: the list, and one of them in full.

use crashworthy_runtime::{CrashReport, Pid};
use serde_json::Value;

use super::super::model::Model;
use super::super::page::{Column, Item, Opens, Page, Tone};
use super::super::question::Question;
use super::{Text, data, id, nothing};
use crate::text::{clean, span};

pub(crate) fn page(model: &Model) -> Page {
    let columns = vec![
        Column::text("ACTOR", 9),
        Column::number("AGO", 8),
        Column::text("DECISION", 3).cut(16),
        Column::text("IN HAND", 4).cut(12),
        Column::text("REASON", 7),
    ];
    let Some(crashes) = &model.picture.crashes else {
        return nothing(model, &Question::Crashes);
    };
    // The newest first: that is what somebody comes for.
    let items = crashes.reports.iter().rev().map(|report| {
        let ago = model.picture.at().saturating_sub(report.at);
        let in_hand = report.in_hand.as_ref().map_or("no message".to_owned(), |in_hand| clean(&in_hand.kind));
        let decision = decision(report);
        let cells = vec![clean(&report.path), span(ago), decision, in_hand, clean(&report.crash.message)];
        let opens = Some(Opens::Crash(report.pid));
        Item { key: report.pid.to_string(), cells, tone: Tone::Plain, opens, panel: 0 }
    });
    let items: Vec<_> = items.collect();
    let older = crashes.total.saturating_sub(items.len() as u64);
    let note = (older > 0 && !items.is_empty()).then(|| format!("and {older} before them"));
    Page { columns, items, note, empty: "nobody has crashed".to_owned(), panels: None }
}

/// What was decided, in a word.
fn decision(report: &CrashReport) -> String {
    let text = report.judgement.to_string();
    clean(text.split(" (").next().unwrap_or_default())
}

pub(crate) fn one(model: &Model, asked: Pid) -> Page {
    let mut text = Text::new(model.body().0);
    let Some(report) = find(model, asked) else {
        text.line(Tone::Dim, "this report is not kept any more");
        return text.page();
    };
    let ago = span(model.picture.at().saturating_sub(report.at));
    text.link(&report.path, Tone::Head, Opens::Actor(id(report.pid.id)));
    text.line(Tone::Dim, &format!("{ago} ago"));
    text.lines(Tone::Plain, &report.to_string());
    text.page()
}

pub(crate) fn raw(model: &Model, asked: Pid) -> Option<(String, Value)> {
    let report = find(model, asked)?;
    Some((format!("a crash of {}", clean(&report.path)), data(report)?))
}

/// In full, if that has been answered.
fn find(model: &Model, asked: Pid) -> Option<&CrashReport> {
    let listed = model.picture.crashes.iter().flat_map(|crashes| &crashes.reports);
    model.picture.crash.iter().chain(listed).find(|report| report.pid == asked)
}
