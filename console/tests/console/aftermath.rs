//! How long an end is under way, and how far it reaches: no longer than it may be counted, and no less far.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crashworthy::prelude::*;
use crashworthy::{AutoShutdown, State};
use crashworthy_console::protocol::{Code, Deed, PlanView};

use crate::actions::{commit, plan, query, refused};
use crate::consequences::{Late, World, block, forced, kill, says, slots, with};
use crate::support::{PATIENCE, Till, until};

fn state<A: Actor>(world: &World, of: &Slot<A>) -> State {
    world.system.inspect(of.pid()).expect("it is there").state
}

fn left(world: &World, path: &str) -> u32 {
    world.system.supervisors().iter().find(|info| &*info.path == path).expect("it lives").budget.left()
}

#[test]
fn an_end_that_was_counted_is_not_under_way_while_its_group_is_slowly_started_again() {
    let held = Arc::new(AtomicBool::new(false));
    let ([a], slow) = (slots(["a"]), Slot::<Late>::named("slow"));
    let all = Supervisor::one_for_all("all").intensity(2, PATIENCE);
    let all = all.child(slow.child(held.clone()).start_within(PATIENCE * 60)).child(a.child(()));
    let mut world = World::of(Supervisor::one_for_one("top").child(all), &[]);
    let first = plan(&mut world.client, Deed::Kill, "a");
    held.store(true, SeqCst);
    commit(&mut world.client, &first).unwrap();
    until("the first is being started again", || {
        let shot = world.system.inspect(slow.pid())?;
        (shot.pid.incarnation == 2 && shot.state == State::Starting).then_some(())
    });
    assert_eq!((state(&world, &a), a.pid().incarnation, left(&world, "top/all")), (State::Restarting, 1, 1));
    let second = until("the console sees it", || world.ask(&kill(&["slow"])).ok());
    assert!(second.effect.iter().any(|line| line.ends_with("1 of 2 restarts in 60s, 1 left")), "{second:?}");
    commit(&mut world.client, &second).unwrap();
    held.store(false, SeqCst);
    until("all are back", || (state(&world, &a) == State::Running && a.pid().incarnation == 2).then_some(()));
    assert_eq!(left(&world, "top/all"), 0);
}

#[test]
fn nor_is_it_while_those_who_are_stopped_with_it_take_their_time() {
    let [first, failed, slow] = slots(["first", "failed", "slow"]);
    let rest = with(Supervisor::rest_for_one("rest").intensity(2, PATIENCE), &[first.clone(), failed.clone()]);
    let rest = rest.child(slow.child(()).shutdown(Shutdown::Unlimited));
    let mut world = World::of(Supervisor::one_for_one("top").child(rest), &[]);
    let held = block(&slow);
    let one = plan(&mut world.client, Deed::Kill, "failed");
    commit(&mut world.client, &one).unwrap();
    until("it is counted", || (left(&world, "top/rest") == 1).then_some(()));
    assert_eq!((failed.pid().incarnation, slow.pid().incarnation), (1, 1));
    let other = world.ask(&kill(&["first"])).expect("one is left");
    // Who is stopped already is counted no more.
    says(&world.ask(&kill(&["slow"])).unwrap(), &["top/rest is starting it again already, with others"]);
    commit(&mut world.client, &other).unwrap();
    drop(held);
    until("all are back", || (slow.pid().incarnation == 3 && state(&world, &slow) == State::Running).then_some(()));
    assert_eq!(left(&world, "top/rest"), 0);
}

#[test]
fn who_is_linked_and_ends_late_is_under_way_although_the_other_one_was_counted() {
    let [p1, p2, p3] = slots(["p1", "p2", "p3"]);
    let all = [p1.clone(), p2.clone(), p3.clone()];
    let tree = with(Supervisor::one_for_one("top").intensity(2, PATIENCE), &all);
    let mut world = World::of(tree, &[]);
    p2.tell(Till::Link(p1.pid())).unwrap();
    world.runtime.block_on(p2.settled());
    let one = until("the console sees it", || {
        let one = plan(&mut world.client, Deed::Kill, "p1");
        one.effect.iter().any(|line| line.ends_with("starts 1 of 2 again, leaves 0; not known of 1")).then_some(one)
    });
    let held = block(&p2);
    commit(&mut world.client, &one).unwrap();
    until("it is back", || (p1.pid().incarnation == 2).then_some(()));
    let why = world.no(&kill(&["p3"])).message;
    assert!(why.ends_with("1 of 2 restarts in 60s, 1 left; 1 more by this console, not counted there yet"), "{why}");
    drop(held);
    until("it is back", || (p2.pid().incarnation == 2).then_some(()));
    let why = world.no(&kill(&["p3"])).message;
    assert!(why.ends_with("2 of 2 restarts in 60s, 0 left, one more ends it"), "{why}");
    assert_eq!(p3.pid().incarnation, 1);
}

#[test]
fn who_has_been_linked_since_the_plan_is_seen_by_the_commit() {
    let [p1, p2] = slots(["p1", "p2"]);
    let tree = with(Supervisor::one_for_one("top").intensity(1, PATIENCE), &[p1.clone(), p2.clone()]);
    let mut world = World::of(tree, &[]);
    let early = plan(&mut world.client, Deed::Kill, "p1");
    p2.tell(Till::Link(p1.pid())).unwrap();
    world.runtime.block_on(p2.settled());
    assert_eq!(refused(commit(&mut world.client, &early)), Code::Budget);
    assert_eq!((p1.pid().incarnation, p2.pid().incarnation), (1, 1));
}

#[test]
fn a_supervisor_that_shuts_down_by_itself_is_an_end_below_the_next() {
    let [job, helper, o1] = slots(["job", "helper", "o1"]);
    let inner = Supervisor::one_for_one("inner").auto_shutdown(AutoShutdown::AnySignificant);
    let inner = inner.child(job.child(()).restart(Restart::Transient).significant());
    let inner = inner.child(helper.child(()).shutdown(Shutdown::Unlimited));
    let outer = Supervisor::one_for_one("outer").intensity(1, PATIENCE).child(inner).child(o1.child(()));
    let mut world = World::of(Supervisor::one_for_one("top").child(outer), &[]);
    let stop = plan(&mut world.client, Deed::Stop, "job");
    says(
        &stop,
        &[
            "supervisor: top/outer/inner does not start it again, it is transient",
            "automatic shutdown: top/outer/inner ends, and all below it, 2 in all",
            "supervisor: top/outer starts top/outer/inner again, it is permanent",
            "restarts count: top/outer is one_for_one, 0 of 1 restarts in 60s, 1 left",
        ],
    );
    let held = block(&helper);
    commit(&mut world.client, &stop).unwrap();
    until("it has ended", || (state(&world, &job) == State::Stopped).then_some(()));
    let why = world.no(&kill(&["o1"])).message;
    assert!(why.ends_with("1 left; 1 more by this console, not counted there yet"), "{why}");
    drop(held);
    until("all are back", || (helper.pid().incarnation == 2 && state(&world, &helper) == State::Running).then_some(()));
    // Once more, and the next one ends.
    until("it is seen that they are", || {
        let why = world.ask(&query(Deed::Stop, &["job"])).err()?.to_string();
        why.contains("that needs 1 restart and 0 are left: top/outer would end").then_some(())
    });
    assert_eq!(o1.pid().incarnation, 1);
}

#[test]
fn the_last_significant_child_is_the_last_with_those_whose_end_is_under_way() {
    let [one, other, helper] = slots(["one", "other", "helper"]);
    let inner = Supervisor::one_for_one("inner").auto_shutdown(AutoShutdown::AllSignificant);
    let jobs = [&one, &other].map(|job| job.child(()).restart(Restart::Transient).significant());
    let inner = jobs.into_iter().fold(inner, Supervisor::child).child(helper.child(()));
    let mut world = World::of(Supervisor::one_for_one("top").child(inner), &["top/inner/helper"]);
    let stop = |name| query(Deed::Stop, &[name]);
    // A kill is no end for good.
    world.ask(&kill(&["one", "other"])).expect_err("only one of all is allowed at once, or both restarts are too many");
    let (first, second) = (world.ask(&stop("one")).unwrap(), world.ask(&stop("other")).unwrap());
    let held = block(&one);
    commit(&mut world.client, &first).unwrap();
    assert_eq!(refused(commit(&mut world.client, &second)), Code::Protected);
    let why = world.no(&stop("other")).message;
    assert!(why.starts_with("top/inner/helper is protected, and would end with top/inner, which shuts down"), "{why}");
    drop(held);
    until("it has ended", || (state(&world, &one) == State::Stopped).then_some(()));
    assert_eq!(world.no(&stop("other")).code, Code::Protected);
    assert_eq!((other.pid().incarnation, helper.pid().incarnation), (1, 1));
}

#[test]
fn a_start_that_is_stopped_is_tried_again_and_counts_also_of_a_transient_child() {
    let held = Arc::new(AtomicBool::new(false));
    let (slow, [other]) = (Slot::<Late>::named("slow"), slots(["other"]));
    let top = Supervisor::one_for_one("top").intensity(2, PATIENCE).child(other.child(()));
    let slow_child = slow.child(held.clone()).start_within(PATIENCE * 60).restart(Restart::Transient);
    let mut world = World::of(top.child(slow_child), &[]);
    let first = plan(&mut world.client, Deed::Kill, "slow");
    held.store(true, SeqCst);
    commit(&mut world.client, &first).unwrap();
    until("it is being started again", || {
        let shot = world.system.inspect(slow.pid())?;
        (shot.pid.incarnation == 2 && shot.state == State::Starting).then_some(())
    });
    let stop = until("the console sees it", || world.ask(&query(Deed::Stop, &["slow"])).ok());
    let other_kill = plan(&mut world.client, Deed::Kill, "other");
    commit(&mut world.client, &stop).unwrap();
    assert_eq!(refused(commit(&mut world.client, &other_kill)), Code::Budget);
    held.store(false, SeqCst);
    until("it is back", || (slow.pid().incarnation == 3 && state(&world, &slow) == State::Running).then_some(()));
    assert_eq!((left(&world, "top"), other.pid().incarnation), (0, 1));
}

#[test]
fn siblings_of_whoever_made_a_supervisor_give_up_are_stopped_when_it_has_ended() {
    for strategy in [Supervisor::one_for_all, Supervisor::rest_for_one] {
        let group = slots(["a", "b", "c"]);
        let inner = with(strategy("inner").intensity(0, PATIENCE).restart(Restart::Transient), &group);
        let mut world = World::of(Supervisor::one_for_one("top").child(inner), &[]);
        let end: Result<PlanView, _> = world.ask(&forced(&["a"]));
        commit(&mut world.client, &end.unwrap()).unwrap();
        until("all are stopped", || group.iter().all(|till| state(&world, till) == State::Stopped).then_some(()));
    }
}

#[test]
fn what_is_left_is_told_of_deeds_that_are_counted() {
    let [a] = slots(["a"]);
    let mut world = World::of(with(Supervisor::one_for_one("top"), &[a]), &[]);
    for (deed, counts) in [(Deed::Kill, true), (Deed::Trip, true), (Deed::Resume, false), (Deed::Untrip, false)] {
        let plan = plan(&mut world.client, deed, "a");
        assert_eq!((plan.counts, plan.left), (counts, 600), "{deed}");
    }
    // One from a console that did not say so.
    let mut old = serde_json::to_value(plan(&mut world.client, Deed::Resume, "a")).unwrap();
    old.as_object_mut().unwrap().remove("counts");
    assert!(serde_json::from_value::<PlanView>(old).unwrap().counts);
}
