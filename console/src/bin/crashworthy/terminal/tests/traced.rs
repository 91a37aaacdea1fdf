//! A trace is asked for, runs, and ends where somebody sees it.

use std::time::Duration;

use crashworthy_console::protocol::{Outcome, TraceQuery, TraceView};
use ratatui::crossterm::event::KeyCode;
use serde_json::{Value, json};

use super::super::event::{Effect, Event};
use super::super::model::{Link, What};
use super::super::question::{Question, Round};
use super::drawn::drawn;
use super::{Ui, hello, samples};

const MINUTE: Duration = Duration::from_secs(60);

fn query(count: u32, rate: u32, seconds: u64, messages: &[&str]) -> TraceQuery {
    TraceQuery {
        actors: vec!["shop/front/left".to_owned()],
        messages: messages.iter().map(|&kind| kind.to_owned()).collect(),
        count: Some(count),
        rate: Some(rate),
        within: Some(Duration::from_secs(seconds)),
    }
}

fn begun(ui: &mut Ui) {
    ui.happens(Event::TraceBegun(Ok(TraceView { at: Duration::ZERO, actors: 1 })));
}

fn tells(ui: &mut Ui, outcome: Outcome<Value>) {
    ui.happens(Event::Round(Round { answers: vec![(Question::Traced, outcome)], past: None }));
}

/// In the tree, with the cursor on the till on the left.
fn on_left(columns: u16, lines: u16) -> Ui {
    let mut ui = Ui::open(columns, lines);
    ui.type_in("2jjj");
    ui
}

/// A trace that runs.
pub(super) fn runs(ui: &mut Ui) {
    ui.type_in("2jjjt");
    ui.press(KeyCode::Enter);
    begun(ui);
}

fn is_asked(ui: &Ui) -> bool {
    ui.model.questions().contains(&Question::Traced)
}

#[test]
fn it_is_asked_how_much_is_to_be_traced_of_whoever_is_chosen_or_looked_at() {
    let mut ui = on_left(80, 24);
    assert_eq!(ui.type_in("t").press(KeyCode::Enter), Some(Effect::Trace(query(100, 10, 30, &[]))));
    assert!(!is_asked(&ui), "it has not begun");

    let mut ui = on_left(80, 24);
    ui.press(KeyCode::Enter);
    ui.type_in("t");
    assert!(drawn(&ui).contains("Tree > trace of shop/front/left"), "{}", drawn(&ui));
    for _ in 0..20 {
        ui.press(KeyCode::Backspace);
    }
    ui.type_in("7 3 1m Sell To*");
    assert!(drawn(&ui).contains("count rate time: 7 3 1m Sell To*"), "{}", drawn(&ui));
    assert_eq!(ui.press(KeyCode::Enter), Some(Effect::Trace(query(7, 3, 60, &["Sell", "To*"]))));

    let mut ui = Ui::open(80, 24);
    ui.type_in("3t");
    assert_eq!(ui.model.opened.last().unwrap().what, What::Trace, "in Top, too");
    assert_eq!(ui.press(KeyCode::Esc), None);
    assert!(ui.model.opened.is_empty() && ui.model.tracing.is_none());
    ui.type_in("6t");
    assert!(ui.model.tracing.is_none() || ui.model.opened.len() == 1);
    ui.press(KeyCode::Esc);
    ui.type_in("5t");
    assert!(drawn(&ui).contains("choose an actor first"), "{}", drawn(&ui));
}

#[test]
fn its_name_goes_to_its_screen_and_back_to_the_one_that_is_there() {
    let mut ui = on_left(80, 24);
    ui.type_in(":trace").press(KeyCode::Enter);
    assert!(drawn(&ui).contains("Tree > trace of shop/front/left"), "{}", drawn(&ui));
    ui.press(KeyCode::Enter);
    begun(&mut ui);
    ui.type_in(":right").press(KeyCode::Enter);
    assert_eq!(ui.model.opened.len(), 2);
    ui.type_in(":Trace").press(KeyCode::Enter);
    assert_eq!((ui.model.opened.len(), &ui.model.opened[0].what), (1, &What::Trace));
    assert!(is_asked(&ui), "it goes on");

    let mut ui = Ui::open(80, 24);
    ui.type_in("5:trace").press(KeyCode::Enter);
    assert!(ui.model.opened.is_empty() && drawn(&ui).contains("choose an actor first"), "{}", drawn(&ui));
}

#[test]
fn what_is_typed_wrong_is_told_where_it_is_typed_and_nothing_begins() {
    let mut ui = on_left(80, 24);
    ui.type_in("t");
    for (typed, fault) in [
        ("", "the count is missing: count, rate and time, such as 100 10 30s"),
        ("many 1 1s", "the count is a whole number, not \"many\""),
        ("1 -1 1s", "the rate is a whole number, not \"-1\""),
        ("1 1", "the time is missing"),
        ("1 1 30", "the time is a whole number with its unit: 500ms, 90s, 5m, 1h"),
    ] {
        for _ in 0..64 {
            ui.press(KeyCode::Backspace);
        }
        ui.type_in(typed);
        assert_eq!(ui.press(KeyCode::Enter), None, "{typed}");
        assert!(drawn(&ui).contains(fault), "{typed}: {}", drawn(&ui));
    }
    for _ in 0..64 {
        ui.press(KeyCode::Backspace);
    }
    ui.type_in("1 500 30s");
    assert!(matches!(ui.press(KeyCode::Enter), Some(Effect::Trace(_))));
    ui.happens(Event::TraceBegun(Err("trace: `rate` is 500, allowed are 1 to 100".into())));
    assert!(drawn(&ui).contains("`rate` is 500, allowed are 1 to 100"), "{}", drawn(&ui));
    assert!(drawn(&ui).contains("count rate time: 1 500 30000ms"), "it can be mended: {}", drawn(&ui));
    assert!(!is_asked(&ui));
}

#[test]
fn messages_come_as_they_are_told_the_newest_first_until_it_ends_visibly() {
    let mut ui = on_left(80, 24);
    runs(&mut ui);
    assert!(is_asked(&ui));
    assert!(drawn(&ui).contains("waits for messages"), "{}", drawn(&ui));
    ui.pass(Duration::from_secs(5));
    tells(&mut ui, Outcome::Ok(samples::traced()));
    assert_eq!(ui.lines(), ["Order", "Sell", "Tick", "Total", "Sell"]);
    assert!(drawn(&ui).contains("traces: 25 s left, 6 of 100 taken, 7 withheld, 0 lost"), "{}", drawn(&ui));
    let mut last = samples::traced();
    last["records"] = json!([last["records"][4].clone()]);
    (last["records"][0]["number"], last["end"]) = (6.into(), "time".into());
    tells(&mut ui, Outcome::Ok(last));
    assert_eq!(ui.lines().len(), 6);
    let told = "ENDED: 6 messages traced, 7 withheld by the rate, 0 lost: its time has";
    assert!(drawn(&ui).contains(told), "{}", drawn(&ui));
    assert!(!is_asked(&ui), "nothing more comes");
    assert_eq!(ui.press(KeyCode::Esc), None, "nothing is to be ended");
    assert!(ui.model.tracing.is_none());
}

#[test]
fn who_leaves_its_screen_ends_it_and_who_looks_at_an_actor_of_it_does_not() {
    let mut ui = on_left(80, 24);
    runs(&mut ui);
    tells(&mut ui, Outcome::Ok(samples::traced()));
    assert_eq!(ui.press(KeyCode::Enter), None);
    assert_eq!(ui.model.opened.last().unwrap().what, What::Actor("4.0".into()));
    assert!(is_asked(&ui), "it is still open below");
    ui.type_in("t");
    assert!(drawn(&ui).contains("a trace is under way: leave its screen first"), "{}", drawn(&ui));
    ui.press(KeyCode::Esc);
    assert_eq!(ui.press(KeyCode::Esc), Some(Effect::Untrace));
    assert!(!is_asked(&ui));

    runs(&mut ui);
    assert_eq!(ui.press(KeyCode::Char('1')), Some(Effect::Untrace), "another screen");
    ui.type_in("2t");
    ui.press(KeyCode::Enter);
    assert_eq!(ui.press(KeyCode::Esc), Some(Effect::Untrace), "though it has not begun yet");
    begun(&mut ui);
    assert!(!is_asked(&ui));
}

#[test]
fn a_lost_connection_ends_it_and_that_is_told() {
    for again in [false, true] {
        let mut ui = on_left(80, 24);
        runs(&mut ui);
        tells(&mut ui, Outcome::Ok(samples::traced()));
        let told = match again {
            false => {
                ui.happens(Event::Lost { why: "it has closed the connection".into(), again: MINUTE });
                "ENDED: the connection was lost: it has closed the connection; t traces again"
            }
            true => {
                ui.happens(Event::Linked(Box::new(hello(4711)), None, true));
                "ENDED: the connection was lost; t traces again"
            }
        };
        assert!(drawn(&ui).contains(told), "{}", drawn(&ui));
        assert_eq!((ui.lines().len(), is_asked(&ui)), (5, false), "what was told stays");
    }
    let mut ui = on_left(80, 24);
    ui.happens(Event::Lost { why: "gone".into(), again: MINUTE });
    ui.type_in("t");
    assert!(ui.model.tracing.is_none());
    assert!(drawn(&ui).contains("nothing can be traced of a system that is not there"), "{}", drawn(&ui));
}

#[test]
fn what_comes_during_a_pause_is_shown_after_it_and_not_lost() {
    let mut ui = on_left(80, 24);
    runs(&mut ui);
    ui.happens(Event::Round(samples::round()));
    tells(&mut ui, Outcome::Ok(samples::traced()));
    ui.type_in(" ");
    ui.pass(Duration::from_secs(1));
    let mut more = samples::traced();
    more["records"] = json!([more["records"][0].clone()]);
    more["records"][0]["number"] = 7.into();
    tells(&mut ui, Outcome::Ok(more));
    assert_eq!(ui.lines().len(), 5);
    ui.type_in(" ");
    assert_eq!(ui.lines().len(), 6);
}

#[test]
fn a_recording_is_not_traced_and_an_answer_that_is_none_ends_a_trace() {
    let mut ui = on_left(80, 24);
    ui.model.link = Link::Recorded;
    ui.type_in("t");
    assert!(ui.model.tracing.is_none() && drawn(&ui).contains("this is a recording"), "{}", drawn(&ui));
    let mut ui = on_left(80, 24);
    runs(&mut ui);
    tells(&mut ui, Outcome::Ok(json!(7)));
    assert!(drawn(&ui).contains("ENDED: an answer to traced: invalid type"), "{}", drawn(&ui));
}

#[test]
fn no_more_messages_are_kept_than_a_trace_may_have() {
    let mut ui = on_left(80, 24);
    runs(&mut ui);
    let mut many = samples::traced();
    let record = many["records"][0].clone();
    many["records"] = (0..700).map(|_| record.clone()).collect();
    tells(&mut ui, Outcome::Ok(many.clone()));
    tells(&mut ui, Outcome::Ok(many));
    assert_eq!(ui.lines().len(), 1_000);
}

#[test]
fn whose_path_as_a_pattern_would_mean_others_is_not_traced() {
    for path in ["shop/front/*", "…/left"] {
        let mut ui = on_left(80, 24);
        for node in &mut ui.model.picture.tree.as_mut().unwrap().nodes {
            if node.row.path == "shop/front/left" {
                node.row.path = path.into();
            }
        }
        ui.type_in("t");
        assert!(ui.model.tracing.is_none() && ui.model.opened.is_empty(), "{path}");
        assert!(
            ui.model.notice.as_ref().unwrap().0.contains("no pattern that means it alone"),
            "{:?}",
            ui.model.notice
        );
    }
}
