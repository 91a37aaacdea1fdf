//! A small shop as the screens see it, for tests.

use crashworthy_console::protocol::{Outcome, Row};
use serde_json::{Value, json};

use super::question::{MEASURES, Question, Round};

/// An actor that runs and has nothing to do.
pub(crate) fn row(id: u64, path: &str) -> Row {
    serde_json::from_value(row_of(id, path)).expect("it is a row")
}

fn row_of(id: u64, path: &str) -> Value {
    json!({
        "pid": { "id": id, "incarnation": 1 }, "path": path, "kind": "shop::Till", "state": "running", "doing": null,
        "depth": 0, "limit": 1024, "restarts": 0, "accepted": 0, "handled": 0, "given_up": 0, "undelivered": 0, "children": 0,
    })
}

fn with(mut row: Value, more: Value) -> Value {
    for (name, value) in more.as_object().expect("fields") {
        row[name] = value.clone();
    }
    row
}

/// `shop` with the branch `front`, in which `left` has crashed twice and `right` blocks its thread, and the waiting `back`.
pub(crate) fn rows() -> Vec<Value> {
    let busy = json!({ "callback": "handle", "message": "Sell", "on_thread": true, "for_ms": 3200 });
    let awaits = json!({ "callback": "handle", "message": "Order", "on_thread": false, "for_ms": 42 });
    vec![
        with(row_of(1, "shop"), json!({ "kind": "crashworthy_supervisor::manager::Manager", "children": 2 })),
        with(row_of(2, "shop/back"), json!({ "kind": "shop::Stock", "doing": awaits, "handled": 19, "accepted": 20 })),
        with(row_of(3, "shop/front"), json!({ "kind": "crashworthy_supervisor::manager::Manager", "children": 2 })),
        with(
            row_of(4, "shop/front/left"),
            json!({ "restarts": 2, "state": "restarting", "handled": 10_532, "given_up": 2, "undelivered": 1 }),
        ),
        with(row_of(5, "shop/front/right"), json!({ "doing": busy, "depth": 900, "handled": 77, "accepted": 978 })),
    ]
}

pub(crate) fn system() -> Value {
    json!({
        "name": "shop", "process": 4711, "at_ms": 73_000, "actors": 5, "busy": 2, "queued": 900, "crashes": 2,
        "reports": { "start_error": 0, "child_terminated": 2, "shutdown": 0, "shutdown_error": 0, "progress": 6 },
        "reports_withheld": 0, "dead_letters": 1, "stragglers": [], "timers": 3, "names": 0, "memberships": 0, "runnable": 1,
        "turns": 12_000,
        "sources": [
            { "name": "searches", "sort": "cache", "critical": false, "serves": true, "state": "in use", "figures": { "hits": 12.0 } },
            { "name": "bank", "sort": "breaker", "critical": true, "serves": false, "state": "open", "figures": {} },
        ],
        "pools": { "total": 1, "first": [{
            "name": "shop", "total": 2, "in_turn": 1, "queued": 0, "turns": 12_000, "rescuers": 0, "rescues": 1, "closed": false,
            "workers": [
                { "state": "in_turn", "for_ms": 3200, "queued": 0, "turns": 7_000, "stolen": 3 },
                { "state": "idle", "queued": 0, "turns": 5_000, "stolen": 1 },
            ],
        }] },
    })
}

pub(crate) fn crash() -> Value {
    json!({
        "pid": { "id": 4, "incarnation": 2 }, "path": "shop/front/left", "name": "left", "kind": "shop::Till",
        "at_ms": 61_500, "restarts": 1,
        "crash": {
            "panicked": true, "message": "the drawer is stuck", "location": "shop/src/till.rs:45:29", "callback": "handle",
        },
        "in_hand": { "kind": "Sell", "from": "outside", "asked": true, "sent_ago_ms": 9, "taken_ago_ms": 5 },
        "recent": [{ "kind": "Sell", "age_ms": 5 }],
        "backtrace": null, "judgement": "nobodys", "logged": true, "withheld": 0,
    })
}

pub(crate) fn health() -> Value {
    let right = with(
        rows().remove(4),
        json!({ "lacks": [{ "name": "bank", "since_ms": 70_000, "eta_ms": 10_000 }], "only": null }),
    );
    let left = with(rows().remove(3), json!({ "lacks": [], "only": null }));
    json!({ "at_ms": 73_000, "ready": false, "total": 2, "unready": [left, right] })
}

/// What was traced of the till on the left: each way to end, and one that is in hand.
pub(crate) fn traced() -> Value {
    let message = |number: u32, kind: &str, more: Value| {
        let pid = json!({ "id": 4, "incarnation": 2 });
        let message = json!({
            "number": number, "at_ms": 72_000 + 100 * number, "pid": pid, "path": "shop/front/left", "kind": "shop::Cashier", "message": kind,
            "size": 24,
            "age_ms": 0, "from": "outside", "asked": false, "outcome": "handled", "took_ms": 0.0123,
            "wall_ms": 1_764_296_185_000_u64 + u64::from(100 * number),
        });
        with(message, more)
    };
    let other = json!({ "another": { "id": 2, "path": "shop/back" } });
    let records = [
        message(1, "Sell", json!({})),
        message(2, "Total", json!({ "from": other, "asked": true, "age_ms": 42, "took_ms": 3.25 })),
        message(3, "Tick", json!({ "from": "itself", "outcome": "refused" })),
        message(4, "Sell", json!({ "outcome": "panicked" })),
        message(5, "Order", json!({ "outcome": "in_hand", "took_ms": null })),
    ];
    json!({
        "at_ms": 73_000, "records": records, "taken": 6, "in_hand": 1, "withheld": 7, "lost": 0, "actors": 1, "left_out": 0,
        "end": null,
    })
}

/// What has happened, after so many that are not told any more.
pub(crate) fn events() -> Value {
    let left = |seq: u64, at_ms: u64, event: Value| {
        let pid = json!({ "id": 4, "incarnation": 2 });
        with(json!({ "seq": seq, "at_ms": at_ms, "pid": pid, "path": "shop/front/left" }), event)
    };
    let crashed = json!({ "event": "crashed", "crash": crash()["crash"], "restarts": 1, "judgement": "nobodys" });
    let refuses =
        json!({ "event": "gate_refuses", "reason": "full", "refused": 7, "depth": 1024, "limit": 1024, "wait_ms": 42 });
    let events = [
        left(11, 12_000, refuses),
        left(12, 60_000, json!({ "event": "begins", "kind": "shop::Till", "parent": { "id": 3, "incarnation": 1 } })),
        left(13, 60_001, json!({ "event": "started" })),
        left(14, 61_500, crashed),
        json!({ "seq": 15, "at_ms": 72_000, "pid": null, "path": "", "event": "workers_blocked", "workers": 2, "actors": 2 }),
    ];
    json!({
        "at_ms": 73_000, "last": 15, "next": 15, "dropped": 10, "lifecycle_since": 12, "matched": 5, "events": events,
    })
}

/// The answer of the shop.
pub(crate) fn answer(question: &Question) -> Value {
    let nodes = || rows().into_iter().map(|row| with(row.clone(), json!({ "level": level(&row) }))).collect::<Vec<_>>();
    match question {
        Question::System => system(),
        Question::Tree { .. } => json!({ "at_ms": 73_000, "total": 5, "nodes": nodes() }),
        Question::Top { .. } | Question::Worst(_) => {
            let mut rows = rows();
            rows.reverse();
            json!({ "at_ms": 73_000, "total": 5, "matched": 5, "rows": rows })
        }
        Question::Actor(_) => actor(),
        Question::State(_) => state(),
        Question::Crashes | Question::Crash(_) => {
            json!({ "at_ms": 73_000, "total": 2, "matched": 1, "reports": [crash()] })
        }
        Question::Reports { .. } => {
            json!({ "at_ms": 73_000, "counts": system()["reports"], "matched": 0, "reports": [] })
        }
        Question::Health => health(),
        Question::Shut => {
            let tripped = with(rows().remove(1), json!({ "gate": "tripped" }));
            let left = with(rows().remove(3), json!({ "gate": "restarting", "back_in_ms": 1500 }));
            json!({ "at_ms": 73_000, "total": 5, "matched": 2, "rows": [tripped, left] })
        }
        Question::Audit => audit(),
        Question::DeadLetters => json!({
            "at_ms": 73_000, "total": 0, "unseen": 0, "matched": 0, "letters": [], "actors": []
        }),
        Question::Events | Question::News => events(),
        Question::Traced => traced(),
        Question::Metrics => json!({ "at_ms": 73_000, "system": system(), "total": 0, "kinds": [] }),
    }
}

/// What the till on the right shows.
fn state() -> Value {
    json!({
        "at_ms": 73_000, "pid": { "id": 5, "incarnation": 1 }, "path": "shop/front/right", "kind": "shop::Till",
        "state": { "at_ms": 72_990, "cut": null, "entries": [
            { "name": "sold", "value": { "count": 77 } }, { "name": "pin", "value": "secret" },
        ] },
    })
}

fn audit() -> Value {
    let target =
        json!({ "pid": { "id": 2, "incarnation": 1 }, "path": "shop/back", "kind": "shop::Stock", "state": "running" });
    let entry = |unix_ms: u64, plan: Value, reason: &str, result: Value| {
        json!({
            "unix_ms": unix_ms, "system": "shop", "process": 4711, "peer": { "uid": 1000, "process": 815 }, "plan": plan,
            "reason": reason, "result": result,
        })
    };
    let trip = json!({
        "do": "trip", "targets": [target],
        "effect": ["trip: shop/back <2.0#1>, shop::Stock, running, 0 restarts so far", "queued: 0 messages; handled all the same"],
    });
    let kill = json!({ "do": "kill", "targets": [target], "effect": ["kill: shop/back <2.0#1>"] });
    json!({
        "at_ms": 73_000, "file": "/run/user/1000/crashworthy/audit/shop.jsonl", "total": 12, "unwritten": 0, "forged": 1,
        "entries": [
            entry(1_764_296_185_000, kill, "it hangs", json!({ "refused": "too_often" })),
            entry(1_764_296_190_000, trip, "wrong stock", json!("done")),
        ],
    })
}

fn level(row: &Value) -> usize {
    row["path"].as_str().expect("a path").matches('/').count()
}

fn actor() -> Value {
    let tie = |id: u64, path: &str| json!({ "pid": { "id": id, "incarnation": 1 }, "path": path });
    with(
        rows().remove(4),
        json!({
            "at_ms": 73_000, "name": "right",
            "law": {
                "accepted": 978, "handled": 77, "expired": 0, "cancelled": 0, "displaced": 0, "undelivered": 0,
                "given_up": 0, "in_hand": 1, "queued": 900,
            },
            "refusals": { "counts": [], "last_ms": null }, "blocked": 3, "pool": "reports", "signals": 0, "parent": tie(3, "shop/front"),
            "links": { "total": 1, "first": [tie(3, "shop/front")] },
            "monitors": { "total": 0, "first": [] }, "watchers": { "total": 0, "first": [] },
            "below": { "total": 0, "first": [] },
        }),
    )
}

/// All that there is to know of the shop.
pub(crate) fn round() -> Round {
    let all = [
        Question::System,
        Question::TREE,
        Question::Top { sort: MEASURES[0], reversed: false, filter: None },
        Question::Crashes,
        Question::Reports { progress: false },
        Question::Health,
        Question::Metrics,
        Question::Shut,
        Question::Audit,
        Question::DeadLetters,
        Question::Events,
    ];
    let all = all.into_iter().chain(MEASURES.map(Question::Worst));
    Round { answers: all.map(|question| (question.clone(), Outcome::Ok(answer(&question)))).collect(), past: None }
}
