//! Plays scenarios on cores alone: a world of supervisors in virtual time, on one thread, the same every time.

mod actor;
mod calls;
mod supervisor;
mod worker;
mod world;

use serde_json::{Value, json};

use super::answers;
use super::scenario::{Op, Scenario, Step, Tree};
use super::trace::{Done, Outcome, Snapshot, Trace};
use calls::Asked;
use world::{Stuck, World};

/// Plays one scenario from its start to the end of everything.
pub(crate) fn play(scenario: &Scenario) -> Outcome {
    match played(scenario) {
        Ok(trace) => Outcome::Trace(trace),
        Err(Stuck(why)) => Outcome::Failed { id: scenario.id, error: why },
    }
}

/// Why no core can be built from this tree, leaving aside what is below it: it starts none of its children.
pub(crate) fn broken(tree: &Tree) -> Option<String> {
    supervisor::specification(tree).err()
}

fn played(scenario: &Scenario) -> Result<Trace, Stuck> {
    let mut world = World::default();
    world.start_root(&scenario.tree);
    world.settle()?;
    let r = world.root_started();
    let mut steps = vec![Done { op: "start".to_owned(), r, ev: world.take_events(), dr: None }];
    for step in &scenario.steps {
        if !world.is_up(world.root()) {
            break;
        }
        steps.push(take(&mut world, step)?);
    }
    let (mut left, mut stop) = (None, None);
    if world.is_up(world.root()) {
        left = Some(snapshots(&mut world));
        world.parent_exits("shutdown");
        world.settle()?;
        stop = Some(world.take_events());
    }
    Ok(Trace { id: scenario.id, steps, left, stop, orphans: world.orphans(), forced: 0, cut: None })
}

fn take(world: &mut World, step: &Step) -> Result<Done, Stuck> {
    world.hold_gate = !step.during.is_empty();
    let asked = perform(world, &step.op);
    world.settle()?;
    let mut dr = None;
    if world.at_gate() {
        // The supervisor is blocked in a start: these wait in its inbox until the gate opens.
        world.hold_gate = false;
        let later: Vec<Asked> = step
            .during
            .iter()
            .map(|op| {
                let asked = perform(world, op);
                world.run();
                asked
            })
            .collect();
        world.open_gate();
        world.settle()?;
        dr = Some(later.into_iter().map(|asked| world.answer(asked)).collect::<Result<Value, Stuck>>()?);
    } else if !step.during.is_empty() {
        world.hold_gate = false;
        dr = Some(json!("nogate"));
    }
    let r = world.answer(asked)?;
    Ok(Done { op: step.op.name().to_owned(), r, ev: world.take_events(), dr })
}

/// Causes what the operation is to cause, without waiting for it.
fn perform(world: &mut World, op: &Op) -> Asked {
    match op {
        Op::Exit { target, reason } => world.exit_by_itself(target, reason),
        Op::Signal { target, reason } => world.signal(target, reason),
        Op::ParentExit { reason } => {
            world.parent_exits(reason);
            Asked::now("ok")
        }
        Op::Advance { ms } => {
            world.advance(*ms);
            Asked::now("ok")
        }
        Op::CheckChildspecs { specs, auto_shutdown } => Asked::Answered(json!(answers::check(specs, *auto_shutdown))),
        Op::StartChild { sup, spec, key, behaviour, sup_spec } => {
            world.start_child(sup, spec.as_deref(), key, behaviour, sup_spec.as_ref())
        }
        Op::TerminateChild(which) | Op::RestartChild(which) | Op::DeleteChild(which) | Op::GetChildspec(which) => {
            world.ask_about(op, which)
        }
        Op::WhichChildren { sup } | Op::CountChildren { sup } => world.ask_all(op, sup),
    }
}

fn snapshots(world: &mut World) -> Vec<Snapshot> {
    let paths = world.supervisors();
    let snapshot = |path: String| {
        let [which, count] = [Op::WhichChildren { sup: path.clone() }, Op::CountChildren { sup: path.clone() }]
            .map(|op| perform(world, &op));
        world.run();
        let [which, count] =
            [which, count].map(|asked| world.answer(asked).expect("a supervisor at rest answers at once"));
        Snapshot { sup: path, which, count }
    };
    paths.into_iter().map(snapshot).collect()
}
