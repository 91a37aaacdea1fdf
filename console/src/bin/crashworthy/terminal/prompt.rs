//! A filter that is being typed: what it leaves is shown at once.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::model::Model;
use crate::filter;

/// Characters of a filter.
const LONGEST: usize = 64;

/// Begins with the filter that is there.
pub(crate) fn open(model: &mut Model) {
    model.prompt = Some(model.spot().filter.clone());
}

pub(crate) fn edit(model: &mut Model, key: KeyEvent) {
    let Some(mut text) = model.prompt.take() else { return };
    match key.code {
        KeyCode::Enter => {
            if filter::is_nothing(&text) {
                model.spot_mut().filter.clear();
            }
            return;
        }
        KeyCode::Esc => {
            model.spot_mut().filter.clear();
            return;
        }
        KeyCode::Backspace => {
            text.pop();
        }
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => text.clear(),
        KeyCode::Char(c) if !c.is_control() && text.chars().count() < LONGEST => text.push(c),
        _ => {}
    }
    model.spot_mut().filter.clone_from(&text);
    model.prompt = Some(text);
}
