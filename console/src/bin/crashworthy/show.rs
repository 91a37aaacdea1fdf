//! Answers as text.

use std::fmt::Write;
use std::time::Duration;

use anstyle::Style;
use crashworthy_console::protocol::{
    ActorView, Actors, Crashes, Doing, Health, Rates, ReportsView, Row, Tie, Ties, TreeView, Unready,
};
use crashworthy_runtime::{GateState, Refusals, State};

use crate::text::{BOLD, DIM, RED, YELLOW, clean, clean_lines, counted, short_type, span, table};

const COLUMNS: [&str; 6] = ["KIND", "STATE", ">QUEUED", ">RESTARTS", ">HANDLED", ">LOST"];
/// Of a list that is watched.
const RATES: [&str; 3] = [">MSG/S", ">REFUSED/S", ">BUSY"];

/// A branch, of which so many match that are deeper than is shown.
pub(crate) fn tree(view: &TreeView, deeper: usize) -> String {
    let has_rates = view.nodes.iter().any(|node| node.row.rates.is_some());
    let rows = view.nodes.iter().map(|node| {
        let name = node.row.path.rsplit('/').next().unwrap_or_default();
        line(format!("{}{}", "  ".repeat(node.level), called(name, &node.row)), &node.row, has_rates)
    });
    let mut text = table(&heads("ACTOR", has_rates), rows);
    match (view.matched, view.lines) {
        (Some(matched), Some(lines)) if matched < view.total => {
            let deeper = if deeper > 0 { format!(", {deeper} of them deeper than is shown") } else { String::new() };
            let _ = writeln!(text, "{DIM}{matched} of {} match{deeper}{DIM:#}", view.total);
            more(&mut text, lines, view.nodes.len());
        }
        _ => more(&mut text, view.total, view.nodes.len()),
    }
    text
}

pub(crate) fn top(view: &Actors, has_ages: bool) -> String {
    let has_rates = view.rows.iter().any(|row| row.rates.is_some());
    let mut heads = heads("ACTOR", has_rates);
    let before = heads.len() - 1;
    heads.splice(before..before, has_ages.then_some(">OLDEST"));
    let rows = view.rows.iter().map(|row| {
        let (style, mut cells) = line(called(&row.path, row), row, has_rates);
        cells.splice(before..before, has_ages.then(|| age(row)));
        (style, cells)
    });
    let mut text = table(&heads, rows);
    more(&mut text, view.matched, view.rows.len());
    text
}

pub(crate) fn actor(view: &ActorView) -> String {
    let row = &view.row;
    let (style, law) = (style(row).unwrap_or_default(), &view.law);
    let mut text = format!("{BOLD}{}{BOLD:#}\n", clean(&row.path));
    let mut say = |what: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "  {what:<10} {value}");
    };
    say("pid", &row.pid);
    if let Some(name) = &row.registered {
        say("registered", &clean(name));
    }
    say("kind", &clean(&row.kind));
    say("state", &format!("{style}{}{style:#}", state(row.state)));
    if is_held(row) {
        say("gate", &format!("{YELLOW}{}{YELLOW:#}", row.gate));
    }
    say("doing", &row.doing.as_ref().map_or("nothing".to_owned(), doing));
    if let Some(back_in) = row.back_in {
        say("back in", &span(back_in));
    }
    if let Some(supervises) = &row.supervises {
        say("strategy", &clean(&supervises.text));
    }
    say("restarts", &row.restarts);
    say("mailbox", &format!("{}, {} signals wait", mailbox(row), view.signals));
    say(
        "messages",
        &format!(
            "{} accepted: {} handled, {} expired, {} cancelled, {} displaced, {} undelivered, {} given up, {} in hand, \
             {} queued",
            law.accepted,
            law.handled,
            law.expired,
            law.cancelled,
            law.displaced,
            law.undelivered,
            law.given_up,
            law.in_hand,
            law.queued
        ),
    );
    if view.refusals.total() > 0 {
        say("refused", &refused(&view.refusals));
    }
    if let Some(pool) = &view.pool {
        say("threads", &clean(pool));
    }
    if view.blocked > 0 {
        say("blocked", &blocked(view.blocked));
    }
    say("parent", &view.parent.as_ref().map_or("none".to_owned(), tie));
    let all = [("children", &view.below), ("links", &view.links), ("monitors", &view.monitors)];
    for (what, others) in all.into_iter().chain([("watchers", &view.watchers)]) {
        say(what, &ties(others));
    }
    text
}

pub(crate) fn crashes(view: &Crashes, backtrace: bool) -> String {
    let mut text = format!("{} crashed", view.total);
    told(&mut text, view.matched, view.reports.len());
    for report in &view.reports {
        let mut report = report.clone();
        report.backtrace = report.backtrace.filter(|_| backtrace);
        let ago = view.at.saturating_sub(report.at);
        let _ = writeln!(text, "\n{RED}{}{RED:#} {DIM}{} ago{DIM:#}", clean(&report.path), span(ago));
        text += &clean_lines(&report.to_string(), "  ");
    }
    text
}

pub(crate) fn health(view: &Health) -> String {
    if view.ready {
        return "ready: everybody takes new work\n".to_owned();
    }
    let mut text = String::new();
    for line in not_ready(view) {
        let _ = writeln!(text, "{RED}not ready{RED:#}: {line}");
    }
    if view.total == 0 {
        return text;
    }
    let _ = writeln!(text, "{RED}not ready{RED:#}: these take no new work, or only some");
    let rows = view.unready.iter().map(|unready| {
        let row = &unready.row;
        (style(row), vec![clean(&row.path), state(row.state).to_owned(), why(unready, view.at)])
    });
    text += &table(&["ACTOR", "STATE", "WHY"], rows);
    more(&mut text, view.total, view.unready.len());
    text
}

/// Why the system is not ready, besides its actors.
pub(crate) fn not_ready(view: &Health) -> Vec<String> {
    let down = view
        .down
        .iter()
        .map(|source| format!("{} {} is {}", source.sort.name(), clean(&source.name), clean(&source.state)));
    let still = view.still.iter().filter_map(|pool| {
        let (name, still) = (clean(&pool.name), span(pool.still_for?));
        Some(format!("handlers block every thread of {name}: nobody there has got on for {still}"))
    });
    let stops = view.stopping.then(|| "the system stops".to_owned());
    let fails = view.failing.then(|| "the system fails: the top of its tree has ended, or gives up".to_owned());
    fails.into_iter().chain(stops).chain(still).chain(down).collect()
}

/// Why an actor takes no new work; nothing if that is its state.
pub(crate) fn why(unready: &Unready, at: Duration) -> String {
    let Unready { row, lacks, only } = unready;
    let held = match row.gate {
        GateState::Tripped => Some("tripped, until it is untripped".to_owned()),
        GateState::Draining => Some("drains, and then stops".to_owned()),
        GateState::Stuck => Some("is stuck: who has less time than it has had the same in hand is refused".to_owned()),
        GateState::Suspended => row.back_in.map(|back_in| format!("resumed in {}", span(back_in))),
        _ => None,
    };
    let only = only.filter(|_| lacks.is_empty()).map(|only| format!("takes only what is {only:?}, or matters more"));
    let lacks = lacks.iter().map(|lack| {
        let back = lack.eta.map_or(String::new(), |eta| format!(", expected back in {}", span(eta)));
        let since = span(at.saturating_sub(lack.since));
        format!("lacks {} for {since}{back}", clean(&lack.name))
    });
    held.into_iter().chain(lacks).chain(only).collect::<Vec<_>>().join("; ")
}

pub(crate) fn reports(view: &ReportsView) -> String {
    let counts = &view.counts;
    let mut text = format!(
        "{} start_error, {} child_terminated, {} shutdown, {} shutdown_error, {} progress",
        counts.start_error, counts.child_terminated, counts.shutdown, counts.shutdown_error, counts.progress
    );
    told(&mut text, view.matched, view.reports.len());
    for report in &view.reports {
        let ago = view.at.saturating_sub(report.at);
        let _ = writeln!(text, "\n{DIM}{} ago{DIM:#}", span(ago));
        text += &clean_lines(&report.to_string(), "  ");
    }
    text
}

fn heads(first: &'static str, has_rates: bool) -> Vec<&'static str> {
    let rates = RATES.into_iter().filter(|_| has_rates);
    std::iter::once(first).chain(COLUMNS).chain(rates).chain(["DOING"]).collect()
}

fn line(name: String, row: &Row, has_rates: bool) -> (Option<Style>, Vec<String>) {
    let mut cells = vec![
        name,
        short_type(&row.kind),
        condition(row),
        row.depth.to_string(),
        row.restarts.to_string(),
        row.handled.to_string(),
        (row.given_up + row.undelivered).to_string(),
    ];
    if has_rates {
        cells.extend(rates(row));
    }
    cells.push(does(row, doing));
    (style(row), cells)
}

/// Messages and refusals a second, and how busy it is; nothing of who was not there before.
pub(crate) fn rates(row: &Row) -> [String; 3] {
    let Some(Rates { handled, refused, busy_percent }) = row.rates else { return Default::default() };
    let busy = busy_percent.map_or(String::new(), |percent| format!("{percent}%"));
    [a_second(handled), a_second(refused), busy]
}

/// A rate: exactly if it is low.
fn a_second(rate: f64) -> String {
    if rate > 0.0 && rate < 9.95 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

/// What needs somebody's eye stands out: who is down, and whose mailbox is nearly full.
fn style(row: &Row) -> Option<Style> {
    match row.state {
        State::Restarting => Some(RED),
        State::Suspended => Some(YELLOW),
        State::Starting | State::Running if is_held(row) => Some(YELLOW),
        State::Stopped | State::Gone | State::NotStarted => Some(DIM),
        _ if row.depth > row.limit / 4 * 3 => Some(YELLOW),
        _ => None,
    }
}

/// Whether its gate is not open, and its state does not say so.
pub(crate) fn is_held(row: &Row) -> bool {
    match row.gate {
        GateState::Tripped | GateState::Draining => true,
        GateState::Shedding | GateState::Stuck | GateState::NotReady => {
            matches!(row.state, State::Starting | State::Running)
        }
        _ => false,
    }
}

/// Where it is in its life, and what its gate is where that is not the same.
pub(crate) fn condition(row: &Row) -> String {
    match is_held(row) {
        true if row.state == State::Running => row.gate.to_string(),
        true => format!("{}, {}", state(row.state), row.gate),
        false => state(row.state).to_owned(),
    }
}

pub(crate) fn state(state: State) -> &'static str {
    match state {
        State::NotStarted => "not started",
        State::Starting => "starting",
        State::Running => "running",
        State::Suspended => "suspended",
        State::Restarting => "restarting",
        State::Stopped => "stopped",
        State::Gone => "gone",
        _ => "unknown",
    }
}

/// What an actor does, and how it restarts others; else when it will be back. What may have to be cut comes last.
pub(crate) fn does(row: &Row, doing: impl Fn(&Doing) -> String) -> String {
    let supervises = row.supervises.as_ref().map(|supervises| clean(&supervises.text));
    match (&row.doing, row.back_in) {
        (Some(now), _) => {
            let mut both = vec![doing(now)];
            both.extend(supervises);
            if !is_held_up(now) {
                both.reverse();
            }
            both.join("; ")
        }
        (None, Some(back_in)) => format!("back in {}", span(back_in)),
        (None, None) => supervises.unwrap_or_default(),
    }
}

/// A turn that takes so long holds up its worker.
const HELD_UP: Duration = Duration::from_millis(10);

pub(crate) fn doing(doing: &Doing) -> String {
    let callback = doing.callback.map(|callback| callback.to_string());
    let held = match &doing.waits_for {
        _ if is_held_up(doing) => ", blocks its thread".to_owned(),
        Some(path) => format!(", waits for {}", clean(path)),
        None => String::new(),
    };
    let words = [callback, doing.message.as_deref().map(clean), Some(format!("for {}{held}", span(doing.since)))];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Whether it has had its thread for longer than a turn should.
pub(crate) fn is_held_up(doing: &Doing) -> bool {
    doing.on_thread && doing.since >= HELD_UP
}

/// A name or a path of an actor, and what else it is called.
pub(crate) fn called(name: &str, row: &Row) -> String {
    match &row.registered {
        Some(registered) => format!("{} ({})", clean(name), clean(registered)),
        None => clean(name),
    }
}

/// How old its oldest message is; with a plus, if that is what it is at the least.
pub(crate) fn age(row: &Row) -> String {
    let more = if row.oldest_at_least { "+" } else { "" };
    row.oldest.map_or(String::new(), |age| format!("{}{more}", span(age)))
}

/// How full it is, and how old its oldest message.
pub(crate) fn mailbox(row: &Row) -> String {
    let least = if row.oldest_at_least { "at least " } else { "" };
    let oldest = row.oldest.map_or(String::new(), |age| format!(", the oldest message sent {least}{} ago", span(age)));
    format!("{} of {} places taken{oldest}", row.depth, row.limit)
}

fn ties(ties: &Ties) -> String {
    if ties.total == 0 {
        return "none".to_owned();
    }
    let mut text = ties.first.iter().map(tie).collect::<Vec<_>>().join(", ");
    if ties.total > ties.first.len() {
        let _ = write!(text, " and {} more", ties.total - ties.first.len());
    }
    text
}

/// How many of its turns were longer than turns should be.
pub(crate) fn blocked(turns: u64) -> String {
    format!("{} so far held a thread for too long", counted(turns, "turn", "turns"))
}

/// How often for each reason.
pub(crate) fn refused(refusals: &Refusals) -> String {
    let mut reasons: Vec<_> = refusals.counts.iter().map(|counted| counted.reason).collect();
    reasons.dedup();
    let each: Vec<_> = reasons.iter().map(|&why| format!("{} because {why}", refusals.because(why))).collect();
    each.join(", ")
}

pub(crate) fn tie(tie: &Tie) -> String {
    match &tie.path {
        Some(path) => format!("{} {}", clean(path), tie.pid),
        None if tie.pid == crashworthy_runtime::Pid::OUTSIDE => "outside".to_owned(),
        None => tie.pid.to_string(),
    }
}

fn more(text: &mut String, all: usize, shown: usize) {
    if all > shown {
        let _ = writeln!(text, "{DIM}and {} more{DIM:#}", all - shown);
    }
}

fn told(text: &mut String, matched: usize, shown: usize) {
    let _ = writeln!(text, "; the newest {shown} of {matched} that are kept and match:");
}
