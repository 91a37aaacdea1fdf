//! The top: who has most of something.

use crashworthy_console::protocol::Row;

use super::super::model::{Model, Tab};
use super::super::page::Page;
use super::super::question::Question;
use super::found::{self, Found};
use super::{nothing, rows};
use crate::ranked::rank;
use crate::text::clean;
use crate::{filter, show};

pub(crate) fn page(model: &Model, filter: &str) -> Page {
    let has_rates = model.picture.top.iter().flat_map(|top| &top.rows).any(|row| row.rates.is_some());
    let columns = rows::columns(Some((model.sort, model.reversed)), has_rates);
    let mut page = Page { columns, empty: "nobody".to_owned(), ..Page::default() };
    let Some(top) = &model.picture.top else {
        return nothing(model, &Question::Top { sort: model.sort, reversed: model.reversed, filter: None });
    };
    let pattern = filter::read(filter);
    let takes = |row: &Row| pattern.as_ref().is_none_or(|pattern| filter::takes(pattern, row));
    let mut living: Vec<_> = top.rows.iter().filter(|row| takes(row)).collect();
    rank(&mut living, model.sort, model.reversed);
    let living = living.into_iter().map(|row| rows::item(show::called(&row.path, row), row, has_rates));
    let dead = model.picture.ghosts.dead().iter().filter(|ghost| takes(&ghost.row));
    let at = model.picture.at();
    page.items = living.chain(dead.map(|ghost| rows::ghost(clean(&ghost.row.path), ghost, at, has_rates))).collect();
    let untold = top.matched.saturating_sub(top.rows.len());
    let paused = paused(model);
    let note = match (found(model), &paused) {
        // What was told last is not what there is.
        (_, Some(_)) if model.picture.top_filter.is_some() => None,
        (Some(found), _) => Some(found.note(model)),
        (None, _) => (untold > 0).then(|| format!("and {untold} more: filter with / to see them")),
    };
    let parts: Vec<_> = note.into_iter().chain(paused).collect();
    page.note = (!parts.is_empty()).then(|| parts.join("; "));
    page
}

/// What is to be said of it during a pause, if it was told for another filter.
pub(super) fn paused(model: &Model) -> Option<String> {
    let (top, looked_for) = (model.picture.top.as_ref()?, model.picture.top_filter.as_ref());
    found::paused(model, Tab::Top, looked_for, top.rows.len() == top.total)
}

/// How many match; none if nothing is looked for.
pub(super) fn found(model: &Model) -> Option<Found> {
    let (top, text) = (model.picture.top.as_ref()?, &model.spots[Tab::Top as usize].filter);
    let pattern = filter::read(text)?;
    let shown = top.rows.iter().filter(|row| filter::takes(&pattern, row)).count();
    let matched = (model.picture.top_filter.as_ref() == Some(text)).then_some(top.matched);
    Some(Found { total: top.total, matched, told: top.rows.len(), shown })
}
