//! What becomes of the state when somebody does something.

use std::time::Duration;

use crashworthy_console::protocol::{CommitQuery, CommitView, Deed, LogLevel, PlanQuery, PlanView};
use ratatui::crossterm::event::KeyCode;
use serde_json::json;

use super::super::event::{Effect, Event};
use super::super::model::{Link, What};
use super::drawn::{check, drawn};
use super::{Ui, hello, tree};

/// A plan for the actor with this number, as the shop would answer.
fn plan(id: u64) -> PlanView {
    serde_json::from_value(json!({
        "at_ms": 73_000, "nonce": "9f2c", "valid_ms": 30_000, "do": "drain", "within_ms": 30_000, "total": 1,
        "targets": [{ "pid": { "id": id, "incarnation": 1 }, "path": "shop/back", "kind": "shop::Stock", "state": "running" }],
        "ends": 1,
        "effect": [
            "drain within 30s: shop/back <2.0#1>, shop::Stock, running, 0 restarts so far",
            "first: what is queued is handled, 0 messages now, for at most 30s; then they are stopped",
            "supervisor: shop starts it again, it is permanent",
        ],
        "left": 6,
    }))
    .expect("it is a plan")
}

fn done() -> CommitView {
    let PlanView { at, deed, targets, .. } = plan(2);
    CommitView { at, deed, targets, audited: true }
}

/// The shop with the menu of `back` open, and the drain of it chosen.
fn chosen(columns: u16, lines: u16) -> (Ui, Option<Effect>) {
    let mut ui = Ui::open(columns, lines);
    let effect = choose(&mut ui);
    (ui, effect)
}

fn choose(ui: &mut Ui) -> Option<Effect> {
    ui.press(KeyCode::Char('2'));
    ui.press(KeyCode::Down);
    ui.type_in("x");
    ui.press(KeyCode::Down);
    ui.press(KeyCode::Enter)
}

fn is_told(ui: &Ui, words: &str) -> bool {
    ui.model.notice.as_ref().is_some_and(|(told, _)| told.contains(words))
}

#[test]
fn an_action_is_chosen_planned_and_done_when_somebody_has_said_why() {
    let (mut ui, effect) = chosen(80, 24);
    assert_eq!(ui.model.opened.last().unwrap().what, What::Menu(Some("2.0".into()), Some("shop/back".into())));
    let drain = Deed::Drain { within: Duration::from_secs(30) };
    let query = PlanQuery { deed: drain, actors: vec!["2.0".into()], matching: None, force: false };
    assert_eq!(effect, Some(Effect::Plan(query)));
    ui.happens(Event::Planned(Ok(Box::new(plan(2)))));
    assert!(ui.lines()[0].starts_with("drain within 30s: shop/back"), "{:?}", ui.lines());

    assert_eq!(ui.press(KeyCode::Enter), None, "not without a reason");
    assert!(is_told(&ui, "it needs a reason"));
    ui.type_in("  qq? /x 7");
    assert_eq!(ui.model.opened.last().unwrap().what, What::Plan, "keys are text now");
    ui.press(KeyCode::Backspace);
    assert!(drawn(&ui).contains("why:   qq? /x    Enter does it"), "{}", drawn(&ui));
    let commit = CommitQuery { nonce: "9f2c".into(), reason: "qq? /x".into() };
    assert_eq!(ui.press(KeyCode::Enter), Some(Effect::Commit(commit)));
    assert_eq!(ui.press(KeyCode::Enter), None, "once is enough");
    ui.happens(Event::Committed(Ok(Box::new(done()))));
    assert!(is_told(&ui, "done: drain within 30s, shop/back <2.0#1>"), "{:?}", ui.model.notice);
    assert!(ui.model.opened.is_empty() && ui.model.planned.is_none());
}

#[test]
fn escape_does_nothing_and_leads_back_to_the_menu() {
    let (mut ui, _) = chosen(80, 24);
    ui.happens(Event::Planned(Ok(Box::new(plan(2)))));
    ui.type_in("because");
    assert_eq!(ui.press(KeyCode::Esc), None);
    assert!(matches!(ui.model.opened.last().unwrap().what, What::Menu(..)) && ui.model.planned.is_none());
    ui.press(KeyCode::Esc);
    assert_eq!(ui.chosen(), "  back");
}

#[test]
fn why_there_is_no_plan_or_nothing_was_done_is_told() {
    let (mut ui, _) = chosen(80, 24);
    ui.happens(Event::Planned(Err("shop/back is protected".into())));
    assert!(is_told(&ui, "protected") && matches!(ui.model.opened.last().unwrap().what, What::Menu(..)));
    ui.happens(Event::Planned(Ok(Box::new(plan(2)))));
    ui.type_in("why not");
    ui.press(KeyCode::Enter);
    ui.happens(Event::Committed(Err("too much was done in the last minute".into())));
    assert!(is_told(&ui, "too much"));
    assert!(matches!(ui.model.opened.last().unwrap().what, What::Menu(..)));
}

#[test]
fn a_plan_that_is_too_old_is_not_committed() {
    let (mut ui, _) = chosen(80, 24);
    ui.happens(Event::Planned(Ok(Box::new(plan(2)))));
    ui.type_in("because");
    ui.pass(Duration::from_secs(30));
    assert!(ui.lines().iter().any(|line| line.contains("too old")), "{:?}", ui.lines());
    assert_eq!(ui.press(KeyCode::Enter), None);
    assert!(is_told(&ui, "nothing was done"));
}

#[test]
fn a_plan_that_nobody_waits_for_any_more_is_not_shown() {
    let (mut ui, _) = chosen(80, 24);
    ui.happens(Event::Planned(Ok(Box::new(plan(3)))));
    assert!(ui.model.planned.is_none(), "it is of another actor");
    ui.press(KeyCode::Esc);
    ui.happens(Event::Planned(Ok(Box::new(plan(2)))));
    assert!(ui.model.planned.is_none() && ui.model.opened.is_empty());
}

#[test]
fn nothing_is_planned_on_whom_a_picture_shows_that_is_of_a_process_that_has_ended() {
    // While it is paused the picture stays, and ids mean others by now.
    let succeeded = |ui: &mut Ui| _ = ui.happens(Event::Linked(Box::new(hello(4800)), None, true));
    let begun_anew = |ui: &mut Ui| _ = ui.happens(Event::Round(tree(1_000, "shop/back")));
    for happens in [&succeeded as &dyn Fn(&mut Ui), &begun_anew] {
        let mut ui = Ui::open(80, 24);
        ui.type_in("2jxj");
        ui.model.is_paused = true;
        happens(&mut ui);
        assert_eq!(ui.press(KeyCode::Enter), None, "the menu was open before");
        assert!(is_told(&ui, "of a process that has ended"), "{:?}", ui.model.notice);
        ui.press(KeyCode::Esc);
        for key in ["x", "t"] {
            ui.type_in(key);
            assert!(ui.model.opened.is_empty() && is_told(&ui, "of a process that has ended"), "{:?}", ui.model.notice);
        }
        ui.model.is_paused = false;
        ui.happens(Event::Round(tree(2_000, "")));
        ui.type_in("2jx");
        assert!(matches!(ui.model.opened.last().unwrap().what, What::Menu(..)));
    }
}

#[test]
fn a_plan_for_somebody_else_who_has_that_id_by_now_is_not_shown() {
    let (mut ui, _) = chosen(80, 24);
    let mut other = plan(2);
    other.targets[0].path = "mall/front".into();
    ui.happens(Event::Planned(Ok(Box::new(other))));
    assert!(ui.model.planned.is_none() && is_told(&ui, "somebody else is there now"), "{:?}", ui.model.notice);
}

#[test]
fn where_no_actor_is_chosen_there_is_what_is_done_to_nobody() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('8'));
    ui.type_in("x");
    assert_eq!(ui.model.opened.last().unwrap().what, What::Menu(None, None));
    assert_eq!(ui.lines(), ["log level warn", "log level info", "log level debug"]);
    ui.press(KeyCode::End);
    let deed = Deed::LogLevel { level: LogLevel::Debug };
    let query = PlanQuery { deed, actors: Vec::new(), matching: None, force: false };
    assert_eq!(ui.press(KeyCode::Enter), Some(Effect::Plan(query)));
}

#[test]
fn nothing_can_be_done_to_a_recording_or_to_who_is_not_there() {
    let mut ui = Ui::open(80, 24);
    for link in [Link::Recorded, Link::Connecting] {
        ui.model.link = link;
        ui.type_in("x");
        assert!(ui.model.opened.is_empty() && is_told(&ui, "nothing can be done"), "{:?}", ui.model.notice);
    }
}

#[test]
fn a_reason_has_an_end() {
    let (mut ui, _) = chosen(40, 10);
    ui.happens(Event::Planned(Ok(Box::new(plan(2)))));
    ui.type_in(&"x".repeat(5_000));
    assert_eq!(ui.model.planned.as_ref().unwrap().reason.len(), 200);
    drawn(&ui);
}

#[test]
fn the_menu() {
    check("menu", |ui| {
        ui.press(KeyCode::Char('2'));
        ui.press(KeyCode::Down);
        ui.type_in("x");
    });
}

#[test]
fn a_plan() {
    check("plan", |ui| {
        choose(ui);
        ui.happens(Event::Planned(Ok(Box::new(plan(2)))));
        ui.type_in("new shelves");
    });
}

#[test]
fn how_many_messages_a_mailbox_holds_is_typed() {
    let mut ui = Ui::open(80, 24);
    ui.type_in("2");
    ui.press(KeyCode::Down);
    ui.type_in("x/^limit").press(KeyCode::Enter);
    assert_eq!(ui.press(KeyCode::Enter), None);
    ui.type_in("q");
    assert_eq!(ui.press(KeyCode::Enter), None, "that is no number");
    assert!(drawn(&ui).contains("messages its mailbox is to hold: q   a whole number"), "{}", drawn(&ui));
    ui.press(KeyCode::Backspace);
    ui.type_in("64");
    let limit = Deed::Limit { capacity: 64 };
    let query = PlanQuery { deed: limit, actors: vec!["2.0".into()], matching: None, force: false };
    assert_eq!(ui.press(KeyCode::Enter), Some(Effect::Plan(query)));
    ui.happens(Event::Planned(Ok(Box::new(PlanView { deed: limit, ..plan(2) }))));
    assert_eq!(ui.model.opened.last().unwrap().what, What::Plan);
    ui.press(KeyCode::Esc);
    ui.press(KeyCode::Enter);
    ui.press(KeyCode::Esc);
    assert!(ui.model.typed.is_none() && matches!(ui.model.opened.last().unwrap().what, What::Menu(..)));
}

#[test]
fn what_is_forbidden_is_not_offered() {
    let mut ui = Ui::open(80, 24);
    ui.type_in("2");
    assert!(drawn(&ui).contains("x act"));
    ui.model.acts = false;
    assert!(!drawn(&ui).contains("x act"));
    ui.type_in("x");
    assert!(is_told(&ui, "read-only") && ui.model.opened.is_empty());
}
