//! A system is no singleton: what plugs into one, and what another one does not see of it.

use std::sync::mpsc::{Sender, channel};

use crashworthy::prelude::*;
use crashworthy::{AutoShutdown, State};

#[derive(Message)]
enum Till {
    Sell { cents: u64 },
    Total { reply: Reply<u64> },
    Break,
}

struct Cashier {
    total: u64,
}

impl Actor for Cashier {
    type Args = u64;
    type Msg = Till;

    async fn init(float: u64, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.register("cashier")?;
        Ok(Self { total: float })
    }

    async fn handle(&mut self, msg: Till, _: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            Till::Sell { cents } => self.total += cents,
            Till::Total { reply } => reply.send(self.total),
            Till::Break => panic!("it breaks"),
        }
        Ok(())
    }
}

fn shop(till: &Slot<Cashier>, float: u64) -> Supervisor {
    Supervisor::one_for_one("shop").child(till.child(float))
}

#[crashworthy::test]
async fn two_systems_in_a_process_do_not_see_each_other() {
    let (north, south) = (Slot::<Cashier>::named("till"), Slot::<Cashier>::named("till"));
    let first = System::builder().name("north").start(shop(&north, 100)).await.expect("it starts");
    let second = System::builder().name("south").start(shop(&south, 200)).await.expect("so does another of its names");

    // The same names, each in its own system.
    for (system, till) in [(&first, &north), (&second, &south)] {
        assert_eq!(system.whereis::<Cashier>("cashier").map(|cashier| cashier.pid()), Some(till.pid()));
    }
    north.tell(Till::Sell { cents: 50 }).expect("it is open");
    assert_eq!(north.ask(|reply| Till::Total { reply }).await, Ok(150));
    assert_eq!(south.ask(|reply| Till::Total { reply }).await, Ok(200));

    // A crash in one is none of the other's, and neither is its end.
    let down = north.down();
    north.tell(Till::Break).expect("it is open");
    down.await;
    assert_eq!(north.ask(|reply| Till::Total { reply }).await, Ok(100));
    assert_eq!((first.crashes().0, second.crashes().0), (1, 0));
    let report = first.stop().await;
    assert!(report.stragglers.is_empty(), "{report}");
    assert!(first.is_stopped() && !second.is_stopped());
    assert!(north.tell(Till::Sell { cents: 1 }).is_err());
    assert_eq!(south.ask(|reply| Till::Total { reply }).await, Ok(200));
    second.stop().await;
}

/// Tells of the system it is attached to.
struct Plug {
    name: &'static str,
    attached: Sender<(&'static str, System)>,
    fits: bool,
}

impl Part for Plug {
    fn attach(&mut self, system: &System) -> Result<(), StartError> {
        self.attached.send((self.name, system.clone())).expect("the test listens");
        if self.fits { Ok(()) } else { Err(StartError::Setting("it does not fit".into())) }
    }
}

#[crashworthy::test]
async fn parts_are_told_of_the_system_in_order_before_its_tree_starts() {
    let (attached, told) = channel();
    let plug = |name| Plug { name, attached: attached.clone(), fits: true };
    let till = Slot::<Cashier>::named("till");
    let parts = System::builder().with(plug("console")).with(plug("metrics"));
    let system = parts.start(shop(&till, 0)).await.expect("it starts");
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["console", "metrics"]);
    // What a part was given is the system itself.
    assert!(told.iter().all(|(_, system)| system.whereis::<Cashier>("cashier").is_some()));
    system.stop().await;
    assert!(told.iter().all(|(_, system)| system.is_stopped()));
}

/// Tells of the end of its system.
struct Last {
    name: &'static str,
    told: Sender<&'static str>,
}

impl Part for Last {
    fn attach(&mut self, _: &System) -> Result<(), StartError> {
        Ok(())
    }

    fn detach(&mut self) {
        self.told.send(self.name).expect("the test listens");
        assert!(self.name != "metrics", "a part that is broken");
    }
}

#[crashworthy::test]
async fn parts_are_told_of_the_end_before_anybody_else_the_last_first_even_if_one_panics() {
    let (told, listens) = channel();
    let last = |name| Last { name, told: told.clone() };
    let till = Slot::<Cashier>::named("till");
    let parts = System::builder().with(last("console")).with(last("metrics")).with(last("log"));
    let system = parts.start(shop(&till, 0)).await.expect("it starts");
    assert_eq!(listens.try_recv().ok(), None, "it has not ended");
    system.stop().await;
    assert_eq!(listens.try_iter().collect::<Vec<_>>(), ["log", "metrics", "console"]);
    system.stop().await;
    assert_eq!(listens.try_iter().count(), 0, "once");
}

#[crashworthy::test]
async fn a_part_that_refuses_ends_the_start_and_the_system_that_others_were_told_of() {
    let (attached, told) = channel();
    let plug = |name, fits| Plug { name, attached: attached.clone(), fits };
    let till = Slot::<Cashier>::named("till");
    let parts = System::builder().with(plug("console", true)).with(plug("metrics", false)).with(plug("never", true));
    let error = parts.start(shop(&till, 0)).await.expect_err("a part does not fit");
    assert!(error.to_string().contains("it does not fit"), "{error}");
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["console", "metrics"]);
    for (_, system) in told {
        assert!(system.is_stopped());
        system.ended().await;
    }
    assert!(!till.is_alive());
}

/// Tells that its system fails, and how somebody is then; and of its end.
struct Post {
    idle: Slot<Idle>,
    told: Sender<(&'static str, Option<State>)>,
    system: Option<System>,
}

impl Post {
    fn tell(&self, what: &'static str) {
        let system = self.system.as_ref().expect("it is attached");
        let idle = system.inspect(self.idle.pid()).map(|idle| idle.state);
        self.told.send((what, idle)).expect("the test listens");
    }
}

impl Part for Post {
    fn attach(&mut self, system: &System) -> Result<(), StartError> {
        self.system = Some(system.clone());
        Ok(())
    }

    fn fails(&mut self) {
        self.tell("fails");
        panic!("a part that is broken");
    }

    fn detach(&mut self) {
        self.tell("ends");
    }
}

/// Does nothing.
struct Idle;

impl Actor for Idle {
    type Args = ();
    type Msg = ();

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

/// What a part is told of a system that ends so, and how somebody in it is each time.
async fn told_of(
    tree: impl FnOnce(Supervisor, &Slot<Cashier>) -> Supervisor,
    end: impl AsyncFnOnce(&System, &Slot<Cashier>),
) -> Vec<(&'static str, Option<State>)> {
    let (told, listens) = channel();
    let (till, idle) = (Slot::<Cashier>::named("till"), Slot::<Idle>::named("idle"));
    let back = Supervisor::one_for_one("back").child(idle.child(()));
    let tree = tree(Supervisor::one_for_one("shop").intensity(0, secs(60)), &till).child(back);
    let post = Post { idle, told, system: None };
    let system = System::builder().with(post).start(tree).await.expect("it starts");
    end(&system, &till).await;
    system.ended().await;
    listens.try_iter().collect()
}

#[crashworthy::test]
async fn parts_are_told_once_that_a_system_fails_and_nobody_has_ended_when_its_top_gives_up() {
    let given_up =
        told_of(|shop, till| shop.child(till.child(0)), async |_, till| till.tell(Till::Break).unwrap()).await;
    assert_eq!(given_up[0], ("fails", Some(State::Running)));
    assert_eq!((given_up[1].0, given_up.len()), ("ends", 2));
    assert_ne!(given_up[1].1, Some(State::Running));

    let significant = told_of(
        |shop, till| shop.auto_shutdown(AutoShutdown::AnySignificant).child(till.child(0).temporary().significant()),
        async |_, till| till.tell(Till::Break).unwrap(),
    );
    let significant: Vec<_> = significant.await.into_iter().map(|(what, _)| what).collect();
    assert_eq!(significant, ["fails", "ends"], "whatever ends it");

    let asked = told_of(|shop, till| shop.child(till.child(0)), async |system, _| _ = system.stop().await).await;
    assert_eq!(asked.into_iter().map(|(what, _)| what).collect::<Vec<_>>(), ["ends"], "it was asked to");
}
