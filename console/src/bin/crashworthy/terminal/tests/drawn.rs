//! What is drawn, at several sizes, compared with what was drawn before: `screens/*.txt`.
//!
//! `SCREENS=overwrite cargo test -p crashworthy-console` writes them anew; read them before you commit.

use std::path::Path;
use std::time::Duration;

use crashworthy_console::protocol::{Outcome, Rates};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;
use ratatui::style::{Color, Modifier};
use serde_json::json;

use super::super::event::Event;
use super::super::model::{Candidate, Found};
use super::super::question::{Question, Round};
use super::super::view::{Theme, draw};
use super::{Ui, samples};

const SIZES: [(u16, u16); 3] = [(40, 10), (80, 24), (120, 40)];
const PLAIN: Theme = Theme { colours: false, ascii: false };

fn backend(ui: &Ui, theme: Theme) -> TestBackend {
    let (columns, lines) = ui.model.size;
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).expect("it has a size");
    terminal.draw(|frame| draw(&ui.model, theme, frame.buffer_mut())).expect("it can be drawn");
    terminal.backend().clone()
}

/// The screen as text, without what trails.
pub(super) fn drawn(ui: &Ui) -> String {
    let backend = backend(ui, PLAIN);
    let cells = backend.buffer().content.chunks(ui.model.size.0.into());
    let line = |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    cells.map(|cells| format!("{}\n", line(cells).trim_end())).collect()
}

/// Compares the screens of all sizes with those in the file.
#[track_caller]
pub(super) fn check(name: &str, arrange: impl Fn(&mut Ui)) {
    let mut all = String::new();
    for (columns, lines) in SIZES {
        let mut ui = Ui::open(columns, lines);
        arrange(&mut ui);
        all += &format!("=== {columns}x{lines}\n{}", drawn(&ui));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/crashworthy/terminal/tests/screens");
    let file = file.join(name).with_extension("txt");
    if std::env::var("SCREENS").is_ok_and(|word| word == "overwrite") {
        std::fs::write(&file, &all).expect("it can be written");
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(all == known, "{} differs; this is what is drawn now:\n{all}", file.display());
}

fn tab(ui: &mut Ui, number: char) {
    ui.press(KeyCode::Char(number));
}

#[test]
fn the_pulse() {
    check("pulse", |_| {});
}

#[test]
fn the_tree() {
    check("tree", |ui| tab(ui, '2'));
}

#[test]
fn the_top_with_a_filter() {
    check("top", |ui| {
        tab(ui, '3');
        ui.type_in("/!Manager");
        ui.press(KeyCode::Enter);
    });
}

#[test]
fn an_actor() {
    check("actor", |ui| {
        tab(ui, '2');
        ui.press(KeyCode::End);
        ui.press(KeyCode::Enter);
        let question = ui.model.questions().pop().expect("the actor is asked for");
        let outcome = crashworthy_console::protocol::Outcome::Ok(samples::answer(&question));
        let answers = vec![(question, outcome)];
        ui.happens(Event::Round(super::super::question::Round { answers, past: None }));
    });
}

#[test]
fn a_state() {
    check("state", |ui| {
        tab(ui, '2');
        ui.press(KeyCode::End);
        ui.type_in("d");
        let question = ui.model.questions().pop().expect("the state is asked for");
        let outcome = crashworthy_console::protocol::Outcome::Ok(samples::answer(&question));
        ui.happens(Event::Round(super::super::question::Round { answers: vec![(question, outcome)], past: None }));
    });
}

#[test]
fn crashes() {
    check("crashes", |ui| tab(ui, '4'));
}

#[test]
fn a_crash() {
    check("crash", |ui| {
        tab(ui, '4');
        ui.press(KeyCode::Enter);
    });
}

#[test]
fn health() {
    check("health", |ui| tab(ui, '6'));
}

#[test]
fn the_limits() {
    check("limits", |ui| {
        tab(ui, '7');
        let mut tree = samples::answer(&Question::TREE);
        for (place, restarts) in [(0, 0), (2, 3)] {
            tree["nodes"][place]["supervises"] = json!({
                "strategy": "one_for_one", "intensity": { "restarts": 3, "period_ms": 5_000 }, "auto_shutdown": "never",
                "members": "static", "budget": { "restarts": restarts, "allowed": 3, "period_ms": 5_000 },
                "text": format!("one_for_one, {restarts} of 3 restarts in 5s, {} left", 3 - restarts),
            });
        }
        let answers = vec![(Question::TREE, Outcome::Ok(tree))];
        ui.happens(Event::Round(Round { answers, past: None }));
    });
}

#[test]
fn the_audit() {
    check("audit", |ui| tab(ui, '8'));
}

#[test]
fn an_entry_of_the_audit() {
    check("audited", |ui| {
        tab(ui, '8');
        ui.press(KeyCode::Enter);
    });
}

#[test]
fn events() {
    check("events", |ui| tab(ui, '9'));
}

#[test]
fn an_event() {
    check("event", |ui| {
        ui.type_in("9j");
        ui.press(KeyCode::Enter);
    });
}

/// The path may be as long as it likes, and so may what has happened.
#[test]
fn what_has_happened_is_in_view_wherever_there_is_room_for_anything() {
    for (columns, least) in [(40, 18), (80, 40)] {
        let mut ui = Ui::open(columns, 10);
        ui.press(KeyCode::Char('9'));
        for event in &mut ui.model.picture.happened.as_mut().unwrap().events {
            event.path = format!("storefront/a-branch-of-it/{}", event.path).into();
        }
        let drawn = drawn(&ui);
        assert!(drawn.lines().nth(2).unwrap().contains("WHAT"), "{drawn}");
        let crashed = "crashed: panic in handle: the drawer is stuck (shop/src/till.rs:45:29)";
        assert!(drawn.contains(&crashed[..least - 1]), "{drawn}");
    }
}

/// Decisions and kinds of message can be as long as reasons.
#[test]
fn of_a_crash_the_decision_is_cut_and_not_left_out() {
    let mut ui = Ui::open(80, 24);
    tab(&mut ui, '4');
    for report in &mut ui.model.picture.crashes.as_mut().unwrap().reports {
        let judged = json!({ "judged": {
            "by": "shop/front", "child": "left", "decision": { "restart": { "with": "all", "wait_ms": 0 } },
            "budget": { "restarts": 1, "allowed": 3, "period_ms": 5_000 },
        } });
        report.judgement = serde_json::from_value(judged).unwrap();
        report.crash = serde_json::from_value(json!({
            "panicked": true, "message": "the drawer is stuck, and so is the till below it, since somebody has closed it",
            "location": null, "callback": "handle",
        }))
        .unwrap();
        report.path = "storefront/a-branch-of-it/shop/front/left".into();
        report.in_hand.as_mut().unwrap().kind = "CloseTheDrawerAndCountWhatIsInIt".into();
    }
    let drawn = drawn(&ui);
    let heads: Vec<_> =
        drawn.lines().nth(2).unwrap().split("  ").map(str::trim).filter(|head| !head.is_empty()).collect();
    assert_eq!(heads, ["ACTOR", "AGO", "DECISION", "IN HAND", "REASON"], "{drawn}");
    for part in ["/front/left", " restarted with …", " CloseTheDr", " the drawer is"] {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
}

#[test]
fn a_choice_of_kinds() {
    check("kinds", |ui| {
        ui.type_in("9sj");
    });
}

#[test]
fn a_choice_of_measures() {
    check("sorts", |ui| {
        ui.type_in("3s");
    });
}

#[test]
fn a_filter_that_is_none() {
    check("filter", |ui| {
        ui.type_in("2/sho(p");
    });
}

#[test]
fn what_a_trace_asks() {
    check("asks", |ui| {
        ui.type_in("2jjjt");
    });
}

#[test]
fn a_trace() {
    check("trace", |ui| {
        super::traced::runs(ui);
        ui.pass(Duration::from_secs(3));
        let answers = vec![(Question::Traced, Outcome::Ok(samples::traced()))];
        ui.happens(Event::Round(Round { answers, past: None }));
    });
}

#[test]
fn the_help() {
    check("help", |ui| {
        ui.press(KeyCode::Char('?'));
    });
}

#[test]
fn a_choice_of_systems() {
    check("systems", |ui| {
        ui.press(KeyCode::Char('o'));
        let candidate = |system: &str, process, view| Candidate {
            system: system.to_owned(),
            process,
            socket: format!("/run/user/1000/crashworthy/{process}-{system}/ro.sock").into(),
            view,
        };
        let systems = vec![
            candidate("shop", 4711, Ok((Duration::from_secs(7265), 5, 2))),
            candidate("mall", 4712, Err("it does not answer in time".to_owned())),
        ];
        ui.happens(Event::Systems(Found { systems, trouble: None }));
    });
}

#[test]
fn a_system_that_is_lost() {
    check("lost", |ui| {
        tab(ui, '2');
        ui.now = Duration::from_secs(60);
        ui.happens(Event::Lost { why: "connection refused".to_owned(), again: Duration::from_secs(4) });
        ui.pass(Duration::from_secs(12));
        ui.happens(Event::Lost { why: "connection refused".to_owned(), again: Duration::from_secs(8) });
    });
}

#[test]
fn what_needs_an_eye_is_coloured_and_the_chosen_line_is_reversed() {
    let mut ui = Ui::open(80, 24);
    tab(&mut ui, '2');
    let backend = backend(&ui, Theme { colours: true, ascii: false });
    let style = |line: u16| backend.buffer()[(0, line)].style();
    assert!(style(3).add_modifier.contains(Modifier::REVERSED), "the cursor is on the first");
    assert_eq!(style(6).fg, Some(Color::Red), "left is being restarted");
    assert_eq!(style(7).fg, Some(Color::Yellow), "right blocks its thread");
    assert_eq!(style(4).fg, Some(Color::Reset));
}

/// Restarts and losses are what somebody looks for in an incident: paths lose their beginnings first.
#[test]
fn what_has_gone_wrong_stays_however_long_paths_are() {
    for state in ["running", "suspended", "restarting"] {
        let mut ui = Ui::open(80, 24);
        tab(&mut ui, '3');
        let rates = Rates { handled: 12345.0, refused: 1.0, busy_percent: Some(100) };
        for row in &mut ui.model.picture.top.as_mut().unwrap().rows {
            row.path = format!("storefront/a-branch-of-it/another-branch/{}", row.path);
            row.rates = Some(rates);
            row.state = serde_json::from_value(state.into()).unwrap();
            row.doing.get_or_insert_with(|| {
                serde_json::from_value(json!({ "callback": "handle", "message": "ALongOne", "for_ms": 99_000 }))
                    .unwrap()
            });
        }
        let drawn = drawn(&ui);
        let heads = drawn.lines().nth(2).unwrap();
        for head in ["ACTOR", "STATE", "QUEUED*", "RESTARTS", "LOST", "DOING"] {
            assert!(heads.contains(head), "{state}: no {head}\n{drawn}");
        }
        assert!(drawn.contains("front/right  "), "{state}: of a path the end is there\n{drawn}");
    }
}

#[test]
fn a_terminal_without_more_than_ascii_gets_no_more() {
    let mut ui = Ui::open(40, 10);
    for tab in '1'..='9' {
        ui.press(KeyCode::Char(tab));
        let backend = backend(&ui, Theme { colours: false, ascii: true });
        assert!(backend.buffer().content.iter().all(|cell| cell.symbol().is_ascii()), "{backend}");
    }
}

#[test]
fn no_size_is_too_small() {
    for columns in 1..30 {
        for lines in 1..8 {
            let mut ui = Ui::open(columns, lines);
            for key in "123456789?".chars() {
                ui.press(KeyCode::Char(key));
                ui.press(KeyCode::Down);
                drawn(&ui);
            }
        }
    }
}

/// What the README shows is written by `cargo xtask screens`, from a system that runs: the frame of it is that of today.
#[test]
fn the_readme_shows_screens_as_they_are() {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).expect("it is there");
    for (name, number) in [("pulse", '1'), ("tree", '2')] {
        let comment = format!("<!-- `cargo xtask screens` writes this: {name} -->\n```text\n");
        let (_, rest) = readme.split_once(&comment).unwrap_or_else(|| panic!("the README has no screen {name}"));
        let shown: Vec<_> = rest.split_once("```").expect("it ends").0.lines().collect();
        let mut ui = Ui::open(80, 24);
        tab(&mut ui, number);
        let now = drawn(&ui);
        let now: Vec<_> = now.lines().collect();
        assert_eq!(shown.len(), now.len(), "{name}: `cargo xtask screens` writes it anew");
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for at in [1, 23] {
            assert_eq!(words(shown[at]), words(now[at]), "{name}: `cargo xtask screens` writes it anew");
        }
        // How many columns there is room for is another matter.
        ui.happens(Event::Resize(120, 24));
        let wide = drawn(&ui);
        for heads in shown.iter().filter(|line| line.starts_with("ACTOR ") || line.starts_with("MOST ")) {
            let mut all = wide.split_whitespace();
            assert!(words(heads).iter().all(|word| all.any(|head| head == word)), "{name}: {heads}: write it anew");
        }
    }
}
