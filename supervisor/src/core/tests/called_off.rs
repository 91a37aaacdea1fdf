//! Restarts of groups that are called off: who is closed, because nobody will start it, and who is not, because another
//! restart takes it along.

use std::time::Duration;

use super::world::check;
use super::{Spec, spec};
use crate::backoff::Backoff;
use crate::strategy::Strategy;

/// Every wait is over after 100 ms.
fn waiting(strategy: Strategy, children: &str) -> Spec {
    let short = Duration::from_millis(100);
    let mut spec = spec(strategy, 9, children);
    spec.flags.backoff = Some(Backoff::new(short, short));
    spec
}

#[test]
fn a_retry_that_comes_too_late_closes_nobody_whom_another_restart_takes_along() {
    check(
        waiting(Strategy::OneForAll, "p:a p:b p:c"),
        "> show places
         > begin
         start a, start b, start c, ready
         > b next wait
         > a exits boom
         report child_terminated a boom, flush a, stop c, flush c, stop b, flush b
         > after 100
         start a, start b: wait
         > terminate b
         > a exits boom
         > open b e1
         report start_error b e1, close b, reply ok, report child_terminated a boom, flush a
         > after 100
         start a, start b, start c",
    );
}

#[test]
fn of_a_restart_that_is_called_off_those_are_closed_whom_no_other_takes_along() {
    check(
        waiting(Strategy::RestForOne, "p:a p:b p:c p:d"),
        "> show places
         > begin
         start a, start b, start c, start d, ready
         > a exits boom
         report child_terminated a boom, flush a, stop d, flush d, stop c, flush c, stop b, flush b
         > restart c
         start c, reply c#2
         > c exits boom
         report child_terminated c boom, flush c
         > terminate a
         close a, close a, close b, reply ok
         > after 100
         start c, start d",
    );
}

#[test]
fn a_group_whose_wait_was_over_is_called_off_with_the_one_that_failed_to_start() {
    check(
        waiting(Strategy::OneForAll, "p:a p:b"),
        "> show places
         > begin
         start a, start b, ready
         > b exits boom
         report child_terminated b boom, flush b, stop a, flush a
         > a next wait
         > after 100
         start a: wait
         > terminate a
         > open a e1
         report start_error a e1, close a, reply ok, close a, close b
         > which
         reply [b=undefined a=undefined]
         > restart b
         start b, reply b#2",
    );
}

#[test]
fn those_are_postponed_who_will_be_started_when_the_wait_is_over_and_are_down() {
    check(
        waiting(Strategy::RestForOne, "p:a p:b x:c p:d"),
        "> show waits
         > begin
         start a, start b, start c, start d, ready
         > b exits boom
         report child_terminated b boom, stop d, stop c, postpone b, postpone d
         > restart d
         start d, reply d#2
         > a exits boom
         report child_terminated a boom, stop d, postpone a, postpone b, postpone d
         > after 100
         start a, start b, start d",
    );
}
