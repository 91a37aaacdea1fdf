//! What can be done, and what would come of it.

use super::super::acting::{self, Planned};
use super::super::model::Model;
use super::super::page::{Column, Item, Opens, Page, Tone};
use super::Text;
use crate::text::span;

/// The menu, of an actor if there is one.
pub(crate) fn menu(of_actor: bool) -> Page {
    let columns = vec![Column::text("ACTION", 9), Column::text("WHAT IT DOES", 8)];
    let item = |name: String, does: &str, opens| {
        let cells = vec![name.clone(), does.to_owned()];
        Item { key: name, cells, tone: Tone::Plain, opens: Some(opens), panel: 0 }
    };
    let places = "changes how many messages its mailbox holds: asks how many";
    let places = of_actor.then(|| item("limit".to_owned(), places, Opens::Places));
    let deeds = acting::deeds(of_actor).map(|(deed, does)| item(deed.to_string(), does, Opens::Deed(deed)));
    let (mut items, rest): (Vec<_>, Vec<_>) =
        deeds.partition(|item| matches!(&item.opens, Some(Opens::Deed(deed)) if deed.is_to_actors()));
    items.extend(places.into_iter().chain(rest));
    let note = Some("Enter says what would come of it; nothing is done before you say why".to_owned());
    Page { columns, items, note, ..Page::default() }
}

/// What would come of it.
pub(crate) fn plan(model: &Model) -> Page {
    let mut text = Text::new(model.body().0);
    let Some(planned) = &model.planned else { return text.page() };
    let Planned { plan, is_said, .. } = planned;
    let mut lines = plan.effect.iter();
    text.line(Tone::Head, lines.next().map_or("", String::as_str));
    for line in lines {
        text.line(Tone::Plain, &format!("  {line}"));
    }
    if plan.ends > 1 {
        text.line(Tone::Warn, &format!("  {} actors end by it", plan.ends));
    }
    text.gap();
    if plan.deed.is_destructive() {
        text.line(Tone::Dim, &format!("such actions that are allowed just now: {}", plan.left));
    }
    match planned.left(model.now) {
        _ if *is_said => text.line(Tone::Warn, "it is being done"),
        Some(left) => text.line(Tone::Dim, &format!("good for {}; type why, then Enter does it", span(left))),
        None => text.line(Tone::Warn, "this plan is too old: Esc, and choose again"),
    }
    text.page()
}
