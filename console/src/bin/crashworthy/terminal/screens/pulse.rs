//! The pulse: the system as a whole, the worst by each measure, the last crashes.

use crashworthy_console::protocol::{Actors, Row, Sort, SystemView};
use crashworthy_runtime::CrashReport;

use super::super::model::Model;
use super::super::page::{Column, Item, Opens, Page, Panels, Tone};
use super::super::question::{MEASURES, Question, WORST};
use super::{id, nothing, rows, spark};
use crate::text::{clean, counted, span};

/// Lines of a panel with its head, and of the banner with the gap below.
const PANEL: u16 = WORST as u16 + 1;
const BANNER: u16 = 6;
/// Columns from which on panels stand beside each other.
const WIDE: u16 = 66;
/// Room for a label and a figure before the past.
const FIGURE: usize = 24;

pub(crate) fn page(model: &Model) -> Page {
    let (columns, lines) = model.body();
    let Some(system) = model.system() else {
        return nothing(model, &Question::System);
    };
    let banner = banner(model, system, columns.into());
    let panels = panels(model);
    if columns >= WIDE && lines > BANNER + 2 * PANEL {
        let heads = panels.iter().map(|(head, _)| head.clone()).collect();
        let items = panels
            .into_iter()
            .enumerate()
            .flat_map(|(panel, (_, items))| items.into_iter().map(move |item| Item { panel, ..item }));
        let panels = Some(Panels { banner, heads, across: 3, lines: PANEL });
        return Page { items: items.collect(), panels, ..Page::default() };
    }
    let head = |head: String| Item { key: head.clone(), cells: vec![head], tone: Tone::Head, ..Item::default() };
    let listed = panels.into_iter().flat_map(|(title, items)| std::iter::once(head(title)).chain(items));
    let items = banner.into_iter().chain(listed).collect();
    Page { columns: vec![Column::text("", 9), Column::number("", 8)], items, ..Page::default() }
}

/// Totals, and a little of their past.
fn banner(model: &Model, system: &SystemView, columns: usize) -> Vec<Item> {
    let past: Vec<_> = model.picture.past.iter().copied().collect();
    let turns = spark::rates(&past, |sample| sample.turns);
    let crashed = spark::rates(&past, |sample| sample.crashes);
    let queued: Vec<_> = past.iter().filter_map(|sample| sample.queued).map(|queued| queued as f64).collect();
    let busy: Vec<_> = past.iter().filter_map(|sample| sample.busy).map(|busy| busy as f64).collect();
    let now = turns.last().map_or("-".to_owned(), |rate| format!("{rate:.0}"));
    let reports = &system.reports;
    let errors = [reports.start_error, reports.child_terminated, reports.shutdown, reports.shutdown_error];
    let errors = errors.into_iter().fold(0, u64::saturating_add);
    let lines = [
        ("turns/s", now, turns),
        ("busy", system.busy.to_string(), busy),
        ("queued", system.queued.to_string(), queued),
        ("crashes", system.crashes.to_string(), crashed),
    ];
    let room = columns.saturating_sub(FIGURE).clamp(4, 120);
    let line = |(label, figure, past): (&str, String, Vec<f64>)| {
        let cell = format!("{label:<10}{figure:>12}  {}", spark::bars(&past, room));
        Item { key: label.to_owned(), cells: vec![cell], ..Item::default() }
    };
    let more = [
        format!("{} runnable", system.runnable),
        counted(system.timers as u64, "timer", "timers"),
        counted(system.dead_letters, "dead letter", "dead letters"),
        counted(errors, "error report", "error reports"),
    ];
    let more = more.join(", ");
    let more = Item { key: "more".to_owned(), cells: vec![more], tone: Tone::Dim, ..Item::default() };
    lines.into_iter().map(line).chain([more]).collect()
}

/// Heads, and the lines below them.
fn panels(model: &Model) -> Vec<(String, Vec<Item>)> {
    let worst = MEASURES.into_iter().map(|sort| {
        let known = model.picture.worst.iter().find(|(known, _)| *known == sort);
        (head(sort).to_owned(), known.map_or(Vec::new(), |(_, actors)| ranked(sort, actors)))
    });
    let mut panels: Vec<_> = worst.collect();
    panels.push(("LAST CRASHES".to_owned(), last_crashes(model)));
    for (head, items) in &mut panels {
        if items.is_empty() {
            let key = format!("nobody in {head}");
            items.push(Item { key, cells: vec!["nobody".to_owned()], tone: Tone::Dim, ..Item::default() });
        }
    }
    panels
}

fn head(sort: Sort) -> &'static str {
    match sort {
        Sort::Depth => "MOST QUEUED",
        Sort::InHand => "LONGEST IN HAND",
        Sort::Restarts => "MOST RESTARTS",
        Sort::Lost => "MOST LOST",
        Sort::Handled => "MOST HANDLED",
        Sort::Path | Sort::Oldest | Sort::Rate | Sort::Busy => "",
    }
}

/// Those who have any of it.
fn ranked(sort: Sort, actors: &Actors) -> Vec<Item> {
    let item = |row: &Row| {
        let figure = match sort {
            Sort::Depth => some(row.depth.into())?,
            Sort::InHand => span(row.doing.as_ref()?.since),
            Sort::Restarts => some(row.restarts.into())?,
            Sort::Lost => some(rows::lost(row))?,
            Sort::Handled | Sort::Path | Sort::Oldest | Sort::Rate | Sort::Busy => some(row.handled)?,
        };
        let opens = Some(Opens::Actor(id(row.pid.id)));
        let key = format!("{sort:?} {}", row.pid.id);
        Some(Item { key, cells: vec![clean(&row.path), figure], tone: rows::tone(row), opens, panel: 0 })
    };
    actors.rows.iter().filter_map(item).collect()
}

fn some(figure: u64) -> Option<String> {
    (figure > 0).then(|| figure.to_string())
}

fn last_crashes(model: &Model) -> Vec<Item> {
    let reports = model.picture.crashes.iter().flat_map(|crashes| crashes.reports.iter().rev());
    let item = |report: &CrashReport| {
        let ago = span(model.picture.at().saturating_sub(report.at));
        let opens = Some(Opens::Crash(report.pid));
        let key = format!("crash {}", report.pid);
        Item { key, cells: vec![clean(&report.path), ago], tone: Tone::Plain, opens, panel: 0 }
    };
    reports.take(WORST).map(item).collect()
}
