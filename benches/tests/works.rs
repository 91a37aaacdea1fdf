//! Every peer does every work right. What is fast is not asked here.
#![forbid(unsafe_code)]

use crashworthy_benches::versus::roster;
use crashworthy_benches::versus::silence_crashes_on_demand;
use crashworthy_benches::works::Work;

#[test]
fn everybody_does_every_work_and_the_counts_agree() {
    silence_crashes_on_demand();
    for contestant in roster::everybody() {
        for &work in Work::all() {
            let outcome = match work {
                Work::IdleMemory => (contestant.idle_memory)(2_000, u64::MAX).map(|resident| resident.bytes_each),
                Work::CrashRestart => (contestant.measure)(work, 50),
                _ => (contestant.measure)(work, 5_120),
            };
            assert!(outcome.is_ok(), "{} of {}: {outcome:?}", work.name(), contestant.name);
        }
    }
}
