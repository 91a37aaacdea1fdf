//! Systems that are chosen, lost, found again, and recorded.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::event::{Effect, Event};
use super::super::model::{Candidate, Found, Link, Recorder};
use super::super::question::Question;
use super::drawn::drawn;
use super::{Ui, hello, samples, tree};

fn candidate(system: &str) -> Candidate {
    Candidate { system: system.into(), process: 1, socket: system.into(), view: Err("it is only a name".into()) }
}

fn running(systems: Vec<Candidate>) -> Event {
    Event::Systems(Found { systems, trouble: None })
}

#[test]
fn only_what_is_in_view_is_asked_for_unless_it_is_recorded() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    let verbs = |ui: &Ui| ui.model.questions().iter().map(Question::verb).collect::<Vec<_>>();
    assert_eq!(verbs(&ui), ["system", "health", "crashes", "tree"]);
    ui.happens(Event::Recorded { bytes: 0 });
    for verb in ["system", "tree", "actors", "crashes", "reports", "health", "metrics", "dead_letters"] {
        assert!(verbs(&ui).contains(&verb), "{verb}");
    }
    ui.happens(Event::RecordingEnded("enough".into()));
    assert_eq!(ui.model.recorder, Recorder::Idle);
    assert_eq!(verbs(&ui).len(), 4);
}

#[test]
fn why_there_is_no_system_is_told() {
    let mut ui = Ui::closed(80, 24);
    ui.model.link = Link::Choosing(Found::default());
    ui.happens(Event::Systems(Found { systems: Vec::new(), trouble: Some("no system \"mall\" runs".into()) }));
    assert!(drawn(&ui).contains("no system \"mall\" runs; this list waits for one"), "{}", drawn(&ui));
}

#[test]
fn one_system_is_looked_into_and_several_are_a_choice() {
    let mut ui = Ui::closed(80, 24);
    ui.model.link = Link::Choosing(Found::default());
    assert_eq!(ui.happens(running(Vec::new())), None);
    assert!(drawn(&ui).contains("no system runs"));
    assert_eq!(ui.happens(running(vec![candidate("a")])), Some(Effect::Connect("a".into())));

    ui.model.socket = None;
    ui.model.link = Link::Choosing(Found::default());
    assert_eq!(ui.happens(running(vec![candidate("a"), candidate("b")])), None);
    ui.press(KeyCode::Down);
    assert_eq!(ui.press(KeyCode::Enter), Some(Effect::Connect("b".into())));

    assert_eq!(ui.press(KeyCode::Char('o')), Some(Effect::Search));
    assert_eq!(ui.happens(running(vec![candidate("a")])), None, "who wants to see the others sees them");
    assert_eq!(ui.press(KeyCode::Esc), Some(Effect::Connect("b".into())), "or goes back");
}

#[test]
fn what_comes_late_from_a_system_that_was_left_is_not_taken_for_another() {
    let mut ui = Ui::open(80, 24);
    ui.model.socket = Some("shop".into());
    ui.press(KeyCode::Char('2'));
    ui.press(KeyCode::Char('o'));
    ui.happens(Event::Round(samples::round()));
    ui.happens(Event::Lost { why: "gone".into(), again: Duration::from_secs(1) });
    ui.happens(Event::Linked(Box::new(hello(4711)), None, true));
    assert!(ui.model.is_choosing());
    ui.happens(running(vec![candidate("mall")]));
    assert_eq!(ui.press(KeyCode::Enter), Some(Effect::Connect("mall".into())));
    ui.happens(Event::Round(samples::round()));
    assert_eq!((ui.lines().len(), ui.model.picture.tree.is_none()), (0, true), "nobody has said who answers there");
}

#[test]
fn a_lost_system_leaves_its_last_picture_with_its_age_and_comes_back() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    let lost = || Event::Lost { why: "connection refused".into(), again: Duration::from_secs(1) };
    ui.happens(lost());
    ui.pass(Duration::from_secs(90));
    ui.happens(lost());
    assert!(drawn(&ui).lines().next().unwrap().ends_with("lost 1 min 30 s"), "{}", drawn(&ui));
    assert!(drawn(&ui).contains("connection refused; o: other systems; tries again in 2 s"), "{}", drawn(&ui));
    assert_eq!(ui.lines().len(), 5);
    ui.happens(Event::Linked(Box::new(hello(4711)), None, true));
    assert_eq!((ui.lines().len(), ui.model.link.clone()), (5, Link::Up));
    assert_eq!(ui.model.notice, None, "it is the same process");
    ui.happens(lost());
    assert_eq!(ui.press(KeyCode::Char('o')), Some(Effect::Search));
}

#[test]
fn another_process_is_told_and_its_actors_are_not_taken_for_those_before() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.press(KeyCode::Enter);
    ui.happens(Event::Lost { why: "gone".into(), again: Duration::from_secs(1) });
    ui.happens(Event::Linked(Box::new(hello(4800)), None, true));
    assert!(drawn(&ui).contains("another process is there now: 4800 after 4711"), "{}", drawn(&ui));
    assert_eq!(ui.model.opened.len(), 1, "until it answers, the last picture stays");
    ui.happens(Event::Round(tree(1_000, "shop/back")));
    assert!(ui.model.opened.is_empty());
    assert_eq!(ui.lines(), ["shop", "  front", "    left", "    right"], "nobody of before is a ghost");
    ui.pass(Duration::from_secs(3600));
    assert!(drawn(&ui).contains("another process is there now"), "it stays for whoever looks away");
    ui.press(KeyCode::Down);
    assert_eq!(ui.model.notice, None);
}

#[test]
fn a_system_that_begins_anew_in_its_process_is_another_too() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.press(KeyCode::Enter);
    ui.happens(Event::Round(tree(74_000, "shop/back")));
    assert_eq!(ui.model.opened.len(), 1);
    ui.happens(Event::Round(tree(1_000, "shop/back")));
    assert!(drawn(&ui).contains("the system has begun anew"), "{}", drawn(&ui));
    assert_eq!((ui.model.opened.len(), ui.model.picture.ghosts.dead().len()), (0, 0));
}

#[test]
fn keys_record_and_quit() {
    let mut ui = Ui::open(80, 24);
    assert_eq!(ui.press(KeyCode::Char('R')), Some(Effect::Record));
    ui.happens(Event::Recorded { bytes: 12_345 });
    assert!(drawn(&ui).contains("REC 13 KB"), "{}", drawn(&ui));
    assert_eq!(ui.press(KeyCode::Char('o')), None, "one recording is of one system");
    assert_eq!(ui.press(KeyCode::Char('R')), Some(Effect::StopRecording));
    assert_eq!(ui.press(KeyCode::Char('q')), Some(Effect::Quit));
    ui.type_in("/");
    assert_eq!(ui.press(KeyCode::Char('q')), None);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(ui.happens(Event::Key(interrupt)), Some(Effect::Quit));
}

#[test]
fn a_recording_that_nobody_ended_is_told_until_there_is_another() {
    let mut ui = Ui::open(80, 24);
    ui.happens(Event::Recorded { bytes: 64_000_000 });
    ui.happens(Event::RecordingFailed("more than 64 bytes are not written".into()));
    assert!(drawn(&ui).contains("more than 64 bytes are not written"), "{}", drawn(&ui));
    ui.pass(Duration::from_secs(600));
    assert!(drawn(&ui).contains("REC ENDED"), "{}", drawn(&ui));
    assert!(!ui.model.questions().contains(&Question::TREE), "what is not recorded is not asked for");
    assert_eq!(ui.press(KeyCode::Char('R')), Some(Effect::Record));
}
