//! What somebody reads stays until he closes it.

use crashworthy_console::protocol::Outcome;
use ratatui::crossterm::event::KeyCode;
use serde_json::{Value, json};

use super::super::event::Event;
use super::super::question::{Question, Round};
use super::{Ui, samples};

#[test]
fn what_is_read_stays_until_it_is_closed_however_much_comes_after_it() {
    let mut ui = Ui::open(120, 24);
    ui.type_in("9j").press(KeyCode::Enter);
    let whole = ui.lines();
    assert!(whole.iter().any(|line| line.contains("the drawer is stuck")), "{whole:?}");
    let mut more = samples::events();
    let event = more["events"][0].clone();
    let next = |seq: u64| {
        let mut event = event.clone();
        event["seq"] = seq.into();
        event
    };
    for first in (100..2_000).step_by(100) {
        more["events"] = (first..first + 100).map(next).collect();
        (more["last"], more["next"]) = ((first + 99).into(), (first + 99).into());
        ui.happens(Event::Round(Round { answers: vec![(Question::News, Outcome::Ok(more.clone()))], past: None }));
    }
    assert!(ui.model.picture.happened.as_ref().unwrap().events.iter().all(|event| event.seq >= 1_000));
    assert_eq!(ui.lines(), whole);
    ui.type_in("y");
    assert!(ui.lines().iter().any(|line| line.contains("\"seq\": 14")), "{:?}", ui.lines());
    ui.press(KeyCode::Esc);
    ui.press(KeyCode::Esc);
    assert!(ui.model.picture.held.is_none(), "what is closed is forgotten");
}

#[test]
fn nor_does_a_report_or_an_entry_of_the_audit_go_while_it_is_read() {
    let mut ui = Ui::open(120, 24);
    let question = Question::Reports { progress: false };
    let mut one = samples::answer(&question);
    one["reports"] = json!([report()]);
    ui.happens(Event::Round(Round { answers: vec![(question.clone(), Outcome::Ok(one))], past: None }));
    for (tab, question) in [("5", question), ("8", Question::Audit)] {
        ui.type_in(tab).press(KeyCode::Enter);
        let whole = ui.lines();
        let mut none = samples::answer(&question);
        match question {
            Question::Audit => (none["entries"], none["total"]) = (json!([]), 500.into()),
            _ => none["reports"] = json!([]),
        }
        ui.happens(Event::Round(Round { answers: vec![(question, Outcome::Ok(none))], past: None }));
        assert!(ui.lines() == whole && whole.len() > 1, "{whole:?} {:?}", ui.lines());
        ui.press(KeyCode::Esc);
        assert!(ui.lines().is_empty() && ui.model.picture.held.is_none(), "{:?}", ui.lines());
    }
}

fn report() -> Value {
    json!({
        "supervisor": "shop/front", "pid": { "id": 3, "incarnation": 1 }, "at_ms": 72_001, "context": "shutdown",
        "cause": { "reached_max_restart_intensity": { "restarts": 3, "period_ms": 5000 } },
        "offender": {
            "id": "till", "place": { "running": { "id": 5, "incarnation": 4 } }, "restart": "permanent",
            "shutdown": { "within_ms": 5000 }, "kind": "worker", "significant": false,
        },
        "told": "logged",
    })
}
