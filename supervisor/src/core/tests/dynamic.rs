//! Nameless children of one kind.

use std::time::Duration;

use super::world::{check, children};
use crate::child_spec::{ChildSpec, Restart, Rule, Shutdown};
use crate::core::Spec;
use crate::strategy::{AutoShutdown, Flags};

fn dynamic(template: &str, max_children: Option<usize>) -> Spec {
    let template = children(template).pop().expect("one template");
    let flags = Flags::default().intensity(2, Duration::from_secs(5));
    Spec::dynamic(flags, template, max_children).expect("the template keeps the rules")
}

#[test]
fn it_starts_empty_and_adds_children_on_request() {
    check(
        dynamic("p:w", None),
        "> show progress
         > begin
         ready
         > start p a
         start a, reply a#1
         > start p b
         start b, reply b#1
         > which
         reply [_=b#1 _=a#1]
         > count
         reply 1 specs 2 active 0 supervisors 2 workers",
    );
}

#[test]
fn a_start_that_ignores_or_fails_adds_nothing() {
    check(
        dynamic("p:w", None),
        "> show places
         > begin
         ready
         > a next ignore e1
         > start p a
         start a: ignore, forget a, reply ignored
         > start p a
         start a: e1, forget a, reply failed e1
         > which
         reply []",
    );
}

#[test]
fn a_crashed_child_is_restarted_and_a_finished_transient_one_is_forgotten() {
    check(
        dynamic("t:w", None),
        "> show places
         > begin
         ready
         > start p a
         start a, reply a#1
         > a exits boom
         report child_terminated w boom, start a
         > a exits normal
         forget a
         > count
         reply 1 specs 0 active 0 supervisors 0 workers",
    );
}

#[test]
fn ignore_at_a_restart_drops_the_child() {
    check(
        dynamic("p:w", None),
        "> show places
         > begin
         ready
         > start p a
         start a, reply a#1
         > a next ignore
         > a exits boom
         report child_terminated w boom, start a: ignore, forget a
         > which
         reply []",
    );
}

#[test]
fn children_are_addressed_by_pid_only() {
    check(
        dynamic("p:w", None),
        "> begin
         ready
         > start p a
         start a, reply a#1
         > terminate a
         reply simple_one_for_one
         > restart a#1
         reply simple_one_for_one
         > delete a#1
         reply simple_one_for_one
         > spec a#1
         reply w permanent
         > spec w
         reply w permanent
         > spec a
         reply not_found
         > terminate a#1
         stop a, reply ok
         > terminate a#1
         reply not_found
         > which
         reply []",
    );
}

#[test]
fn all_are_stopped_at_once_under_one_timer() {
    check(
        dynamic("t:w", None),
        "> begin
         ready
         > start p a
         start a, reply a#1
         > start p b
         start b, reply b#1
         > start p c
         start c, reply c#1
         > a stops never
         > c stops never
         > parent exits shutdown
         stop a, stop b, stop c
         > after 5000
         kill a, kill c, report shutdown_error w*2 killed, exit shutdown",
    );
}

#[test]
fn reports_at_the_end_are_grouped_by_reason_and_bounded() {
    let mut script = String::from("> begin\nready\n");
    for n in 0..20 {
        script += &format!("> start p c{n}\nstart c{n}, reply c{n}#1\n> c{n} stops r{n}\n");
    }
    let stops: Vec<_> = (0..20).map(|n| format!("stop c{n}")).collect();
    let reports: Vec<_> = (0..16).map(|n| format!("report shutdown_error w*1 r{n}")).collect();
    script += &format!(
        "> parent exits shutdown\n{}, {}, report shutdown_error w*4 various, exit shutdown",
        stops.join(", "),
        reports.join(", ")
    );
    check(dynamic("p:w", None), &script);
}

#[test]
fn at_the_limit_starts_are_refused_and_restarting_children_count() {
    check(
        dynamic("p:w", Some(1)),
        "> begin
         ready
         > start p a
         start a, reply a#1
         > start p b
         reply max_children
         > a next wait
         > a exits boom
         report child_terminated w boom, start a: wait
         > start p b
         > count
         > open a e1
         report start_error w e1, reply max_children, reply 1 specs 0 active 0 supervisors 1 workers, start a",
    );
}

#[test]
fn the_intensity_is_shared_by_all_children() {
    check(
        dynamic("p:w", None),
        "> begin
         ready
         > start p a
         start a, reply a#1
         > start p b
         start b, reply b#1
         > a exits boom
         report child_terminated w boom, start a
         > b exits boom
         report child_terminated w boom, start b
         > a exits boom
         report child_terminated w boom, report shutdown w reached_max_restart_intensity, stop b, exit shutdown",
    );
}

#[test]
fn all_significant_ends_with_the_last_child() {
    let template = ChildSpec::worker("w").restart(Restart::Temporary).significant();
    let flags = Flags::default().auto_shutdown(AutoShutdown::AllSignificant);
    check(
        Spec::dynamic(flags, template, None).expect("the template keeps the rules"),
        "> begin
         ready
         > start p a
         start a, reply a#1
         > start p b
         start b, reply b#1
         > a exits normal
         > b exits boom
         report child_terminated w boom, exit shutdown",
    );
}

#[test]
fn room_for_nobody_breaks_a_rule() {
    let template = ChildSpec::worker("w").shutdown(Shutdown::BrutalKill);
    let invalid = Spec::dynamic(Flags::default(), template, Some(0)).unwrap_err();
    assert_eq!(invalid.0[0].rule, Rule::NoRoomForChildren);
}
