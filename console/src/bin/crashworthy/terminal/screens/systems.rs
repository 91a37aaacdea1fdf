//! The systems that run: one is to be chosen.

use super::super::model::Candidate;
use super::super::page::{Column, Item, Opens, Page, Tone};
use crate::text::{clean, span};

pub(crate) fn page(systems: &[Candidate]) -> Page {
    let columns = vec![
        Column::text("SYSTEM", 9),
        Column::number("PROCESS", 8),
        Column::number("UP", 7),
        Column::number("ACTORS", 6),
        Column::number("CRASHES", 5),
        Column::text("SOCKET", 1),
    ];
    let items = systems.iter().map(|system| {
        let (tone, up, actors, crashes) = match &system.view {
            Ok((up, actors, crashes)) => (Tone::Plain, span(*up), actors.to_string(), crashes.to_string()),
            Err(why) => (Tone::Bad, clean(why), String::new(), String::new()),
        };
        let socket = clean(&system.socket.display().to_string());
        let cells = vec![clean(&system.system), system.process.to_string(), up, actors, crashes, socket.clone()];
        Item { key: socket, cells, tone, opens: Some(Opens::System(system.socket.clone())), panel: 0 }
    });
    let items: Vec<_> = items.collect();
    let note = (!items.is_empty()).then(|| "Enter looks into a system".to_owned());
    let empty = "no system runs; this list waits for one".to_owned();
    Page { columns, items, note, empty, panels: None }
}
