//! The screens without a terminal: what becomes of the state, and what is drawn of it.

mod acting;
mod drawn;
mod filtered;
mod held;
mod hostile;
mod linked;
mod news;
mod reduced;
mod replayed;
mod traced;
mod unanswered;

use std::time::Duration;

use crashworthy_console::protocol::{Hello, KNOWS, Outcome, VERBS};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;

use super::event::{Effect, Event};
use super::model::{Link, Model};
use super::question::{Question, Round};
use super::reduce::reduce;
use super::samples;
use super::screens;

/// Screens of which time passes as the test says.
struct Ui {
    model: Model,
    now: Duration,
}

impl Ui {
    /// Of the shop, which has answered once.
    fn open(columns: u16, lines: u16) -> Self {
        let mut ui = Self::closed(columns, lines);
        ui.happens(Event::Linked(Box::new(hello(4711)), None, true));
        ui.happens(Event::Round(samples::round()));
        assert_eq!(ui.model.notice, None, "all of it can be understood");
        ui
    }

    /// Before anything has happened.
    fn closed(columns: u16, lines: u16) -> Self {
        Self { model: Model::new(Link::Connecting, (columns, lines)), now: Duration::ZERO }
    }

    fn happens(&mut self, event: Event) -> Option<Effect> {
        reduce(&mut self.model, self.now, event)
    }

    fn press(&mut self, code: KeyCode) -> Option<Effect> {
        self.happens(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    fn type_in(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
        self
    }

    /// Time passes, and nothing else.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.happens(Event::Tick);
    }

    /// The first cells of all lines.
    fn lines(&self) -> Vec<String> {
        screens::page(&self.model).items.into_iter().map(|item| item.cells[0].clone()).collect()
    }

    /// The first cell of the line with the cursor.
    fn chosen(&self) -> String {
        self.lines()[self.model.spot().list.at()].clone()
    }
}

pub(crate) fn hello(process: u32) -> Hello {
    let limits = json!({
        "connections": 8, "line": 65_536, "answer": 1_048_576, "rows": 500, "requests": 50, "line_within_ms": 10_000,
        "read_within_ms": 10_000, "idle_ms": 30_000,
    });
    serde_json::from_value(json!({
        "protocol": 1, "version": "0.1.0", "role": "read_only", "system": "shop", "process": process, "verbs": VERBS,
        "knows": KNOWS, "limits": limits,
    }))
    .expect("it is a greeting")
}

/// The tree at another time, without some of its lines.
fn tree(at_ms: u64, without: &str) -> Round {
    let mut tree = samples::answer(&Question::TREE);
    tree["at_ms"] = at_ms.into();
    let nodes = tree["nodes"].as_array_mut().expect("nodes");
    nodes.retain(|node| node["path"] != without);
    tree["total"] = nodes.len().into();
    let mut system = samples::system();
    system["at_ms"] = at_ms.into();
    let answers = vec![(Question::System, Outcome::Ok(system)), (Question::TREE, Outcome::Ok(tree))];
    Round { answers, past: None }
}
