//! What the runtime promises, on real threads: one file a promise, each test a sentence.
//!
//! Nothing here sleeps to wait: tests wait for the thing, and assert that every message has an end.

mod stage;

mod admission;
mod asks;
mod balancer;
mod c1_down_after_messages;
mod c2_given_up;
mod c3_flush;
mod c4_closing;
mod c5_abandoned;
mod c5_permits;
mod c6_law;
mod c7_stop_and_drain;
mod crash_reports;
mod d_replies;
mod drains;
mod e1_cycles;
mod e1_no_cycles;
mod events;
mod f_gate;
mod f_ready;
mod from_outside;
mod g1_drops;
mod g1_panics;
mod glances;
mod held;
mod names;
mod order;
mod overflow;
mod paused;
mod pipes;
mod races;
mod recipients;
mod scopes;
mod signals;
mod signals_under_load;
mod solo;
mod stress;
mod systems;
mod timers;
mod traces;
mod views;

#[test]
fn every_test_named_in_the_table_exists() {
    let table = include_str!("README.md");
    let (mut rust, mut folders) = (String::new(), vec!["tests/promises", "../loom-tests/tests"]);
    while let Some(folder) = folders.pop() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for file in std::fs::read_dir(folder).expect("the tests are here") {
            let path = file.expect("it can be read").path();
            if path.extension().is_some_and(|ext| ext == "rs") {
                rust.push_str(&std::fs::read_to_string(path).expect("it is text"));
            }
        }
    }
    let named: Vec<&str> = table.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 2).collect();
    assert!(named.len() > 60, "the table names {}", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !rust.contains(&format!("#[test]\nfn {name}()"))).collect();
    assert!(missing.is_empty(), "no such test: {missing:#?}");
}
