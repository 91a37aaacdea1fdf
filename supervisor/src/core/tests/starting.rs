//! The first start, and what a child may answer to it.

use super::world::check;
use super::{one_for_all, one_for_one};

#[test]
fn children_start_left_to_right_and_then_the_start_is_acknowledged() {
    check(
        one_for_one(1, "p:a p:b t:c"),
        "> show progress
         > b next wait
         > begin
         start a, report progress a, start b: wait
         > open b
         report progress b, start c, report progress c, ready",
    );
}

#[test]
fn a_supervisor_without_children_is_ready_at_once() {
    check(
        one_for_one(1, ""),
        "> begin
         ready
         > parent exits shutdown
         exit shutdown",
    );
}

#[test]
fn a_failing_first_start_rolls_back_in_reverse_and_fails_the_supervisor_whatever_the_intensity() {
    check(
        one_for_one(99, "p:a p:b p:c p:d"),
        "> c next e1
         > begin
         start a, start b, start c: e1, report start_error c e1, stop b, stop a, exit {shutdown,{failed_to_start_child,c,e1}}",
    );
}

#[test]
fn rollback_waits_for_a_slow_child_and_kills_a_stubborn_one() {
    check(
        one_for_one(1, "p:a p:b"),
        "> a stops never
         > b next e1
         > begin
         start a, start b: e1, report start_error b e1, stop a
         > after 4999
         > after 1
         kill a, report shutdown_error a killed, exit {shutdown,{failed_to_start_child,b,e1}}",
    );
}

#[test]
fn a_child_that_dies_while_later_ones_start_is_noticed_after_the_start() {
    check(
        one_for_one(1, "p:a p:b"),
        "> b next wait
         > begin
         start a, start b: wait
         > a exits boom
         > open b
         ready, report child_terminated a boom, start a",
    );
}

#[test]
fn a_child_found_dead_in_the_rollback_is_reported_with_its_true_reason() {
    check(
        one_for_one(1, "p:a p:b"),
        "> b next wait
         > begin
         start a, start b: wait
         > a exits boom
         > open b e1
         report start_error b e1, report shutdown_error a boom, exit {shutdown,{failed_to_start_child,b,e1}}",
    );
}

#[test]
fn a_child_that_ignores_keeps_its_place_unless_it_is_temporary() {
    check(
        one_for_one(1, "p:a t:b x:c p:d"),
        "> a next ignore
         > b next ignore
         > c next ignore
         > show places
         > begin
         start a: ignore, close a, start b: ignore, close b, start c: ignore, forget c, start d, ready
         > which
         reply [d=d#1 b=undefined a=undefined]",
    );
}

#[test]
fn the_parents_exit_is_not_seen_while_children_start() {
    check(
        one_for_all(1, "p:a p:b"),
        "> a next wait
         > begin
         start a: wait
         > parent exits normal
         > open a
         start b, ready, stop b, stop a, exit normal",
    );
}

#[test]
fn calls_wait_until_the_start_is_over() {
    check(
        one_for_one(1, "p:a"),
        "> a next wait
         > begin
         start a: wait
         > count
         > open a
         ready, reply 1 specs 1 active 0 supervisors 1 workers",
    );
}
