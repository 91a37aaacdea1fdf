//! The differential test without Erlang: what its supervisor did in thousands of recorded scenarios, ours does, too.
//!
//! The scenarios and traces are in `otp-oracle/cases.jsonl.lzma`; `otp-oracle/README.md` says how they came about.

#[path = "../examples/otp_runner/oracle/mod.rs"]
mod oracle;

use oracle::compare::Tally;
use oracle::on_runtime::Stage;
use oracle::{archive, on_core};

/// So many pairs are recorded. None is left out.
const RECORDED: usize = 6_000;

/// Some are compared up to a step only, where the running system does otherwise on purpose. They are few.
const FEW: usize = RECORDED / 100;

#[test]
fn the_core_does_what_erlangs_supervisor_did_in_every_recorded_scenario() {
    let mut tally = Tally::default();
    for recorded in archive::read(&archive::path()).expect("the archive is in the repository") {
        let recorded = recorded.expect("every line is a scenario and a trace");
        tally.count(&recorded.trace, Some(&on_core::play(&recorded.scenario)));
    }
    println!("{tally}");
    assert!(tally.all_equal(RECORDED), "{tally}");
}

#[test]
fn the_running_system_does_what_erlangs_supervisor_did_in_every_recorded_scenario() {
    let tally = Stage::new().compare_recorded().expect("the archive is in the repository");
    println!("{tally}");
    assert!(tally.all_equal(RECORDED - FEW), "{tally}");
}
