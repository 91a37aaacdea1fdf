//! Trees that break rules: an error that names path and rule, before anything starts.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Slot, StartError, System};
use crashworthy_supervisor::{AutoShutdown, Dynamic, MAX_DEPTH, SlotExt, Supervisor, Task};

use crate::world::{Diary, Nurse, Worker, worker};

fn named(name: &str) -> Slot<Worker> {
    Slot::named(Arc::<str>::from(name))
}

/// The tree, behind a child that would write into the diary if it were started.
async fn refused(tree: Supervisor) -> String {
    let mut diary = Diary::new();
    let (first, kit) = worker("first", &diary);
    let error = System::start(Supervisor::one_for_one("top").child(first.child(kit)).child(tree)).await;
    diary.is_read();
    assert!(!first.is_alive());
    match error {
        Err(StartError::InvalidTree(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_broken_rule_is_told_with_its_path_before_anything_starts() {
    let diary = Diary::new();
    let kit = || Nurse::new("x", &diary);
    let below = || Supervisor::one_for_one("below");
    let cases = [
        (below().child(named("a").child(kit())).child(named("a").child(kit())), "top/below/a: an earlier child"),
        (below().child(named("").child(kit())), "top/below/\"\": a name must not be empty"),
        (below().child(named("a/b").child(kit())), "top/below/\"a/b\": a name must not contain '/'"),
        (below().child(Slot::<Worker>::anonymous().child(kit())), "top/below/\"\": a name must not be empty"),
        (below().child(named(&"x".repeat(256)).child(kit())), "at most 255 bytes, this one has 256"),
        (
            below().intensity(1, Duration::ZERO),
            "top/below: the period of the restart intensity must be longer than zero",
        ),
        (below().child(named("a").child(kit()).transient().significant()), "top/below/a: a child can be significant"),
        (
            below().auto_shutdown(AutoShutdown::AnySignificant).child(named("a").child(kit()).significant()),
            "top/below/a: a significant child must be transient or temporary",
        ),
        (below().child(Dynamic::<Worker>::named("crowd").max_children(0)), "top/below/crowd: max_children"),
        (below().child(Task::named("a\nb", (), |(), _| async { Ok(()) })), "control characters"),
        (
            below().child(Supervisor::one_for_all("below").child(below().intensity(1, Duration::ZERO))),
            "top/below/below/below: ",
        ),
    ];
    for (tree, text) in cases {
        let shown = tree.to_string();
        let error = refused(tree).await;
        assert!(error.contains(text), "expected `{text}`, got `{error}` for\n{shown}");
    }
}

#[tokio::test]
async fn every_broken_rule_is_told_at_once() {
    let diary = Diary::new();
    let [one, other] = ["", "/"].map(|name| named(name).child(Nurse::new("x", &diary)));
    let error = refused(Supervisor::one_for_all("below").intensity(1, Duration::ZERO).child(one).child(other)).await;
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[tokio::test]
async fn a_tree_as_deep_as_allowed_starts_and_a_deeper_one_does_not() {
    let deep = |levels: usize| {
        (1..levels).fold(Supervisor::one_for_one("leaf"), |below, level| {
            Supervisor::one_for_one(format!("level {level}")).child(below)
        })
    };
    let system = System::start(deep(MAX_DEPTH)).await.expect("it is as deep as allowed");
    system.stop().await;
    let error = System::start(deep(MAX_DEPTH + 1)).await.expect_err("it is too deep").to_string();
    assert!(error.contains(&format!("supervisors nest at most {MAX_DEPTH} deep")), "{error}");
}
