//! The fault campaign, in small.

use crashworthy_benches::faults::campaign::{Plan, run};

fn plan(count: u64, only: Option<(u64, u64)>) -> Plan {
    Plan { count, seed: 3, only, lanes: 2 }
}

#[test]
fn a_short_campaign_finds_nothing_wrong_and_one_round_is_repeated() {
    let summary = run(plan(1_000, None), |_| ()).expect("runtimes can be made");
    assert!(summary.is_well(), "{}", summary.text());
    assert!(summary.faults() >= 1_000);
    let json = format!("{{\"faults\":{},\"seed\":3,\"violations\":0,\"leaks\":0}}", summary.faults());
    assert_eq!(summary.json(), json);

    let mut rounds = 0;
    let summary = run(plan(1, Some((5, 3))), |progress| rounds = progress.rounds).expect("runtimes can be made");
    assert!(summary.is_well(), "{}", summary.text());
    assert_eq!(rounds, 3);
}
