//! A recording in the same screens.

use std::time::Duration;

use crashworthy_console::protocol::Outcome;
use ratatui::crossterm::event::KeyCode;

use super::super::event::Event;
use super::super::model::Link;
use super::super::playback::Playback;
use super::super::question::{Question, Round};
use super::drawn::drawn;
use super::{Ui, hello, samples};

fn open() -> Ui {
    let mut ui = Ui::open(80, 24);
    ui.model.link = Link::Recorded;
    ui.model.playback =
        Some(Playback::new(Duration::from_secs(1_764_296_185), (0..=4).map(Duration::from_secs).collect()));
    ui.happens(Event::Round(samples::round()));
    ui
}

fn index(ui: &Ui) -> usize {
    ui.model.playback.as_ref().expect("it is a recording").index()
}

#[test]
fn keys_wind_a_recording_and_its_place_is_told() {
    let mut ui = open();
    ui.pass(Duration::from_secs(2));
    assert_eq!(index(&ui), 2);
    assert!(drawn(&ui).contains("plays 2.0 s of 4.0 s, picture 3 of 5, 1x"), "{}", drawn(&ui));
    assert!(drawn(&ui).contains("recorded 2025-11-28 02:16:27"), "{}", drawn(&ui));
    ui.press(KeyCode::Char(' '));
    ui.pass(Duration::from_secs(60));
    assert_eq!(index(&ui), 2);
    ui.type_in("[");
    assert_eq!(index(&ui), 1);
    ui.type_in("}");
    assert_eq!(index(&ui), 4);
    ui.type_in("{>> ");
    ui.pass(Duration::from_millis(500));
    assert_eq!(index(&ui), 2, "it goes four times as fast");
    assert!(drawn(&ui).contains("4x"), "{}", drawn(&ui));
}

#[test]
fn a_recording_is_neither_recorded_nor_changed_for_another_system() {
    let mut ui = open();
    assert_eq!(ui.press(KeyCode::Char('R')), None);
    assert!(drawn(&ui).contains("this is a recording"), "{}", drawn(&ui));
    assert_eq!(ui.press(KeyCode::Char('o')), None);
    assert_eq!(ui.model.link, Link::Recorded);
}

#[test]
fn only_a_recording_can_be_wound() {
    let mut ui = Ui::open(80, 24);
    ui.type_in("[");
    assert!(drawn(&ui).contains("only a recording can be wound"), "{}", drawn(&ui));
}

#[test]
fn a_recording_of_an_older_system_is_looked_through_all_the_same_as_far_as_it_goes() {
    let mut ui = open();
    let mut older = hello(4711);
    older.knows.clear();
    ui.happens(Event::Linked(Box::new(older), None, false));
    ui.type_in("2/le.t");
    let asked = Question::Tree { top: None, levels: None, filter: Some("le.t".into()), folded: Vec::new() };
    assert_eq!(ui.model.questions().pop(), Some(asked.clone()));
    let mut found = samples::answer(&Question::TREE);
    (found["matched"], found["lines"], found["total"]) = (1.into(), 3.into(), 900.into());
    ui.happens(Event::Round(Round { answers: vec![(asked, Outcome::Ok(found))], past: None }));
    assert!(drawn(&ui).contains("1 match, as far as was recorded"), "{}", drawn(&ui));
}
