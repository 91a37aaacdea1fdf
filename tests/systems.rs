//! A system is no singleton: what plugs into one, and what another one does not see of it.

use std::sync::mpsc::{Sender, channel};

use crashworthy::prelude::*;

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
