//! Whatever several clients do unforced to whatever tree, in whatever order: no supervisor gives up, nobody who is protected
//! ends, and all of it is in the audit.
//!
//! `CRASHWORTHY_SEED` repeats one seed, as far as threads let it.

use std::collections::BTreeMap;
use std::time::Duration;

use crashworthy::console::{ActionLimits, Limits};
use crashworthy::prelude::*;
use crashworthy::{ActorSnapshot, AutoShutdown, Dynamic, ExitReason, Pid, State, Strategy};
use crashworthy_console::protocol::{
    AuditEntry, AuditResult, Code, CommitQuery, CommitView, Deed, Filter, PlanQuery, PlanView, Refusal,
};
use crashworthy_console::{Client, ClientError};

use crate::support::{Dir, PATIENCE, until};

/// Systems that are grown, each from a seed of its own.
const SEEDS: std::ops::Range<u64> = 1..17;

/// What each client tries.
const STEPS: usize = 30;

/// Numbers that look random and are not.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn of<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.below(items.len())]
    }

    /// A while, or none.
    fn span(&mut self, most_ms: usize) -> Duration {
        if self.one_in(2) { Duration::ZERO } else { ms(self.below(most_ms) as u64) }
    }

    fn restart(&mut self) -> Restart {
        *self.of(&[Restart::Permanent, Restart::Permanent, Restart::Permanent, Restart::Transient, Restart::Temporary])
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Takes its time to come, to go, and between.
struct Hand(Habits);

#[derive(Clone)]
struct Habits {
    /// For its `init`, but for the first.
    comes: Duration,
    /// For its `terminate`, if it traps exits.
    goes: Duration,
    traps: bool,
}

#[derive(Message)]
enum Task {
    /// Ends with that one from now on.
    Link(Pid),
    /// Awaits.
    Wait(Duration),
    /// Holds its thread.
    Hold(Duration),
}

impl Actor for Hand {
    type Args = Habits;
    type Msg = Task;

    async fn init(habits: Habits, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(habits.traps);
        if cx.pid().incarnation > 1 {
            tokio::time::sleep(habits.comes).await;
        }
        Ok(Self(habits))
    }

    async fn handle(&mut self, task: Task, cx: &mut Context<Self>) -> Result<(), Exit> {
        match task {
            Task::Link(other) => cx.link(other),
            Task::Wait(span) => tokio::time::sleep(span).await,
            Task::Hold(span) => std::thread::sleep(span),
        }
        Ok(())
    }

    async fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        tokio::time::sleep(self.0.goes).await;
    }
}

/// A tree while it grows.
struct Grown {
    dice: Dice,
    hands: Vec<(String, Slot<Hand>)>,
    paths: Vec<String>,
    crowds: Vec<Dynamic<Hand>>,
}

impl Grown {
    fn habits(&mut self) -> Habits {
        let traps = self.dice.one_in(3);
        Habits { comes: self.dice.span(40), goes: self.dice.span(40), traps }
    }

    fn supervisor(&mut self, path: &str, levels: usize) -> Supervisor {
        let strategy = *self.dice.of(&[Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne]);
        let strategy = if levels == 3 { Strategy::OneForOne } else { strategy };
        let shuts_down = *self.dice.of(&[
            AutoShutdown::Never,
            AutoShutdown::Never,
            AutoShutdown::AnySignificant,
            AutoShutdown::AllSignificant,
        ]);
        let shuts_down = if levels == 3 { AutoShutdown::Never } else { shuts_down };
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        let restarts = self.dice.below(4) as u32 + 1;
        let mut tree = Supervisor::new(name, strategy).intensity(restarts, PATIENCE * 60).auto_shutdown(shuts_down);
        self.paths.push(path.to_owned());
        for number in 0..self.dice.below(3) + 2 {
            let restart = self.dice.restart();
            let significant = shuts_down != AutoShutdown::Never && restart != Restart::Permanent && self.dice.one_in(2);
            let is_branch = levels > 0 && (self.dice.one_in(2) || (levels == 3 && number < 2));
            if is_branch {
                let below = self.supervisor(&format!("{path}/s{number}"), levels - 1).restart(restart);
                tree = tree.child(if significant { below.significant() } else { below });
                continue;
            }
            if self.dice.one_in(6) {
                let crowd = Dynamic::<Hand>::named(format!("d{number}")).restart(restart).intensity(2, PATIENCE * 60);
                self.paths.push(format!("{path}/d{number}"));
                self.crowds.push(crowd.clone());
                tree = tree.child(crowd);
                continue;
            }
            let slot = Slot::<Hand>::named(format!("h{number}"));
            let shutdown = *self.dice.of(&[
                Shutdown::Unlimited,
                Shutdown::Unlimited,
                Shutdown::Within(ms(5)),
                Shutdown::BrutalKill,
            ]);
            let child = slot.child(self.habits()).restart(restart).shutdown(shutdown);
            tree = tree.child(if significant { child.significant() } else { child });
            let path = format!("{path}/h{number}");
            self.paths.push(path.clone());
            self.hands.push((path, slot));
        }
        tree
    }
}

/// One system and what is known of it from the beginning.
struct World {
    system: System,
    runtime: tokio::runtime::Runtime,
    hands: Vec<(String, Slot<Hand>)>,
    /// Whoever may be meant, by path or pid.
    words: Vec<String>,
    guarded: Vec<(String, Pid)>,
    dir: Dir,
}

impl World {
    fn grown(seed: u64) -> Self {
        let mut grown = Grown { dice: Dice(seed), hands: Vec::new(), paths: Vec::new(), crowds: Vec::new() };
        let tree = grown.supervisor("top", 3);
        let Grown { mut dice, hands, paths: mut words, crowds } = grown;
        // Of the top a drain is one of the system.
        words.retain(|path| path != "top");
        let guarded: Vec<_> = hands.iter().filter(|_| dice.one_in(8)).cloned().collect();
        let dir = Dir::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let actions = ActionLimits { destructive: 6_000, bulks: 6_000, bulk_percent: 100, ..ActionLimits::default() };
        let limits = Limits { actions, requests: 1_000, ..Limits::default() };
        let console = Console::default().below(dir.path()).limits(limits);
        let console = console.protect(guarded.iter().map(|(path, _)| path.clone()));
        let start = System::builder().blocked_after(PATIENCE * 60).with(console).start(tree);
        let system = runtime.block_on(start).expect("it starts");
        for crowd in crowds {
            for _ in 0..2 {
                let habits = Habits { comes: dice.span(20), goes: dice.span(20), traps: dice.one_in(3) };
                let hand = runtime.block_on(crowd.start(habits)).expect("it starts");
                words.push(hand.pid().id.to_string());
            }
        }
        let guarded = guarded.into_iter().map(|(path, slot)| (path, slot.pid())).collect();
        for _ in 0..hands.len() {
            let ((path, one), (others, other)) = (dice.of(&hands), dice.of(&hands));
            if !may_link(path, others) {
                continue;
            }
            one.tell(Task::Link(other.pid())).expect("there is room");
            runtime.block_on(one.settled());
        }
        Self { system, runtime, hands, words, guarded, dir }
    }

    fn client(&self) -> Client {
        Client::connect(&self.system.console_for_actions().expect("it takes actions"), PATIENCE).expect("it lets us in")
    }

    /// Plans and commits, in any order, and says what came of each commit by its reason.
    fn act(&self, number: usize, mut dice: Dice) -> BTreeMap<String, AuditResult> {
        let (mut client, mut plans, mut done) = (self.client(), Vec::<PlanView>::new(), BTreeMap::new());
        for step in 0..STEPS {
            for _ in 0..dice.below(3) {
                let (_, hand) = dice.of(&self.hands);
                let span = dice.span(20);
                // It may have no room, or not live.
                let _ = hand.tell(if dice.one_in(2) { Task::Wait(span) } else { Task::Hold(span / 4) });
            }
            match client.ask("plan", &self.query(&mut dice)) {
                Ok(plan) => plans.push(plan),
                Err(ClientError::Refused(why)) => assert!(is_meant(&why), "{why:?}"),
                Err(error) => panic!("{error}"),
            }
            while !plans.is_empty() && !dice.one_in(3) {
                let plan = plans.swap_remove(dice.below(plans.len()));
                let reason = format!("client {number}, step {step}, {} left", plans.len());
                let commit = CommitQuery { nonce: plan.nonce, reason: reason.clone() };
                let result = match client.ask::<CommitView>("commit", &commit) {
                    Ok(_) => AuditResult::Done,
                    Err(ClientError::Refused(why)) if is_meant(&why) => AuditResult::Refused(why.code),
                    other => panic!("{other:?}"),
                };
                assert_eq!(done.insert(reason, result), None);
            }
            std::thread::sleep(dice.span(8));
        }
        done
    }

    fn query(&self, dice: &mut Dice) -> PlanQuery {
        let deed = match dice.below(16) {
            0..4 => Deed::Kill,
            4..7 => Deed::Stop,
            7..10 => Deed::Restart,
            10..12 => Deed::Drain { within: ms(20) },
            12 => Deed::Suspend { span: ms(30) },
            13 => Deed::Resume,
            14 => Deed::Trip,
            _ => Deed::Untrip,
        };
        let query = PlanQuery { deed, actors: Vec::new(), matching: None, force: false };
        if dice.one_in(8) {
            let filter = Filter { under: Some(dice.of(&self.words).clone()), ..Filter::default() };
            return PlanQuery { matching: Some(filter), ..query };
        }
        let many = if dice.one_in(4) { dice.below(3) + 2 } else { 1 };
        PlanQuery { actors: (0..many).map(|_| dice.of(&self.words).clone()).collect(), ..query }
    }

    /// Nothing of what was done is under way any more: nobody is still to be started, and what is refused is so by what supervisors
    /// have counted.
    fn assert_quiet(&self, client: &mut Client) {
        until("nobody comes or goes", || {
            let is_settled =
                |actor: &ActorSnapshot| !matches!(actor.state, State::Restarting | State::Starting) && !actor.ends;
            self.system.snapshot().actors.iter().all(is_settled).then_some(())
        });
        for word in &self.words {
            let query = PlanQuery { deed: Deed::Kill, actors: vec![word.clone()], matching: None, force: false };
            until(&format!("nothing is under way for {word}"), || {
                let lines = match client.ask::<PlanView>("plan", &query) {
                    Ok(plan) => plan.effect,
                    Err(ClientError::Refused(why)) => {
                        assert!(is_meant(&why), "{why:?}");
                        vec![why.message]
                    }
                    Err(error) => panic!("{error}"),
                };
                let settled = lines.iter().all(|line| !line.contains("not counted there yet"));
                settled.then_some(())
            });
        }
    }

    fn assert_kept(&self) {
        let reports = self.system.supervisor_reports();
        let errors: Vec<_> = reports.errors.iter().map(ToString::to_string).collect();
        assert_eq!(reports.counts.shutdown, 0, "no supervisor gives up: {errors:#?}");
        for info in self.system.supervisors() {
            assert!(info.budget.restarts <= info.budget.allowed, "{info:?}");
        }
        for (path, pid) in &self.guarded {
            let shot = self.system.inspect(*pid).unwrap_or_else(|| panic!("{path} is gone"));
            assert_eq!((shot.pid, shot.state), (*pid, State::Running), "{path} is protected");
        }
    }

    fn assert_audited(&self, done: BTreeMap<String, AuditResult>) {
        let file = std::fs::read_dir(self.dir.path().join("audit")).expect("something was done").next();
        let text = std::fs::read_to_string(file.expect("it is there").unwrap().path()).unwrap();
        let entries = text.lines().map(|line| serde_json::from_str::<AuditEntry>(line).unwrap());
        let mut all = BTreeMap::new();
        for entry in entries {
            assert_eq!(all.insert(entry.reason.clone(), entry.result), None, "{} is there twice", entry.reason);
        }
        assert_eq!(all, done);
    }
}

/// Whether they are siblings, or below different children of the top. Of others the supervisor of one may give up when somebody above
/// both is ended, and the other ends first: it ends anyway.
fn may_link(one: &str, other: &str) -> bool {
    let above = |path: &str| path.rsplit_once('/').map(|(above, _)| above.to_owned());
    let branch = |path: &str| path.split('/').nth(1).map(str::to_owned);
    above(one) == above(other) || branch(one) != branch(other)
}

/// Whether it is a refusal of somebody who plans well.
fn is_meant(why: &Refusal) -> bool {
    matches!(
        why.code,
        Code::Budget | Code::Protected | Code::NotLiving | Code::NotFound | Code::Changed | Code::TooMany
    )
}

fn acts(seed: u64) {
    let world = World::grown(seed);
    let clients = Dice(seed).below(3) + 2;
    let done = std::thread::scope(|scope| {
        let world = &world;
        let client = |number| scope.spawn(move || world.act(number, Dice((seed << 8) + number as u64 + 1)));
        let clients: Vec<_> = (0..clients).map(client).collect();
        clients.into_iter().flat_map(|client| client.join().expect("it goes on")).collect::<BTreeMap<_, _>>()
    });
    world.assert_quiet(&mut world.client());
    world.assert_kept();
    world.assert_audited(done);
    world.runtime.block_on(world.system.stop());
}

#[test]
fn whatever_is_done_unforced_ends_no_supervisor_and_nobody_who_is_protected() {
    let seeds = match std::env::var("CRASHWORTHY_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).expect("a seed is a number"),
        Err(_) => SEEDS,
    };
    for seed in seeds {
        // Where it fails, that is the last line.
        eprintln!("CRASHWORTHY_SEED={seed}");
        acts(seed);
    }
}
