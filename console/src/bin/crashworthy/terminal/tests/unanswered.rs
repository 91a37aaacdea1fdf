//! What is said where there is no answer: that one is waited for, or why none comes.

use std::time::Duration;

use crashworthy_console::protocol::{Code, Outcome, Refusal};
use ratatui::crossterm::event::KeyCode;

use super::super::event::Event;
use super::super::model::{Link, What};
use super::super::playback::Playback;
use super::super::question::{Question, Round};
use super::drawn::drawn;
use super::{Ui, hello, samples};

/// The shop, of which nothing is known but itself.
fn begun() -> Ui {
    let mut ui = Ui::closed(80, 24);
    ui.happens(Event::Linked(Box::new(hello(4711)), None, true));
    let system = (Question::System, Outcome::Ok(samples::answer(&Question::System)));
    ui.happens(Event::Round(Round { answers: vec![system], past: None }));
    ui
}

/// Goes to each screen that needs an answer of its own, and looks for these words.
#[track_caller]
fn says_everywhere(ui: &mut Ui, words: &str) {
    for tab in "23456789".chars() {
        ui.press(KeyCode::Char(tab));
        assert!(drawn(ui).contains(words), "{tab}: {}", drawn(ui));
    }
    ui.type_in("2");
    for what in [What::Actor("7.0".into()), What::State("7.0".into())] {
        super::super::command::push(&mut ui.model, what);
        assert!(drawn(ui).contains(words), "{}", drawn(ui));
    }
}

#[test]
fn what_was_not_seen_before_a_pause_is_not_waited_for() {
    let mut ui = begun();
    says_everywhere(&mut ui, "waits for an answer");
    ui.type_in("1 ");
    says_everywhere(&mut ui, "this was not seen before the pause: space goes on");
    ui.type_in("2 ");
    says_everywhere(&mut ui, "waits for an answer");
}

#[test]
fn nor_is_what_was_not_seen_before_the_system_was_lost() {
    let mut ui = begun();
    let lost = || Event::Lost { why: "gone".into(), again: Duration::from_secs(1) };
    ui.happens(lost());
    says_everywhere(&mut ui, "this was not seen before the system was lost");
    let mut ui = Ui::closed(80, 24);
    assert!(drawn(&ui).contains("waits for an answer"));
    ui.happens(lost());
    says_everywhere(&mut ui, "nobody has answered yet");
}

#[test]
fn of_a_recording_it_is_said_what_is_not_in_it() {
    let mut ui = begun();
    ui.model.link = Link::Recorded;
    ui.model.playback = Some(Playback::new(Duration::ZERO, vec![Duration::ZERO]));
    says_everywhere(&mut ui, "this was not recorded");
    ui.type_in("9");
    let why = Refusal { code: Code::NotFound, message: "events was not recorded".into() };
    ui.happens(Event::Round(Round { answers: vec![(Question::Events, Outcome::Error(why))], past: None }));
    ui.pass(Duration::from_secs(60));
    let screen = drawn(&ui);
    assert!(screen.lines().nth(2).unwrap().contains("events was not recorded"), "{screen}");
}

#[test]
fn what_is_told_at_the_bottom_ends_although_each_round_would_say_it_again() {
    let mut ui = begun();
    ui.type_in("8");
    let refused = |bytes: u64| {
        let why = Refusal { code: Code::AnswerTooLong, message: format!("an answer of {bytes} bytes") };
        Event::Round(Round { answers: vec![(Question::Audit, Outcome::Error(why))], past: None })
    };
    let bottom = |ui: &Ui| drawn(ui).lines().last().unwrap().to_owned();
    for second in 0..10 {
        ui.happens(refused(1_000 + second));
        assert_eq!(bottom(&ui).contains("audit: an answer of 1000 bytes"), second <= 6, "{second}: {}", bottom(&ui));
        ui.pass(Duration::from_secs(1));
    }
    assert!(bottom(&ui).starts_with("? help"), "{}", bottom(&ui));
    // Once it has been answered it is news again.
    ui.happens(Event::Round(samples::round()));
    ui.happens(refused(7));
    assert!(bottom(&ui).contains("an answer of 7 bytes"), "{}", bottom(&ui));
    // Whoever goes on has read it, unless it has only just come.
    ui.press(KeyCode::Down);
    assert!(bottom(&ui).contains("an answer of 7 bytes"), "{}", bottom(&ui));
    ui.pass(Duration::from_secs(1));
    ui.press(KeyCode::Down);
    assert!(bottom(&ui).starts_with("? help"), "{}", bottom(&ui));
}

#[test]
fn why_a_system_does_not_answer_stays_in_view_until_it_does() {
    let mut ui = begun();
    ui.type_in("8");
    let why = Refusal { code: Code::UnknownVerb, message: "there is no audit".into() };
    ui.happens(Event::Round(Round { answers: vec![(Question::Audit, Outcome::Error(why))], past: None }));
    ui.pass(Duration::from_secs(60));
    assert!(drawn(&ui).lines().nth(2).unwrap().contains("there is no audit"), "{}", drawn(&ui));
    let audit = (Question::Audit, Outcome::Ok(samples::answer(&Question::Audit)));
    ui.happens(Event::Round(Round { answers: vec![audit], past: None }));
    assert!(!drawn(&ui).contains("there is no audit"), "{}", drawn(&ui));
}
