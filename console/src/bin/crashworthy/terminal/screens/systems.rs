//! The systems that run: one is to be chosen.

use super::super::model::{Candidate, Found};
use super::super::page::{Column, Item, Opens, Page, Tone};
use crate::text::{clean, span};

pub(crate) fn page(found: &Found) -> Page {
    let systems = &found.systems;
    let mut columns = vec![
        Column::text("SYSTEM", 9),
        Column::number("PROCESS", 8),
        Column::number("UP", 7),
        Column::number("ACTORS", 6),
        Column::number("CRASHES", 5),
        Column::text("SOCKET", 1),
    ];
    if systems.iter().any(|system| system.view.is_err()) {
        columns.push(Column::text("TROUBLE", 8));
    }
    let items: Vec<_> = systems.iter().map(item).collect();
    let note = (!items.is_empty()).then(|| "Enter looks into a system".to_owned());
    let none = found.trouble.as_deref().unwrap_or("no system runs");
    let empty = format!("{}; this list waits for one", clean(none));
    Page { columns, items, note, empty, panels: None }
}

fn item(of: &Candidate) -> Item {
    let (tone, figures, trouble) = match &of.view {
        Ok((up, actors, crashes)) => (Tone::Plain, [span(*up), actors.to_string(), crashes.to_string()], String::new()),
        Err(why) => (Tone::Bad, ["-"; 3].map(str::to_owned), clean(why)),
    };
    let socket = clean(&of.socket.display().to_string());
    let first = [clean(&of.system), of.process.to_string()];
    let cells = first.into_iter().chain(figures).chain([socket.clone(), trouble]).collect();
    Item { key: socket, cells, tone, opens: Some(Opens::System(of.socket.clone())), panel: 0 }
}
