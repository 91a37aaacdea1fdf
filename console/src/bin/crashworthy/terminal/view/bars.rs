//! The lines above and below a page: what the system is, where one is, what can be done.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::super::acting;
use super::super::geometry;
use super::super::model::{Link, Model, Recorder, Tab, What};
use super::super::page::{Page, Tone};
use super::super::screens;
use super::super::screens::unicode::width;
use super::super::tracing::{self, Stage};
use super::super::typed::Typed;
use super::table::tail;
use super::{Theme, put};
use crate::calendar::moment;
use crate::filter;
use crate::text::{clean, counted, span};

/// A picture that is older is told to be.
const FRESH: Duration = Duration::from_secs(3);
/// What stands before how much is to be traced.
const ASKS: &str = "count rate time: ";

/// The system and its figures, and how it is reached.
pub(crate) fn header(model: &Model, theme: Theme, line: Rect, buffer: &mut Buffer) {
    let (state, tone) = state(model);
    let style = if tone == Tone::Plain { theme.bar() } else { theme.style(tone).patch(theme.bar()) };
    buffer.set_style(line, theme.bar());
    let start = line.right().saturating_sub(width(&state) as u16 + 1);
    let mut at = put(buffer, line, line.x, " ", theme.bar());
    for (number, part) in parts(model).iter().enumerate() {
        let gap = if number > 0 { " · " } else { "" };
        let room = start.saturating_sub(at).saturating_sub(1);
        if number > 0 && width(gap) + width(part) > room.into() {
            break;
        }
        let area = Rect { width: start.saturating_sub(line.x), ..line };
        at = put(buffer, area, at, &format!("{gap}{part}"), theme.bar());
    }
    put(buffer, line, start.max(line.x), &state, style);
}

/// What there is to say of a system, what matters most first.
fn parts(model: &Model) -> Vec<String> {
    if model.is_choosing() {
        return vec!["crashworthy".to_owned()];
    }
    let Some(system) = model.system() else {
        let name = model.hello.as_ref().map_or("crashworthy", |hello| &hello.system);
        return vec![clean(name)];
    };
    let ready = match &model.picture.health {
        Some(health) if health.failing => Some("fails".to_owned()),
        Some(health) if health.stopping => Some("stops".to_owned()),
        Some(health) if !health.ready => {
            Some(format!("{} not ready", health.total + health.down.len() + health.still.len()))
        }
        _ => None,
    };
    let crashes = counted(system.crashes, "crash", "crashes");
    let more = [crashes, counted(system.actors as u64, "actor", "actors"), format!("up {}", span(system.at))];
    let process = format!("process {}", system.process);
    [clean(&system.name)].into_iter().chain(ready).chain(more).chain([process]).collect()
}

/// How new the picture is.
fn state(model: &Model) -> (String, Tone) {
    let age = model.taken.map(|taken| model.now.saturating_sub(taken));
    let old = |word: &str| age.map_or(word.to_owned(), |age| format!("{word} {}", whole(age)));
    match &model.link {
        Link::Recorded => (recorded(model), Tone::Plain),
        Link::Choosing(_) => (String::new(), Tone::Plain),
        Link::Connecting => ("connects".to_owned(), Tone::Plain),
        Link::Lost { .. } => (old("lost"), Tone::Bad),
        Link::Up if model.is_paused => (old("paused"), Tone::Warn),
        Link::Up if age.is_some_and(|age| age > FRESH) => (old("slow"), Tone::Warn),
        Link::Up => ("live".to_owned(), Tone::Plain),
    }
}

/// When what is shown was so, by the clock of the machine.
fn recorded(model: &Model) -> String {
    let when = model.playback.as_ref().map(|playback| moment(playback.moment()));
    match when {
        Some(when) if model.size.0 >= 64 => format!("recorded {when}"),
        _ => "recorded".to_owned(),
    }
}

/// Ages that are counted by eye need no fractions.
fn whole(age: Duration) -> String {
    if age < Duration::from_secs(60) { format!("{} s", age.as_secs()) } else { span(age) }
}

/// The screens, or the way back.
pub(crate) fn tabs(model: &Model, theme: Theme, line: Rect, buffer: &mut Buffer) {
    if let Some(title) = screens::title(model) {
        let from = if model.is_choosing() { "Systems" } else { model.tab.name() };
        let at = put(buffer, line, line.x, &format!("{from} > "), theme.style(Tone::Dim));
        let room = line.right().saturating_sub(at).into();
        put(buffer, line, at, &tail(&title, room), theme.style(Tone::Head));
        return;
    }
    if model.is_choosing() {
        put(buffer, line, line.x, "Which system?", theme.style(Tone::Head));
        return;
    }
    for (number, (columns, label)) in geometry::tabs(line.width).into_iter().enumerate() {
        let chosen = Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
        let style = if number == model.tab as usize { chosen } else { Style::new() };
        put(buffer, line, line.x + columns.start, &label, style);
    }
}

/// What is being typed, told, played or recorded; or else what can be done.
pub(crate) fn footer(model: &Model, page: &Page, theme: Theme, line: Rect, buffer: &mut Buffer) {
    let recorder = recorder(model);
    let start = line.right().saturating_sub(width(&recorder) as u16);
    put(buffer, line, start, &recorder, theme.style(Tone::Bad));
    let area = Rect { width: start.saturating_sub(line.x).saturating_sub(u16::from(!recorder.is_empty())), ..line };
    let (text, tone) = said(model, page, area.width);
    put(buffer, area, line.x, &text, theme.style(tone));
}

/// What stands before a reason that is being typed.
const REASON: &str = "why: ";

/// Where the next letter of a filter goes, or of a reason.
pub(crate) fn cursor(model: &Model) -> Option<(u16, u16)> {
    let (before, text) = match (typed(model), &model.prompt, &model.planned) {
        (Some((before, text, _)), ..) => (before, text),
        (None, Some(prompt), _) => ("/", prompt.as_str()),
        (None, None, Some(planned)) if acting::is_asked(model) => (REASON, planned.reason.as_str()),
        _ => return None,
    };
    let column = u16::try_from(width(before) + width(&clean(text))).unwrap_or(u16::MAX);
    Some((column.min(model.size.0.saturating_sub(1)), geometry::areas(model.size).footer.y))
}

/// What is being typed in answer to a question: what stands before it, and what is wrong with it where the page does not say.
fn typed(model: &Model) -> Option<(&str, &str, Option<&str>)> {
    if let Some(Typed { asks, text, fault }) = &model.typed {
        return Some((asks.before(), text, fault.as_deref()));
    }
    match &model.tracing.as_ref().filter(|_| tracing::is_asked(model))?.stage {
        Stage::Asked { text, .. } => Some((ASKS, text, None)),
        _ => None,
    }
}

fn recorder(model: &Model) -> String {
    match &model.recorder {
        Recorder::Idle => String::new(),
        Recorder::Running { bytes, .. } => format!("REC {} KB", bytes.div_ceil(1000)),
        Recorder::Failed => "REC ENDED".to_owned(),
    }
}

fn said(model: &Model, page: &Page, room: u16) -> (String, Tone) {
    if let Some((before, text, fault)) = typed(model) {
        let (rest, tone) = fault.map_or(("Enter, Esc", Tone::Head), |fault| (fault, Tone::Bad));
        return (format!("{before}{}   {rest}", clean(text)), tone);
    }
    if let Some(prompt) = &model.prompt {
        return match filter::fault(prompt) {
            Some(why) => (format!("/{}   {}", clean(prompt), clean(&why)), Tone::Bad),
            None if filter::is_nothing(prompt) => (format!("/{}   Enter, Esc", clean(prompt)), Tone::Head),
            None => {
                (format!("/{}   {}; Enter keeps, Esc ends", clean(prompt), screens::found(model, page)), Tone::Head)
            }
        };
    }
    if let (Some(planned), None, true) = (&model.planned, &model.notice, acting::is_asked(model)) {
        let rest = if planned.is_said { "" } else { "   Enter does it, Esc does not" };
        let reason = clean(&planned.reason);
        // The end of it is in view while it is typed.
        let typed = tail(&reason, usize::from(room).saturating_sub(width(REASON)));
        return (format!("{REASON}{typed}{rest}"), Tone::Head);
    }
    if let Some((notice, _)) = &model.notice {
        return (clean(notice), Tone::Warn);
    }
    if let Link::Lost { why, again, .. } = &model.link {
        let again = again.saturating_sub(model.now).as_secs() + 1;
        return (format!("{}; o: other systems; tries again in {again} s", clean(why)), Tone::Bad);
    }
    if let Some(playback) = model.playback.as_ref().filter(|playback| playback.pictures() > 1) {
        let (passed, all) = playback.progress();
        let does = if playback.plays() { "plays" } else { "stands" };
        let (index, pictures) = (playback.index() + 1, playback.pictures());
        let text = format!(
            "{does} {} of {}, picture {index} of {pictures}, {}  space [ ] {{ }} < >",
            span(passed),
            span(all),
            playback.speed()
        );
        return (text, Tone::Head);
    }
    let filter = &model.spot().filter;
    if !filter::is_nothing(filter) {
        return match filter::fault(filter) {
            Some(why) => (format!("/{}   {}; Esc", clean(filter), clean(&why)), Tone::Bad),
            None => (format!("/{}   {}; Esc shows all", clean(filter), screens::found(model, page)), Tone::Head),
        };
    }
    (hints(model, room), Tone::Dim)
}

/// The keys that matter here, those that matter most first; all are in the help.
fn hints(model: &Model, room: u16) -> String {
    let all = [("? help", true), ("q quit", true)];
    let here: &[(&str, bool)] = match (model.opened.last(), model.tab) {
        _ if model.is_choosing() && model.opened.is_empty() => &[("Enter look", true)],
        (Some(opened), _) if matches!(opened.what, What::Actor(_)) => &[
            ("Esc back", true),
            ("x act", true),
            ("t trace", true),
            ("d state", false),
            ("/ filter", false),
            ("y JSON", false),
        ],
        (Some(_), _) => &[("Esc back", true), ("/ filter", true), ("y JSON", false)],
        (None, Tab::Tree) => &[
            ("Enter open", true),
            ("/ filter", true),
            ("x act", false),
            ("t trace", false),
            ("left right fold", false),
        ],
        (None, Tab::Top) => &[("s sort", true), ("/ filter", true), ("t trace", false), ("Enter open", false)],
        (None, Tab::Events) => &[("s kinds", true), ("/ filter", true), ("Enter open", false)],
        (None, Tab::Reports) => &[("p progress", true), ("/ filter", true), ("Enter open", false)],
        (None, _) => &[("Enter open", true), ("/ filter", true)],
    };
    let everywhere: &[(&str, bool)] = match (&model.link, model.opened.is_empty()) {
        (Link::Choosing(_), _) | (_, false) => &[],
        _ => &[("space pause", false), ("y JSON", false), ("R record", false)],
    };
    let is_wide = model.size.0 >= 64;
    let mut shown = String::new();
    // What is forbidden is not offered.
    let offered = |hint: &&(&str, bool)| (is_wide || hint.1) && (model.acts || hint.0 != "x act");
    for (hint, _) in all.iter().chain(here).chain(everywhere).filter(offered) {
        let gap = if shown.is_empty() { "" } else { "  " };
        if shown.len() + gap.len() + hint.len() > room.into() {
            break;
        }
        shown += gap;
        shown += hint;
    }
    shown
}
