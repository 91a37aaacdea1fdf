//! What a command does to the state.

use crashworthy_console::Outline;
use crashworthy_console::protocol::Sort;
use crashworthy_runtime::ActorId;

use super::event::Effect;
use super::keys::Command;
use super::model::{Found, Link, Model, OPENED, Opened, Recorder, Spot, TABS, Tab, What};
use super::page::{Opens, Page};
use super::reduce::{connect, tell};
use super::typed::{self, Asks};
use super::{acting, geometry, prompt, screens, tracing};

/// Measures of the top, in the order of the key.
pub(crate) const SORTS: [Sort; 9] = [
    Sort::Depth,
    Sort::Oldest,
    Sort::InHand,
    Sort::Busy,
    Sort::Rate,
    Sort::Handled,
    Sort::Restarts,
    Sort::Lost,
    Sort::Path,
];
/// Levels of a tree of which nothing was told: it may have been too long an answer.
const UNTOLD: usize = 4;
/// Lines of JSON, at most.
const JSON: usize = 5_000;

pub(crate) fn run(model: &mut Model, command: Command) -> Option<Effect> {
    let page_of_lines = isize::try_from(model.body().1.saturating_sub(2)).unwrap_or(1).max(1);
    match command {
        Command::Quit => return Some(Effect::Quit),
        Command::Back => return back(model),
        Command::Open => return open(model),
        Command::Up => walk(model, -1),
        Command::Down => walk(model, 1),
        Command::PageUp => walk(model, -page_of_lines),
        Command::PageDown => walk(model, page_of_lines),
        Command::First => walk(model, isize::MIN),
        Command::Last => walk(model, isize::MAX),
        Command::Fold => sideways(model, Side::Left),
        Command::Unfold => sideways(model, Side::Right),
        Command::Tab(number) => tab(model, number),
        Command::NextTab => tab(model, (model.tab as usize + 1) % TABS.len()),
        Command::PreviousTab => tab(model, (model.tab as usize + TABS.len() - 1) % TABS.len()),
        Command::Branch => branch(model),
        Command::Deeper => levels(model, Depth::More),
        Command::LessDeep => levels(model, Depth::Less),
        Command::Choose => choose(model),
        Command::NextSort => next_sort(model),
        Command::Reverse => reverse(model),
        Command::Trace => tracing::open(model),
        Command::Progress => model.progress = !model.progress,
        Command::Pause => pause(model),
        Command::Filter => prompt::open(model),
        Command::Help => push(model, What::Help),
        Command::Json => json(model),
        Command::Record => return record(model),
        Command::Systems => return systems(model),
        Command::Act => acting::open(model),
        Command::State => state(model),
        Command::Go => typed::open(model, Asks::Whither),
        Command::Step(_) | Command::ToStart | Command::ToEnd | Command::Faster | Command::Slower => {
            play(model, command);
        }
    }
    None
}

/// Moves the cursor, or a text that has nothing to choose in it.
pub(crate) fn walk(model: &mut Model, lines: isize) {
    let page = screens::page(model);
    let height = usize::from(geometry::lines(&page, model.body().1));
    let is_read = page.panels.is_none() && page.items.iter().all(|item| item.opens.is_none());
    let list = &mut model.spot_mut().list;
    if is_read {
        let edge = if lines > 0 { list.first() + height.saturating_sub(1) } else { list.first() };
        list.go(edge.saturating_add_signed(lines), &page.keys());
    } else {
        list.walk(lines, &page.keys());
    }
}

fn back(model: &mut Model) -> Option<Effect> {
    if !model.spot().filter.is_empty() {
        model.spot_mut().filter.clear();
    } else if model.opened.is_empty() && !model.is_choosing() && model.tab == Tab::Tree && model.branch.is_some() {
        model.branch = None;
    } else if model.opened.pop().is_none() && model.is_choosing() {
        return model.socket.clone().and_then(|socket| connect(model, socket));
    }
    None
}

fn open(model: &mut Model) -> Option<Effect> {
    let page = screens::page(model);
    let what = match page.items.get(model.spot().list.at())?.opens.clone()? {
        Opens::System(socket) => return connect(model, socket),
        Opens::Deed(deed) => return acting::choose(model, deed),
        Opens::Places => {
            typed::open(model, Asks::Places);
            return None;
        }
        Opens::Actor(id) => What::Actor(id),
        Opens::Crash(pid) => What::Crash(pid),
        Opens::Report(key) => What::Report(key),
        Opens::Audit(number) => What::Audit(number),
        Opens::Event(number) => What::Event(number),
        Opens::Sort(by) => {
            model.opened.pop();
            sort(model, by);
            return None;
        }
        Opens::Kinds(kinds) => {
            model.opened.pop();
            model.kinds = kinds;
            return None;
        }
    };
    push(model, what);
    None
}

/// The actor that is looked at, or chosen, by its id: the one that an event is about, too.
pub(crate) fn meant(model: &Model) -> Option<String> {
    match model.opened.last().map(|opened| &opened.what) {
        Some(What::Actor(id) | What::State(id)) => Some(id.clone()),
        Some(What::Event(number)) => screens::actor_of_event(model, *number),
        _ => match screens::page(model).items.get(model.spot().list.at())?.opens.clone()? {
            Opens::Actor(id) => Some(id),
            Opens::Event(number) => screens::actor_of_event(model, number),
            _ => None,
        },
    }
}

fn state(model: &mut Model) {
    match (meant(model), model.opened.last().map(|opened| &opened.what)) {
        (_, Some(What::State(_))) => {}
        (Some(id), _) => push(model, What::State(id)),
        (None, _) => tell(model, "choose an actor first"),
    }
}

pub(crate) fn push(model: &mut Model, what: What) {
    if model.opened.last().is_some_and(|opened| opened.what == what) {
        return;
    }
    if model.opened.len() >= OPENED {
        model.opened.remove(0);
    }
    model.opened.push(Opened { what, spot: Spot::default() });
}

fn tab(model: &mut Model, number: usize) {
    if let Some(&tab) = TABS.get(number)
        && !model.is_choosing()
    {
        model.tab = tab;
        model.opened.clear();
    }
}

/// Opens what there is to choose of a list.
fn choose(model: &mut Model) {
    let (what, chosen) = match model.tab {
        _ if model.is_choosing() || !model.opened.is_empty() => return,
        Tab::Top => (What::Sorts, Opens::Sort(model.sort)),
        Tab::Events => (What::Kinds, Opens::Kinds(model.kinds)),
        _ => return,
    };
    push(model, what);
    let page = screens::page(model);
    let at = page.items.iter().position(|item| item.opens.as_ref() == Some(&chosen)).unwrap_or(0);
    model.spot_mut().list.go(at, &page.keys());
}

fn next_sort(model: &mut Model) {
    if model.tab == Tab::Top && model.opened.is_empty() {
        let at = SORTS.iter().position(|sort| *sort == model.sort).unwrap_or(0);
        sort(model, SORTS[(at + 1) % SORTS.len()]);
    }
}

fn reverse(model: &mut Model) {
    if model.tab == Tab::Top && model.opened.is_empty() {
        model.reversed = !model.reversed;
        sort(model, model.sort);
    }
}

fn sort(model: &mut Model, by: Sort) {
    model.sort = by;
    // What came first comes first again.
    model.spots[Tab::Top as usize].list = super::list::List::default();
}

fn pause(model: &mut Model) {
    match &mut model.playback {
        Some(playback) => playback.toggle(),
        None => model.is_paused = !model.is_paused,
    }
}

/// Shows the chosen branch of the tree alone, or all of it again.
fn branch(model: &mut Model) {
    if model.tab != Tab::Tree || !model.opened.is_empty() || model.is_choosing() {
        return;
    }
    let chosen = screens::page(model).items.get(model.spot().list.at()).and_then(|item| item.opens.clone());
    let Some(Opens::Actor(id)) = chosen else { return };
    let is_shown = model.branch.as_ref().is_some_and(|(top, _)| *top == id);
    model.branch = if is_shown { None } else { Some((id.clone(), screens::actor_path(model, &id))) };
}

#[derive(Clone, Copy)]
enum Depth {
    Less,
    More,
}

/// Levels of the tree: one less, down to the tops, or one more, up to all there are.
fn levels(model: &mut Model, depth: Depth) {
    if model.tab != Tab::Tree {
        return;
    }
    let tree = model.picture.tree.as_ref();
    let told = tree.and_then(|tree| tree.nodes.iter().map(|node| node.level.saturating_add(1)).max());
    let told = told.unwrap_or(UNTOLD);
    let is_whole = tree.is_some_and(|tree| tree.nodes.len() >= tree.total);
    model.levels = match (depth, model.levels) {
        (Depth::Less, levels) => Some(levels.unwrap_or(told).saturating_sub(1).max(1)),
        (Depth::More, Some(levels)) if !is_whole && told >= levels => Some(levels + 1),
        (Depth::More, _) => None,
    };
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// Folds or unfolds a branch; goes to the panel beside.
fn sideways(model: &mut Model, side: Side) {
    let page = screens::page(model);
    let at = model.spot().list.at();
    let Some(item) = page.items.get(at) else { return };
    if page.panels.is_some() {
        let to = beside(&page, item.panel, side);
        model.spot_mut().list.go(to.unwrap_or(at), &page.keys());
    } else if let (true, Tab::Tree, Some(Opens::Actor(id))) = (model.opened.is_empty(), model.tab, &item.opens) {
        let nodes = model.picture.tree.iter().flat_map(|tree| &tree.nodes);
        let top = nodes.map(|node| node.row.pid.id).find(|top| top.to_string() == *id);
        match (top, side) {
            (Some(top), Side::Left) => fold(model, top),
            (Some(top), Side::Right) => drop(model.folded.remove(&top)),
            // Who is no more has nobody below.
            (None, _) => {}
        }
    }
}

fn fold(model: &mut Model, top: ActorId) {
    if model.folded.len() < Outline::FOLDED {
        model.folded.insert(top);
    } else if !model.folded.contains(&top) {
        tell(model, format!("{} branches are folded: unfold one first", Outline::FOLDED));
    }
}

/// The first item of the panel beside one.
fn beside(page: &Page, panel: usize, side: Side) -> Option<usize> {
    let panel = match side {
        Side::Left => panel.checked_sub(1)?,
        Side::Right => panel + 1,
    };
    page.items.iter().position(|item| item.panel == panel)
}

fn json(model: &mut Model) {
    let page = screens::page(model);
    let chosen = page.items.get(model.spot().list.at()).and_then(|item| item.opens.as_ref());
    let is_read = model.opened.last().is_some();
    let raw = match chosen {
        Some(opens) if !is_read => screens::raw(model, opens),
        _ => screens::raw_page(model),
    };
    match raw {
        Some((of, value)) => {
            let text = format!("{value:#}");
            push(model, What::Json(of, text.lines().take(JSON).map(str::to_owned).collect()));
        }
        None => tell(model, "nothing here is known as JSON"),
    }
}

fn record(model: &mut Model) -> Option<Effect> {
    match (&model.link, &model.recorder) {
        (Link::Recorded, _) => tell(model, "this is a recording"),
        (_, Recorder::Running { .. }) => return Some(Effect::StopRecording),
        (Link::Choosing(_), _) => tell(model, "choose a system first"),
        _ => return Some(Effect::Record),
    }
    None
}

fn systems(model: &mut Model) -> Option<Effect> {
    match (&model.link, &model.recorder) {
        (Link::Recorded, _) => tell(model, "this is a recording"),
        (_, Recorder::Running { .. }) => tell(model, "this system is being recorded: R ends that"),
        (Link::Choosing(_), _) => {}
        _ => {
            model.link = Link::Choosing(Found::default());
            model.opened.clear();
            return Some(Effect::Search);
        }
    }
    None
}

fn play(model: &mut Model, command: Command) {
    let Some(playback) = &mut model.playback else {
        return tell(model, "only a recording can be wound");
    };
    match command {
        Command::Step(by) => playback.step(by),
        Command::ToStart => playback.rewind(),
        Command::ToEnd => playback.wind(),
        Command::Faster => playback.faster(),
        Command::Slower => playback.slower(),
        _ => {}
    }
}
