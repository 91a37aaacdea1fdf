//! Which key means what.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Quit,
    Back,
    Open,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Fold,
    Unfold,
    Branch,
    Deeper,
    LessDeep,
    /// The screen with that number, from 0.
    Tab(usize),
    NextTab,
    PreviousTab,
    /// What there is to choose of a list: by what it is sorted.
    Choose,
    NextSort,
    /// Those that come last come first.
    Reverse,
    Trace,
    Progress,
    Pause,
    Filter,
    Help,
    Json,
    Record,
    Systems,
    Act,
    /// What an actor shows of its state.
    State,
    /// Somewhere, by its name.
    Go,
    /// Of a recording.
    Step(i8),
    ToStart,
    ToEnd,
    Faster,
    Slower,
}

/// What is told in the help: keys, and what they do.
pub(crate) const HELP: [(&str, &str); 25] = [
    ("1 to 9, Tab", "the screens, one after the other"),
    ("arrows, j k", "up and down; PgUp, PgDn, Home, End, g, G"),
    ("Enter, click twice", "opens what is chosen: an actor, a crash, an event"),
    ("Esc, Backspace", "back; with a filter, first takes that away"),
    ("left, right", "in the tree: folds a branch, unfolds it"),
    ("z, - +", "in the tree: only this branch, or all; fewer levels, more"),
    ("/", "a regular expression (\\w, \\d and (?i) of ASCII alone); ~ letters in order; ! what does not"),
    ("s", "in Top: chooses the measure to sort by; in Events: kinds"),
    ("S, r", "in Top: sorts by the next measure; in reverse order"),
    (":", "goes to a screen, or to an actor by path, name or id"),
    ("d", "what an actor shows of its state"),
    ("t", "traces the messages of an actor and those below it"),
    ("p", "in Reports: children that were started, or what went wrong"),
    ("space", "pauses: nothing changes or is forgotten until you go on"),
    ("y", "what is chosen as JSON"),
    ("x", "what can be done to an actor; first what would come of it, and only with a reason"),
    ("R", "records what is answered to a file; again: ends it"),
    ("o", "other systems"),
    ("wheel, click", "scrolls, chooses; with Shift the terminal selects text"),
    ("?", "this page"),
    ("q, Ctrl-C", "quits"),
    ("of a recording", ""),
    ("[ ]", "the picture before, the next one"),
    ("{ }", "to the start, to the end"),
    ("< >", "slower, faster"),
];

/// Whether it ends everything, whatever is being typed.
pub(crate) fn is_interrupt(key: KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c')
}

/// The command of a key; none if it has no meaning.
pub(crate) fn command(key: KeyEvent) -> Option<Command> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Command::Quit),
            KeyCode::Char('b') => Some(Command::PageUp),
            KeyCode::Char('f') => Some(Command::PageDown),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Char('q') => Command::Quit,
        KeyCode::Esc | KeyCode::Backspace => Command::Back,
        KeyCode::Enter => Command::Open,
        KeyCode::Up | KeyCode::Char('k') => Command::Up,
        KeyCode::Down | KeyCode::Char('j') => Command::Down,
        KeyCode::PageUp => Command::PageUp,
        KeyCode::PageDown => Command::PageDown,
        KeyCode::Home | KeyCode::Char('g') => Command::First,
        KeyCode::End | KeyCode::Char('G') => Command::Last,
        KeyCode::Left | KeyCode::Char('h') => Command::Fold,
        KeyCode::Right | KeyCode::Char('l') => Command::Unfold,
        KeyCode::Char(digit @ '1'..='9') => Command::Tab(digit as usize - '1' as usize),
        KeyCode::Tab => Command::NextTab,
        KeyCode::BackTab => Command::PreviousTab,
        KeyCode::Char('z') => Command::Branch,
        KeyCode::Char('+' | '=') => Command::Deeper,
        KeyCode::Char('-') => Command::LessDeep,
        KeyCode::Char('s') => Command::Choose,
        KeyCode::Char('S') => Command::NextSort,
        KeyCode::Char('r') => Command::Reverse,
        KeyCode::Char('t') => Command::Trace,
        KeyCode::Char('p') => Command::Progress,
        KeyCode::Char(' ') => Command::Pause,
        KeyCode::Char('/') => Command::Filter,
        KeyCode::Char('?') => Command::Help,
        KeyCode::Char('y') => Command::Json,
        KeyCode::Char('R') => Command::Record,
        KeyCode::Char('o') => Command::Systems,
        KeyCode::Char('x') => Command::Act,
        KeyCode::Char('d') => Command::State,
        KeyCode::Char(':') => Command::Go,
        KeyCode::Char('[') => Command::Step(-1),
        KeyCode::Char(']') => Command::Step(1),
        KeyCode::Char('{') => Command::ToStart,
        KeyCode::Char('}') => Command::ToEnd,
        KeyCode::Char('>') => Command::Faster,
        KeyCode::Char('<') => Command::Slower,
        _ => return None,
    })
}
