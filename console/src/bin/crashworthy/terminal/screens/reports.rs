//! Reports of supervisors: the list, and one of them in full.

use crashworthy_supervisor::SupervisorReport;
use serde_json::Value;

use super::super::held::Held;
use super::super::model::Model;
use super::super::page::{Column, Item, Opens, Page, Tone};
use super::super::question::Question;
use super::{Text, data, nothing};
use crate::text::{clean, span};

/// What tells one report from all others that are kept.
fn key(report: &SupervisorReport) -> String {
    let about = &report.report;
    let offender = &about.offender;
    let (pid, at, context) = (report.pid, report.at.as_micros(), about.context.as_str());
    format!("{pid}@{at} {context} {} {:?}", offender.id, offender.place)
}

pub(crate) fn page(model: &Model) -> Page {
    let columns = vec![
        Column::text("SUPERVISOR", 9),
        Column::number("AGO", 8),
        Column::text("CONTEXT", 6),
        Column::text("CHILD", 7).cut(12),
        Column::text("CAUSE", 5),
    ];
    let of_this_kind = model.picture.reports.as_ref().filter(|(progress, _)| *progress == model.progress);
    let Some((_, view)) = of_this_kind else {
        return nothing(model, &Question::Reports { progress: model.progress });
    };
    let items = view.reports.iter().rev().map(|report| {
        let about = &report.report;
        let cells = vec![
            clean(&report.supervisor),
            span(model.picture.at().saturating_sub(report.at)),
            about.context.as_str().to_owned(),
            clean(&about.offender.id),
            clean(&about.cause.to_string()),
        ];
        let key = key(report);
        Item { key: key.clone(), cells, tone: Tone::Plain, opens: Some(Opens::Report(key)), panel: 0 }
    });
    let items: Vec<_> = items.collect();
    let counts = &view.counts;
    let errors = [counts.start_error, counts.child_terminated, counts.shutdown, counts.shutdown_error];
    let all = if model.progress { counts.progress } else { errors.into_iter().fold(0, u64::saturating_add) };
    let (what, other) = if model.progress {
        ("reports of progress", "what went wrong")
    } else {
        ("reports of what went wrong", "progress")
    };
    let note = Some(format!("{} of {all} {what}; p shows {other}", items.len()));
    Page { columns, items, note, empty: "no such report".to_owned(), panels: None }
}

pub(crate) fn one(model: &Model, asked: &str) -> Page {
    let mut text = Text::new(model.body().0);
    let Some(report) = find(model, asked) else {
        text.line(Tone::Dim, "this report is not kept any more");
        return text.page();
    };
    text.line(Tone::Dim, &format!("{} ago", span(model.picture.at().saturating_sub(report.at))));
    text.lines(Tone::Plain, &report.to_string());
    text.page()
}

pub(crate) fn raw(model: &Model, asked: &str) -> Option<(String, Value)> {
    let report = find(model, asked)?;
    Some((format!("a report of {}", clean(&report.supervisor)), data(report)?))
}

pub(super) fn find<'a>(model: &'a Model, asked: &str) -> Option<&'a SupervisorReport> {
    let held = match &model.picture.held {
        Some(Held::Report(report)) => Some(report),
        _ => None,
    };
    let known = model.picture.reports.iter().flat_map(|(_, view)| &view.reports);
    held.into_iter().chain(known).find(|report| key(report) == asked)
}
