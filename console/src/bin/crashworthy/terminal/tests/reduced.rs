//! What becomes of the state when somebody moves in it.

use std::time::Duration;

use crashworthy_console::protocol::{Code, Outcome, Refusal, Sort};
use ratatui::crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use serde_json::json;

use super::super::event::{Effect, Event};
use super::super::model::{Tab, What};
use super::super::question::{Question, Round};
use super::drawn::drawn;
use super::{Ui, hello, samples, tree};

fn click(ui: &mut Ui, column: u16, row: u16) {
    let kind = MouseEventKind::Down(MouseButton::Left);
    ui.happens(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
}

#[test]
fn digits_and_tab_go_to_the_screens() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('3'));
    assert_eq!(ui.model.tab, Tab::Top);
    ui.press(KeyCode::Tab);
    assert_eq!(ui.model.tab, Tab::Crashes);
    ui.press(KeyCode::Char('0'));
    assert_eq!(ui.model.tab, Tab::Crashes, "there is no such screen");
    ui.press(KeyCode::Char('1'));
    ui.press(KeyCode::BackTab);
    assert_eq!(ui.model.tab, Tab::Events, "before the first is the last");
}

#[test]
fn enter_opens_an_actor_and_escape_leads_back_to_where_one_was() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.press(KeyCode::Down);
    ui.press(KeyCode::Enter);
    assert_eq!(ui.model.opened.last().unwrap().what, What::Actor("2.0".into()));
    assert!(ui.model.questions().contains(&Question::Actor("2.0".into())));
    assert_eq!(ui.lines()[0], "path       shop/back", "what the tree knows is there at once");
    ui.press(KeyCode::Esc);
    assert!(ui.model.opened.is_empty());
    assert_eq!(ui.chosen(), "  back");
}

#[test]
fn the_cursor_stays_on_its_actor_when_others_come_and_go() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.press(KeyCode::Char('G'));
    assert_eq!(ui.chosen(), "    right");
    ui.happens(Event::Round(tree(74_000, "shop/back")));
    assert_eq!(ui.chosen(), "    right");
}

#[test]
fn a_pause_freezes_everything_the_dead_among_it() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.happens(Event::Round(tree(80_000, "shop/back")));
    ui.press(KeyCode::Char(' '));
    let before = ui.lines();
    ui.happens(Event::Round(tree(500_000, "shop/front/right")));
    ui.pass(Duration::from_secs(42));
    assert_eq!(ui.lines(), before);
    assert!(drawn(&ui).lines().next().unwrap().ends_with("paused 42 s"), "{}", drawn(&ui));
    ui.press(KeyCode::Char(' '));
    ui.happens(Event::Round(tree(500_000, "shop/front/right")));
    assert!(ui.lines().contains(&"  back".to_owned()) && drawn(&ui).contains(" live"));
}

#[test]
fn a_filter_is_typed_and_shows_those_above_who_match() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.type_in("/righ");
    assert_eq!(ui.lines(), ["shop", "  front", "    right"]);
    ui.type_in("tq2");
    assert_eq!((ui.lines().len(), ui.model.tab), (0, Tab::Tree), "keys are text now");
    ui.press(KeyCode::Backspace);
    ui.press(KeyCode::Backspace);
    ui.press(KeyCode::Enter);
    assert_eq!(ui.lines().len(), 3);
    ui.press(KeyCode::Esc);
    assert_eq!(ui.lines().len(), 5, "the way back is first the filter's");
    ui.type_in("/!Manager");
    assert_eq!(ui.lines(), ["shop", "  back", "  front", "    left", "    right"], "with those above");
    ui.press(KeyCode::Esc);
    assert_eq!((ui.lines().len(), ui.model.prompt.is_none()), (5, true));
}

#[test]
fn the_top_is_sorted_by_what_is_chosen_and_by_one_measure_after_the_other() {
    let mut ui = Ui::open(80, 24);
    ui.type_in("sS");
    assert_eq!((ui.model.sort, ui.model.opened.len()), (Sort::Depth, 0), "elsewhere the keys have no meaning");
    ui.type_in("3s");
    assert_eq!((ui.chosen(), ui.lines().len()), ("* queued".into(), 9), "the cursor is on what it is sorted by");
    ui.type_in("jjjjjj");
    ui.press(KeyCode::Enter);
    assert_eq!((ui.model.sort, ui.model.opened.len()), (Sort::Restarts, 0));
    assert!(ui.model.questions().contains(&Question::Top { sort: Sort::Restarts, reversed: false, filter: None }));
    assert!(drawn(&ui).contains("RESTARTS*"), "{}", drawn(&ui));
    ui.type_in("s");
    assert_eq!(ui.chosen(), "* restarts");
    ui.press(KeyCode::Down);
    ui.press(KeyCode::Esc);
    assert_eq!(ui.model.sort, Sort::Restarts, "who goes back has chosen nothing");
    ui.type_in("SSS");
    assert_eq!(ui.model.sort, Sort::Depth, "after the last comes the first");
    ui.type_in("r");
    assert!(ui.model.questions().contains(&Question::Top { sort: Sort::Depth, reversed: true, filter: None }));
    assert!(drawn(&ui).contains("QUEUED^"), "{}", drawn(&ui));
    ui.type_in("r");
    assert!(ui.model.questions().contains(&Question::Top { sort: Sort::Depth, reversed: false, filter: None }));
    for (by, head) in [(Sort::Oldest, "OLDEST*"), (Sort::Busy, "BUSY*"), (Sort::Rate, "MSG/S*")] {
        ui.model.sort = by;
        ui.model.picture.top.as_mut().unwrap().rows[0].rates = Some(Default::default());
        assert!(drawn(&ui).contains(head), "{}", drawn(&ui));
    }
}

#[test]
fn events_are_gathered_as_they_come_and_shown_by_kind() {
    let mut ui = Ui::open(80, 24);
    ui.type_in("9");
    assert!(ui.model.questions().contains(&Question::News));
    assert_eq!(ui.lines(), ["the system", "shop/front/left", "shop/front/left", "shop/front/left", "shop/front/left"]);
    let mut more = samples::events();
    (more["last"], more["next"]) = (18.into(), 18.into());
    let last = &mut more["events"][4];
    (last["seq"], last["path"], last["event"]) = (18.into(), "shop/back".into(), "returned".into());
    ui.happens(Event::Round(Round { answers: vec![(Question::Events, Outcome::Ok(more))], past: None }));
    assert_eq!((ui.lines().len(), ui.lines()[0].clone()), (6, "shop/back".into()));
    assert!(drawn(&ui).contains("2 lost; 6 events"), "{}", drawn(&ui));

    ui.type_in("s");
    assert_eq!(ui.chosen(), "* all");
    ui.press(KeyCode::Down);
    ui.press(KeyCode::Enter);
    assert_eq!(ui.lines(), ["the system", "shop/front/left", "shop/front/left"], "troubles");
    ui.type_in("s");
    ui.type_in("/crashed");
    ui.press(KeyCode::Enter);
    ui.press(KeyCode::Enter);
    assert_eq!(ui.lines(), ["shop/front/left"]);
    assert!(drawn(&ui).contains("1 of 6 events, only crashed"), "{}", drawn(&ui));
}

#[test]
fn an_event_is_opened_in_full_and_leads_to_its_actor_and_is_told_as_json() {
    let mut ui = Ui::open(40, 24);
    ui.type_in("9j").press(KeyCode::Enter);
    assert_eq!(ui.model.opened.last().unwrap().what, What::Event(14));
    let whole = ui.lines().iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    for part in [
        "shop/front/left <4.0#2> 11.5 s ago, event 14",
        "crashed: panic in handle: the drawer is stuck (shop/src/till.rs:45:29); nobody supervises it",
        "crash.message: the drawer is stuck",
        "judgement: nobodys restarts: 1",
    ] {
        assert!(whole.contains(part), "{whole}");
    }
    ui.type_in("y");
    let json = drawn(&ui);
    assert!(json.contains("of shop/front/left as JSON"), "{json}");
    assert!(ui.lines().iter().any(|line| line.contains("\"seq\": 14")), "{:?}", ui.lines());
    ui.press(KeyCode::Esc);
    ui.press(KeyCode::Enter);
    assert_eq!(ui.model.opened.last().unwrap().what, What::Actor("4.0".into()));

    // The same keys in the list.
    ui.type_in("9y");
    assert!(ui.lines().iter().any(|line| line.contains("\"event\": \"crashed\"")), "{:?}", ui.lines());
    ui.type_in("9x");
    assert!(matches!(&ui.model.opened.last().unwrap().what, What::Menu(Some(id), _) if id == "4.0"));
    ui.type_in("9g").press(KeyCode::Enter);
    assert_eq!(ui.lines()[0], "the system");
    ui.type_in("d");
    assert_eq!(ui.model.opened.last().unwrap().what, What::Event(15), "it is about no actor");
}

#[test]
fn a_filter_is_a_pattern_and_one_that_is_none_says_so_and_hides_nobody() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('3'));
    ui.type_in("/left$|back$");
    assert_eq!(ui.lines(), ["shop/front/left", "shop/back"]);
    ui.press(KeyCode::Esc);
    ui.type_in("/~sbk");
    assert_eq!(ui.lines(), ["shop/back"]);
    ui.press(KeyCode::Esc);
    ui.type_in("/!(left");
    assert_eq!(ui.lines().len(), 5);
    assert!(ui.model.questions().contains(&top(None)), "what cannot be understood is looked for by nobody");
    assert!(drawn(&ui).contains("/!(left   ") && !drawn(&ui).contains("Enter keeps"), "{}", drawn(&ui));
    ui.press(KeyCode::Enter);
    assert!(drawn(&ui).contains("/!(left   ") && drawn(&ui).contains("; Esc"), "{}", drawn(&ui));
    ui.press(KeyCode::Esc);
    ui.type_in("/!(left)");
    assert_eq!(ui.lines().len(), 4);
}

fn top(filter: Option<&str>) -> Question {
    Question::Top { sort: Sort::Depth, reversed: false, filter: filter.map(str::to_owned) }
}

fn folded(ids: &[u64]) -> Question {
    let folded = ids.iter().map(|id| serde_json::from_value(json!(id)).expect("an id")).collect();
    Question::Tree { top: None, levels: None, filter: None, folded }
}

/// The system answers that one question.
fn answers(ui: &mut Ui, question: Question, answer: serde_json::Value) {
    ui.happens(Event::Round(Round { answers: vec![(question, Outcome::Ok(answer))], past: None }));
    assert_eq!(ui.model.notice, None, "it can be understood");
}

#[test]
fn a_filter_of_the_top_is_told_to_the_system_and_what_it_found_is_told_truly() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('3'));
    let mut some = samples::answer(&top(None));
    (some["total"], some["matched"]) = (3018.into(), 3018.into());
    answers(&mut ui, top(None), some.clone());
    assert!(drawn(&ui).contains("and 3013 more: filter with / to see them"), "{}", drawn(&ui));
    for filter in ["277", "277[9]", "^lab/2779", "~2779", "!left"] {
        ui.type_in("/").type_in(filter);
        assert!(ui.model.questions().contains(&top(Some(filter))), "{filter}: {:?}", ui.model.questions());
        ui.press(KeyCode::Esc);
    }
    // Until it answers, what it had told is looked through, and no more is claimed.
    ui.type_in("/!right");
    assert!(drawn(&ui).contains("4 match of the first 5 of 3018"), "{}", drawn(&ui));
    assert!(drawn(&ui).contains("/!right   4 found"), "{}", drawn(&ui));
    some["matched"] = 3017.into();
    some["rows"].as_array_mut().unwrap().retain(|row| row["path"] != "shop/front/right");
    answers(&mut ui, top(Some("!right")), some.clone());
    assert!(drawn(&ui).contains("3017 of 3018 match, 4 shown"), "{}", drawn(&ui));
    assert!(drawn(&ui).contains("/!right   3017 found"), "{}", drawn(&ui));
    ui.press(KeyCode::Backspace);
    assert!(drawn(&ui).contains("4 match of the first 4 of 3018"), "that is another question: {}", drawn(&ui));
    ui.type_in("t");
    some["matched"] = 4.into();
    answers(&mut ui, top(Some("!right")), some);
    assert!(drawn(&ui).contains("4 of 3018 match\n"), "{}", drawn(&ui));
}

#[test]
fn a_filter_of_the_tree_is_told_to_the_system_whatever_is_folded_or_too_deep() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.type_in("jj");
    ui.press(KeyCode::Left);
    ui.type_in("-/2779$");
    let found = || Question::Tree { top: None, levels: None, filter: Some("2779$".into()), folded: Vec::new() };
    assert_eq!(ui.model.questions().pop(), Some(found()));
    assert_eq!(ui.lines(), [""; 0]);
    let mut tree = samples::answer(&Question::TREE);
    (tree["total"], tree["matched"], tree["lines"]) = (3018.into(), 1.into(), 3.into());
    let nodes = tree["nodes"].as_array_mut().unwrap();
    (nodes[4]["path"], nodes[2]["path"]) = ("shop/pool/2779".into(), "shop/pool".into());
    nodes.remove(3);
    nodes.remove(1);
    answers(&mut ui, found(), tree);
    assert_eq!(ui.lines(), ["shop", "  pool", "    2779"]);
    assert!(drawn(&ui).contains("1 of 3018 match") && drawn(&ui).contains("/2779$   1 found"), "{}", drawn(&ui));
    ui.press(KeyCode::Esc);
    let all = ui.model.questions().pop();
    assert!(matches!(all, Some(Question::Tree { levels: Some(2), filter: None, ref folded, .. }) if folded.len() == 1));
}

#[test]
fn a_branch_is_folded_and_unfolded() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.type_in("jj");
    ui.press(KeyCode::Left);
    assert_eq!(ui.lines(), ["shop", "  back", "  + front"]);
    assert_eq!(ui.model.questions().pop(), Some(folded(&[3])), "the system is told");
    ui.press(KeyCode::Right);
    assert_eq!((ui.lines().len(), ui.model.questions().pop()), (5, Some(Question::TREE)));
}

#[test]
fn what_lies_behind_a_branch_that_is_folded_is_shown_in_its_place() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    let mut tree = samples::answer(&Question::TREE);
    (tree["total"], tree["matched"], tree["lines"]) = (3018.into(), 3018.into(), 3018.into());
    answers(&mut ui, Question::TREE, tree.clone());
    assert!(drawn(&ui).contains("3013 more: z shows a branch alone"), "{}", drawn(&ui));
    ui.type_in("jj");
    ui.press(KeyCode::Left);
    tree["lines"] = 4.into();
    let nodes = tree["nodes"].as_array_mut().unwrap();
    nodes.truncate(4);
    (nodes[3]["path"], nodes[3]["level"]) = ("shop/tasks".into(), 1.into());
    answers(&mut ui, folded(&[3]), tree.clone());
    assert_eq!(ui.lines(), ["shop", "  back", "  + front", "  tasks"]);
    assert!(drawn(&ui).contains("3014 folded") && !drawn(&ui).contains("more"), "{}", drawn(&ui));
    // Who is not behind it is missed when he goes.
    let nodes = tree["nodes"].as_array_mut().unwrap();
    nodes.remove(1);
    (tree["lines"], tree["total"], tree["at_ms"]) = (3.into(), 3017.into(), 74_000.into());
    answers(&mut ui, folded(&[3]), tree);
    assert_eq!(ui.lines(), ["shop", "  + front", "  tasks", "  back"]);
}

#[test]
fn so_many_branches_are_folded_and_no_more() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.model.folded = (10..1010).map(|id| serde_json::from_value(json!(id)).unwrap()).collect();
    ui.press(KeyCode::Left);
    assert_eq!(ui.model.folded.len(), 1_000);
    assert!(drawn(&ui).contains("1000 branches are folded: unfold one first"), "{}", drawn(&ui));
}

#[test]
fn a_system_that_is_older_is_asked_as_ever_and_no_more_is_said_of_it_than_it_told() {
    let mut ui = Ui::open(80, 24);
    let mut older = hello(4711);
    older.knows.clear();
    ui.happens(Event::Linked(Box::new(older), None, true));
    ui.press(KeyCode::Char('2'));
    ui.type_in("jj");
    ui.press(KeyCode::Left);
    assert_eq!(ui.model.questions().pop(), Some(Question::TREE));
    assert_eq!(ui.lines(), ["shop", "  back", "  + front"], "it is folded here");
    let mut tree = samples::answer(&Question::TREE);
    tree["total"] = 3018.into();
    answers(&mut ui, Question::TREE, tree);
    ui.type_in("/back");
    assert_eq!((ui.model.questions().pop(), ui.lines().len()), (Some(Question::TREE), 2));
    assert!(drawn(&ui).contains("1 match of the first 5 of 3018"), "{}", drawn(&ui));
    ui.press(KeyCode::Esc);
    ui.type_in("3/left");
    assert!(ui.model.questions().contains(&top(Some("left"))), "parts of texts it knows");
    ui.type_in("$");
    assert!(ui.model.questions().contains(&top(None)));
    assert_eq!(ui.lines(), ["shop/front/left"]);
}

#[test]
fn a_branch_is_shown_alone_and_levels_are_left_out() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.type_in("jjz");
    let asked = |ui: &Ui| ui.model.questions().pop();
    assert_eq!(
        asked(&ui),
        Some(Question::Tree { top: Some("3.0".into()), levels: None, filter: None, folded: Vec::new() })
    );
    assert!(drawn(&ui).contains("only shop/front, z shows all"), "{}", drawn(&ui));
    ui.press(KeyCode::Esc);
    assert_eq!(asked(&ui), Some(Question::TREE));
    ui.type_in("-");
    assert_eq!(asked(&ui), Some(Question::Tree { top: None, levels: Some(2), filter: None, folded: Vec::new() }));
    ui.type_in("----");
    assert_eq!(asked(&ui), Some(Question::Tree { top: None, levels: Some(1), filter: None, folded: Vec::new() }));
    let mut tops = samples::answer(&Question::TREE);
    tops["nodes"].as_array_mut().unwrap().truncate(1);
    let answer = (Question::Tree { top: None, levels: Some(1), filter: None, folded: Vec::new() }, Outcome::Ok(tops));
    ui.happens(Event::Round(Round { answers: vec![answer], past: None }));
    assert_eq!(ui.lines(), ["+ shop"]);
    assert!(drawn(&ui).contains("1 level, + shows more; 4 more"), "{}", drawn(&ui));
    ui.type_in("+");
    assert_eq!(asked(&ui), Some(Question::Tree { top: None, levels: Some(2), filter: None, folded: Vec::new() }));
    ui.happens(Event::Round(samples::round()));
    ui.type_in("++");
    assert_eq!(asked(&ui), Some(Question::TREE), "all there are is no limit");
}

#[test]
fn a_crash_is_opened_and_leads_to_its_actor() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('4'));
    ui.press(KeyCode::Enter);
    assert!(ui.lines().iter().any(|line| line.contains("the drawer is stuck")), "{:?}", ui.lines());
    ui.press(KeyCode::Enter);
    assert_eq!(ui.model.opened.last().unwrap().what, What::Actor("4.0".into()));
}

#[test]
fn an_actor_that_is_gone_keeps_what_was_known_of_it() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.press(KeyCode::End);
    ui.press(KeyCode::Enter);
    let question = Question::Actor("5.0".into());
    let answer = Outcome::Ok(samples::answer(&question));
    ui.happens(Event::Round(Round { answers: vec![(question.clone(), answer)], past: None }));
    let gone: Outcome<_> =
        serde_json::from_value(json!({ "error": { "code": "not_found", "message": "no actor" } })).unwrap();
    ui.happens(Event::Round(Round { answers: vec![(question, gone)], past: None }));
    let lines = ui.lines();
    assert_eq!(lines[0], "no actor: this is what was known of it last");
    assert!(lines.iter().any(|line| line.contains("978 accepted: 77 handled")), "{lines:?}");
}

#[test]
fn what_is_chosen_is_shown_as_json() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.press(KeyCode::End);
    ui.press(KeyCode::Char('y'));
    assert!(ui.lines().iter().any(|line| line.contains("\"path\": \"shop/front/right\"")), "{:?}", ui.lines());
    ui.press(KeyCode::Esc);
    ui.press(KeyCode::Char('4'));
    ui.press(KeyCode::Char('y'));
    assert!(ui.lines().iter().any(|line| line.contains("\"the drawer is stuck\"")), "{:?}", ui.lines());
}

#[test]
fn the_mouse_finds_screens_lines_and_what_is_behind_them() {
    let mut ui = Ui::open(80, 24);
    click(&mut ui, 10, 1);
    assert_eq!(ui.model.tab, Tab::Tree);
    click(&mut ui, 3, 5);
    assert_eq!(ui.chosen(), "  front");
    click(&mut ui, 3, 5);
    assert_eq!(ui.model.opened.last().unwrap().what, What::Actor("3.0".into()));
    click(&mut ui, 0, 1);
    assert!(ui.model.opened.is_empty(), "the way back is where the screens were");
    click(&mut ui, 3, 22);
    assert_eq!(ui.chosen(), "  front", "there is nothing");
    let wheel = MouseEvent { kind: MouseEventKind::ScrollUp, column: 0, row: 9, modifiers: KeyModifiers::NONE };
    ui.happens(Event::Mouse(wheel));
    assert_eq!(ui.chosen(), "shop");
}

#[test]
fn panels_are_clicked_and_crossed() {
    let mut ui = Ui::open(80, 24);
    let panel = |ui: &Ui| super::screens::page(&ui.model).items[ui.model.spot().list.at()].panel;
    ui.press(KeyCode::Right);
    assert_eq!(panel(&ui), 1);
    ui.press(KeyCode::Left);
    ui.press(KeyCode::Left);
    assert_eq!(panel(&ui), 0);
    let line = drawn(&ui).lines().position(|line| line.contains("LAST CRASHES")).expect("it is there") as u16;
    click(&mut ui, 60, line + 1);
    click(&mut ui, 60, line + 1);
    assert!(matches!(&ui.model.opened.last().unwrap().what, What::Crash(_)));
}

#[test]
fn screens_that_are_opened_from_each_other_are_bounded() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    for _ in 0..100 {
        ui.press(KeyCode::Char('?'));
        ui.model.opened.push(super::super::model::Opened { what: What::Actor("5.0".into()), spot: Default::default() });
        ui.press(KeyCode::Char('y'));
        ui.model.opened.pop();
    }
    assert!(ui.model.opened.len() <= super::super::model::OPENED + 1, "{}", ui.model.opened.len());
}

#[test]
fn the_dead_stay_for_thirty_seconds_of_their_system_greyed() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('2'));
    ui.happens(Event::Round(tree(80_000, "shop/front/left")));
    assert_eq!(ui.lines(), ["shop", "  back", "  front", "    right", "    left"]);
    ui.happens(Event::Round(tree(109_999, "shop/front/left")));
    assert!(drawn(&ui).contains("left"), "{}", drawn(&ui));
    assert!(drawn(&ui).contains("missed for 30.0 s"), "{}", drawn(&ui));
    ui.happens(Event::Round(tree(110_000, "shop/front/left")));
    assert_eq!(ui.lines(), ["shop", "  back", "  front", "    right"]);
}

#[test]
fn the_limits_lead_to_who_is_shut_and_ask_for_the_tree_the_budgets_are_in() {
    let mut ui = Ui::open(80, 24);
    ui.press(KeyCode::Char('7'));
    assert!([Question::Shut, Question::TREE].iter().all(|asked| ui.model.questions().contains(asked)));
    ui.press(KeyCode::Down);
    ui.press(KeyCode::Enter);
    assert_eq!(ui.model.opened.last().unwrap().what, What::Actor("2.0".into()));
    ui.press(KeyCode::Esc);
    let nobody = json!({ "at_ms": 74_000, "total": 5, "matched": 0, "rows": [] });
    ui.happens(Event::Round(Round { answers: vec![(Question::Shut, Outcome::Ok(nobody))], past: None }));
    assert_eq!(ui.lines()[1], "  none");
}

#[test]
fn the_limits_are_those_that_the_system_says_are_in_force() {
    let mut ui = Ui::open(120, 60);
    let limits = &mut ui.model.hello.as_mut().unwrap().limits;
    (limits.watches, limits.state_within) = (7, Duration::from_millis(90));
    (limits.trace.at_once, limits.trace.count, limits.trace.rate) = (2, 300, 40);
    limits.trace.within = Duration::from_secs(8);
    ui.press(KeyCode::Char('7'));
    for line in [
        "watches    7 lists by each client",
        "state      90 ms for an actor to show it, 65536 bytes, 16 levels",
        "traces     2 at a time, each 300 messages, 40 a second, 8.0 s",
    ] {
        assert!(ui.lines().iter().any(|known| known == line), "{line}: {:?}", ui.lines());
    }
}

#[test]
fn the_audit_grows_at_the_top_and_the_cursor_stays_on_its_entry() {
    let mut ui = Ui::open(120, 24);
    ui.press(KeyCode::Char('8'));
    assert!(ui.model.questions().contains(&Question::Audit));
    ui.press(KeyCode::Down);
    let chosen = ui.chosen();
    let mut grown = samples::answer(&Question::Audit);
    let newest = grown["entries"][1].clone();
    grown["entries"].as_array_mut().unwrap().push(newest);
    grown["total"] = 13.into();
    ui.happens(Event::Round(Round { answers: vec![(Question::Audit, Outcome::Ok(grown))], past: None }));
    assert_eq!((ui.lines().len(), ui.chosen(), ui.model.spot().list.at()), (3, chosen, 2));
    ui.press(KeyCode::Enter);
    assert_eq!(ui.model.opened.last().unwrap().what, What::Audit(10));
    assert_eq!(ui.lines()[0], "what       kill");
    ui.press(KeyCode::Char('y'));
    assert!(ui.lines().iter().any(|line| line.contains("it hangs")), "{:?}", ui.lines());
}

#[test]
fn a_colon_leads_to_a_screen_or_to_an_actor() {
    let mut ui = Ui::open(80, 24);
    ui.type_in(":tr").press(KeyCode::Enter);
    assert_eq!(ui.model.tab, Tab::Tree);
    ui.type_in(":CRASHES").press(KeyCode::Enter);
    assert_eq!(ui.model.tab, Tab::Crashes);
    // Two begin like that, and so it is taken for an actor.
    ui.type_in(":t").press(KeyCode::Enter);
    assert_eq!(ui.model.opened.last().unwrap().what, What::Actor("t".into()));
    ui.press(KeyCode::Esc);
    ui.type_in(":right").press(KeyCode::Enter);
    assert!(ui.model.questions().contains(&Question::Actor("right".into())));
    let told = (Question::Actor("right".into()), Outcome::Ok(samples::answer(&Question::Actor("5.0".into()))));
    ui.happens(Event::Round(Round { answers: vec![told], past: None }));
    assert_eq!(ui.model.opened.last().unwrap().what, What::Actor("5.0".into()), "it is known by its id from now on");
    assert!(ui.lines()[0].contains("shop/front/right"), "{:?}", ui.lines());
    ui.type_in(":top").press(KeyCode::Esc);
    assert!(ui.model.typed.is_none() && ui.model.tab == Tab::Crashes, "thought better of");
    ui.type_in(":help").press(KeyCode::Enter);
    assert_eq!(ui.model.opened.last().unwrap().what, What::Help);
    ui.type_in(":q");
    assert_eq!(ui.press(KeyCode::Enter), Some(Effect::Quit));
}

#[test]
fn the_state_of_an_actor_is_asked_while_it_is_in_view_and_no_longer() {
    let mut ui = Ui::open(80, 24);
    let state = Question::State("5.0".into());
    ui.type_in("2");
    ui.press(KeyCode::End);
    ui.type_in("d");
    assert_eq!(ui.model.opened.last().unwrap().what, What::State("5.0".into()));
    assert!(ui.model.questions().contains(&state));
    assert_eq!(ui.lines()[0], "waits for an answer");
    let answered = |outcome| Event::Round(Round { answers: vec![(state.clone(), outcome)], past: None });
    ui.happens(answered(Outcome::Ok(samples::answer(&state))));
    assert!(ui.lines().iter().any(|line| line.contains("sold: 77")), "{:?}", ui.lines());
    let why = Refusal { code: Code::NotFound, message: "no actor".into() };
    ui.happens(answered(Outcome::Error(why)));
    assert_eq!(ui.lines()[0], "no actor");
    ui.type_in("?");
    assert!(!ui.model.questions().contains(&state), "it costs the actor a little");
}
