//! Actors as lines of a list.

use std::time::Duration;

use crashworthy_console::protocol::{Doing, Row, Sort};
use crashworthy_runtime::State;

use super::super::ghosts::Ghost;
use super::super::page::{Column, Item, Opens, Tone};
use super::id;
use crate::show;
use crate::text::{clean, short_type, span};

/// The columns of actors; the one that is sorted by is marked.
pub(crate) fn columns(sort: Option<Sort>) -> Vec<Column> {
    let mut columns = vec![
        Column::text("ACTOR", 9),
        Column::text("KIND", 2),
        Column::text("STATE", 6),
        Column::number("QUEUED", 8),
        Column::number("RESTARTS", 5),
        Column::number("HANDLED", 3),
        Column::number("LOST", 4),
        Column::text("DOING", 7),
    ];
    let sorted = sort.map(|sort| match sort {
        Sort::Path => 0,
        Sort::Depth => 3,
        Sort::Restarts => 4,
        Sort::Handled => 5,
        Sort::Lost => 6,
        Sort::InHand => 7,
    });
    if let Some(sorted) = sorted {
        let column = &mut columns[sorted];
        column.head.push('*');
        column.rank = column.rank.max(8);
    }
    columns
}

/// One actor, under this name.
pub(crate) fn item(name: String, row: &Row) -> Item {
    let cells = vec![
        name,
        short_type(&row.kind),
        show::condition(row),
        row.depth.to_string(),
        row.restarts.to_string(),
        row.handled.to_string(),
        lost(row).to_string(),
        row.doing.as_ref().map_or_else(|| show::rests(row), doing),
    ];
    let key = id(row.pid.id);
    Item { key: key.clone(), cells, tone: tone(row), opens: Some(Opens::Actor(key)), panel: 0 }
}

/// One that is no more.
pub(crate) fn ghost(name: String, ghost: &Ghost, at: Duration) -> Item {
    let mut item = item(name, &ghost.row);
    item.tone = Tone::Dim;
    item.cells[2] = "ended".to_owned();
    item.cells[7] = format!("missed for {}", span(at.saturating_sub(ghost.since)));
    item
}

/// What an actor does, what matters most first: the end may not be in view.
fn doing(doing: &Doing) -> String {
    let held = if show::is_held_up(doing) { "blocks: " } else { "" };
    let callback = doing.callback.map(|callback| format!(" {callback}")).unwrap_or_default();
    let message = doing.message.as_deref().map(|kind| format!(" {}", clean(kind))).unwrap_or_default();
    let waits = doing.waits_for.as_deref().map(|path| format!(", waits for {}", clean(path))).unwrap_or_default();
    format!("{held}{}{callback}{message}{waits}", span(doing.since))
}

/// Messages that nobody handled.
pub(crate) fn lost(row: &Row) -> u64 {
    row.given_up.saturating_add(row.undelivered)
}

/// What needs somebody's eye stands out.
pub(crate) fn tone(row: &Row) -> Tone {
    match row.state {
        State::Restarting => Tone::Bad,
        State::Suspended => Tone::Warn,
        State::Starting | State::Running if show::is_held(row) => Tone::Warn,
        State::Stopped | State::Gone | State::NotStarted => Tone::Dim,
        _ if row.depth > row.limit / 4 * 3 || row.doing.as_ref().is_some_and(show::is_held_up) => Tone::Warn,
        _ => Tone::Plain,
    }
}

/// The last of the names in a path.
pub(crate) fn name(path: &str) -> String {
    clean(path.rsplit('/').next().unwrap_or_default())
}
