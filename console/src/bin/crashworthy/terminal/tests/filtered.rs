//! What is said of a filter: how many it finds, and of what.

use crashworthy_console::protocol::{Outcome, Sort};
use ratatui::crossterm::event::KeyCode;
use serde_json::{Value, json};

use super::super::event::Event;
use super::super::question::{Question, Round};
use super::drawn::drawn;
use super::{Ui, samples};

fn top(filter: Option<&str>) -> Question {
    Question::Top { sort: Sort::Depth, reversed: false, filter: filter.map(str::to_owned) }
}

fn answers(ui: &mut Ui, question: Question, answer: Value) {
    ui.happens(Event::Round(Round { answers: vec![(question, Outcome::Ok(answer))], past: None }));
}

#[test]
fn a_filter_that_looks_for_nothing_is_none() {
    let mut ui = Ui::open(80, 24);
    ui.type_in("2/!");
    let bottom = |ui: &Ui| drawn(ui).lines().last().unwrap().to_owned();
    assert_eq!((ui.lines().len(), bottom(&ui).as_str()), (5, "/!   Enter, Esc"));
    ui.type_in("x");
    assert_eq!(bottom(&ui), "/!x   5 found; Enter keeps, Esc ends");
    ui.press(KeyCode::Backspace);
    ui.press(KeyCode::Enter);
    assert_eq!((ui.model.spot().filter.as_str(), ui.lines().len()), ("", 5));
    assert!(bottom(&ui).starts_with("? help"), "{}", bottom(&ui));
}

#[test]
fn during_a_pause_a_filter_says_what_it_looks_through() {
    let mut ui = Ui::open(80, 24);
    ui.type_in("3");
    let mut some = samples::answer(&top(None));
    (some["total"], some["matched"]) = (3018.into(), 3018.into());
    answers(&mut ui, top(None), some.clone());
    ui.type_in(" /left");
    let screen = drawn(&ui);
    assert!(screen.contains("1 match of the first 5 of 3018; paused: space looks for it among all"), "{screen}");
    assert!(screen.contains("/left   1 found of what is here;"), "{screen}");
    ui.press(KeyCode::Esc);
    assert!(!drawn(&ui).contains("paused: "), "{}", drawn(&ui));

    // What was told for one filter says nothing of another, and nothing of all.
    ui.type_in(" /left");
    let left = some["rows"].as_array().unwrap().iter().find(|row| row["path"] == "shop/front/left").cloned();
    (some["matched"], some["rows"]) = (1.into(), json!([left]));
    answers(&mut ui, top(Some("left")), some);
    ui.type_in("x").press(KeyCode::Backspace);
    ui.press(KeyCode::Enter);
    ui.type_in(" ");
    assert!(drawn(&ui).contains("1 of 3018 match\n") && drawn(&ui).contains("/left   1 found;"), "{}", drawn(&ui));
    ui.press(KeyCode::Esc);
    let screen = drawn(&ui);
    assert!(screen.contains("paused: only those that match /left are here, space asks again"), "{screen}");
    assert!(!screen.contains("3018"), "{screen}");

    let mut ui = Ui::open(80, 24);
    ui.type_in("2 /left");
    assert!(drawn(&ui).contains("1 of 5 match\n"), "everybody is here: {}", drawn(&ui));
    assert!(drawn(&ui).contains("/left   1 found; "), "{}", drawn(&ui));
    let found = Question::Tree { top: None, levels: None, filter: Some("left".into()), folded: Vec::new() };
    let mut tree = samples::answer(&Question::TREE);
    (tree["matched"], tree["lines"]) = (1.into(), 3.into());
    tree["nodes"].as_array_mut().unwrap().retain(|node| !node["path"].as_str().unwrap().ends_with("t/right"));
    ui.press(KeyCode::Enter);
    ui.type_in(" ");
    answers(&mut ui, found, tree);
    ui.type_in(" ");
    ui.press(KeyCode::Esc);
    let screen = drawn(&ui);
    assert!(screen.contains("paused: only those that match /left are here, space asks again"), "{screen}");
    assert!(!screen.contains("folded"), "{screen}");
}
