//! What has happened, the newest first; and which kinds of it there are to choose.

use crashworthy_runtime::SystemEvent;

use super::super::happened::{Happened, Kinds};
use super::super::model::Model;
use super::super::page::{Column, Item, Opens, Page, Tone};
use super::id;
use crate::events::{Weight, weight};
use crate::text::{clean, span};

pub(crate) fn page(model: &Model) -> Page {
    let columns = vec![Column::text("ACTOR", 9), Column::number("AGO", 8), Column::text("WHAT", 7)];
    let Some(happened) = &model.picture.happened else {
        return Page { columns, empty: "waits for an answer".to_owned(), ..Page::default() };
    };
    let shown = happened.events.iter().rev().filter(|event| model.kinds.takes(&event.what));
    let items: Vec<_> = shown.map(|event| item(model, event)).collect();
    let note = Some(note(model.kinds, happened, items.len()));
    Page { columns, items, note, empty: "nothing of that has happened".to_owned(), panels: None }
}

fn item(model: &Model, event: &SystemEvent) -> Item {
    let SystemEvent { seq, at, pid, path, what } = event;
    let who = if path.is_empty() { "the system".to_owned() } else { clean(path) };
    let tone = match weight(what) {
        Weight::Usual => Tone::Plain,
        Weight::Trouble => Tone::Warn,
        Weight::Bad => Tone::Bad,
    };
    let ago = span(model.picture.at().saturating_sub(*at));
    let opens = pid.map(|pid| Opens::Actor(id(pid.id)));
    Item { key: seq.to_string(), cells: vec![who, ago, clean(&what.to_string())], tone, opens, panel: 0 }
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
