//! By what the top can be sorted.

use crashworthy_console::protocol::Sort;

use super::super::command::SORTS;
use super::super::model::Model;
use super::super::page::{Column, Item, Opens, Page, Tone};

pub(crate) fn page(model: &Model) -> Page {
    let columns = vec![
        Column::text(if model.reversed { "LEAST FIRST BY" } else { "MOST FIRST BY" }, 9),
        Column::text("WHAT THAT IS", 8),
    ];
    let item = |sort: Sort| {
        let (name, is) = told(sort);
        let mark = if sort == model.sort { "* " } else { "  " };
        let (cells, opens) = (vec![format!("{mark}{name}"), is.to_owned()], Some(Opens::Sort(sort)));
        Item { key: name.to_owned(), cells, tone: Tone::Plain, opens, panel: 0 }
    };
    Page { columns, items: SORTS.into_iter().map(item).collect(), ..Page::default() }
}

fn told(sort: Sort) -> (&'static str, &'static str) {
    match sort {
        Sort::Depth => ("queued", "messages queued and places promised"),
        Sort::InHand => ("doing", "for how long its callback has run"),
        Sort::Handled => ("handled", "messages handled so far"),
        Sort::Restarts => ("restarts", "how often it was started anew"),
        Sort::Lost => ("lost", "messages that nobody handled"),
        Sort::Path => ("path", "names in their order"),
        Sort::Oldest => ("oldest", "how long ago its oldest message was sent"),
        Sort::Rate => ("msg/s", "messages handled in a second"),
        Sort::Busy => ("busy", "how much of a second it has something in hand"),
    }
}
