//! Significant children and automatic shutdown.

use super::world::check;
use super::{automatic, one_for_one};
use crate::child_spec::{ChildSpec, Restart, Rule};
use crate::core::{Broken, Spec};
use crate::strategy::{AutoShutdown, Flags, Strategy};

const ANY: AutoShutdown = AutoShutdown::AnySignificant;
const ALL: AutoShutdown = AutoShutdown::AllSignificant;

#[test]
fn any_significant_ends_with_the_first_that_ends_for_good() {
    check(
        automatic(ANY, "p:a t!:b x!:c"),
        "> begin
         start a, start b, start c, ready
         > b exits normal
         stop c, stop a, exit shutdown",
    );
    check(
        automatic(ANY, "p:a t!:b x!:c"),
        "> begin
         start a, start b, start c, ready
         > c exits boom
         report child_terminated c boom, stop b, stop a, exit shutdown",
    );
}

#[test]
fn all_significant_ends_with_the_last() {
    check(
        automatic(ALL, "p:a t!:b x!:c"),
        "> begin
         start a, start b, start c, ready
         > c exits normal
         > b exits shutdown
         stop a, exit shutdown",
    );
}

#[test]
fn an_abnormal_end_of_a_transient_child_restarts_it_instead() {
    check(
        automatic(ANY, "t!:a"),
        "> begin
         start a, ready
         > a exits boom
         report child_terminated a boom, start a",
    );
}

#[test]
fn a_restarting_significant_child_counts_as_present() {
    check(
        automatic(ALL, "t!:a t!:b"),
        "> begin
         start a, start b, ready
         > a next wait
         > a exits boom
         report child_terminated a boom, start a: wait
         > b exits normal
         > open a e1
         report start_error a e1, start a
         > a exits normal
         exit shutdown",
    );
}

#[test]
fn terminated_ignored_and_finished_ones_count_as_absent() {
    check(
        automatic(ALL, "t!:a t!:b x!:c"),
        "> b next ignore
         > begin
         start a, start b: ignore, start c, ready
         > terminate a
         stop a, reply ok
         > c exits boom
         report child_terminated c boom, exit shutdown",
    );
}

#[test]
fn terminate_child_never_ends_the_supervisor() {
    check(
        automatic(ANY, "t!:a x!:b"),
        "> begin
         start a, start b, ready
         > terminate a
         stop a, reply ok
         > terminate b
         stop b, reply ok
         > delete a
         reply ok
         > which
         reply []",
    );
}

#[test]
fn being_stopped_in_a_group_restart_does_not_end_the_supervisor() {
    let flags = Flags::new(Strategy::OneForAll).auto_shutdown(ANY);
    let children = super::world::children("p:a t!:b x!:c");
    check(
        Spec::new(flags, children).expect("the children keep the rules"),
        "> b stops normal
         > begin
         start a, start b, start c, ready
         > a exits boom
         report child_terminated a boom, stop c, stop b, start a, start b",
    );
}

#[test]
fn a_restart_that_is_ignored_does_not_end_the_supervisor() {
    check(
        automatic(ANY, "t!:a"),
        "> begin
         start a, ready
         > a next ignore
         > a exits boom
         report child_terminated a boom, start a: ignore
         > which
         reply [a=undefined]",
    );
}

#[test]
fn a_child_that_is_not_significant_never_ends_the_supervisor() {
    for auto in [ANY, ALL] {
        check(
            automatic(auto, "t:a x:b"),
            "> begin
             start a, start b, ready
             > a exits normal
             > b exits normal
             > count
             reply 1 specs 0 active 0 supervisors 1 workers",
        );
    }
}

#[test]
fn significance_breaks_rules_under_never_and_when_permanent() {
    let rules = |auto, restart| {
        let child = ChildSpec::worker("a").restart(restart).significant();
        Spec::new(Flags::default().auto_shutdown(auto), vec![child]).map(drop).map_err(|invalid| invalid.0)
    };
    let broken = |rule| Err(vec![Broken { child: Some("a".into()), rule }]);
    assert_eq!(rules(AutoShutdown::Never, Restart::Transient), broken(Rule::SignificantUnderNever));
    assert_eq!(rules(AutoShutdown::Never, Restart::Permanent), broken(Rule::SignificantUnderNever));
    assert_eq!(rules(ANY, Restart::Permanent), broken(Rule::SignificantPermanent));
    assert_eq!(rules(ALL, Restart::Temporary), Ok(()));
    check(
        one_for_one(1, ""),
        "> begin
         ready
         > start t! a
         reply SignificantUnderNever",
    );
}
