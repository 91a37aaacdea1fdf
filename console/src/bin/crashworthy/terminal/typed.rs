//! What is typed at the bottom and is neither a filter nor a reason: where to go, and how many messages a mailbox is to hold.

use crashworthy_console::protocol::Deed;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::event::Effect;
use super::keys::Command;
use super::model::{Model, TABS, What};
use super::{acting, command, tracing};

/// Characters, at most: a path may be long.
const LONGEST: usize = 512;

/// What is being typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typed {
    pub(crate) asks: Asks,
    pub(crate) text: String,
    /// What is wrong with what was typed.
    pub(crate) fault: Option<String>,
}

/// What it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asks {
    /// A screen, or an actor.
    #[default]
    Whither,
    /// So many messages, for the actor whose menu is open.
    Places,
}

impl Asks {
    /// What stands before it.
    pub(crate) fn before(self) -> &'static str {
        match self {
            Self::Whither => ":",
            Self::Places => "messages its mailbox is to hold: ",
        }
    }
}

pub(crate) fn open(model: &mut Model, asks: Asks) {
    model.notice = None;
    model.typed = Some(Typed { asks, ..Typed::default() });
}

/// A key while something is typed.
pub(crate) fn edit(model: &mut Model, key: KeyEvent) -> Option<Effect> {
    let typed = model.typed.as_mut()?;
    match key.code {
        KeyCode::Esc => model.typed = None,
        KeyCode::Enter => return enter(model),
        // Who takes away all, and more, has thought better of it.
        KeyCode::Backspace if typed.text.is_empty() => model.typed = None,
        KeyCode::Backspace => _ = typed.text.pop(),
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => typed.text.clear(),
        KeyCode::Char(c) if !c.is_control() && typed.text.chars().count() < LONGEST => typed.text.push(c),
        _ => return None,
    }
    if let Some(typed) = &mut model.typed {
        typed.fault = None;
    }
    None
}

fn enter(model: &mut Model) -> Option<Effect> {
    let Typed { asks, text, .. } = model.typed.take()?;
    let word = text.trim();
    match asks {
        Asks::Whither => go(model, word),
        Asks::Places => match word.parse() {
            Ok(capacity) => acting::choose(model, Deed::Limit { capacity }),
            Err(_) => {
                let fault = Some("a whole number".to_owned());
                model.typed = Some(Typed { asks, text, fault });
                None
            }
        },
    }
}

/// Goes to a screen by its name or how that begins, and else to the actor with that path, name or id.
fn go(model: &mut Model, word: &str) -> Option<Effect> {
    let small = word.to_lowercase();
    let mut tabs = TABS.iter().enumerate().filter(|(_, tab)| tab.name().to_lowercase().starts_with(&small));
    let (tab, another) = (tabs.next(), tabs.next());
    match (small.as_str(), tab, another) {
        ("", ..) => None,
        ("q" | "quit", ..) => command::run(model, Command::Quit),
        ("help", ..) => command::run(model, Command::Help),
        ("systems", ..) => command::run(model, Command::Systems),
        (_, Some((number, _)), None) => command::run(model, Command::Tab(number)),
        _ if model.is_choosing() => None,
        ("trace", ..) => {
            tracing::go(model);
            None
        }
        _ => {
            command::push(model, What::Actor(word.to_owned()));
            None
        }
    }
}

/// Who was asked for in some words is known by its id once that was answered.
pub(crate) fn settle(model: &mut Model) {
    let Some((word, Some(view), _)) = &mut model.picture.actor else { return };
    let id = view.row.pid.id.to_string();
    let word = std::mem::replace(word, id.clone());
    for opened in &mut model.opened {
        match &mut opened.what {
            What::Actor(asked) | What::State(asked) if *asked == word => asked.clone_from(&id),
            _ => {}
        }
    }
}
