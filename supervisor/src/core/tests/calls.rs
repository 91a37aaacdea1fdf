//! The management API: each answer.

use super::world::check;
use super::{one_for_all, one_for_one};

#[test]
fn start_child_adds_at_the_end_of_the_start_order() {
    check(
        one_for_all(1, "p:a"),
        "> begin
         start a, ready
         > start p b
         start b, reply b#1
         > a exits boom
         report child_terminated a boom, stop b, start a, start b",
    );
}

#[test]
fn start_child_of_a_known_name_says_what_became_of_it() {
    check(
        one_for_one(3, "p:a t:b p:c"),
        "> begin
         start a, start b, start c, ready
         > b exits normal
         > show places
         > start p a
         forget a, reply already_started a#1
         > start p b
         forget b, reply already_present
         > c next wait
         > c exits boom
         report child_terminated c boom, start c: wait
         > start p c
         > open c e1
         report start_error c e1, forget c, reply already_present, start c",
    );
}

#[test]
fn start_child_failing_leaves_nothing_behind() {
    check(
        one_for_one(0, "p:a"),
        "> show places
         > begin
         start a, ready
         > b next e1
         > start p b
         start b: e1, forget b, reply failed e1
         > which
         reply [a=a#1]",
    );
}

#[test]
fn start_child_that_ignores_is_kept_unless_temporary() {
    check(
        one_for_one(0, ""),
        "> begin
         ready
         > a next ignore
         > b next ignore
         > start p a
         start a: ignore, reply ignored
         > start x b
         start b: ignore, reply ignored
         > which
         reply [a=undefined]",
    );
}

#[test]
fn start_child_with_a_broken_rule_is_refused() {
    check(
        one_for_one(0, ""),
        "> begin
         ready
         > start p a/b
         reply SlashInName",
    );
}

#[test]
fn terminate_child_keeps_the_specification_unless_temporary() {
    check(
        one_for_all(0, "p:a x:b p:c"),
        "> show places
         > begin
         start a, start b, start c, ready
         > terminate a
         stop a, close a, reply ok
         > terminate a
         reply ok
         > terminate b
         stop b, forget b, reply ok
         > terminate b
         reply not_found
         > which
         reply [c=c#1 a=undefined]",
    );
}

#[test]
fn terminate_child_by_pid_finds_nobody_under_a_static_supervisor() {
    check(
        one_for_one(0, "p:a"),
        "> begin
         start a, ready
         > terminate a#1
         reply not_found",
    );
}

#[test]
fn restart_child_keeps_the_place_in_the_start_order() {
    check(
        one_for_all(1, "p:a p:b"),
        "> begin
         start a, start b, ready
         > restart a
         reply running
         > restart x
         reply not_found
         > terminate a
         stop a, reply ok
         > restart a
         start a, reply a#2
         > b exits boom
         report child_terminated b boom, stop a, start a, start b",
    );
}

#[test]
fn restart_child_failing_leaves_it_down_and_does_not_count() {
    check(
        one_for_one(0, "p:a"),
        "> begin
         start a, ready
         > terminate a
         stop a, reply ok
         > a next e1 ignore
         > restart a
         start a: e1, reply failed e1
         > restart a
         start a: ignore, reply ignored
         > restart a
         start a, reply a#4",
    );
}

#[test]
fn a_child_whose_restart_on_request_failed_is_closed_again() {
    check(
        one_for_one(0, "p:a"),
        "> show places
         > begin
         start a, ready
         > terminate a
         stop a, close a, reply ok
         > a next e1
         > restart a
         start a: e1, close a, reply failed e1",
    );
}

#[test]
fn delete_child_removes_what_does_not_run() {
    check(
        one_for_one(0, "p:a p:b"),
        "> show places
         > begin
         start a, start b, ready
         > delete a
         reply running
         > delete x
         reply not_found
         > terminate a
         stop a, close a, reply ok
         > delete a
         forget a, reply ok
         > start p a
         start a, reply a#1
         > which
         reply [a=a#1 b=b#1]",
    );
}

#[test]
fn a_restarting_child_is_neither_restarted_nor_deleted_by_hand() {
    check(
        one_for_one(5, "p:a"),
        "> begin
         start a, ready
         > a next wait
         > a exits boom
         report child_terminated a boom, start a: wait
         > restart a
         > delete a
         > count
         > open a e1
         report start_error a e1, reply restarting, reply restarting, \
         reply 1 specs 0 active 0 supervisors 1 workers, start a",
    );
}

#[test]
fn a_name_deleted_and_added_again_has_nothing_to_do_with_the_queued_retry() {
    check(
        one_for_one(5, "p:a"),
        "> begin
         start a, ready
         > a next wait
         > a exits boom
         report child_terminated a boom, start a: wait
         > terminate a
         > delete a
         > start p a
         > open a e1
         report start_error a e1, reply ok, reply ok, start a, reply a#1
         > which
         reply [a=a#1]",
    );
}

#[test]
fn count_children_checks_liveness_and_which_children_does_not() {
    check(
        one_for_one(5, "p:a p:b"),
        "> begin
         start a, start b, ready
         > b next wait
         > b exits boom
         report child_terminated b boom, start b: wait
         > count
         > which
         > a exits boom
         > open b
         reply 2 specs 1 active 0 supervisors 2 workers, reply [b=b#2 a=a#1], report child_terminated a boom, start a",
    );
}

#[test]
fn the_specification_of_a_child_can_be_asked_for() {
    check(
        one_for_one(5, "p:a t:b"),
        "> begin
         start a, start b, ready
         > spec b
         reply b transient
         > spec c
         reply not_found",
    );
}

#[test]
fn specifications_are_checked_without_a_supervisor() {
    use crate::child_spec::{ChildSpec, Restart, Rule};
    use crate::core::{Broken, check as broken};

    let significant = ChildSpec::worker("a").restart(Restart::Transient).significant();
    // Without a supervisor nobody knows that it never ends by itself.
    assert_eq!(broken(&[significant.clone(), ChildSpec::worker("b")], None), None);
    let of = |child: &str, rule| Some(Broken { child: Some(child.into()), rule });
    let never = Some(crate::strategy::AutoShutdown::Never);
    assert_eq!(broken(std::slice::from_ref(&significant), never), of("a", Rule::SignificantUnderNever));
    assert_eq!(broken(&[ChildSpec::worker("b").significant()], None), of("b", Rule::SignificantPermanent));
    assert_eq!(broken(&[significant.clone(), significant.clone()], None), of("a", Rule::DuplicateId));
    assert_eq!(broken(&[ChildSpec::worker("")], None), of("", Rule::EmptyName));
    // The first is told.
    assert_eq!(broken(&[ChildSpec::worker("a/b"), ChildSpec::worker("")], None), of("a/b", Rule::SlashInName));
}
