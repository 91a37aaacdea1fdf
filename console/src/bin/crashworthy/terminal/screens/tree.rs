//! The tree: who is below whom.

use std::collections::HashSet;

use crashworthy_console::Pattern;
use crashworthy_console::protocol::{Row, TreeView};

use super::super::model::{Model, Tab};
use super::super::page::{Item, Page};
use super::super::question::Question;
use super::found::{self, Found};
use super::rows::{last, name};
use super::{nothing, rows};
use crate::text::counted;
use crate::{filter, show};

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
        return nothing(model, &Question::TREE);
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
    let pattern = filter::read(filter);
    let is_all = pattern.is_none();
    let shown: Box<dyn Fn(&Line<'_>) -> bool> = match &pattern {
        Some(pattern) => {
            let kept = with_those_above(&lines, pattern);
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

/// How many match, without those above them; none if nothing is looked for.
pub(super) fn found(model: &Model) -> Option<Found> {
    let (tree, text) = (model.picture.tree.as_ref()?, &model.spots[Tab::Tree as usize].filter);
    let pattern = filter::read(text)?;
    let shown = tree.nodes.iter().filter(|node| filter::takes(&pattern, &node.row)).count();
    let matched = tree.matched.filter(|_| model.picture.tree_filter.as_ref() == Some(text));
    Some(Found { total: tree.total, matched, told: tree.nodes.len(), shown })
}

/// What is to be said of it during a pause, if it was told for another filter.
pub(super) fn paused(model: &Model) -> Option<String> {
    let (tree, looked_for) = (model.picture.tree.as_ref()?, model.picture.tree_filter.as_ref());
    found::paused(model, Tab::Tree, looked_for, tree.nodes.len() == tree.total)
}

/// What is not in the list.
fn note(model: &Model, tree: &TreeView) -> Option<String> {
    let branch = model.branch.as_ref().map(|(_, path)| format!("only {path}, z shows all"));
    let paused = paused(model);
    let rest = match (found(model), &paused) {
        // What was told last is not what there is.
        (_, Some(_)) if model.picture.tree_filter.is_some() => Vec::new(),
        (Some(found), _) => vec![found.note(model)],
        (None, _) => untold(model, tree),
    };
    let parts: Vec<_> = branch.into_iter().chain(rest).chain(paused).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What there is no room for, and what nobody wants to see.
fn untold(model: &Model, tree: &TreeView) -> Vec<String> {
    let lines = tree.lines.unwrap_or(tree.total).min(tree.total);
    let (more, hidden) = (lines.saturating_sub(tree.nodes.len()), tree.total - lines);
    let levels = model.levels.map(|levels| format!("{}, + shows more", counted(levels as u64, "level", "levels")));
    let more = (more > 0).then(|| match model.levels {
        None => format!("{more} more: z shows a branch alone, - fewer levels, left folds one"),
        Some(_) => format!("{more} more"),
    });
    let hidden = (hidden > 0).then(|| match (model.levels, model.folded.is_empty()) {
        (None, _) => format!("{hidden} folded"),
        (Some(_), true) => format!("{hidden} deeper"),
        (Some(_), false) => format!("{hidden} deeper or folded"),
    });
    levels.into_iter().chain(more).chain(hidden).collect()
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
fn with_those_above(lines: &[Line<'_>], pattern: &Pattern) -> HashSet<String> {
    let mut kept = HashSet::new();
    let mut above: Vec<(usize, &str)> = Vec::new();
    for line in lines {
        above.retain(|(level, _)| *level < line.level);
        above.push((line.level, &line.row.path));
        if filter::takes(pattern, line.row) {
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
            folded = model.folded.contains(&line.row.pid.id).then_some(line.level);
        }
    }
    hidden
}
