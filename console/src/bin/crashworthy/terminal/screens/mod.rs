//! What each screen shows, made from the state.

mod acting;
mod actor;
mod audit;
mod crashes;
mod events;
mod found;
mod health;
mod help;
mod limits;
mod pulse;
mod reports;
mod rows;
mod sorts;
mod spark;
mod state;
mod systems;
mod text;
mod top;
mod trace;
mod tree;

use crashworthy_console::protocol::AuditEntry;
use crashworthy_runtime::{ActorId, SystemEvent};
use crashworthy_supervisor::SupervisorReport;
use serde_json::Value;

pub(crate) use self::text::{Text, unicode};
use super::model::{Link, Model, Tab, What};
use super::page::{Opens, Page};
use super::question::Question;
use crate::text::clean;

/// The page that is in view, without the lines that its filter leaves out.
pub(crate) fn page(model: &Model) -> Page {
    let filter = &model.spot().filter;
    if let (Link::Choosing(found), None) = (&model.link, model.opened.last()) {
        let mut page = systems::page(found);
        page.filter(filter);
        return page;
    }
    let mut page = match model.opened.last().map(|opened| &opened.what) {
        Some(What::Actor(id)) => actor::page(model, id),
        Some(What::State(id)) => state::page(model, id),
        Some(What::Crash(pid)) => crashes::one(model, *pid),
        Some(What::Report(key)) => reports::one(model, key),
        Some(What::Audit(number)) => audit::one(model, *number),
        Some(What::Event(number)) => events::one(model, *number),
        Some(What::Json(_, lines)) => text::plain(lines, model.body().0),
        Some(What::Sorts) => sorts::page(model),
        Some(What::Kinds) => events::kinds(model),
        Some(What::Trace) => trace::page(model),
        Some(What::Help) => help::page(model.body().0),
        Some(What::Menu(actor, _)) => acting::menu(actor.is_some()),
        Some(What::Plan) => acting::plan(model),
        None => match model.tab {
            Tab::Pulse => pulse::page(model),
            // Those above who matches are shown, too; and a filter knows types in full.
            Tab::Tree => return tree::page(model, filter),
            Tab::Top => return top::page(model, filter),
            Tab::Crashes => crashes::page(model),
            Tab::Reports => reports::page(model),
            Tab::Health => health::page(model),
            Tab::Limits => limits::page(model),
            Tab::Audit => audit::page(model),
            Tab::Events => events::page(model),
        },
    };
    page.filter(filter);
    page
}

/// A page to which there is no answer.
fn nothing(model: &Model, question: &Question) -> Page {
    Page { empty: unanswered(model, question), ..Page::default() }
}

/// What is said in place of an answer that has not come: that it is waited for, or why it does not come.
fn unanswered(model: &Model, question: &Question) -> String {
    if let Some(why) = model.picture.refusal(question) {
        return clean(why);
    }
    let why = match &model.link {
        Link::Recorded => "this was not recorded",
        Link::Lost { .. } if model.taken.is_none() => "nobody has answered yet",
        Link::Lost { .. } => "this was not seen before the system was lost",
        Link::Up if model.is_held() => "this was not seen before the pause: space goes on",
        _ => "waits for an answer",
    };
    why.to_owned()
}

/// How many of the page in view match its filter: of a list of actors also those that were not told, unless nobody asks for them.
pub(crate) fn found(model: &Model, page: &Page) -> String {
    let (found, is_partly) = match model.tab {
        _ if model.is_choosing() || !model.opened.is_empty() => (None, false),
        Tab::Tree => (tree::found(model), tree::paused(model).is_some()),
        Tab::Top => (top::found(model), top::paused(model).is_some()),
        _ => (None, false),
    };
    let count = found.map_or(page.items.len(), |found| found.count());
    format!("{count} found{}", if is_partly { " of what is here" } else { "" })
}

/// What a page is of, if it was opened.
pub(crate) fn title(model: &Model) -> Option<String> {
    Some(match &model.opened.last()?.what {
        What::Actor(id) => actor::title(model, id),
        What::State(id) => state::title(model, id),
        What::Crash(_) => "a crash".to_owned(),
        What::Report(_) => "a report".to_owned(),
        What::Audit(_) => "an entry of the audit".to_owned(),
        What::Event(_) => "an event".to_owned(),
        What::Json(of, _) => format!("{of} as JSON"),
        What::Sorts => "sorted by".to_owned(),
        What::Kinds => "which kinds".to_owned(),
        What::Trace => trace::title(model),
        What::Help => "Help".to_owned(),
        What::Menu(_, path) => path.clone().unwrap_or_else(|| "what can be done".to_owned()),
        What::Plan => "what would come of it".to_owned(),
    })
}

/// The path of an actor, as far as it is known.
pub(crate) fn actor_path(model: &Model, asked: &str) -> String {
    actor::title(model, asked)
}

/// The same as it came; none while it is not known.
pub(crate) fn known_path(model: &Model, asked: &str) -> Option<String> {
    actor::path(model, asked).map(str::to_owned)
}

/// An event, as far as it is known.
pub(crate) fn event(model: &Model, number: u64) -> Option<&SystemEvent> {
    events::find(model, number)
}

/// A report, likewise.
pub(crate) fn report<'a>(model: &'a Model, key: &str) -> Option<&'a SupervisorReport> {
    reports::find(model, key)
}

/// An entry of the audit, likewise.
pub(crate) fn entry(model: &Model, number: u64) -> Option<&AuditEntry> {
    audit::find(model, number)
}

/// Whom an event is about, by its id.
pub(crate) fn actor_of_event(model: &Model, number: u64) -> Option<String> {
    events::actor(model, number)
}

/// What a line leads to, as it came: its name, and its value.
pub(crate) fn raw(model: &Model, opens: &Opens) -> Option<(String, Value)> {
    match opens {
        Opens::Actor(id) => actor::raw(model, id),
        Opens::Crash(pid) => crashes::raw(model, *pid),
        Opens::Report(key) => reports::raw(model, key),
        Opens::Audit(number) => audit::raw(model, *number),
        Opens::Event(number) => events::raw(model, *number),
        Opens::System(_) | Opens::Deed(_) | Opens::Places | Opens::Sort(_) | Opens::Kinds(_) => None,
    }
}

/// The same of the page itself.
pub(crate) fn raw_page(model: &Model) -> Option<(String, Value)> {
    match model.opened.last().map(|opened| &opened.what) {
        Some(What::Actor(id)) => actor::raw(model, id),
        Some(What::State(id)) => state::raw(model, id),
        Some(What::Crash(pid)) => crashes::raw(model, *pid),
        Some(What::Report(key)) => reports::raw(model, key),
        Some(What::Audit(number)) => audit::raw(model, *number),
        Some(What::Event(number)) => events::raw(model, *number),
        Some(What::Trace) => trace::raw(model),
        Some(What::Json(..) | What::Sorts | What::Kinds | What::Help | What::Menu(..) | What::Plan) => None,
        None => {
            let picture = &model.picture;
            let value = match model.tab {
                Tab::Pulse => data(&picture.system),
                Tab::Tree => data(&picture.tree),
                Tab::Top => data(&picture.top),
                Tab::Crashes => data(&picture.crashes),
                Tab::Reports => data(&picture.reports.as_ref().map(|(_, reports)| reports)),
                Tab::Health => data(&picture.health),
                Tab::Limits => data(&picture.shut),
                Tab::Audit => data(&picture.audit),
                Tab::Events => data(&picture.happened.as_ref().map(|happened| &happened.events)),
            };
            Some((model.tab.name().to_owned(), value?))
        }
    }
}

fn data(value: &impl serde::Serialize) -> Option<Value> {
    serde_json::to_value(value).ok().filter(|value| !value.is_null())
}

/// How an actor is asked for: the place in the system, which survives restarts.
fn id(id: ActorId) -> String {
    id.to_string()
}
