//! What supervisors report, as data and as text.

use std::sync::Arc;

use crashworthy_runtime::{Decision, ExitReason, System};
use crashworthy_supervisor::{
    Cause, ChildSpec, Restart, SlotExt, Supervisor, SupervisorReport, SupervisorReports, SystemExt, Told,
};

use crate::world::{Diary, Job, Nurse, SECOND, Script, over, until, worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_four_contexts_and_progress_are_reported_as_data_in_otps_order() {
    let diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    // Its second start fails, and then there is one restart too many; its sibling ends in a way of its own.
    let ak = Nurse { failing: (2, 1), ..ak };
    let at_stop: Script = Arc::new(|_| panic!("at the end"));
    let bk = Nurse { at_stop: Some(at_stop), ..bk };
    let below = Supervisor::one_for_one("below").restart(Restart::Temporary).intensity(1, 60 * SECOND);
    let system = System::start(Supervisor::one_for_one("top").child(below.child(b.child(bk)).child(a.child(ak))));
    let system = system.await.expect("it starts");
    a.tell(Job::Fail("jam")).expect("it can be told");
    until(|| system.supervisor_reports().counts.shutdown_error == 1).await;
    let SupervisorReports { counts, errors, progress } = system.supervisor_reports();
    let below = |report: &&SupervisorReport| &*report.supervisor == "top/below";
    let contexts: Vec<_> = errors.iter().filter(below).map(|report| report.report.context.as_str()).collect();
    assert_eq!(contexts, ["child_terminated", "start_error", "shutdown", "shutdown_error"]);
    let started: Vec<_> = progress.iter().map(|report| (&*report.supervisor, &*report.report.offender.id)).collect();
    assert_eq!(started, [("top/below", "b"), ("top/below", "a"), ("top", "below")]);
    assert_eq!((counts.start_error, counts.child_terminated, counts.shutdown, counts.progress), (1, 1, 1, 3));

    let [end, start, gives_up, stop] = &errors[..] else { panic!("four, not {errors:?}") };
    assert_eq!((&*end.report.offender.id, end.told, start.told), ("a", Told::WithCrash, Told::WithCrash));
    assert!(matches!(&end.report.cause, Cause::Reason(ExitReason::Crashed(crash)) if crash.message == "jam"));
    assert_eq!(gives_up.report.ruling.map(|ruling| ruling.decision), Some(Decision::GiveUp));
    assert!(matches!(gives_up.report.cause, Cause::ReachedMaxRestartIntensity(_)));
    assert_eq!((&*stop.report.offender.id, stop.report.ruling), ("b", None));
    for report in [end, start, gives_up, stop] {
        let json = serde_json::to_string(report).expect("it is plain data");
        assert_eq!(serde_json::from_str::<SupervisorReport>(&json).expect("it comes back"), *report);
    }
    over(system).await;
}

#[test]
fn a_report_of_a_supervisor_is_json_and_reads_well() {
    let mut json = serde_json::json!({
        "supervisor": "shop/front",
        "pid": { "id": 2, "incarnation": 1 },
        "at_ms": 73001,
        "context": "shutdown",
        "cause": { "reached_max_restart_intensity": { "restarts": 3, "period_ms": 5000 } },
        "offender": {
            "id": "till",
            "place": { "running": { "id": 5, "incarnation": 4 } },
            "restart": "permanent",
            "shutdown": { "within_ms": 5000 },
            "kind": "worker",
            "significant": false,
        },
        "ruling": {
            "decision": "give_up",
            "budget": { "restarts": 4, "allowed": 3, "period_ms": 5000 },
        },
        "told": "withheld",
    });
    let report: SupervisorReport = serde_json::from_value(json.clone()).expect("it is one");
    assert_eq!(serde_json::to_value(&report).expect("it is plain data"), json);
    let expected = "\
shutdown of shop/front <2.0#1> at 73.001 s
  child      till <5.0#4>, permanent worker, has 5s to stop
  reason     more than 3 restarts in 5s
  decision   not restarted: too many restarts, the supervisor gives up
  budget     4 of 3 restarts in 5s, 0 left
  log        withheld";
    assert_eq!(report.to_string(), expected);

    json["context"] = "progress".into();
    json["cause"] = "started".into();
    json["told"] = "logged".into();
    json.as_object_mut().expect("it is one").remove("ruling");
    let report: SupervisorReport = serde_json::from_value(json).expect("it is one");
    let expected = "\
progress of shop/front <2.0#1> at 73.001 s
  child      till <5.0#4>, permanent worker, has 5s to stop";
    assert_eq!(report.to_string(), expected);
    assert_eq!(report.report.offender.shutdown, ChildSpec::worker("till").shutdown);
}
