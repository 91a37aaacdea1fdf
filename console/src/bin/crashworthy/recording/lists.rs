//! Lists and branches, made of what was recorded.

use std::str::FromStr as _;

use crashworthy_console::protocol::{Actors, ActorsQuery, Code, Filter, Node, Refusal, Row, Sort, TreeQuery, TreeView};
use crashworthy_console::{Outline, Pattern};
use crashworthy_supervisor::SupervisorReport;
use serde_json::Value;

use super::answers::refuse;
use crate::filter;

/// Reports in an answer unless told otherwise, as in the inspector.
const REPORTS: usize = 20;

/// The branch that is asked for.
pub(super) fn branch(view: TreeView, query: &TreeQuery) -> Result<TreeView, Refusal> {
    let start = match &query.path {
        None => 0,
        Some(word) => find(&view, word)?,
    };
    let base = view.nodes.get(start).map_or(0, |node| node.level);
    let mut branch = view.nodes;
    branch.drain(..start);
    if query.path.is_some() {
        let end = branch.iter().skip(1).position(|node| node.level <= base).map_or(branch.len(), |end| end + 1);
        branch.truncate(end);
    }
    let (branch, pattern) = (&branch, query.pattern.as_deref().map(Pattern::from_str).transpose()?);
    let matches =
        pattern.map(|pattern| move |place: usize| Ok::<_, Refusal>(filter::takes(&pattern, &branch[place].row)));
    let lines = || branch.iter().enumerate().map(|(place, node)| (place, node.level.saturating_sub(base)));
    let drawn = Outline::new(query)?.of(lines, |place| branch[place].row.pid.id, matches)?;
    // Nobody knows who they are who are not in the tree, nor below whom.
    let untold = if query.path.is_none() { view.total.saturating_sub(branch.len()) } else { 0 };
    let is_all = query.pattern.is_none() && query.folded.is_empty() && query.levels.is_none();
    let node = |(place, level): (usize, usize)| Node { level, ..branch[place].clone() };
    Ok(TreeView {
        at: view.at,
        total: drawn.total + untold,
        matched: Some(drawn.matched + if query.pattern.is_none() { untold } else { 0 }),
        lines: Some(drawn.lines + if is_all { untold } else { 0 }),
        nodes: drawn.told.into_iter().map(node).collect(),
    })
}

/// Whether a word means this actor: its path, its id, or its name.
fn is_meant(row: &Row, word: &str) -> bool {
    row.path == word
        || row.pid.to_string() == word
        || row.pid.id.to_string() == word
        || row.path.rsplit('/').next() == Some(word)
        || row.registered.as_deref() == Some(word)
}

/// Whom a word means: a path, and else an id, or a name that only one has.
pub(super) fn find(view: &TreeView, word: &str) -> Result<usize, Refusal> {
    let places = || view.nodes.iter().enumerate();
    if let Some((exact, _)) = places().find(|(_, node)| node.row.path == word) {
        return Ok(exact);
    }
    let mut meant = places().filter(|(_, node)| is_meant(&node.row, word)).map(|(place, _)| place);
    match (meant.next(), meant.count()) {
        (Some(place), 0) => Ok(place),
        (None, _) => Err(refuse(format!("no actor {word:.256?}"))),
        (Some(_), others) => {
            let message = format!("{} actors have the name {word:.256?}: a path tells them apart", others + 1);
            Err(Refusal { code: Code::BadArguments, message })
        }
    }
}

/// Those of the tree who match, in order; `top` is the path of whom they are below.
pub(super) fn actors(view: TreeView, query: &ActorsQuery, top: Option<String>) -> Result<Actors, Refusal> {
    let (asked, told) = (&query.filter, view.nodes.len());
    let pattern = asked.pattern.as_deref().map(Pattern::from_str).transpose()?;
    let matches = |row: &Row| {
        pattern.as_ref().is_none_or(|pattern| filter::takes(pattern, row))
            && asked.text.as_ref().is_none_or(|text| {
                row.path.contains(text.as_str())
                    || row.kind.contains(text.as_str())
                    || row.registered.as_ref().is_some_and(|name| name.contains(text.as_str()))
            })
            && top.as_ref().is_none_or(|top| is_under(&row.path, top))
            && asked.state.is_none_or(|state| row.state == state)
            && (!asked.shut || row.gate.is_shut())
            && row.depth >= asked.min_depth
            && (!asked.busy || row.doing.is_some())
    };
    let size = |row: &Row| match query.sort {
        Sort::Depth => row.depth.into(),
        Sort::InHand | Sort::Busy => row.doing.as_ref().map_or(0, |doing| 1 + doing.since.as_millis() as u64),
        Sort::Handled | Sort::Rate => row.handled,
        Sort::Oldest => row.oldest.map_or(0, |age| 1 + age.as_millis() as u64),
        Sort::Restarts => row.restarts.into(),
        Sort::Lost => row.given_up.saturating_add(row.undelivered),
        Sort::Path => 0,
    };
    let mut rows: Vec<_> = view.nodes.into_iter().map(|node| node.row).filter(matches).collect();
    // Those who are not in the tree match if everybody does.
    let untold = if *asked == Filter::default() { view.total.saturating_sub(told) } else { 0 };
    let matched = rows.len() + untold;
    // Equals stay in the order of the tree.
    match (query.reversed, query.sort) {
        (true, Sort::Path) => rows.reverse(),
        (true, _) => rows.sort_by_key(size),
        (false, _) => rows.sort_by_key(|row| std::cmp::Reverse(size(row))),
    }
    rows.truncate(query.limit.unwrap_or(usize::MAX));
    Ok(Actors { at: view.at, total: view.total, matched, rows })
}

/// Whether the answer to one question has all that another asks for.
pub(super) fn serves(args: &Value, query: &ActorsQuery) -> bool {
    let Ok(asked) = serde_json::from_value::<ActorsQuery>(args.clone()) else { return false };
    let is_as_long = match (asked.limit, query.limit) {
        (None, _) => true,
        (Some(asked), Some(wanted)) => asked >= wanted,
        (Some(_), None) => false,
    };
    asked.filter == query.filter && asked.sort == query.sort && asked.reversed == query.reversed && is_as_long
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

/// Whether a report is of somebody: of a supervisor, and of the child that it is about.
pub(super) fn tells_of(report: &SupervisorReport, is_meant: impl Fn(&str) -> bool) -> bool {
    let (supervisor, offender) = (&report.supervisor, &report.report.offender);
    let number = offender.place.pid().map(|pid| format!("{supervisor}/{}", pid.id));
    is_meant(supervisor)
        || is_meant(&format!("{supervisor}/{}", offender.id))
        || number.is_some_and(|path| is_meant(&path))
}

/// Whether `path` is `top` or below it.
pub(super) fn is_under(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
