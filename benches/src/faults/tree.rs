//! A random tree, and the handles by which its drivers reach it.

use std::sync::Arc;

use crashworthy::supervisor::{AnyChild, Management};
use crashworthy::{
    AutoShutdown, Dynamic, Exit, IntoChild, Restart, Shutdown, Slot, SlotExt, Strategy, Supervisor, Task, TaskContext,
    ms, secs,
};

use super::kind::Kind;
use super::ledger::{Ledger, Peer};
use super::message::ON_PURPOSE;
use super::worker::{Kit, Worker};
use crate::dice::Dice;

/// How deep supervisors nest.
const DEPTH: u32 = 3;
/// Workers that the tree may begin with: others are started while it runs.
const WORKERS: usize = 20;

/// One supervisor.
pub struct Branch {
    /// To change it while it runs.
    pub management: Management,
    /// Its children at first: the name of each, and how to make it anew.
    pub children: Vec<(String, Make)>,
}

/// Makes a child anew.
pub type Make = Arc<dyn Fn() -> AnyChild + Send + Sync>;

/// What the drivers know of the tree.
pub struct World {
    /// The books.
    pub ledger: Arc<Ledger>,
    /// Static supervisors.
    pub branches: Vec<Branch>,
    /// Dynamic ones.
    pub dynamics: Vec<Dynamic<Worker>>,
    /// The tree as text, for reports.
    pub text: String,
}

/// Grows a tree.
pub fn grow(ledger: &Arc<Ledger>, dice: &mut Dice) -> (World, Supervisor) {
    let world = World { ledger: ledger.clone(), branches: Vec::new(), dynamics: Vec::new(), text: String::new() };
    let mut gardener = Gardener { world, names: 0 };
    let root = gardener.branch(dice, 0);
    let mut world = gardener.world;
    world.text = root.to_string();
    (world, root)
}

struct Gardener {
    world: World,
    names: u32,
}

impl Gardener {
    fn name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what}{}", self.names)
    }

    fn branch(&mut self, dice: &mut Dice, depth: u32) -> Supervisor {
        let name = self.name("s");
        let strategy =
            *dice.pick(&[Strategy::OneForOne, Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne]);
        // Most roots bear everything; some give up like the others.
        let bears = depth == 0 && dice.percent(85);
        let (restarts, period) = if bears {
            (1_000, secs(1))
        } else {
            *dice.pick(&[(0, secs(1)), (2, secs(5)), (5, secs(1)), (50, secs(1))])
        };
        let mut supervisor = Supervisor::new(name, strategy).intensity(restarts, period);
        let significant = depth > 0 && dice.percent(15);
        if significant {
            supervisor = supervisor.auto_shutdown(AutoShutdown::AnySignificant);
        }
        if depth > 0 {
            supervisor = supervisor.restart(restart(dice));
        }
        let mut children = Vec::new();
        let wanted = if depth == 0 { 3 + dice.below(4) } else { 1 + dice.below(4) };
        for _ in 0..wanted {
            match dice.below(100) {
                0..58 => {
                    let Some((name, make)) = self.worker(dice, significant && children.is_empty()) else { continue };
                    supervisor = supervisor.child(make());
                    children.push((name, make));
                }
                58..68 => {
                    let (name, make) = self.task(dice);
                    supervisor = supervisor.child(make());
                    children.push((name, make));
                }
                68..82 => {
                    let (name, make) = self.dynamic(dice);
                    supervisor = supervisor.child(make());
                    children.push((name, make));
                }
                _ if depth + 1 < DEPTH => supervisor = supervisor.child(self.branch(dice, depth + 1)),
                _ => {}
            }
        }
        self.world.branches.push(Branch { management: supervisor.management(), children });
        supervisor
    }

    fn worker(&mut self, dice: &mut Dice, significant: bool) -> Option<(String, Make)> {
        if self.world.ledger.peers().len() >= WORKERS {
            return None;
        }
        let number = self.world.ledger.next_worker()?;
        let name = self.name("w");
        let slot = Slot::<Worker>::named(name.clone());
        let slot = slot.mailbox(*dice.pick(&[1, 4, 16, 64])).expect("all are in range");
        let kit = Kit::new(&self.world.ledger, number, dice.percent(40));
        self.world.ledger.peers().push(Peer { actor: slot.address(), kit: kit.clone() });
        let restart = if significant { Restart::Transient } else { restart(dice) };
        let (shutdown, hasty) = (shutdown(dice), dice.percent(30));
        let make = move || {
            let child = slot.child(kit.clone()).restart(restart).shutdown(shutdown);
            let child = if significant { child.significant() } else { child };
            if hasty { child.start_within(ms(20)) } else { child.start_within(ms(200)) }.into_child()
        };
        Some((name, Arc::new(make)))
    }

    fn task(&mut self, dice: &mut Dice) -> (String, Make) {
        let name = self.name("t");
        let (ledger, restart) = (self.world.ledger.clone(), restart(dice));
        let named = name.clone();
        let make =
            move || Task::named(named.clone(), ledger.clone(), labour).restart(restart).within(ms(20)).into_child();
        (name, Arc::new(make))
    }

    fn dynamic(&mut self, dice: &mut Dice) -> (String, Make) {
        let name = self.name("d");
        let dynamic = Dynamic::<Worker>::named(name.clone())
            .max_children(2 + dice.below(6) as usize)
            .restart(restart(dice))
            .shutdown(shutdown(dice))
            .intensity(5, secs(1))
            .start_within(ms(20))
            .mailbox(8);
        self.world.dynamics.push(dynamic.clone());
        (name, Arc::new(move || dynamic.clone().into_child()))
    }
}

fn restart(dice: &mut Dice) -> Restart {
    *dice.pick(&[Restart::Permanent, Restart::Permanent, Restart::Permanent, Restart::Transient, Restart::Temporary])
}

fn shutdown(dice: &mut Dice) -> Shutdown {
    *dice.pick(&[Shutdown::BrutalKill, Shutdown::Within(ms(2)), Shutdown::Within(ms(10)), Shutdown::Within(ms(30))])
}

/// A supervised future: until it is asked to stop, or stung.
async fn labour(ledger: Arc<Ledger>, cx: TaskContext) -> Result<(), Exit> {
    tokio::select! {
        biased;
        () = cx.stopping() => Ok(()),
        () = ledger.sting.notified() => {
            if cx.pid().incarnation.is_multiple_of(2) {
                ledger.strike(Kind::TaskError);
                return Err(ON_PURPOSE.into());
            }
            ledger.strike(Kind::TaskPanic);
            panic!("{ON_PURPOSE}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::kind::Tally;

    #[test]
    fn the_same_dice_grow_the_same_tree_and_every_tree_is_valid() {
        let grown = |part| {
            let ledger = Ledger::open(Arc::new(Tally::default()));
            let (world, root) = grow(&ledger, &mut Dice::of(7, part));
            root.check().expect("a tree that keeps the rules");
            ledger.peers().clear();
            world.text
        };
        for part in 0..200 {
            assert_eq!(grown(part), grown(part));
        }
        assert_ne!(grown(1), grown(2));
    }
}
