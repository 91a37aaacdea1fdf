//! The differential test without Erlang: what its supervisor did in thousands of recorded scenarios, ours does, too.
//!
//! The scenarios and traces are in `otp-oracle/cases.jsonl.lzma`; `otp-oracle/README.md` says how they came about.

#[path = "../examples/otp_runner/oracle/mod.rs"]
mod oracle;

use oracle::compare::Tally;
use oracle::on_runtime::Stage;
use oracle::{archive, on_core};

/// Fewer recorded pairs than this would mean that the archive was truncated.
const RECORDED: usize = 5_000;

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

/// Every so manieth scenario is played on the running system: in real time it takes longer than all on the core.
const NTH: usize = 2;

#[test]
fn the_running_system_does_what_erlangs_supervisor_did_in_every_second_recorded_scenario() {
    let tally = Stage::new().compare_recorded(NTH).expect("the archive is in the repository");
    println!("{tally}");
    assert!(tally.all_equal(RECORDED / NTH * 3 / 4), "{tally}");
}
