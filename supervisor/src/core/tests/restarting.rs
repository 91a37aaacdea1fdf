//! A child ends: who is restarted with it, how often, and when the supervisor gives up.

use super::world::check;
use super::{one_for_all, one_for_one, rest_for_one};

#[test]
fn a_permanent_child_is_restarted_and_reported_whatever_the_reason() {
    check(
        one_for_one(9, "p:a p:b"),
        "> begin
         start a, start b, ready
         > a exits boom
         report child_terminated a boom, start a
         > a exits normal
         report child_terminated a normal, start a
         > a exits {shutdown,x}
         report child_terminated a {shutdown,x}, start a",
    );
}

#[test]
fn a_transient_child_is_restarted_after_an_abnormal_end_only() {
    check(
        one_for_one(9, "t:a t:b t:c"),
        "> begin
         start a, start b, start c, ready
         > a exits killed
         report child_terminated a killed, start a
         > a exits normal
         > b exits shutdown
         > c exits {shutdown,x}
         > which
         reply [c=undefined b=undefined a=undefined]",
    );
}

#[test]
fn a_temporary_child_is_not_restarted_whatever_the_reason() {
    check(
        one_for_one(0, "x:a x:b x:c p:d"),
        "> show places
         > begin
         start a, start b, start c, start d, ready
         > a exits normal
         forget a
         > b exits boom
         report child_terminated b boom, forget b
         > c exits killed
         report child_terminated c killed, forget c
         > which
         reply [d=d#1]",
    );
}

#[test]
fn an_exit_of_a_stranger_or_of_an_old_incarnation_is_dropped() {
    check(
        one_for_one(0, "p:a"),
        "> begin
         start a, ready
         > stranger exits shutdown
         > stranger exits boom
         > which
         reply [a=a#1]",
    );
}

#[test]
fn one_for_one_keeps_the_mailbox_and_touches_nobody_else() {
    check(
        one_for_one(1, "p:a p:b p:c"),
        "> show places
         > begin
         start a, start b, start c, ready
         > b exits boom
         report child_terminated b boom, start b
         > which
         reply [c=c#1 b=b#2 a=a#1]",
    );
}

#[test]
fn one_for_all_stops_right_to_left_and_starts_left_to_right() {
    check(
        one_for_all(1, "p:a p:b p:c"),
        "> show places
         > begin
         start a, start b, start c, ready
         > b exits boom
         report child_terminated b boom, flush b, stop c, flush c, stop a, flush a, start a, start b, start c",
    );
}

#[test]
fn rest_for_one_leaves_those_before_untouched() {
    check(
        rest_for_one(1, "p:a p:b p:c p:d"),
        "> begin
         start a, start b, start c, start d, ready
         > b exits boom
         report child_terminated b boom, stop d, stop c, start b, start c, start d
         > which
         reply [d=d#2 c=c#2 b=b#2 a=a#1]",
    );
}

#[test]
fn a_group_restart_drops_every_temporary_sibling_without_a_report() {
    check(
        one_for_all(1, "p:a x:b p:c"),
        "> show places
         > begin
         start a, start b, start c, ready
         > a exits boom
         report child_terminated a boom, flush a, stop c, flush c, stop b, forget b, start a, start c
         > which
         reply [c=c#2 a=a#2]",
    );
}

#[test]
fn a_group_restart_revives_every_stopped_sibling() {
    check(
        one_for_all(1, "p:a t:b p:c p:d"),
        "> c next ignore
         > begin
         start a, start b, start c: ignore, start d, ready
         > b exits normal
         > terminate d
         stop d, reply ok
         > a exits boom
         report child_terminated a boom, start a, start b, start c, start d",
    );
}

#[test]
fn siblings_that_died_meanwhile_are_reported_but_not_counted_in_a_group() {
    check(
        one_for_all(1, "p:a p:b p:c"),
        "> c next wait
         > begin
         start a, start b, start c: wait
         > a exits boom
         > b exits bang
         > open c
         ready, report child_terminated a boom, stop c, report shutdown_error b bang, start a, start b, start c",
    );
}

#[test]
fn the_same_burst_is_a_restart_per_child_under_one_for_one() {
    check(
        one_for_one(1, "p:a p:b p:c"),
        "> c next wait
         > begin
         start a, start b, start c: wait
         > a exits boom
         > b exits bang
         > open c
         ready, report child_terminated a boom, start a, report child_terminated b bang, \
         report shutdown b reached_max_restart_intensity, stop c, stop a, exit shutdown",
    );
}

#[test]
fn a_group_restart_counts_once() {
    check(
        one_for_all(2, "p:a p:b p:c"),
        "> begin
         start a, start b, start c, ready
         > a exits boom
         report child_terminated a boom, stop c, stop b, start a, start b, start c
         > c exits boom
         report child_terminated c boom, stop b, stop a, start a, start b, start c
         > b exits boom
         report child_terminated b boom, report shutdown b reached_max_restart_intensity, stop c, stop a, exit shutdown",
    );
}

#[test]
fn intensity_zero_gives_up_at_the_first_restart() {
    check(
        one_for_one(0, "p:a p:b"),
        "> begin
         start a, start b, ready
         > a exits boom
         report child_terminated a boom, report shutdown a reached_max_restart_intensity, stop b, exit shutdown",
    );
}

#[test]
fn restarts_spaced_wider_than_the_window_go_on_for_ever() {
    check(
        one_for_one(1, "p:a"),
        "> begin
         start a, ready
         > a exits boom
         report child_terminated a boom, start a
         > after 5001
         > a exits boom
         report child_terminated a boom, start a
         > after 5001
         > a exits boom
         report child_terminated a boom, start a
         > after 5000
         > a exits boom
         report child_terminated a boom, report shutdown a reached_max_restart_intensity, exit shutdown",
    );
}

#[test]
fn a_failed_restart_is_retried_behind_whatever_had_arrived() {
    check(
        one_for_one(3, "p:a p:b"),
        "> begin
         start a, start b, ready
         > a next wait
         > a exits boom
         report child_terminated a boom, start a: wait
         > which
         > open a e1
         report start_error a e1, reply [b=b#1 a=restarting], start a",
    );
}

#[test]
fn every_retry_counts_and_the_one_too_many_is_not_tried() {
    check(
        one_for_one(2, "p:a p:b"),
        "> begin
         start a, start b, ready
         > a next e1 e2 e3
         > a exits boom
         report child_terminated a boom, start a: e1, report start_error a e1, start a: e2, report start_error a e2, \
         report shutdown a reached_max_restart_intensity, stop b, exit shutdown",
    );
}

#[test]
fn a_restart_never_gives_up_because_of_the_reason_of_the_start_error() {
    check(
        one_for_one(5, "t:a"),
        "> begin
         start a, ready
         > a next normal shutdown {shutdown,x}
         > a exits boom
         report child_terminated a boom, start a: normal, report start_error a normal, start a: shutdown, \
         report start_error a shutdown, start a: {shutdown,x}, report start_error a {shutdown,x}, start a",
    );
}

#[test]
fn terminating_a_restarting_child_cancels_the_retry() {
    check(
        one_for_one(3, "p:a p:b"),
        "> begin
         start a, start b, ready
         > a next wait
         > a exits boom
         report child_terminated a boom, start a: wait
         > terminate a
         > restart a
         > open a e1
         report start_error a e1, reply ok, start a, reply a#3",
    );
}

#[test]
fn the_parents_exit_is_obeyed_between_retries() {
    check(
        one_for_one(99, "p:a p:b"),
        "> begin
         start a, start b, ready
         > a next wait
         > a exits boom
         report child_terminated a boom, start a: wait
         > parent exits shutdown
         > open a e1
         report start_error a e1, stop b, exit shutdown",
    );
}

#[test]
fn ignore_at_a_restart_is_a_success() {
    check(
        one_for_one(3, "p:a t:b"),
        "> show places
         > begin
         start a, start b, ready
         > a next ignore
         > a exits boom
         report child_terminated a boom, start a: ignore, close a
         > which
         reply [b=b#1 a=undefined]
         > restart a
         start a, reply a#3",
    );
}

#[test]
fn one_for_all_retries_for_the_child_that_failed_to_start_and_starts_all_again() {
    check(
        one_for_all(3, "p:a p:b p:c"),
        "> begin
         start a, start b, start c, ready
         > b next e1
         > a exits boom
         report child_terminated a boom, stop c, stop b, start a, start b: e1, report start_error b e1, \
         stop a, start a, start b, start c",
    );
}

#[test]
fn rest_for_one_retries_only_from_the_child_that_failed_to_start() {
    check(
        rest_for_one(3, "p:a p:b p:c"),
        "> begin
         start a, start b, start c, ready
         > b next e1
         > a exits boom
         report child_terminated a boom, stop c, stop b, start a, start b: e1, report start_error b e1, start b, start c
         > which
         reply [c=c#2 b=b#3 a=a#2]",
    );
}

#[test]
fn a_group_restart_by_another_child_drops_the_queued_retry() {
    check(
        one_for_all(9, "p:a p:b p:c"),
        "> begin
         start a, start b, start c, ready
         > b next wait
         > a exits boom
         report child_terminated a boom, stop c, stop b, start a, start b: wait
         > a exits bang
         > open b e1
         report start_error b e1, report child_terminated a bang, start a, start b, start c
         > which
         reply [c=c#2 b=b#3 a=a#3]",
    );
}

#[test]
fn giving_up_stops_the_others_right_to_left_and_exits_with_plain_shutdown() {
    check(
        rest_for_one(0, "p:a p:b p:c"),
        "> c stops {shutdown,late}
         > begin
         start a, start b, start c, ready
         > b exits boom
         report child_terminated b boom, report shutdown b reached_max_restart_intensity, \
         stop c, report shutdown_error c {shutdown,late}, stop a, exit shutdown",
    );
}
