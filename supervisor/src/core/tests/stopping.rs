//! Stopping children, and the supervisor's own end.

use std::time::Duration;

use super::world::{check, children};
use super::{one_for_all, one_for_one};
use crate::child_spec::{ChildSpec, Shutdown};
use crate::core::Spec;
use crate::strategy::Flags;

/// One for one, all children stopped this way.
fn stopped_by(shutdown: Shutdown, text: &str) -> Spec {
    let children: Vec<ChildSpec> = children(text).into_iter().map(|child| child.shutdown(shutdown)).collect();
    Spec::new(Flags::default(), children).expect("the children keep the rules")
}

#[test]
fn the_parents_exit_ends_it_with_the_same_reason_normal_included() {
    for reason in ["normal", "shutdown", "boom", "{shutdown,x}"] {
        check(
            one_for_all(1, "p:a x:b t:c"),
            &format!(
                "> begin
                 start a, start b, start c, ready
                 > parent exits {reason}
                 stop c, stop b, stop a, exit {reason}"
            ),
        );
    }
}

#[test]
fn brutal_kill_does_not_ask() {
    check(
        stopped_by(Shutdown::BrutalKill, "p:a p:b"),
        "> begin
         start a, start b, ready
         > parent exits shutdown
         kill b, kill a, exit shutdown",
    );
}

#[test]
fn a_child_is_killed_when_its_time_is_over() {
    check(
        stopped_by(Shutdown::Within(Duration::from_millis(100)), "t:a t:b"),
        "> b stops never
         > begin
         start a, start b, ready
         > parent exits shutdown
         stop b
         > after 99
         > after 1
         kill b, report shutdown_error b killed, stop a, exit shutdown",
    );
}

#[test]
fn unlimited_waits_for_ever() {
    check(
        stopped_by(Shutdown::Unlimited, "p:a p:b"),
        "> b stops never
         > begin
         start a, start b, ready
         > parent exits shutdown
         stop b
         > after 1000000000
         > b exits shutdown
         stop a, exit shutdown",
    );
}

#[test]
fn a_time_that_never_comes_is_no_limit() {
    check(
        stopped_by(Shutdown::Within(Duration::MAX), "p:a"),
        "> a stops never
         > begin
         start a, ready
         > after 1
         > terminate a
         stop a
         > after 1000000000
         > a exits shutdown
         reply ok",
    );
}

#[test]
fn calls_and_exits_wait_while_a_child_is_being_stopped() {
    check(
        one_for_one(1, "p:a p:b"),
        "> b stops never
         > begin
         start a, start b, ready
         > terminate b
         stop b
         > which
         > a exits boom
         > after 5000
         kill b, report shutdown_error b killed, reply ok, reply [b=undefined a=a#1], report child_terminated a boom, start a",
    );
}

#[test]
fn the_exit_of_a_stopped_child_is_not_taken_for_a_crash() {
    check(
        one_for_one(0, "p:a p:b"),
        "> begin
         start a, start b, ready
         > terminate a
         stop a, reply ok
         > which
         reply [b=b#1 a=undefined]",
    );
}

#[test]
fn which_ends_of_stopped_children_are_reported() {
    // (how it is stopped, restart type, how it ends, whether that is reported)
    let unlimited = Shutdown::Unlimited;
    let cases = [
        (unlimited, "p", "shutdown", false),
        (unlimited, "t", "shutdown", false),
        (unlimited, "p", "normal", true),
        (unlimited, "t", "normal", false),
        (unlimited, "x", "normal", false),
        (unlimited, "p", "{shutdown,x}", true),
        (unlimited, "t", "{shutdown,x}", false),
        (unlimited, "p", "killed", true),
        (unlimited, "t", "killed", true),
        (unlimited, "x", "boom", true),
        (unlimited, "p", "noproc", true),
    ];
    for (shutdown, kind, how, reported) in cases {
        let report = if reported { format!(", report shutdown_error a {how}") } else { String::new() };
        check(
            stopped_by(shutdown, &format!("{kind}:a")),
            &format!(
                "> a stops {how}
                 > begin
                 start a, ready
                 > parent exits shutdown
                 stop a{report}, exit shutdown"
            ),
        );
    }
}

#[test]
fn which_ends_of_children_to_be_killed_are_reported() {
    // A child to be killed that was dead already: its pending exit says how it ended.
    let cases = [("p", "shutdown", true), ("t", "shutdown", false), ("p", "normal", true), ("t", "normal", false)];
    for (kind, how, reported) in cases.into_iter().chain([("p", "killed", false), ("x", "boom", true)]) {
        let report = if reported { format!("report shutdown_error a {how}, ") } else { String::new() };
        check(
            stopped_by(Shutdown::BrutalKill, &format!("{kind}:a p:b")),
            &format!(
                "> b next wait
                 > begin
                 start a, start b: wait
                 > a exits {how}
                 > open b e1
                 report start_error b e1, {report}exit {{shutdown,{{failed_to_start_child,b,e1}}}}"
            ),
        );
    }
}

#[test]
fn nothing_is_done_after_the_exit() {
    check(
        one_for_one(9, "p:a"),
        "> begin
         start a, ready
         > parent exits shutdown
         stop a, exit shutdown
         > which
         > parent exits boom
         > after 9000
         > stranger exits boom",
    );
}
