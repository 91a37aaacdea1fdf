//! Lists and branches, made of what was recorded.

use crashworthy_console::protocol::{Actors, ActorsQuery, Filter, Refusal, Row, Sort, TreeQuery, TreeView};
use serde_json::Value;

use super::answers::refuse;

/// Reports in an answer unless told otherwise, as in the inspector.
const REPORTS: usize = 20;

/// The branch that is asked for.
pub(super) fn branch(view: TreeView, query: &TreeQuery) -> Result<TreeView, Refusal> {
    let start = match &query.path {
        None => 0,
        Some(word) => {
            let found = view.nodes.iter().position(|node| is_meant(&node.row, word));
            found.ok_or_else(|| refuse(format!("no actor {word:.256?}")))?
        }
    };
    let base = view.nodes.get(start).map_or(0, |node| node.level);
    let mut branch = view.nodes;
    branch.drain(..start);
    if query.path.is_some() {
        let end = branch.iter().skip(1).position(|node| node.level <= base).map_or(branch.len(), |end| end + 1);
        branch.truncate(end);
    }
    let untold = if query.path.is_none() { view.total.saturating_sub(branch.len()) } else { 0 };
    let total = branch.len() + untold;
    for node in &mut branch {
        node.level = node.level.saturating_sub(base);
    }
    branch.retain(|node| query.levels.is_none_or(|levels| node.level < levels));
    branch.truncate(query.limit.unwrap_or(usize::MAX));
    Ok(TreeView { at: view.at, total, nodes: branch })
}

/// Whether a word means this actor: its path, its id, or its name.
fn is_meant(row: &Row, word: &str) -> bool {
    row.path == word
        || row.pid.to_string() == word
        || row.pid.id.to_string() == word
        || row.path.rsplit('/').next() == Some(word)
}

/// The path of whom a word means; the word itself, if that is nobody or more than one.
pub(super) fn path_of(view: &TreeView, word: &str) -> String {
    let rows = || view.nodes.iter().map(|node| &node.row);
    let exact = rows().find(|row| row.path == word);
    let mut named = rows().filter(|row| is_meant(row, word));
    let alone = exact.or_else(|| named.next().filter(|_| named.next().is_none()));
    alone.map_or_else(|| word.to_owned(), |row| row.path.clone())
}

/// Those of the tree who match, in order.
pub(super) fn actors(view: TreeView, query: &ActorsQuery) -> Actors {
    let (filter, told) = (&query.filter, view.nodes.len());
    let top = filter.under.as_ref().map(|word| path_of(&view, word));
    let matches = |row: &Row| {
        filter.text.as_ref().is_none_or(|text| row.path.contains(text.as_str()) || row.kind.contains(text.as_str()))
            && top.as_ref().is_none_or(|top| is_under(&row.path, top))
            && filter.state.is_none_or(|state| row.state == state)
            && (!filter.shut || row.gate.is_shut())
            && row.depth >= filter.min_depth
            && (!filter.busy || row.doing.is_some())
    };
    let size = |row: &Row| match query.sort {
        Sort::Depth => row.depth.into(),
        Sort::InHand => row.doing.as_ref().map_or(0, |doing| 1 + doing.since.as_millis() as u64),
        Sort::Handled => row.handled,
        Sort::Restarts => row.restarts.into(),
        Sort::Lost => row.given_up.saturating_add(row.undelivered),
        Sort::Path => 0,
    };
    let mut rows: Vec<_> = view.nodes.into_iter().map(|node| node.row).filter(matches).collect();
    // Those who are not in the tree match if everybody does.
    let untold = if *filter == Filter::default() { view.total.saturating_sub(told) } else { 0 };
    let matched = rows.len() + untold;
    // Equals stay in the order of the tree.
    rows.sort_by_key(|row| std::cmp::Reverse(size(row)));
    rows.truncate(query.limit.unwrap_or(usize::MAX));
    Actors { at: view.at, total: view.total, matched, rows }
}

/// Whether the answer to one question has all that another asks for.
pub(super) fn serves(args: &Value, query: &ActorsQuery) -> bool {
    let Ok(asked) = serde_json::from_value::<ActorsQuery>(args.clone()) else { return false };
    let is_as_long = match (asked.limit, query.limit) {
        (None, _) => true,
        (Some(asked), Some(wanted)) => asked >= wanted,
        (Some(_), None) => false,
    };
    asked.filter == query.filter && asked.sort == query.sort && is_as_long
}

/// The first so many of a list.
pub(super) fn first(mut actors: Actors, limit: Option<usize>) -> Actors {
    actors.rows.truncate(limit.unwrap_or(usize::MAX));
    actors
}

/// Leaves the newest so many below a path. Returns how many were below it.
pub(super) fn narrow<T>(
    reports: &mut Vec<T>,
    under: &Option<String>,
    limit: Option<usize>,
    path: impl Fn(&T) -> &str,
) -> usize {
    reports.retain(|report| under.as_ref().is_none_or(|top| is_under(path(report), top)));
    let matched = reports.len();
    reports.drain(..matched.saturating_sub(limit.unwrap_or(REPORTS)));
    matched
}

/// Whether `path` is `top` or below it.
fn is_under(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
