//! Actors as lines of a list.

use std::time::Duration;

use crashworthy_console::protocol::{Doing, Row, Sort};
use crashworthy_runtime::State;

use super::super::ghosts::Ghost;
use super::super::page::{Column, Item, Opens, Tone};
use super::id;
use crate::show;
use crate::text::{clean, short_type, span};

/// The columns of actors; the one that is sorted by is marked, by another sign if those that have least come first. What has gone
/// wrong stays longest where room is short.
pub(crate) fn columns(sort: Option<(Sort, bool)>, has_rates: bool) -> Vec<Column> {
    let mut columns = vec![
        Column::text("ACTOR", 9),
        Column::text("KIND", 2),
        Column::text("STATE", 6),
        Column::number("QUEUED", 8),
        Column::number("RESTARTS", 6),
        Column::number("HANDLED", 3),
        Column::number("LOST", 6),
        Column::number("OLDEST", 0),
    ];
    if has_rates {
        columns.extend([Column::number("MSG/S", 5), Column::number("REFUSED/S", 1), Column::number("BUSY", 5)]);
    }
    columns.push(Column::text("DOING", 7));
    let sorted = sort.map(|(sort, _)| match sort {
        Sort::Path => 0,
        Sort::Depth => 3,
        Sort::Restarts => 4,
        Sort::Handled => 5,
        Sort::Lost => 6,
        Sort::Oldest => 7,
        // Until there are rates, it is what the system has in their place.
        Sort::Rate => {
            if has_rates {
                8
            } else {
                5
            }
        }
        Sort::Busy if has_rates => 10,
        Sort::Busy => columns.len() - 1,
        Sort::InHand => columns.len() - 1,
    });
    if let Some(sorted) = sorted {
        let column = &mut columns[sorted];
        column.head.push(if sort.is_some_and(|(_, reversed)| reversed) { '^' } else { '*' });
        column.rank = column.rank.max(8);
    }
    columns
}

/// One actor, under this name.
pub(crate) fn item(name: String, row: &Row, has_rates: bool) -> Item {
    let mut cells = vec![
        name,
        short_type(&row.kind),
        show::condition(row),
        row.depth.to_string(),
        row.restarts.to_string(),
        row.handled.to_string(),
        lost(row).to_string(),
        show::age(row),
    ];
    if has_rates {
        cells.extend(show::rates(row));
    }
    cells.push(show::does(row, doing));
    let key = id(row.pid.id);
    Item { key: key.clone(), cells, tone: tone(row), opens: Some(Opens::Actor(key)), panel: 0 }
}

/// One that is no more.
pub(crate) fn ghost(name: String, ghost: &Ghost, at: Duration, has_rates: bool) -> Item {
    let mut item = item(name, &Row { rates: None, ..ghost.row.clone() }, has_rates);
    item.tone = Tone::Dim;
    item.cells[2] = "ended".to_owned();
    if let Some(doing) = item.cells.last_mut() {
        *doing = format!("missed for {}", span(at.saturating_sub(ghost.since)));
    }
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
    clean(last(path))
}

/// The same as it was told.
pub(crate) fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crashworthy_console::protocol::Rates;

    use super::super::super::samples::row;
    use super::*;

    #[test]
    fn rates_have_columns_where_they_are_known_and_what_is_done_comes_last() {
        let mut shop = row(1, "shop");
        shop.rates = Some(Rates { handled: 1234.6, refused: 0.25, busy_percent: Some(40) });
        let shown = item("shop".to_owned(), &shop, true);
        assert_eq!(
            (shown.cells.len(), &shown.cells[8..11]),
            (columns(None, true).len(), &["1235", "0.2", "40%"].map(String::from)[..])
        );
        assert_eq!(item("shop".to_owned(), &shop, false).cells.len(), columns(None, false).len());
        let heads = |has_rates| columns(Some((Sort::InHand, false)), has_rates).pop().map(|column| column.head);
        assert_eq!((heads(true), heads(false)), (Some("DOING*".to_owned()), Some("DOING*".to_owned())));
        let dead = Ghost { since: Duration::ZERO, row: shop };
        let gone = ghost("shop".to_owned(), &dead, Duration::from_secs(3), true);
        assert_eq!(
            (&gone.cells[8..11], gone.cells[11].as_str()),
            (&["", "", ""].map(String::from)[..], "missed for 3.0 s")
        );
    }
}
