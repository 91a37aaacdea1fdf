//! What the state becomes when something happens. It reads no clock and touches nothing but the state.

use std::time::Duration;

use crashworthy_console::protocol::Hello;
use ratatui::crossterm::event::{KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};

use super::event::{Effect, Event};
use super::model::{Found, Link, Model, Recorder};
use super::picture::Picture;
use super::question::Round;
use super::{acting, command, geometry, held, keys, prompt, screens, tracing, typed};

/// How long what was told stays.
const NOTICE: Duration = Duration::from_secs(6);
/// How long it stays at least, whatever is pressed.
const READ: Duration = Duration::from_secs(1);
/// When something was told that stays until a key is pressed, whoever looked away: it never ages.
const UNTIL_SEEN: Duration = Duration::MAX;
/// Lines that a wheel moves.
const WHEEL: isize = 3;

/// Takes in what has happened; returns what is to be done.
pub(crate) fn reduce(model: &mut Model, now: Duration, event: Event) -> Option<Effect> {
    model.now = now;
    if let Some(playback) = &mut model.playback {
        playback.tick(now);
    }
    if model.notice.as_ref().is_some_and(|(_, since)| now.saturating_sub(*since) > NOTICE) {
        model.notice = None;
    }
    let effect = match event {
        Event::Key(key) => pressed(model, key),
        Event::Mouse(mouse) => pointed(model, mouse),
        Event::Resize(columns, lines) => {
            model.size = (columns, lines);
            None
        }
        Event::Tick => None,
        Event::Ended | Event::Signal(_) | Event::LinkEnded => Some(Effect::Quit),
        Event::Systems(systems) => found(model, systems),
        // What is said of a system that somebody has just left.
        Event::Linked(..) | Event::Lost { .. } | Event::Round(_) | Event::TraceBegun(_) if model.is_choosing() => None,
        Event::Linked(hello, socket, acts) => {
            model.socket = socket.or(model.socket.take());
            model.acts = acts;
            linked(model, *hello);
            None
        }
        Event::Lost { why, again } => {
            lost(model, why, again);
            None
        }
        Event::Round(mut round) => {
            tracing::take(model, &mut round);
            answered(model, round);
            None
        }
        Event::TraceBegun(told) => {
            tracing::begun(model, told);
            None
        }
        Event::Recorded { bytes } => {
            model.recorder = Recorder::Running { bytes };
            None
        }
        Event::RecordingFailed(why) => {
            ended(model, Recorder::Failed, why);
            None
        }
        Event::Planned(told) => {
            acting::planned(model, told.map(|plan| *plan));
            None
        }
        Event::Committed(told) => {
            acting::committed(model, told.map(|view| *view));
            None
        }
        Event::RecordingEnded(told) => {
            ended(model, Recorder::Idle, told);
            None
        }
    };
    held::hold(model);
    settle(model);
    // Who quits, or goes elsewhere, leaves the connection, and the trace with it.
    effect.or_else(|| tracing::leave(model))
}

/// Says something at the bottom, for a while.
pub(crate) fn tell(model: &mut Model, what: impl Into<String>) {
    model.notice = Some((what.into(), model.now));
}

/// Looks at another system, of which nothing is known yet.
pub(crate) fn connect(model: &mut Model, system: std::path::PathBuf) -> Option<Effect> {
    model.link = Link::Connecting;
    model.socket = Some(system.clone());
    model.hello = None;
    forget(model);
    Some(Effect::Connect(system))
}

fn pressed(model: &mut Model, key: KeyEvent) -> Option<Effect> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    see_notice(model);
    if tracing::is_asked(model) && !keys::is_interrupt(key) {
        return tracing::edit(model, key);
    }
    if model.typed.is_some() && !keys::is_interrupt(key) {
        return typed::edit(model, key);
    }
    if model.prompt.is_some() && !keys::is_interrupt(key) {
        prompt::edit(model, key);
        return None;
    }
    if acting::is_asked(model) && !keys::is_interrupt(key) {
        return acting::edit(model, key);
    }
    command::run(model, keys::command(key)?)
}

/// Somebody goes on: what has been in view for long enough to be read makes room for what it hides.
fn see_notice(model: &mut Model) {
    let now = model.now;
    model.notice.take_if(|(_, since)| *since == UNTIL_SEEN || now.saturating_sub(*since) >= READ);
}

fn pointed(model: &mut Model, mouse: MouseEvent) -> Option<Effect> {
    match mouse.kind {
        MouseEventKind::ScrollUp => command::walk(model, -WHEEL),
        MouseEventKind::ScrollDown => command::walk(model, WHEEL),
        MouseEventKind::Down(MouseButton::Left) => {
            see_notice(model);
            return clicked(model, mouse.column, mouse.row);
        }
        _ => {}
    }
    None
}

fn clicked(model: &mut Model, column: u16, line: u16) -> Option<Effect> {
    if geometry::areas(model.size).tabs.contains((column, line).into()) {
        if !model.opened.is_empty() {
            return command::run(model, keys::Command::Back);
        }
        let tabs = geometry::tabs(model.size.0);
        let tab = tabs.iter().position(|(columns, _)| columns.contains(&column))?;
        let help = tabs.len() - 1;
        return command::run(model, if tab == help { keys::Command::Help } else { keys::Command::Tab(tab) });
    }
    let page = screens::page(model);
    let item = geometry::item_at(model, &page, column, line)?;
    if model.spot().list.at() == item && page.items[item].opens.is_some() {
        return command::run(model, keys::Command::Open);
    }
    model.spot_mut().list.go(item, &page.keys());
    None
}

/// One that is alone does not have to be chosen, unless somebody wanted to see the others.
fn found(model: &mut Model, found: Found) -> Option<Effect> {
    if !model.is_choosing() {
        return None;
    }
    match &found.systems[..] {
        [alone] if model.socket.is_none() => connect(model, alone.socket.clone()),
        _ => {
            model.link = Link::Choosing(found);
            None
        }
    }
}

fn linked(model: &mut Model, hello: Hello) {
    tracing::lost(model, None);
    if let Some(before) = &model.hello
        && before.process != hello.process
    {
        let told = format!("another process is there now: {} after {}", hello.process, before.process);
        model.is_succeeded = true;
        model.notice = Some((told, UNTIL_SEEN));
    }
    model.hello = Some(hello);
    if model.link != Link::Recorded {
        model.link = Link::Up;
    }
}

fn lost(model: &mut Model, why: String, again: Duration) {
    tracing::lost(model, Some(&why));
    let since = match model.link {
        Link::Lost { since, .. } => since,
        _ => model.now,
    };
    model.link = Link::Lost { why, since, again: model.now + again };
}

fn answered(model: &mut Model, round: Round) {
    let is_awaited = matches!(model.link, Link::Up | Link::Recorded);
    let is_held = model.is_held();
    if is_awaited && is_held && model.link == Link::Up && round.at().is_some_and(|at| at < model.picture.at()) {
        // What is in view stays, and is of a system that has ended.
        model.is_succeeded = true;
    }
    if !is_awaited || is_held {
        return;
    }
    if std::mem::take(&mut model.is_succeeded) {
        // Ids mean others in another process.
        forget(model);
    } else if model.link == Link::Up && round.at().is_some_and(|at| at < model.picture.at()) {
        forget(model);
        tell(model, "the system has begun anew");
    }
    model.taken = Some(model.now);
    match model.picture.enter(round) {
        Ok(()) => model.complaint = None,
        // It comes with every round: told again and again it would hide what else is said there.
        Err((verb, _)) if model.complaint == Some(verb) => {}
        Err((verb, why)) => {
            model.complaint = Some(verb);
            tell(model, why);
        }
    }
    typed::settle(model);
}

fn ended(model: &mut Model, recorder: Recorder, told: String) {
    model.recorder = recorder;
    tell(model, told);
}

/// Forgets what was known, and where somebody was in it.
fn forget(model: &mut Model) {
    model.picture = Picture::default();
    model.taken = None;
    model.complaint = None;
    model.is_succeeded = false;
    model.opened.clear();
    model.planned = None;
    model.typed = None;
    model.tracing = None;
    model.folded.clear();
    model.branch = None;
}

/// The cursor stays on what it was on, and in view.
fn settle(model: &mut Model) {
    let page = screens::page(model);
    let lines = if page.panels.is_some() { u16::MAX } else { geometry::lines(&page, model.body().1) };
    model.spot_mut().list.settle(&page.keys(), lines.into());
}
