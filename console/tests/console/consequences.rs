//! What an action brings about beyond whom it is done to: supervisors that end by it, siblings that are stopped with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crashworthy::State;
use crashworthy::console::{ActionLimits, Limits};
use crashworthy::prelude::*;
use crashworthy_console::protocol::{Code, Deed, PlanQuery, PlanView, Refusal};
use crashworthy_console::{Client, ClientError};

use crate::actions::{commit, plan, query, refused};
use crate::support::{Cashier, Dir, PATIENCE, Till, until};

/// A system whose top is a given tree, and a client that may act.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) system: System,
    pub(crate) runtime: tokio::runtime::Runtime,
    _dir: Dir,
}

impl World {
    pub(crate) fn of(tree: Supervisor, protected: &[&str]) -> Self {
        let dir = Dir::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let actions = ActionLimits { destructive: 600, bulks: 600, ..ActionLimits::default() };
        let limits = Limits { actions, requests: 1_000, ..Limits::default() };
        let console = Console::default().below(dir.path()).limits(limits).protect(protected.iter().copied());
        let start = System::builder().blocked_after(PATIENCE * 60).with(console).start(tree);
        let system = runtime.block_on(start).expect("it starts");
        let socket = system.console_for_actions().expect("it takes actions");
        let client = Client::connect(&socket, PATIENCE).expect("it lets us in");
        Self { client, system, runtime, _dir: dir }
    }

    pub(crate) fn ask(&mut self, query: &PlanQuery) -> Result<PlanView, ClientError> {
        self.client.ask("plan", query)
    }

    pub(crate) fn no(&mut self, query: &PlanQuery) -> Refusal {
        match self.ask(query) {
            Err(ClientError::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Crashes a till, and waits until it is back.
    fn crash(&self, till: &Slot<Cashier>) {
        let before = till.pid().incarnation;
        till.tell(Till::Break).unwrap();
        until("it is back", || {
            let now = self.system.inspect(till.pid())?;
            (now.pid.incarnation > before && now.state == State::Running).then_some(())
        });
    }
}

pub(crate) fn slots<const N: usize>(names: [&str; N]) -> [Slot<Cashier>; N] {
    names.map(Slot::named)
}

pub(crate) fn with(supervisor: Supervisor, children: &[Slot<Cashier>]) -> Supervisor {
    children.iter().fold(supervisor, |supervisor, child| supervisor.child(child.child(())))
}

pub(crate) fn kill(actors: &[&str]) -> PlanQuery {
    query(Deed::Kill, actors)
}

pub(crate) fn forced(actors: &[&str]) -> PlanQuery {
    PlanQuery { force: true, ..kill(actors) }
}

/// Has a till block its thread until the sender is dropped.
pub(crate) fn block(till: &Slot<Cashier>) -> Sender<()> {
    let ((blocks, told), (held, until)) = (channel(), channel());
    till.tell(Till::Block { blocks, until }).expect("there is room");
    told.recv_timeout(PATIENCE).expect("it blocks");
    held
}

#[track_caller]
pub(crate) fn says(plan: &PlanView, lines: &[&str]) {
    let mut effect = plan.effect.iter();
    for words in lines {
        assert!(effect.any(|line| line.contains(words)), "no {words:?} in its turn in {:#?}", plan.effect);
    }
}

#[test]
fn a_supervisor_that_is_ended_by_force_is_an_end_below_the_next_until_that_one_has_counted_it() {
    let [i1, i2, o1] = slots(["i1", "i2", "o1"]);
    let inner = with(Supervisor::one_for_one("inner").intensity(0, PATIENCE), std::slice::from_ref(&i1));
    let inner = inner.child(i2.child(()).shutdown(Shutdown::Unlimited));
    let outer = Supervisor::one_for_one("outer").intensity(1, PATIENCE).child(inner).child(o1.child(()));
    let mut world = World::of(Supervisor::one_for_one("top").child(outer), &[]);
    let early = plan(&mut world.client, Deed::Kill, "o1");
    assert_eq!(world.no(&kill(&["i1"])).code, Code::Budget);
    let end = world.ask(&forced(&["i1"])).unwrap();
    says(
        &end,
        &[
            "supervisor: top/outer/inner would start it again, it is permanent, and has no restart left for that",
            "0 left, one more ends it",
            "too many: top/outer/inner ends, and all below it, 2 in all",
            "supervisor: top/outer starts top/outer/inner again, it is permanent, with all that it starts",
            "restarts count: top/outer is one_for_one, 0 of 1 restarts in 60s, 1 left",
            "siblings: 1, left alone",
        ],
    );
    assert!(!end.effect.iter().any(|line| line.contains("the system ends")), "{end:?}");
    let (held, slow) = (block(&i1), block(&i2));
    commit(&mut world.client, &end).unwrap();
    // Its handler goes on, and nothing has been counted anywhere.
    assert_eq!(refused(commit(&mut world.client, &early)), Code::Budget, "what was planned before is looked at again");
    let why = world.no(&kill(&["o1"])).message;
    assert!(
        why.starts_with("that needs 1 restart and 0 are left: top/outer would end, and top starts top/outer again; "),
        "{why}"
    );
    assert!(why.ends_with("1 left; 1 more by this console, not counted there yet"), "{why}");
    drop(held);
    // It gives up, and waits for the other one to end: that is still to be counted above.
    until("inner has counted it", || {
        world.system.supervisors().iter().any(|info| info.budget.restarts > info.budget.allowed).then_some(())
    });
    let why = world.no(&kill(&["o1"])).message;
    assert!(why.ends_with("1 left; 1 more by this console, not counted there yet"), "{why}");
    drop(slow);
    until("inner is back", || (i1.pid().incarnation == 2).then_some(()));
    until("it is counted, and once", || {
        world.no(&kill(&["o1"])).message.ends_with("1 of 1 restarts in 60s, 0 left, one more ends it").then_some(())
    });
    assert_eq!(o1.pid().incarnation, 1);
}

#[test]
fn a_plan_that_ends_one_supervisor_after_the_other_names_them_and_the_end_of_the_system() {
    let [i1] = slots(["i1"]);
    let inner = with(Supervisor::one_for_one("inner").intensity(0, PATIENCE), &[i1]);
    let outer = Supervisor::one_for_one("outer").intensity(0, PATIENCE).child(inner);
    let mut world = World::of(Supervisor::one_for_one("top").intensity(0, PATIENCE).child(outer), &[]);
    let end = world.ask(&forced(&["i1"])).unwrap();
    says(
        &end,
        &[
            "too many: top/outer/inner ends",
            "supervisor: top/outer would start top/outer/inner again",
            "too many: top/outer ends, and all below it, 2 in all",
            "supervisor: top would start top/outer again",
            "too many: top ends, and all below it, 3 in all",
            "the system ends: top is the top of the tree",
        ],
    );
    commit(&mut world.client, &end).unwrap();
    world.runtime.block_on(world.system.ended());
}

#[test]
fn who_is_protected_is_not_stopped_as_a_sibling_whatever_is_forced() {
    let [a, b, first, later, last] = slots(["a", "b", "z", "y", "x"]);
    let guest = Slot::<Cashier>::named("guest");
    let all = with(Supervisor::one_for_all("all").intensity(3, PATIENCE), &[a, b]);
    let all = all.child(guest.child(()).restart(Restart::Temporary));
    // Their names are in another order.
    let rest = with(Supervisor::rest_for_one("rest").intensity(3, PATIENCE), &[first]);
    let rest = with(rest.child(with(Supervisor::one_for_one("branch"), &[later])), &[last]);
    let tree = Supervisor::one_for_one("top").child(all).child(rest);
    let mut world = World::of(tree, &["top/all/b", "top/rest/branch/y", "top/rest/nobody"]);
    for query in [kill(&["a"]), forced(&["a"]), query(Deed::Restart, &["a"])] {
        let why = world.no(&query);
        assert_eq!(why.code, Code::Protected);
        assert_eq!(
            why.message,
            "top/all/b is protected, and would be stopped and started with it: top/all is one_for_all"
        );
    }
    let why = world.no(&forced(&["z"]));
    assert_eq!(why.code, Code::Protected);
    assert!(why.message.starts_with("top/rest/branch/y is protected, "), "{why}");
    // Nobody is stopped with whoever is started last, or is not started again.
    for spared in ["x", "guest"] {
        plan(&mut world.client, Deed::Kill, spared);
    }
    // A suspension ends nobody.
    plan(&mut world.client, Deed::Suspend { span: PATIENCE }, "a");
}

#[test]
fn who_is_protected_does_not_end_with_a_supervisor_that_is_ended_by_force() {
    let [i1, i2, i3] = slots(["i1", "i2", "i3"]);
    let inner = with(Supervisor::one_for_one("inner").intensity(1, PATIENCE), &[i1.clone(), i2.clone(), i3]);
    let [o1] = slots(["o1"]);
    let outer = Supervisor::one_for_one("outer").intensity(0, PATIENCE).child(inner).child(o1.child(()));
    let mut world = World::of(Supervisor::one_for_one("top").child(outer), &["top/outer/inner/i3"]);
    // Each is within the budget; together they are not.
    let plans = ["i1", "i2"].map(|target| world.ask(&forced(&[target])).unwrap());
    commit(&mut world.client, &plans[0]).unwrap();
    assert_eq!(refused(commit(&mut world.client, &plans[1])), Code::Protected, "the commit looks, too");
    until("it is counted", || (i1.pid().incarnation == 2).then_some(()));
    for query in [kill(&["i2"]), forced(&["i2"]), forced(&["o1"])] {
        assert_eq!(world.no(&query).code, Code::Protected, "{query:?}");
    }
    assert_eq!(i2.pid().incarnation, 1);
}

#[test]
fn of_a_type_the_share_is_of_those_that_live() {
    let guests = slots(["g1", "g2", "g3", "g4"]);
    let child = |top: Supervisor, guest: &Slot<Cashier>| top.child(guest.child(()).restart(Restart::Transient));
    let mut world = World::of(guests.iter().fold(Supervisor::one_for_one("top"), child), &[]);
    let stop = |actors: &[&str]| query(Deed::Stop, actors);
    world.ask(&stop(&["g1", "g2", "g3"])).expect("one of four is left");
    let first = world.ask(&stop(&["g1"])).unwrap();
    commit(&mut world.client, &first).unwrap();
    until("the console sees that it has ended", || world.ask(&stop(&["g1"])).is_err().then_some(()));
    let why = world.no(&stop(&["g2", "g3", "g4"]));
    assert_eq!(why.code, Code::TooMany);
    assert!(why.message.starts_with("3 of 3 "), "{why}");
    world.ask(&stop(&["g2", "g3"])).expect("one of three is left");
}

#[test]
fn several_of_one_group_are_one_restart_and_several_of_one_for_one_are_as_many() {
    let group @ [a, b, c] = &slots(["a", "b", "c"]);
    let crowd @ [d, ..] = &slots(["d", "e", "f"]);
    let all = with(Supervisor::one_for_all("all").intensity(1, PATIENCE), group);
    let one = with(Supervisor::one_for_one("one").intensity(2, PATIENCE), crowd);
    let mut world = World::of(Supervisor::one_for_one("top").child(all).child(one), &[]);
    let both = world.ask(&kill(&["a", "c"])).expect("that is one restart, and one is left");
    commit(&mut world.client, &both).unwrap();
    until("all are back", || [a, b, c].iter().all(|till| till.pid().incarnation == 2).then_some(()));
    let why = until("it is counted", || match world.ask(&kill(&["a", "c"])) {
        Err(ClientError::Refused(why)) if why.message.ends_with("0 left, one more ends it") => Some(why),
        _ => None,
    });
    assert!(
        why.message
            .starts_with("that needs 1 restart and 0 are left: top/all would end, and top starts top/all again; "),
        "{why}"
    );
    world.crash(d);
    let why = until("it is counted", || match world.ask(&kill(&["d", "e"])) {
        Err(ClientError::Refused(why)) if why.code == Code::Budget => Some(why.message),
        _ => None,
    });
    assert!(
        why.starts_with("that needs 2 restarts and 1 is left: top/one would end, and top starts top/one again; "),
        "{why}"
    );
}

#[test]
fn where_it_is_not_known_what_is_left_that_is_too_little() {
    let [often, other] = slots(["often", "other"]);
    let many = Supervisor::one_for_one("many").intensity(9_999, PATIENCE * 60);
    let mut world = World::of(Supervisor::one_for_one("top").child(with(many, &[often.clone(), other])), &[]);
    plan(&mut world.client, Deed::Kill, "other");
    for _ in 0..4_096 {
        world.crash(&often);
    }
    let why = world.no(&kill(&["other"]));
    assert_eq!(why.code, Code::Budget);
    assert!(
        why.message.starts_with("that needs 1 restart and how many are left is not known: top/many would end, and top starts top/many again; "),
        "{why}"
    );
    world.ask(&forced(&["other"])).expect("whoever wants it has it");
}

#[test]
fn who_is_suspended_and_has_yet_to_end_is_an_end_under_way() {
    let [s1, s2] = slots(["s1", "s2"]);
    let tree = with(Supervisor::one_for_one("top").intensity(1, PATIENCE), &[s1.clone(), s2.clone()]);
    let mut world = World::of(tree, &[]);
    let held = block(&s1);
    for deed in [Deed::Suspend { span: PATIENCE }, Deed::Kill] {
        let planned = plan(&mut world.client, deed, "s1");
        commit(&mut world.client, &planned).unwrap();
    }
    let back_in = until("it is suspended", || world.system.inspect(s1.pid())?.back_in);
    assert!(back_in <= PATIENCE, "that is when it is resumed: {back_in:?}");
    assert_eq!(world.no(&kill(&["s2"])).code, Code::Budget);
    drop(held);
    until("it is back", || (s1.pid().incarnation == 2).then_some(()));
    assert_eq!(s2.pid().incarnation, 1);
}

#[test]
fn who_is_linked_with_whoever_ends_may_be_one_restart_more() {
    let [p1, p2, p3, alone] = slots(["p1", "p2", "p3", "alone"]);
    let pair = with(Supervisor::one_for_one("pair").intensity(1, PATIENCE), &[p1.clone(), p2.clone()]);
    let other = with(Supervisor::one_for_one("other").intensity(0, PATIENCE), std::slice::from_ref(&p3));
    let tree = Supervisor::one_for_one("top").child(pair).child(other).child(alone.child(()));
    let mut world = World::of(tree, &["top/other/p3"]);
    // Until somebody is linked with it, one restart is enough.
    plan(&mut world.client, Deed::Kill, "p1");
    p2.tell(Till::Link(p1.pid())).unwrap();
    let linked = |of: &Slot<Cashier>, with: &Slot<Cashier>| {
        world.system.inspect(of.pid()).is_some_and(|shot| shot.links.contains(&with.pid()))
    };
    until("they are linked", || linked(&p1, &p2).then_some(()));
    let why = until("the console sees it", || match world.ask(&kill(&["p1"])) {
        Err(ClientError::Refused(why)) => Some(why),
        _ => None,
    });
    assert_eq!(why.code, Code::Budget);
    assert!(why.message.starts_with("that needs 2 restarts and 1 is left: top/pair would end"), "{}", why.message);
    says(
        &world.ask(&forced(&["p1"])).unwrap(),
        &["starts 1 of 2 again, leaves 0; not known of 1", "too many, perhaps: top/pair may end"],
    );
    // Through others, to a third supervisor, and to somebody who is protected.
    alone.tell(Till::Link(p2.pid())).unwrap();
    p3.tell(Till::Link(alone.pid())).unwrap();
    until("all are linked", || {
        world.system.inspect(p3.pid()).is_some_and(|shot| shot.links.contains(&alone.pid())).then_some(())
    });
    let why = until("the console sees it", || match world.ask(&forced(&["p1"])) {
        Err(ClientError::Refused(why)) => Some(why),
        _ => None,
    });
    assert!(why.code == Code::Protected && why.message.starts_with("top/other/p3 is protected"), "{}", why.message);
    assert_eq!([&p1, &p2, &p3, &alone].map(|till| till.pid().incarnation), [1; 4]);
}

/// Begins when it may.
pub(crate) struct Late;

impl Actor for Late {
    type Args = Arc<AtomicBool>;
    type Msg = Till;

    async fn init(held: Arc<AtomicBool>, _: &mut Context<Self>) -> Result<Self, Exit> {
        while held.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Self)
    }

    async fn handle(&mut self, _: Till, _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

#[test]
fn the_end_of_a_child_of_a_supervisor_that_starts_is_the_end_of_that_supervisor() {
    let (held, late) = (Arc::new(AtomicBool::new(false)), Slot::<Late>::named("late"));
    let inner = Supervisor::one_for_one("inner").intensity(3, PATIENCE);
    let inner = inner.child(late.child(held.clone()).start_within(Duration::from_secs(3_600)));
    let mut world = World::of(Supervisor::one_for_one("top").intensity(1, PATIENCE).child(inner), &[]);
    says(&plan(&mut world.client, Deed::Kill, "late"), &["top/inner starts it again"]);
    held.store(true, SeqCst);
    let pid = world.system.supervisors().iter().find(|info| &*info.path == "top/inner").expect("it lives").pid;
    world.system.kill(pid);
    until("it begins again", || {
        let shot = world.system.inspect(late.pid())?;
        (shot.pid.incarnation == 2 && shot.state == State::Starting).then_some(())
    });
    let why = world.no(&kill(&["late"]));
    assert!(why.code == Code::Budget && why.message.contains("top would end"), "{}", why.message);
    says(&world.ask(&forced(&["late"])).unwrap(), &["top/inner is being started", "the system ends"]);
    held.store(false, SeqCst);
    until("it is well", || world.system.inspect(late.pid()).filter(|shot| shot.state == State::Running).map(drop));
}

/// A tree in which each supervisor may restart so often: the top, `mid` below it, `low` below that, with `l1`; and `m1` below `mid`.
fn nested([top, mid, low]: [u32; 3], [m1, l1]: &[Slot<Cashier>; 2]) -> World {
    let low = with(Supervisor::one_for_one("low").intensity(low, PATIENCE), std::slice::from_ref(l1));
    let mid = Supervisor::one_for_one("mid").intensity(mid, PATIENCE).child(low).child(m1.child(()));
    World::of(Supervisor::one_for_one("top").intensity(top, PATIENCE).child(mid), &[])
}

#[test]
fn a_plan_and_its_refusal_name_who_decides_at_each_edge_of_the_budgets_and_that_is_what_happens() {
    let (l, m) = ("top/mid/low", "top/mid");
    let too_many = |who: &str| format!("too many: {who} ends");
    // Budgets, what the refusal says after the number, and the lines of the plan that is forced.
    let cases: [([u32; 3], Option<&str>, Vec<String>); 4] = [
        ([3, 3, 1], None, vec![format!("supervisor: {l} starts it again, it is permanent")]),
        (
            [3, 1, 0],
            Some("top/mid/low would end, and top/mid starts top/mid/low again; restarts count: top/mid/low is"),
            vec![too_many(l), format!("supervisor: {m} starts {l} again, it is permanent, with all that it starts")],
        ),
        (
            [1, 0, 0],
            Some("top/mid/low would end, then top/mid, and top starts top/mid again; restarts count: top/mid/low is"),
            vec![too_many(l), too_many(m), format!("supervisor: top starts {m} again, it is permanent, with all")],
        ),
        (
            [0, 0, 0],
            Some("top/mid/low would end, then top/mid, then top, and the system with it; restarts count: top/mid/low"),
            vec![too_many(l), too_many(m), too_many("top"), "the system ends".to_owned()],
        ),
    ];
    for (budgets, refusal, lines) in cases {
        let tills @ [m1, l1] = &slots(["m1", "l1"]);
        let mut world = nested(budgets, tills);
        let supervisor = |world: &World, path: &str| {
            world.system.supervisors().iter().find(|info| &*info.path == path).map(|info| info.pid.incarnation)
        };
        match refusal {
            None => drop(world.ask(&kill(&["l1"])).expect("a restart is left")),
            Some(words) => {
                let why = world.no(&kill(&["l1"]));
                assert_eq!(why.code, Code::Budget);
                assert!(why.message.starts_with(&format!("that needs 1 restart and 0 are left: {words}")), "{why}");
            }
        }
        let end = world.ask(&forced(&["l1"])).unwrap();
        says(&end, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        let ended = end.effect.iter().filter(|line| line.starts_with("too many")).count();
        let ends = lines.iter().filter(|line| line.starts_with("too many")).count();
        assert_eq!(ended, ends, "nobody else ends: {:#?}", end.effect);
        commit(&mut world.client, &end).unwrap();
        if ends == 3 {
            world.runtime.block_on(world.system.ended());
            continue;
        }
        // Each that has ended is there again, in its next incarnation, and nobody else.
        until("it is back", || (l1.pid().incarnation == 2).then_some(()));
        let lives = |path: &str| until("it is there", || supervisor(&world, path));
        assert_eq!([lives(l), lives(m), lives("top")].map(|life| life - 1), [[0, 0, 0], [1, 0, 0], [1, 1, 0]][ends]);
        assert_eq!(m1.pid().incarnation, if ends == 2 { 2 } else { 1 });
    }
}

#[test]
fn of_two_supervisors_the_one_of_whom_it_is_done_to_is_told_of_though_the_other_is_deeper() {
    let tills @ [m1, l1] = &slots(["m1", "l1"]);
    let mut world = nested([3, 0, 0], tills);
    l1.tell(Till::Link(m1.pid())).unwrap();
    until("they are linked", || {
        world.system.inspect(l1.pid()).is_some_and(|shot| shot.links.contains(&m1.pid())).then_some(())
    });
    let why = world.no(&kill(&["m1"])).message;
    assert!(
        why.starts_with("that needs ") && why.contains(": top/mid would end, and top starts top/mid again; "),
        "{why}"
    );
    let end = until("the console sees the link", || {
        let end = world.ask(&forced(&["m1"])).unwrap();
        end.effect.iter().any(|line| line.starts_with("linked: 1")).then_some(end)
    });
    says(
        &end,
        &[
            "supervisor: top/mid would start 2 of 2 again, and has too few restarts left for that",
            "too many: top/mid ends",
            "supervisor: top/mid/low starts top/mid/low/l1 again if it ends by its link, it is permanent",
            "too many, perhaps: top/mid/low may end",
            "supervisor: top starts top/mid again, it is permanent, with all that it starts",
        ],
    );
}
