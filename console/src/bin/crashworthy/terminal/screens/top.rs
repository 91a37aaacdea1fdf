//! The top: who has most of something.

use crashworthy_console::protocol::Row;

use super::super::filter::Filter;
use super::super::model::Model;
use super::super::page::Page;
use super::rows;
use crate::ranked::rank;
use crate::show;
use crate::text::clean;

pub(crate) fn page(model: &Model, filter: &str) -> Page {
    let has_rates = model.picture.top.iter().flat_map(|top| &top.rows).any(|row| row.rates.is_some());
    let columns = rows::columns(Some((model.sort, model.reversed)), has_rates);
    let mut page = Page { columns, empty: "nobody".to_owned(), ..Page::default() };
    let Some(top) = &model.picture.top else {
        page.empty = "waits for an answer".to_owned();
        return page;
    };
    let filter = Filter::new(filter);
    let takes = |row: &Row| {
        let words = [row.path.as_str(), row.kind.as_str()].into_iter().chain(row.registered.as_deref());
        filter.as_ref().is_none_or(|filter| filter.takes(words))
    };
    let mut living: Vec<_> = top.rows.iter().filter(|row| takes(row)).collect();
    rank(&mut living, model.sort, model.reversed);
    let living = living.into_iter().map(|row| rows::item(show::called(&row.path, row), row, has_rates));
    let dead = model.picture.ghosts.dead().iter().filter(|ghost| takes(&ghost.row));
    let at = model.picture.at();
    page.items = living.chain(dead.map(|ghost| rows::ghost(clean(&ghost.row.path), ghost, at, has_rates))).collect();
    let untold = top.matched.saturating_sub(top.rows.len());
    page.note = (untold > 0).then(|| format!("and {untold} more: filter with / to see them"));
    page
}
