//! The tree: who is below whom.

use std::collections::HashSet;

use crashworthy_console::protocol::{Row, TreeView};

use super::super::filter::Filter;
use super::super::model::Model;
use super::super::page::{Item, Page};
use super::id;
use super::rows;
use super::rows::{last, name};
use crate::show;
use crate::text::counted;

/// Levels that are drawn apart.
const DEEPEST: usize = 32;

/// One line of the tree before it is drawn.
struct Line<'a> {
    level: usize,
    row: &'a Row,
    item: Item,
}

pub(crate) fn page(model: &Model, filter: &str) -> Page {
    let has_rates = model.picture.tree.iter().flat_map(|tree| &tree.nodes).any(|node| node.row.rates.is_some());
    let mut page = Page { columns: rows::columns(None, has_rates), empty: "nobody".to_owned(), ..Page::default() };
    let Some(tree) = &model.picture.tree else {
        page.empty = "waits for an answer".to_owned();
        return page;
    };
    let mut lines: Vec<_> = tree
        .nodes
        .iter()
        .map(|node| (node, rows::item(show::called(last(&node.row.path), &node.row), &node.row, has_rates)))
        .map(|(node, item)| Line { level: node.level, row: &node.row, item })
        .collect();
    if model.branch.is_none() {
        haunt(model, &mut lines, has_rates);
    }
    let filter = Filter::new(filter);
    let is_all = filter.is_none();
    let shown: Box<dyn Fn(&Line<'_>) -> bool> = match filter {
        Some(filter) => {
            let kept = with_those_above(&lines, &filter);
            Box::new(move |line| kept.contains(line.row.path.as_str()))
        }
        None => {
            let hidden = below_folded(model, &lines);
            Box::new(move |line| !hidden.contains(line.row.path.as_str()))
        }
    };
    let shown: Vec<_> = lines.iter().filter(|line| shown(line)).collect();
    let items = shown.iter().enumerate().map(|(place, line)| {
        let mut item = line.item.clone();
        let is_open = shown.get(place + 1).is_some_and(|next| next.level > line.level);
        let mark = if is_all && line.row.children > 0 && !is_open { "+ " } else { "" };
        item.cells[0] = format!("{}{mark}{}", "  ".repeat(line.level.min(DEEPEST)), item.cells[0]);
        item
    });
    page.items = items.collect();
    page.note = note(model, tree);
    page
}

/// What is not in the list.
fn note(model: &Model, tree: &TreeView) -> Option<String> {
    let untold = tree.total.saturating_sub(tree.nodes.len());
    let branch = model.branch.as_ref().map(|(_, path)| format!("only {path}, z shows all"));
    let levels = model.levels.map(|levels| format!("{}, + shows more", counted(levels as u64, "level", "levels")));
    let more = match model.levels {
        None if untold > 0 => Some(format!("{untold} more: z shows a branch alone, - fewer levels")),
        Some(_) if untold > 0 => Some(format!("{untold} more")),
        _ => None,
    };
    let parts: Vec<_> = branch.into_iter().chain(levels).chain(more).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Puts the dead where they were: last below their parents.
fn haunt<'a>(model: &'a Model, lines: &mut Vec<Line<'a>>, has_rates: bool) {
    for ghost in model.picture.ghosts.dead() {
        let item = rows::ghost(name(&ghost.row.path), ghost, model.picture.at(), has_rates);
        let above = ghost.row.path.rsplit_once('/').and_then(|(parent, _)| {
            let parent = lines.iter().position(|line| line.row.path == parent)?;
            let level = lines[parent].level;
            let below = lines[parent + 1..].iter().take_while(|line| line.level > level).count();
            Some((parent + 1 + below, level + 1))
        });
        let (place, level) = above.unwrap_or((lines.len(), 0));
        lines.insert(place, Line { level, row: &ghost.row, item });
    }
}

/// The paths of those who match, and of those above them.
fn with_those_above(lines: &[Line<'_>], filter: &Filter) -> HashSet<String> {
    let mut kept = HashSet::new();
    let mut above: Vec<(usize, &str)> = Vec::new();
    for line in lines {
        above.retain(|(level, _)| *level < line.level);
        above.push((line.level, &line.row.path));
        if filter
            .takes([line.row.path.as_str(), line.row.kind.as_str()].into_iter().chain(line.row.registered.as_deref()))
        {
            kept.extend(above.iter().map(|(_, path)| (*path).to_owned()));
        }
    }
    kept
}

/// The paths of those who are below somebody folded.
fn below_folded(model: &Model, lines: &[Line<'_>]) -> HashSet<String> {
    let mut hidden = HashSet::new();
    let mut folded = None;
    for line in lines {
        if folded.is_some_and(|level| line.level > level) {
            hidden.insert(line.row.path.clone());
        } else {
            folded = model.folded.contains(&id(line.row.pid.id)).then_some(line.level);
        }
    }
    hidden
}
