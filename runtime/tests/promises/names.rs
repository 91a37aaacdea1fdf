//! Names and process groups of one system: OTP's rules.

use crashworthy_runtime::{Actor, ActorRef, Context, Exit, ExitReason, Pid, Slot, StartError};

use crate::stage::{Nursery, Order, Puppet, bare, does, everywhere, lawful, puppet, who};

/// An actor of another type.
struct Other;

impl Actor for Other {
    type Args = ();
    type Msg = ();

    async fn init(_: (), cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.register("other")?;
        cx.join("all");
        Ok(Self)
    }

    async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

async fn register(actor: &ActorRef<Puppet>, name: &'static str) -> Result<(), StartError> {
    does(actor, move |cx| cx.register(name)).await
}

async fn join(actor: &ActorRef<Puppet>, group: &'static str) {
    does(actor, move |cx| cx.join(group)).await;
}

async fn end(actor: &ActorRef<Puppet>) {
    let down = actor.down();
    actor.tell(Order::Exit(ExitReason::Normal)).unwrap();
    down.await;
}

fn pids(actors: &[ActorRef<Puppet>]) -> Vec<Pid> {
    actors.iter().map(ActorRef::pid).collect()
}

#[test]
fn an_actor_is_found_by_the_name_it_registered() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        assert!(system.whereis::<Puppet>("till").is_none());
        register(&actor, "till").await.unwrap();
        let found = system.whereis::<Puppet>("till").unwrap();
        assert!(found == actor);
        assert_eq!(who(&found).await, 1);
        let names = system.registered();
        assert_eq!((names.len(), &*names[0].0, names[0].1), (1, "till", actor.pid()));
        lawful(&system).await;
    });
}

#[test]
fn a_name_belongs_to_one_actor_and_a_taken_one_is_an_error() {
    everywhere(async || {
        let system = bare();
        let (first, _first) = puppet(&system).await;
        let (second, _second) = puppet(&system).await;
        register(&first, "till").await.unwrap();
        assert!(matches!(register(&second, "till").await, Err(StartError::NameTaken(name)) if name == "till"));
        register(&first, "till").await.expect("it has it already");
        assert!(system.whereis::<Puppet>("till").unwrap() == first);
        assert!(!does(&second, |cx| cx.unregister("till")).await, "it is another's");
        assert!(does(&first, |cx| cx.unregister("till")).await);
        assert!(!does(&first, |cx| cx.unregister("till")).await, "it is nobody's");
        register(&second, "till").await.unwrap();
        assert!(system.whereis::<Puppet>("till").unwrap() == second);
        lawful(&system).await;
    });
}

#[test]
fn a_name_that_is_empty_or_too_long_is_an_error() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let longest = "n".repeat(255);
        let longer = "n".repeat(256);
        for bad in [String::new(), longer] {
            assert!(matches!(does(&actor, move |cx| cx.register(&bad)).await, Err(StartError::Setting(_))));
        }
        let name = longest.clone();
        does(&actor, move |cx| cx.register(&name)).await.unwrap();
        assert!(system.whereis::<Puppet>(&longest).is_some());
    });
}

#[test]
fn a_name_is_free_before_links_and_monitors_hear_of_the_end() {
    everywhere(async || {
        let system = bare();
        for _ in 0..50 {
            let (actor, _journal) = puppet(&system).await;
            register(&actor, "till").await.unwrap();
            end(&actor).await;
            assert!(system.whereis::<Puppet>("till").is_none());
        }
        // The next incarnation takes it at once.
        let mut nursery = Nursery::open(&system, Slot::anonymous()).await;
        for incarnation in 1..20 {
            register(&nursery.slot, "till").await.unwrap();
            assert_eq!(system.registered()[0].1.incarnation, incarnation);
            nursery.slot.tell(Order::Panic).unwrap();
            nursery.signals.signal().await;
            nursery.start().await.unwrap();
        }
        lawful(&system).await;
    });
}

#[test]
fn a_name_taken_in_init_is_given_back_when_the_start_fails() {
    everywhere(async || {
        let system = bare();
        let other = system.spawn::<Other>(()).await.unwrap();
        assert!(matches!(system.spawn::<Other>(()).await, Err(StartError::Failed(_))), "the name is taken");
        let down = other.down();
        system.kill(other.pid());
        down.await;
        assert!(system.whereis::<Other>("other").is_none());
        let again = system.spawn::<Other>(()).await.unwrap();
        assert!(system.whereis::<Other>("other").unwrap() == again);
    });
}

#[test]
fn an_actor_of_another_type_is_not_found_by_that_type() {
    everywhere(async || {
        let system = bare();
        let other = system.spawn::<Other>(()).await.unwrap();
        let (actor, _journal) = puppet(&system).await;
        join(&actor, "all").await;
        assert!(system.whereis::<Puppet>("other").is_none());
        assert!(system.whereis::<Other>("other").unwrap() == other);
        assert!(system.members::<Puppet>("all") == [actor]);
        assert!(system.members::<Other>("all") == [other]);
    });
}

#[test]
fn a_group_has_many_members_and_an_actor_may_be_in_many_groups() {
    everywhere(async || {
        let system = bare();
        let (first, _first) = puppet(&system).await;
        let (second, _second) = puppet(&system).await;
        assert!(system.members::<Puppet>("tills").is_empty());
        for actor in [&first, &second] {
            join(actor, "tills").await;
            join(actor, "tills").await;
        }
        join(&first, "open").await;
        assert_eq!(pids(&system.members("tills")), [first.pid(), second.pid()], "each once, by identity");
        assert_eq!(pids(&system.members("open")), [first.pid()]);
        for member in system.members::<Puppet>("tills") {
            assert_eq!(who(&member).await, 1);
        }
        assert!(does(&first, |cx| cx.leave("tills")).await);
        assert!(!does(&first, |cx| cx.leave("tills")).await);
        assert!(!does(&second, |cx| cx.leave("open")).await);
        assert_eq!(pids(&system.members("tills")), [second.pid()]);
        assert_eq!(pids(&system.members("open")), [first.pid()], "it left one of them");
        lawful(&system).await;
    });
}

#[test]
fn who_ends_has_left_its_groups_before_anybody_hears_of_it() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous()).await;
        join(&nursery.slot, "tills").await;
        let first = nursery.slot.pid();
        assert_eq!(pids(&system.members("tills")), [first]);
        nursery.slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        assert!(system.members::<Puppet>("tills").is_empty());
        nursery.start().await.unwrap();
        assert!(system.members::<Puppet>("tills").is_empty(), "membership is of an incarnation");
        lawful(&system).await;
    });
}
