//! One round: a tree, its traffic and faults, the quiet after them, the end.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crashworthy::{DeadLetter, RateLimit, System, ms};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::audit::{self, SOON};
use super::driver::Driver;
use super::kind::{Kind, Tally};
use super::ledger::{Ledger, Violation};
use super::message::ON_PURPOSE;
use super::tree::{World, grow};
use crate::dice::Dice;

/// What is done at once in a round.
const DRIVERS: u64 = 4;
/// Deeds of one driver.
const DEEDS: u64 = 60;

/// How often a system may turn out not to have been quiet.
const AUDITS: u32 = 5;

/// Lines of what hangs, and of the state of the tree.
const SHOWN: usize = 64;

/// How a round went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its number.
    pub round: u64,
    /// How much was wrong.
    pub found: u32,
    /// The first of it.
    pub violations: Vec<Violation>,
    /// The tree, if anything was wrong.
    pub tree: String,
    /// It cannot be gone on with: something of it still runs.
    pub hangs: bool,
}

/// Says what a round waits for, to whoever watches from outside of its runtime.
pub type Stage = Arc<Mutex<&'static str>>;

/// Plays one round on the current runtime, on which nothing else runs.
pub async fn play(seed: u64, round: u64, tally: Arc<Tally>, stage: Stage) -> Outcome {
    let tasks = living_tasks();
    let mut dice = Dice::of(seed, round);
    let ledger = Ledger::open(tally);
    let (world, root) = grow(&ledger, &mut dice);
    let world = Arc::new(world);
    let text = world.text.clone();
    let mut round = Round { ledger: ledger.clone(), stage, hangs: false };

    round.enter("the start of the tree");
    let builder = System::builder().drain(ms(10)).on_dead_letter(reader(&ledger)).error_reports(RateLimit::NONE);
    // A start that fails is over: what it had begun has ended, and nothing can be left of it.
    let system = round.wait(builder.start(root)).await.and_then(Result::ok);
    if let Some(system) = system {
        let resident = living_tasks();
        let (sender, mut downs) = mpsc::unbounded_channel();
        round.rage(&world, &system, &sender, &mut dice).await;
        round.calm(&world, &system, resident).await;
        drop(sender);
        round.end(&world, &system, &mut downs).await;
        ledger.peers().clear();
        drop(world);
        round.forget(system).await;
    } else {
        ledger.end_faults();
        ledger.peers().clear();
        drop(world);
    }
    round.vanish(tasks).await;
    let (found, violations) = ledger.found();
    Outcome { round: 0, found, violations, tree: text, hangs: round.hangs }
}

/// Tasks of this runtime that have not ended.
fn living_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// The dead-letter hook of a round.
fn reader(ledger: &Arc<Ledger>) -> impl Fn(DeadLetter) + Send + Sync + 'static {
    let ledger = ledger.clone();
    move |letter| {
        ledger.letter(&letter);
        if letter.message.as_ref().and_then(|copy| copy.downcast_ref::<u32>()).is_some_and(|id| id % 64 == 63) {
            ledger.strike(Kind::LetterHookPanic);
            panic!("{ON_PURPOSE}");
        }
    }
}

struct Round {
    ledger: Arc<Ledger>,
    stage: Stage,
    hangs: bool,
}

impl Round {
    fn enter(&self, stage: &'static str) {
        *self.stage.lock().expect("nobody panics with it") = stage;
    }

    /// Waits for something that must come.
    async fn wait<T>(&mut self, what: impl Future<Output = T>) -> Option<T> {
        let came = tokio::time::timeout(SOON, what).await.ok();
        if came.is_none() {
            let stage = *self.stage.lock().expect("nobody panics with it");
            self.hang(stage, Vec::new());
        }
        came
    }

    fn hang(&mut self, stage: &str, detail: Vec<String>) {
        self.hangs = true;
        let more = detail.len().saturating_sub(SHOWN);
        let shown: Vec<String> = detail.into_iter().take(SHOWN).collect();
        self.ledger
            .violate("nothing hangs", format!("{stage}\n      {}\n      and {more} more", shown.join("\n      ")));
    }

    /// Looks again and again until nothing is left of what `look` sees. The looks may be far apart.
    async fn until(
        &mut self,
        stage: &'static str,
        system: Option<&System>,
        mut look: impl FnMut() -> Vec<String>,
    ) -> bool {
        self.enter(stage);
        let began = Instant::now();
        for looks in 0_u64.. {
            let mut left = look();
            if left.is_empty() {
                return true;
            }
            if began.elapsed() > SOON {
                left.push("all there is:".to_owned());
                left.extend(
                    system.iter().flat_map(|system| system.snapshot().actors).map(|actor| audit::describe(&actor)),
                );
                self.hang(stage, left);
                return false;
            }
            if looks < 16 {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(ms(1)).await;
            }
        }
        unreachable!("the looks end before their numbers")
    }

    /// Traffic and faults, until every driver has done its deeds.
    async fn rage(
        &mut self,
        world: &Arc<World>,
        system: &System,
        downs: &mpsc::UnboundedSender<crashworthy::Down>,
        dice: &mut Dice,
    ) {
        self.enter("the end of the drivers");
        // In some rounds one of them stops the system half-way.
        let stops = dice.percent(20).then(|| (1 + dice.below(DRIVERS), dice.below(DEEDS)));
        let (seed, mut drivers) = (dice.below(u64::MAX), JoinSet::new());
        for number in 1..=DRIVERS {
            let driver = Driver {
                number,
                world: world.clone(),
                system: system.clone(),
                downs: downs.clone(),
                dice: Dice::of(seed, number),
                deeds: DEEDS,
                stops: stops.filter(|(who, _)| *who == number).map(|(_, when)| when),
            };
            drivers.spawn(driver.run());
        }
        while let Some(Some(ended)) = self.wait(drivers.join_next()).await {
            if let Err(error) = ended {
                self.ledger.violate("no fault reaches a driver", error.to_string());
            }
        }
        self.ledger.end_faults();
    }

    /// The system is quiet again, and everything in it is as it should be. It began with `resident` tasks: others are what
    /// its actors have piped and what wakes them.
    async fn calm(&mut self, world: &World, system: &System, resident: usize) {
        let ledger = self.ledger.clone();
        let ends = || system.is_stopped() || ledger.stops.load(SeqCst);
        for _ in 0..AUDITS {
            let mut turns = u64::MAX;
            let quiet = || {
                if ends() {
                    return Vec::new();
                }
                ledger.empty_purses();
                let shot = system.snapshot();
                let mut noise = audit::bustle(&ledger, &shot);
                if std::mem::replace(&mut turns, shot.turns) != shot.turns {
                    noise.push("turns are taken".to_owned());
                }
                match living_tasks().saturating_sub(resident) {
                    0 => {}
                    more => noise.push(format!("{more} tasks beside its own")),
                }
                noise
            };
            if !self.until("the quiet after the faults", Some(system), quiet).await || ends() {
                return;
            }
            self.enter("the answers of the living");
            if let Some(findings) = audit::living(world, system).await {
                return ledger.enter_findings(findings);
            }
        }
        ledger.violate("a system comes to rest", "again and again somebody ended when nothing was the matter");
    }

    /// The system ends, and everything with it.
    async fn end(&mut self, world: &World, system: &System, downs: &mut mpsc::UnboundedReceiver<crashworthy::Down>) {
        self.enter("the end of the system");
        if self.wait(system.stop()).await.is_none() {
            return;
        }
        let ledger = self.ledger.clone();
        if self.until("the rest after the end", Some(system), || audit::remains(&ledger, system)).await {
            audit::ended(world, system, downs);
        }
    }

    /// No cell is kept by anything.
    async fn forget(&mut self, system: System) {
        let left = || system.snapshot().actors.iter().map(audit::describe).collect();
        self.until("the memory of cells that nobody holds", None, left).await;
    }

    /// No task is left of the system.
    async fn vanish(&mut self, tasks: usize) {
        let left = || match living_tasks().saturating_sub(tasks) {
            0 => Vec::new(),
            more => vec![format!("{more} tasks")],
        };
        self.until("the end of its tasks", None, left).await;
    }
}
