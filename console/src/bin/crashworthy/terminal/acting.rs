//! Doing something to what is chosen: a menu, a plan, a reason. Nothing is done by a single key.

use std::time::Duration;

use crashworthy_console::protocol::{CommitQuery, CommitView, Deed, LogLevel, PlanQuery, PlanView};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::command::walk;
use super::event::Effect;
use super::model::{Link, Model, What};
use super::reduce::tell;
use super::{command, screens};
use crate::text::clean;

/// Characters of a reason; a system may allow fewer.
const LONGEST: usize = 200;
/// What is said before the process that is there now has been looked at.
const SUCCEEDED: &str = "what is in view is of a process that has ended: look at the one there is now first";
const MINUTE: Duration = Duration::from_secs(60);

/// A plan that is in view, and what is typed under it.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) plan: PlanView,
    /// When it came.
    pub(crate) since: Duration,
    pub(crate) reason: String,
    /// It was said, and what comes of it is awaited.
    pub(crate) is_said: bool,
}

impl Planned {
    /// How long it may still be committed.
    pub(crate) fn left(&self, now: Duration) -> Option<Duration> {
        (self.since + self.plan.valid).checked_sub(now).filter(|left| !left.is_zero())
    }
}

/// What a menu has in it: of an actor, if one was chosen.
pub(crate) fn deeds(of_actor: bool) -> impl Iterator<Item = (Deed, &'static str)> {
    let actors = [
        (Deed::Stop, "asks it to stop, in order; a permanent one is started again"),
        (Deed::Drain { within: MINUTE / 2 }, "finishes, takes nothing new, then stops; those below it, too"),
        (Deed::Restart, "ends it as if it had failed, so that it is started again"),
        (Deed::Kill, "ends it at its next await; no callback of it runs any more"),
        (Deed::Suspend { span: MINUTE }, "handles no messages for a while"),
        (Deed::Suspend { span: 10 * MINUTE }, "the same for longer"),
        (Deed::Resume, "handles messages again"),
        (Deed::Trip, "refuses all new messages until it is untripped"),
        (Deed::Untrip, "takes messages again"),
    ];
    let levels = [
        (LogLevel::Warn, "what may be wrong, of the whole application"),
        (LogLevel::Info, "what is worth knowing"),
        (LogLevel::Debug, "what helps to find a fault"),
    ];
    let levels = levels.map(|(level, does)| (Deed::LogLevel { level }, does));
    actors.into_iter().filter(move |_| of_actor).chain(levels)
}

/// Opens the menu of the actor that is looked at, or chosen; where there is none, of what is nobody's.
pub(crate) fn open(model: &mut Model) {
    match &model.link {
        Link::Recorded => return tell(model, "this is a recording: nothing can be done to it"),
        Link::Up if !model.acts => return tell(model, "its console is read-only here: nothing can be done through it"),
        Link::Up if model.is_succeeded => return tell(model, SUCCEEDED),
        Link::Up => {}
        _ => return tell(model, "nothing can be done to a system that is not there"),
    }
    if let Some(What::Menu(..)) = model.opened.last().map(|opened| &opened.what) {
        return;
    }
    let actor = command::meant(model);
    let path = actor.as_ref().and_then(|id| screens::known_path(model, id)).map(|path| clean(&path));
    command::push(model, What::Menu(actor, path));
}

/// Has somebody say what would come of it.
pub(crate) fn choose(model: &mut Model, deed: Deed) -> Option<Effect> {
    let Some(What::Menu(actor, _)) = model.opened.last().map(|opened| &opened.what) else { return None };
    if model.is_succeeded {
        tell(model, SUCCEEDED);
        return None;
    }
    let actors = actor.iter().filter(|_| deed.is_to_actors()).cloned().collect();
    tell(model, format!("asks what would come of it: {deed}"));
    Some(Effect::Plan(PlanQuery { deed, actors, matching: None, force: false }))
}

/// What would come of it is known.
pub(crate) fn planned(model: &mut Model, told: Result<PlanView, String>) {
    let Some(What::Menu(actor, path)) = model.opened.last().map(|opened| &opened.what) else {
        // Somebody has thought better of it.
        return;
    };
    let is_of = |plan: &PlanView| {
        let ids = plan.targets.iter().map(|target| target.pid.id.to_string());
        actor.is_none() || !plan.deed.is_to_actors() || ids.eq(actor.clone())
    };
    // An id means somebody else in another process.
    let is_there = |plan: &PlanView| {
        let is_path = |path: &String| plan.targets.iter().all(|target| clean(&target.path) == *path);
        !plan.deed.is_to_actors() || path.as_ref().is_none_or(is_path)
    };
    match told {
        // Meanwhile the menu is another's.
        Ok(plan) if !is_of(&plan) => {}
        Ok(plan) if !is_there(&plan) => tell(model, "somebody else is there now, nothing was done: choose again"),
        Ok(plan) => {
            model.notice = None;
            model.planned = Some(Planned { plan, since: model.now, reason: String::new(), is_said: false });
            command::push(model, What::Plan);
        }
        Err(why) => tell(model, why),
    }
}

/// Whether the plan is in view: keys are the text of the reason.
pub(crate) fn is_asked(model: &Model) -> bool {
    model.opened.last().is_some_and(|opened| opened.what == What::Plan)
}

/// A key while the plan is in view.
pub(crate) fn edit(model: &mut Model, key: KeyEvent) -> Option<Effect> {
    let page_of_lines = isize::try_from(model.body().1).unwrap_or(1).max(1);
    let now = model.now;
    let planned = model.planned.as_mut()?;
    match key.code {
        KeyCode::Esc => close(model),
        KeyCode::Up => walk(model, -1),
        KeyCode::Down => walk(model, 1),
        KeyCode::PageUp => walk(model, -page_of_lines),
        KeyCode::PageDown => walk(model, page_of_lines),
        KeyCode::Enter if planned.is_said => {}
        KeyCode::Enter if planned.reason.trim().is_empty() => tell(model, "it needs a reason, which the audit keeps"),
        KeyCode::Enter if planned.left(now).is_none() => {
            close(model);
            tell(model, "that plan was too old, nothing was done: choose again");
        }
        KeyCode::Enter => {
            planned.is_said = true;
            let (nonce, reason) = (planned.plan.nonce.clone(), planned.reason.trim().to_owned());
            return Some(Effect::Commit(CommitQuery { nonce, reason }));
        }
        _ if planned.is_said => {}
        _ => {
            write(&mut planned.reason, key);
            // What was told hides what is typed.
            model.notice = None;
        }
    }
    None
}

fn write(reason: &mut String, key: KeyEvent) {
    match key.code {
        KeyCode::Backspace => _ = reason.pop(),
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => reason.clear(),
        KeyCode::Char(c) if !c.is_control() && reason.chars().count() < LONGEST => reason.push(c),
        _ => {}
    }
}

/// It was done, or was not.
pub(crate) fn committed(model: &mut Model, told: Result<CommitView, String>) {
    match told {
        Ok(view) => {
            if is_asked(model) {
                close(model);
                // And the menu it was chosen from.
                model.opened.pop();
            }
            let unwritten = if view.audited { "" } else { "; the file of the audit could not be written" };
            let whom: Vec<_> = view.targets.iter().map(|target| format!(", {} {}", target.path, target.pid)).collect();
            tell(model, clean(&format!("done: {}{}{unwritten}", view.deed, whom.concat())));
        }
        Err(why) => {
            if is_asked(model) {
                close(model);
            }
            tell(model, why);
        }
    }
}

/// Leaves the plan.
fn close(model: &mut Model) {
    model.planned = None;
    model.opened.pop();
}
