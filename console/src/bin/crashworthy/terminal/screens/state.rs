//! What an actor shows of its state.

use crashworthy_console::protocol::Seen;
use serde_json::Value;

use super::super::model::Model;
use super::super::page::{Page, Tone};
use super::super::question::Question;
use super::{Text, actor_path, data, unanswered};
use crate::text::short_type;

pub(crate) fn title(model: &Model, asked: &str) -> String {
    format!("state of {}", actor_path(model, asked))
}

pub(crate) fn page(model: &Model, asked: &str) -> Page {
    let mut text = Text::new(model.body().0);
    match model.picture.state.as_ref().filter(|(known, _)| known == asked) {
        None => text.line(Tone::Dim, &unanswered(model, &Question::State(asked.to_owned()))),
        Some((_, Err(why))) => text.line(Tone::Bad, why),
        Some((_, Ok(state))) => {
            text.line(Tone::Head, &format!("{} {} {}", state.path, state.pid, short_type(&state.kind)));
            match &state.seen {
                Seen::State(view) => text.lines(Tone::Plain, &view.to_string()),
                Seen::Unseen(why) => text.line(Tone::Warn, &why.to_string()),
            }
            text.gap();
            text.line(Tone::Dim, "as much as its author shows; it is asked between two messages");
        }
    }
    text.page()
}

pub(crate) fn raw(model: &Model, asked: &str) -> Option<(String, Value)> {
    let (_, state) = model.picture.state.as_ref().filter(|(known, _)| known == asked)?;
    Some((title(model, asked), data(state.as_ref().ok()?)?))
}
