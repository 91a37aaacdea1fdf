//! What is limited: gates that are not open, restarts that are left, mailboxes that are nearly full, workers, and the console
//! itself.

use std::time::Duration;

use crashworthy_console::Limits;
use crashworthy_console::protocol::{Pools, Row, SourceView, TreeView};
use crashworthy_runtime::StateView;

use super::super::model::Model;
use super::super::page::{Opens, Page, Tone};
use super::super::question::Question;
use super::{Text, id, unanswered};
use crate::sources::figures;
use crate::text::{clean, counted, span};

/// A turn that takes so long is told.
const LONG: Duration = Duration::from_millis(100);
/// Mailboxes that are told of, the fullest first.
const FULLEST: usize = 5;

pub(crate) fn page(model: &Model) -> Page {
    let mut text = Text::new(model.body().0);
    gates(&mut text, model);
    if let Some(tree) = &model.picture.tree {
        budgets(&mut text, tree);
        mailboxes(&mut text, tree);
    }
    if let Some(system) = model.system() {
        sources(&mut text, &system.sources);
        workers(&mut text, &system.pools);
    }
    if let Some(hello) = &model.hello {
        console(&mut text, &hello.limits);
    }
    if let Some(turned_away) = model.system().and_then(|system| system.turned_away) {
        let times = counted(turned_away, "connection", "connections");
        text.say("turned away", &format!("{times} over TCP, without the token"));
    }
    text.page()
}

/// Those that are not open.
fn gates(text: &mut Text, model: &Model) {
    text.line(Tone::Head, "gates that are not open");
    let Some(shut) = &model.picture.shut else {
        return text.line(Tone::Dim, &format!("  {}", unanswered(model, &Question::Shut)));
    };
    if shut.matched == 0 {
        text.line(Tone::Good, "  none");
    }
    for row in &shut.rows {
        let back = row.back_in.map(|back_in| format!(", back in {}", span(back_in))).unwrap_or_default();
        let line = format!("  {}: {}{back}, {} of {} places taken", row.path, row.gate, row.depth, row.limit);
        text.link(&line, Tone::Warn, Opens::Actor(id(row.pid.id)));
    }
    more(text, shut.matched, shut.rows.len());
}

/// The restarts that supervisors have left, the fewest first.
fn budgets(text: &mut Text, tree: &TreeView) {
    let rows = tree.nodes.iter().map(|node| &node.row);
    let mut all: Vec<_> = rows.filter_map(|row| Some((row, row.supervises.as_ref()?))).collect();
    all.sort_by_key(|(_, supervises)| supervises.budget.left());
    text.gap();
    text.line(Tone::Head, "restart budgets");
    if all.is_empty() {
        text.line(Tone::Plain, "  no supervisor is known");
    }
    for (row, supervises) in all {
        let tone = match supervises.budget.left() {
            0 => Tone::Bad,
            left if left < supervises.budget.allowed => Tone::Warn,
            _ => Tone::Plain,
        };
        text.link(&format!("  {}: {}", row.path, supervises.text), tone, Opens::Actor(id(row.pid.id)));
    }
}

/// The fullest of those that have something in them.
fn mailboxes(text: &mut Text, tree: &TreeView) {
    let full = |row: &Row| u64::from(row.depth) * 1_000 / u64::from(row.limit.max(1));
    let mut all: Vec<_> = tree.nodes.iter().map(|node| &node.row).filter(|row| row.depth > 0).collect();
    all.sort_by_key(|row| std::cmp::Reverse(full(row)));
    text.gap();
    text.line(Tone::Head, "the fullest mailboxes");
    if all.is_empty() {
        text.line(Tone::Plain, "  all are empty");
    }
    for row in all.iter().take(FULLEST) {
        let line = format!("  {}: {} of {} places taken", row.path, row.depth, row.limit);
        text.link(&line, super::rows::tone(row), Opens::Actor(id(row.pid.id)));
    }
}

/// Circuit breakers, caches and pools of the service: those that do not serve first.
fn sources(text: &mut Text, all: &[SourceView]) {
    if all.is_empty() {
        return;
    }
    text.gap();
    text.line(Tone::Head, "breakers, caches and pools of the service");
    let mut all: Vec<_> = all.iter().collect();
    all.sort_by_key(|source| source.serves);
    for source in all {
        let tone = match (source.serves, source.critical) {
            (true, _) => Tone::Plain,
            (false, false) => Tone::Warn,
            (false, true) => Tone::Bad,
        };
        let figures = Some(figures(source)).filter(|figures| !figures.is_empty());
        let figures = figures.map(|figures| format!("; {figures}")).unwrap_or_default();
        let serves = if source.serves { "" } else { ", does not serve" };
        let (sort, name, state) = (source.sort.name(), clean(&source.name), clean(&source.state));
        text.line(tone, &format!("  {sort} {name}: {state}{serves}{figures}"));
    }
}

/// The threads that take turns.
fn workers(text: &mut Text, pools: &Pools) {
    text.gap();
    text.line(Tone::Head, "workers");
    for pool in &pools.first {
        let longest = pool.workers.iter().filter_map(|worker| worker.in_turn_for).max().unwrap_or_default();
        let (long, said) =
            (longest >= LONG, if longest >= LONG { format!(", one for {}", span(longest)) } else { String::new() });
        let mut line = format!(
            "  {}: {}, {} in a turn{said}; {}",
            clean(&pool.name),
            counted(pool.total as u64, "worker", "workers"),
            pool.in_turn,
            counted(pool.queued as u64, "actor waits", "actors wait"),
        );
        if pool.rescuers > 0 {
            line += &format!(
                "; {} in their place",
                counted(pool.rescuers as u64, "thread takes turns", "threads take turns")
            );
        }
        let tone = if pool.rescuers > 0 { Tone::Bad } else { [Tone::Plain, Tone::Warn][usize::from(long)] };
        text.line(tone, &line);
    }
    more(text, pools.total, pools.first.len());
}

/// What clients may use up, and what they may do.
fn console(text: &mut Text, limits: &Limits) {
    let Limits { connections, requests, line, answer, rows, watches, state_within, .. } = limits;
    let Limits { line_within, read_within, idle, actions, trace, .. } = limits;
    text.gap();
    text.line(Tone::Head, "limits of the console that are in force");
    text.say("clients", &format!("{connections} at a time"));
    text.say("requests", &format!("{requests} a second, of at most {line} bytes"));
    text.say("answers", &format!("{rows} rows, {answer} bytes"));
    let times = [(line_within, "a request"), (read_within, "reading an answer"), (idle, "silence")];
    text.say("patience", &listed(times));
    text.say("watches", &format!("{} by each client", counted(*watches as u64, "list", "lists")));
    let (bytes, levels) = (StateView::BYTES, StateView::LEVELS);
    text.say("state", &format!("{} for an actor to show it, {bytes} bytes, {levels} levels", span(*state_within)));
    let (traces, messages) = (trace.at_once, counted(trace.count.into(), "message", "messages"));
    text.say(
        "traces",
        &format!("{traces} at a time, each {messages}, {} a second, {}", trace.rate, span(trace.within)),
    );
    let (destructive, bulks) = (counted(actions.destructive.into(), "action", "actions"), actions.bulks);
    text.say("actions", &format!("{destructive} a minute that take something away, {bulks} to several actors"));
    let (actors, percent, few) = (actions.bulk_actors, actions.bulk_percent, actions.bulk_few);
    text.say("at once", &format!("{actors} actors, and {percent} % of a type, or {few}, but never all"));
    let times = [(&actions.plan_valid, "a plan"), (&actions.suspend, "a suspension"), (&actions.drain, "a drain")];
    text.say("at most", &listed(times));
}

fn listed(times: [(&Duration, &str); 3]) -> String {
    times.map(|(time, what)| format!("{} for {what}", span(*time))).join(", ")
}

fn more(text: &mut Text, all: usize, shown: usize) {
    if all > shown {
        text.line(Tone::Dim, &format!("  and {} more", all - shown));
    }
}
