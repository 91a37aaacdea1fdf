//! Events are told once each, however many they are and however long nobody takes them in.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use crashworthy_console::Client;
use crashworthy_console::protocol::{Events, EventsQuery, Greeting, Outcome, Request};
use crashworthy_runtime::{Happening, SystemEvent};
use serde_json::json;

use super::super::line::Line;
use super::super::model::Link;
use super::super::question::{EVENTS, Question};
use super::{Ui, hello};
use crate::find::PATIENCE;

/// Events that the system has, and how many it tells at a time.
const ALL: u64 = 700;
const PAGE: u64 = 150;

/// What a system would say that has this many.
fn told(query: &EventsQuery, last: u64) -> Events {
    let event = |seq| SystemEvent { seq, at: Default::default(), pid: None, path: "".into(), what: Happening::Started };
    let (first, next) = match query.since {
        None => (last + 1 - query.limit.expect("it is said") as u64, last),
        Some(since) => (since + 1, last.min(since + PAGE)),
    };
    let events: Vec<_> = (first..=next).map(event).collect();
    Events { at: Default::default(), last, next, dropped: 0, lifecycle_since: Some(1), matched: events.len(), events }
}

#[test]
fn what_is_more_than_an_answer_holds_comes_with_the_next_one() {
    let socket = std::env::temp_dir().join(format!("crashworthy-news-{}", std::process::id()));
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    // The first question finds 200 events, each later one all.
    let system = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        writeln!(stream, "{}", json!(Greeting { hello: hello(4711) })).unwrap();
        let requests = BufReader::new(stream.try_clone().unwrap()).lines();
        for (number, request) in requests.enumerate() {
            let Request { id, args, .. } = serde_json::from_str(&request.unwrap()).unwrap();
            let query: EventsQuery = serde_json::from_value(args).unwrap();
            let last = if number == 0 { 200 } else { ALL };
            writeln!(stream, "{}", json!({ "id": id, "ok": told(&query, last) })).unwrap();
        }
    });
    let mut line = Line::new(Client::connect(&socket, PATIENCE).unwrap());
    let mut ask = || {
        let round = line.ask(&[Question::News]).unwrap();
        let seqs = round.answers.into_iter().flat_map(|(_, outcome)| match outcome {
            Outcome::Ok(answer) => serde_json::from_value::<Events>(answer).unwrap().events,
            Outcome::Error(why) => panic!("{why:?}"),
        });
        seqs.map(|event| event.seq).collect::<Vec<_>>()
    };
    assert_eq!(ask(), (201 - EVENTS as u64..=200).collect::<Vec<_>>(), "the newest at first");
    assert_eq!(ask(), (201..=ALL).collect::<Vec<_>>(), "and then all that came");
    assert_eq!(ask().len(), 0);
    drop(line);
    system.join().unwrap();
    std::fs::remove_file(&socket).unwrap();
}

#[test]
fn while_it_is_paused_events_wait_in_the_system() {
    let mut ui = Ui::open(80, 24);
    ui.type_in("9");
    let asked = |ui: &Ui| ui.model.questions().into_iter().find(|question| question.verb() == "events");
    assert_eq!(asked(&ui), Some(Question::News));
    ui.model.is_paused = true;
    assert_eq!(asked(&ui), None, "what would be told now would be thrown away");
    ui.model.is_paused = false;
    ui.model.link = Link::Recorded;
    assert_eq!(asked(&ui), Some(Question::Events), "each picture of a recording has the newest");
}
