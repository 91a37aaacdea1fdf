//! A system, or a file, that is not ours: what it says is shown, never obeyed, and costs only so much.

use crashworthy_console::protocol::Outcome;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use serde_json::{Value, json};

use super::super::event::Event;
use super::super::model::Link;
use super::super::playback::Playback;
use super::super::question::{MEASURES, Question, ROWS, Round};
use super::drawn::drawn;
use super::{Ui, samples};

/// What a terminal would obey, what turns the order of reading, and what is wide or nothing.
const EVIL: &str = "a\u{1b}[2J\u{9b}31m\u{7}\r\n\t\u{202e}\u{0}日\u{301}\u{200b}z";

/// All that there is, with another text in place of each.
fn poison(value: &mut Value, text: &str) {
    match value {
        Value::String(word) if word.contains(['/', ':', ' ']) || word == "shop" || word == "left" => {
            text.clone_into(word)
        }
        Value::Array(values) => values.iter_mut().for_each(|value| poison(value, text)),
        Value::Object(fields) => fields.values_mut().for_each(|value| poison(value, text)),
        _ => {}
    }
}

fn poisoned(text: &str) -> Round {
    let mut round = samples::round();
    round.answers.push((Question::Traced, Outcome::Ok(samples::traced())));
    round.answers.push((Question::Actor("5.0".into()), Outcome::Ok(samples::answer(&Question::Actor("5.0".into())))));
    round.answers.push((Question::State("5.0".into()), Outcome::Ok(samples::answer(&Question::State("5.0".into())))));
    for (_, outcome) in &mut round.answers {
        if let Outcome::Ok(value) = outcome {
            poison(value, text);
        }
    }
    round
}

#[track_caller]
fn walk_through(ui: &mut Ui) {
    for tab in '1'..='9' {
        ui.press(KeyCode::Char(tab));
        for _ in 0..2 {
            let screen = drawn(ui);
            assert!(!screen.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{screen:?}");
            ui.press(KeyCode::Down);
            ui.press(KeyCode::Enter);
        }
        ui.press(KeyCode::Char('y'));
        drawn(ui);
    }
    ui.press(KeyCode::Char('2'));
    ui.press(KeyCode::End);
    ui.press(KeyCode::Char('d'));
    assert!(!drawn(ui).chars().any(|c| c.is_control() && c != '\n'));
}

#[test]
fn what_a_terminal_would_obey_is_shown_on_no_screen() {
    for (columns, lines) in [(40, 10), (80, 24)] {
        let mut ui = Ui::open(columns, lines);
        ui.happens(Event::Round(poisoned(EVIL)));
        walk_through(&mut ui);
        ui.happens(Event::Lost { why: EVIL.into(), again: std::time::Duration::MAX / 4 });
        assert!(!drawn(&ui).contains('\u{1b}'));
    }
}

#[test]
fn a_word_without_an_end_is_cut() {
    let mut ui = Ui::open(80, 24);
    ui.happens(Event::Round(poisoned(&"x".repeat(100_000))));
    walk_through(&mut ui);
}

#[test]
fn more_rows_than_were_asked_for_are_not_kept() {
    let mut tree = samples::answer(&Question::TREE);
    let node = tree["nodes"][0].clone();
    tree["nodes"] = (0..5_000).map(|_| node.clone()).collect();
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.happens(Event::Round(Round { answers: vec![(Question::TREE, Outcome::Ok(tree))], past: None }));
    assert_eq!(ui.lines().len(), ROWS);
}

#[test]
fn an_answer_that_is_none_is_told_and_the_picture_stays() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.happens(Event::Round(Round { answers: vec![(Question::TREE, Outcome::Ok(json!("no tree")))], past: None }));
    assert!(drawn(&ui).contains("an answer to tree: invalid type"), "{}", drawn(&ui));
    assert_eq!(ui.lines().len(), 5);
    let mut others = samples::round();
    others.answers.insert(0, (Question::Health, Outcome::Ok(json!(7))));
    let top = others.answers.iter_mut().find(|(question, _)| question.verb() == "tree").expect("it is asked for");
    if let Outcome::Ok(tree) = &mut top.1 {
        tree["nodes"].as_array_mut().expect("nodes").truncate(1);
    }
    ui.happens(Event::Round(others));
    assert_eq!(ui.lines(), ["+ shop"], "the others are taken in");
}

#[test]
fn figures_of_any_size_are_no_reason_to_panic() {
    fn huge(value: &mut Value) {
        match value {
            Value::Number(number) if number.is_u64() => *value = u32::MAX.into(),
            Value::Array(values) => values.iter_mut().for_each(huge),
            Value::Object(fields) => {
                fields.iter_mut().for_each(|(_, value)| huge(value));
                for name in ["at_ms", "turns", "queued", "handled", "given_up", "undelivered", "crashes", "since_ms"] {
                    if let Some(field) = fields.get_mut(name) {
                        *field = (u64::MAX / 2_000).into();
                    }
                }
            }
            _ => {}
        }
    }
    let mut round = samples::round();
    for (_, outcome) in &mut round.answers {
        if let Outcome::Ok(value) = outcome {
            huge(value);
        }
    }
    for sort in MEASURES {
        assert!(round.answers.iter().any(|(question, _)| *question == Question::Worst(sort)));
    }
    let mut ui = Ui::open(80, 24);
    ui.happens(Event::Round(round.clone()));
    ui.happens(Event::Round(samples::round()));
    ui.happens(Event::Round(round));
    walk_through(&mut ui);
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// Anything that can happen, in any order.
fn anything(dice: &mut Dice) -> Event {
    let keys: Vec<char> = "123456789jkhlgGsSp /?yRo[]{}<>z+-=qx!~(*ttdd::".chars().collect();
    let others = [KeyCode::Enter, KeyCode::Esc, KeyCode::Backspace, KeyCode::Tab, KeyCode::PageDown, KeyCode::End];
    let key = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
    let place = |dice: &mut Dice| (dice.throw(130) as u16, dice.throw(45) as u16);
    match dice.throw(12) {
        0..=4 => key(KeyCode::Char(keys[dice.throw(keys.len())])),
        5..=6 => key(others[dice.throw(others.len())]),
        7 => {
            let kinds = [MouseEventKind::Down(MouseButton::Left), MouseEventKind::ScrollDown, MouseEventKind::ScrollUp];
            let ((column, row), kind) = (place(dice), kinds[dice.throw(kinds.len())]);
            Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
        }
        8 => {
            let (columns, lines) = place(dice);
            Event::Resize(columns + 1, lines + 1)
        }
        9 => Event::Round(if dice.throw(2) == 0 { poisoned(EVIL) } else { samples::round() }),
        10 if dice.throw(2) == 0 => {
            Event::TraceBegun(Ok(serde_json::from_value(json!({ "at_ms": 1, "actors": 1 })).unwrap()))
        }
        10 => Event::Lost { why: EVIL.into(), again: std::time::Duration::from_secs(1) },
        _ => Event::Linked(Box::new(super::hello(4711 + dice.throw(2) as u32)), None, true),
    }
}

#[test]
fn whatever_happens_in_whatever_order_can_be_drawn() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let mut ui = Ui::open(80, 24);
        if seed % 3 == 0 {
            ui.model.link = Link::Recorded;
            ui.model.playback = Some(Playback::new(Default::default(), vec![Default::default(); 3]));
        }
        for _ in 0..150 {
            let event = anything(&mut dice);
            ui.now += std::time::Duration::from_millis(dice.throw(3000) as u64);
            ui.happens(event);
            let screen = drawn(&ui);
            assert!(!screen.contains('\u{1b}'), "{screen:?}");
        }
    }
}
