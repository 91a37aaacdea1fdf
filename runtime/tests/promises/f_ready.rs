//! Readiness: an actor that lacks something it needs refuses at once, whatever its handler does; and says so itself.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crashworthy_runtime::{
    Actor, ActorRef, AsDependency, Context, Criticality, Dep, Dependency, DependencyError, Exit, Message, Offer,
    Readiness, Reason, Refused, Slot, StartError, System,
};

use crate::stage::{
    Nursery, Order, Part, Puppet, act, bare, cast, does, everywhere, law, lawful, now, on_two, pends, puppet, until,
    who,
};

const LONG: Duration = Duration::from_secs(60);

fn not_ready(name: &str) -> Reason {
    Reason::NotReady(Dep::named(name))
}

/// A puppet that depends on something.
async fn dependant(system: &System, on: &Dependency) -> ActorRef<Puppet> {
    let on = on.clone();
    let names = |part: Part| part.init(move |cx| Box::pin(std::future::ready(cx.depends_on(&on).map_err(Exit::from))));
    cast(system, names).await.0
}

/// Why a tell is refused; none if it is not.
fn refusal(actor: &ActorRef<Puppet>) -> Option<Refused> {
    actor.tell(Order::Note(0)).err().map(|rejected| rejected.why)
}

fn reason(actor: &ActorRef<Puppet>) -> Option<Reason> {
    refusal(actor).map(|why| why.reason)
}

#[test]
fn a_dependency_that_goes_down_has_its_dependants_refuse_while_their_handlers_block() {
    on_two(async || {
        let system = bare();
        let database = Dependency::named("orders-db");
        let actor = dependant(&system, &database).await;
        let (gate, closed) = std::sync::mpsc::channel::<()>();
        let blocks = now(move |_, _| {
            let _ = closed.recv();
            Ok(())
        });
        actor.tell(blocks).unwrap();
        until("it is busy", || actor.law().in_hand == 1).await;
        let turns = actor.law();

        database.mark_down(Some(LONG));
        let told = refusal(&actor).expect("a tell is refused");
        let scoped = actor.tell_scoped(Order::Note(0)).expect_err("a scoped one is").why;
        let asked = match actor.ask(|reply| Order::Echo(1, reply)).await {
            Err(crashworthy_runtime::AskError::Refused(refused)) => refused,
            other => panic!("a question is refused, not {other:?}"),
        };
        let reserved = actor.reserve(Offer::within(LONG)).expect_err("a reservation is refused");
        let admitted = actor.admitted(LONG).await.expect_err("an admission is refused");
        for refused in [told, scoped, asked, reserved, admitted] {
            assert_eq!((refused.reason, refused.by), (not_ready("orders-db"), actor.id()));
            assert!(refused.retry_after.is_some_and(|after| !after.is_zero() && after <= LONG), "{refused:?}");
        }
        assert_eq!(law(&actor), turns, "it costs the actor nothing, not even a turn");

        database.mark_up();
        actor.tell(Order::Note(1)).expect("also while it blocks");
        drop(gate);
        assert_eq!(who(&actor).await, 1);
        lawful(&system).await;
    });
}

/// Fills the mailbox of a puppet that awaits something in its first message, which leaves no room any more then.
async fn fill(actor: &ActorRef<Puppet>) {
    until("it is busy", || actor.law().in_hand == 1 && actor.load().depth == 0).await;
    while actor.tell(Order::Note(1)).is_ok() {}
}

/// A puppet that depends on something, is busy until the sender goes, and whose mailbox is full.
async fn full(system: &System, on: &Dependency) -> (ActorRef<Puppet>, tokio::sync::oneshot::Sender<()>) {
    let actor = dependant(system, on).await;
    let (gate, closed) = tokio::sync::oneshot::channel();
    actor.tell(Order::Await(closed)).unwrap();
    fill(&actor).await;
    (actor, gate)
}

/// Why somebody who waits for room, and waits already, is refused when that happens.
async fn refused_while_waiting<A: Actor>(
    actor: &ActorRef<A>,
    happens: impl Future<Output = ()> + Send + 'static,
) -> Reason {
    let mut waits = pin!(actor.admitted(LONG));
    assert!(pends(waits.as_mut()).await, "it waits");
    tokio::spawn(happens);
    waits.await.expect_err("it takes nothing new").reason
}

#[test]
fn who_waits_for_room_is_told_at_once_that_a_dependency_has_gone_down() {
    everywhere(async || {
        let system = bare();
        let database = Dependency::named("db");
        let (actor, gate) = full(&system, &database).await;
        let (begun, marks) = (system.now(), database.clone());
        let told = refused_while_waiting(&actor, async move { marks.mark_down(None) }).await;
        assert_eq!(told, not_ready("db"));
        assert!(system.now() - begun < LONG, "not at the deadline");
        drop(gate);
        actor.settled().await;
        database.mark_up();
        assert_eq!(reason(&actor), None);
        lawful(&system).await;
    });
}

#[test]
fn who_waits_for_room_is_told_at_once_that_the_actor_has_named_what_is_down() {
    everywhere(async || {
        let system = bare();
        let (database, lost) = (Dependency::named("db"), Dependency::named("lost"));
        lost.mark_down(None);
        let actor = dependant(&system, &database).await;
        let ((names, named), (opens, gate)) = (tokio::sync::oneshot::channel(), tokio::sync::oneshot::channel::<()>());
        let names_it = act(move |_, cx| {
            Box::pin(async move {
                let _ = named.await;
                cx.depends_on(&lost)?;
                let _ = gate.await;
                Ok(())
            })
        });
        actor.tell(names_it).unwrap();
        fill(&actor).await;
        let begun = system.now();
        let told = refused_while_waiting(&actor, async move { names.send(()).unwrap() }).await;
        assert_eq!(told, not_ready("lost"));
        assert!(system.now() - begun < LONG, "not at the deadline");
        drop(opens);
        actor.settled().await;
        lawful(&system).await;
    });
}

#[test]
fn who_waits_for_room_from_outside_is_told_at_once_that_the_system_drains() {
    everywhere(async || {
        let system = bare();
        let (actor, gate) = full(&system, &Dependency::named("db")).await;
        let (begun, stops) = (system.now(), system.clone());
        let told = refused_while_waiting(&actor, async move { drop(stops.stop().await) }).await;
        assert_eq!(told, Reason::Draining);
        assert!(system.now() - begun < LONG, "not at the deadline");
        drop(gate);
        assert!(system.stop().await.stragglers.is_empty());
    });
}

#[test]
fn what_was_taken_in_before_is_handled_and_a_permit_that_was_given_is_good() {
    everywhere(async || {
        let system = bare();
        let database = Dependency::named("db");
        let actor = dependant(&system, &database).await;
        let (gate, closed) = tokio::sync::oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        actor.tell(Order::Note(1)).unwrap();
        let permit = actor.reserve(Offer::within(LONG)).unwrap();
        database.mark_down(None);
        permit.send(Order::Note(2)).expect("it promised room");
        assert_eq!(reason(&actor), Some(not_ready("db")));
        drop(gate);
        actor.settled().await;
        assert_eq!(law(&actor).handled, 3);
        lawful(&system).await;
    });
}

#[test]
fn what_an_actor_sends_itself_passes() {
    everywhere(async || {
        let system = bare();
        let database = Dependency::named("db");
        let actor = dependant(&system, &database).await;
        let marks = database.clone();
        let sent = does(&actor, move |cx| {
            marks.mark_down(None);
            (cx.send_self(Order::Note(1)), cx.address().tell(Order::Note(2)).map_err(|rejected| rejected.why.reason))
        });
        assert_eq!(sent.await, (Ok(()), Err(not_ready("db"))));
        actor.settled().await;
        assert_eq!(law(&actor).handled, 2);
    });
}

#[test]
fn of_several_things_that_are_missing_the_one_that_is_expected_last_is_named() {
    everywhere(async || {
        let system = bare();
        let [soon, late, never] = ["soon", "late", "never"].map(Dependency::named);
        let actor = dependant(&system, &late).await;
        for other in [soon.clone(), never.clone()] {
            does(&actor, move |cx| cx.depends_on(&other)).await.unwrap();
        }
        soon.mark_down(Some(LONG));
        late.mark_down(Some(2 * LONG));
        let refused = refusal(&actor).expect("it refuses");
        assert_eq!(refused.reason, not_ready("late"));
        assert!(refused.retry_after.is_some_and(|after| after > LONG), "{refused:?}");
        never.mark_down(None);
        let refused = refusal(&actor).expect("it refuses");
        assert_eq!((refused.reason, refused.retry_after), (not_ready("never"), None));
        never.mark_up();
        late.mark_up();
        assert_eq!(reason(&actor), Some(not_ready("soon")));
        soon.mark_up();
        assert_eq!(reason(&actor), None);
    });
}

#[test]
fn who_names_something_that_is_down_refuses_at_once() {
    everywhere(async || {
        let system = bare();
        let database = Dependency::named("db");
        database.mark_down(Some(LONG));
        let actor = dependant(&system, &database).await;
        assert_eq!(reason(&actor), Some(not_ready("db")));
        database.mark_up();
        assert_eq!(reason(&actor), None);
    });
}

#[test]
fn who_has_ended_says_so_whatever_it_lacked() {
    everywhere(async || {
        let system = bare();
        let database = Dependency::named("db");
        let actor = dependant(&system, &database).await;
        database.mark_down(Some(LONG));
        let down = actor.down();
        system.kill(actor.pid());
        down.await;
        assert_eq!(refusal(&actor).map(|why| (why.reason, why.retry_after)), Some((Reason::Gone, None)));
    });
}

#[test]
fn an_actor_that_is_not_started_or_has_ended_is_down_and_one_that_is_restarted_is_not() {
    everywhere(async || {
        let system = bare();
        let slot = Slot::<Puppet>::named("ledger");
        let actor = dependant(&system, &slot.as_dependency()).await;
        assert_eq!(reason(&actor), Some(not_ready("ledger")), "it is not started");
        let mut nursery = Nursery::open(&system, slot.clone()).await;
        assert_eq!(reason(&actor), None);

        slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        assert_eq!(reason(&actor), None, "between two incarnations: what is sent to it waits, too");
        slot.tell(Order::Note(1)).expect("it does");
        let closes = slot.clone();
        does(&nursery.parent, move |cx| cx.close(&closes, false)).await;
        assert_eq!(reason(&actor), Some(not_ready("ledger")), "its parent does not start it again");
        nursery.start().await.unwrap();
        assert_eq!(reason(&actor), None, "or does after all");

        slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        let closes = slot.clone();
        does(&nursery.parent, move |cx| cx.close(&closes, true)).await;
        assert_eq!(reason(&actor), Some(not_ready("ledger")), "it is gone");
    });
}

#[test]
fn an_actor_that_nobody_restarts_is_down_before_anybody_hears_of_its_end() {
    everywhere(async || {
        let system = bare();
        let (ledger, _journal) = puppet(&system).await;
        let actor = dependant(&system, &ledger.as_dependency()).await;
        let down = ledger.down();
        ledger.tell(Order::Fail).unwrap();
        down.await;
        let name = ledger.id().to_string();
        assert_eq!(reason(&actor), Some(not_ready(&name)));
        assert_eq!(refusal(&actor).and_then(|refused| refused.retry_after), None);
    });
}

#[test]
fn what_an_incarnation_has_named_holds_until_the_next_has_begun_that_names_its_own() {
    everywhere(async || {
        let system = bare();
        let slot = Slot::<Puppet>::named("till");
        let mut nursery = Nursery::open(&system, slot.clone()).await;
        let [old, new] = ["old", "new"].map(Dependency::named);
        let named = old.clone();
        does(&slot, move |cx| cx.depends_on(&named)).await.unwrap();
        slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        old.mark_down(None);
        assert_eq!(reason(&slot), Some(not_ready("old")), "nobody lives there");

        // The next one names nothing.
        nursery.start().await.unwrap();
        assert_eq!(reason(&slot), None);
        assert_eq!(who(&slot).await, 2);
        let named = new.clone();
        does(&slot, move |cx| cx.depends_on(&named)).await.unwrap();
        new.mark_down(None);
        assert_eq!(reason(&slot), Some(not_ready("new")));
        old.mark_up();
        assert_eq!(reason(&slot), Some(not_ready("new")), "what it no longer needs says nothing");
    });
}

#[test]
fn more_than_64_dependencies_are_an_error_and_none_twice_is_one_more() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let answers = does(&actor, |cx| {
            let all: Vec<_> = (0..65).map(|n| Dependency::named(n.to_string())).collect();
            let answers: Vec<_> = all.iter().map(|one| cx.depends_on(one)).collect();
            (answers, cx.depends_on(&all[63]), all)
        });
        let (answers, again, all) = answers.await;
        assert!(answers[..64].iter().all(Result::is_ok) && again.is_ok());
        assert_eq!(answers[64], Err(DependencyError::TooMany(64)));
        all[64].mark_down(None);
        assert_eq!(reason(&actor), None);
        all[63].mark_down(None);
        assert_eq!(reason(&actor), Some(not_ready("63")));
    });
}

#[test]
fn whoever_marks_a_dependency_at_once_leaves_all_its_dependants_alike() {
    on_two(async || {
        let system = bare();
        let database = Dependency::named("db");
        let mut actors = Vec::new();
        // Told in several stretches.
        for _ in 0..300 {
            actors.push(dependant(&system, &database).await);
        }
        for _ in 0..50 {
            std::thread::scope(|scope| {
                scope.spawn(|| database.mark_down(None));
                scope.spawn(|| database.mark_up());
            });
            let expected = if database.is_up() { None } else { Some(not_ready("db")) };
            for actor in &actors {
                assert_eq!(actor.reserve(Offer::within(LONG)).err().map(|refused| refused.reason), expected);
            }
        }
    });
}

#[test]
fn unready_says_who_lacks_what_since_when_and_for_how_long() {
    everywhere(async || {
        let system = bare();
        let whole = "the database of all orders there ever were";
        let [database, cache] = [whole, "cache"].map(Dependency::named);
        let slot = Slot::<Puppet>::named("till");
        let nursery = Nursery::open(&system, slot.clone()).await;
        let (other, _journal) = puppet(&system).await;
        let named = [database.clone(), cache.clone()];
        does(&slot, move |cx| named.iter().try_for_each(|named| cx.depends_on(named))).await.unwrap();
        let named = cache.clone();
        does(&other, move |cx| cx.depends_on(&named)).await.unwrap();
        assert_eq!(system.unready(), []);

        let before = system.now();
        database.mark_down(Some(LONG));
        // Since when does not change, how long does.
        database.mark_down(Some(2 * LONG));
        let unready = system.unready();
        assert_eq!(unready.len(), 1, "{unready:?}");
        let till = &unready[0];
        let path = format!("{}/till", nursery.parent.id());
        assert_eq!((till.pid, till.name.as_deref(), &*till.path), (slot.pid(), Some("till"), &*path));
        assert_eq!((till.lacks.len(), till.only, &*till.lacks[0].name), (1, None, whole));
        // By a clock that runs alike, and was read a moment later when both were set.
        let before = before.saturating_sub(Duration::from_millis(1));
        assert!((before..=system.now()).contains(&till.lacks[0].since), "{till:?}");
        assert!(till.lacks[0].eta.is_some_and(|eta| eta > LONG && eta <= 2 * LONG), "{till:?}");
        let shot = system.inspect(slot.pid()).expect("it is there");
        assert_eq!((shot.lacks.len(), &*shot.lacks[0].name), (1, whole));

        cache.mark_down(None);
        let names: Vec<_> = system
            .unready()
            .into_iter()
            .map(|actor| (actor.pid, actor.lacks.into_iter().map(|lack| lack.name).collect::<Vec<_>>()))
            .collect();
        let all = vec![(slot.pid(), vec![whole.into(), "cache".to_owned()]), (other.pid(), vec!["cache".into()])];
        assert_eq!(names, all);
        database.mark_up();
        cache.mark_up();
        assert_eq!(system.unready(), []);

        cache.mark_down(None);
        let down = other.down();
        system.kill(other.pid());
        down.await;
        assert_eq!(system.unready().len(), 1, "who has ended is not unready");
    });
}

/// Says what it was told to say.
struct Gauge {
    told: Told,
}

/// What a gauge is to say, nothing for a panic; and how often it was asked.
#[derive(Clone, Default)]
struct Told {
    says: Arc<Mutex<Option<Readiness>>>,
    asked: Arc<AtomicU64>,
    /// How often it had been asked when it handled a message, for each.
    by_then: Arc<Mutex<Vec<u64>>>,
    on: Option<Dependency>,
}

impl Told {
    fn says(&self, says: Option<Readiness>) {
        *self.says.lock().unwrap() = says;
    }

    fn to_say(says: Readiness) -> Self {
        let told = Self::default();
        told.says(Some(says));
        told
    }
}

/// A message that matters so much.
struct Matter(Criticality);

impl Message for Matter {
    fn criticality(&self) -> Criticality {
        self.0
    }
}

impl Actor for Gauge {
    type Args = Told;
    type Msg = Matter;

    async fn init(told: Told, cx: &mut Context<Self>) -> Result<Self, Exit> {
        if let Some(on) = &told.on {
            cx.depends_on(on)?;
        }
        Ok(Self { told })
    }

    fn ready(&self, _: &Context<Self>) -> Readiness {
        self.told.asked.fetch_add(1, Relaxed);
        let says = *self.told.says.lock().unwrap();
        says.expect("told to panic")
    }

    /// What matters most has it asked again.
    async fn handle(&mut self, Matter(matters): Matter, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.told.by_then.lock().unwrap().push(self.told.asked.load(Relaxed));
        if matters == Criticality::CriticalPlus {
            cx.recheck();
        }
        Ok(())
    }
}

fn tell(gauge: &ActorRef<Gauge>, matters: Criticality) -> Option<Reason> {
    gauge.tell(Matter(matters)).err().map(|rejected| rejected.why.reason)
}

#[test]
fn ready_is_asked_after_init_before_the_starter_is_told() {
    everywhere(async || {
        let system = bare();
        let told = Told::to_say(Readiness::No { dep: "warm cache".into(), eta: Some(LONG) });
        let gauge = system.spawn::<Gauge>(told.clone()).await.unwrap();
        assert_eq!(told.asked.load(Relaxed), 1);
        let refused = gauge.tell(Matter(Criticality::CriticalPlus)).unwrap_err().why;
        assert_eq!(refused.reason, not_ready("warm cache"));
        assert!(refused.retry_after.is_some_and(|after| after <= LONG), "{refused:?}");
        assert_eq!(&*system.unready()[0].lacks[0].name, "warm cache");
    });
}

#[test]
fn after_a_recheck_ready_is_asked_before_the_next_message_and_not_without_one() {
    everywhere(async || {
        use Criticality::{Critical, CriticalPlus};
        let system = bare();
        let told = Told::to_say(Readiness::Yes);
        let gauge = system.spawn::<Gauge>(told.clone()).await.unwrap();
        // So that one follows another in the mailbox.
        system.suspend(gauge.pid());
        for matters in [Critical, CriticalPlus, Critical, Critical, CriticalPlus, CriticalPlus, Critical] {
            assert_eq!(tell(&gauge, matters), None);
        }
        system.resume(gauge.pid());
        // Not by a mark in the lane, which would have it look there.
        until("all are handled", || gauge.law().handled == 7).await;
        assert_eq!(*told.by_then.lock().unwrap(), [1, 1, 2, 2, 2, 3, 4]);
        lawful(&system).await;
    });
}

#[test]
fn who_says_after_a_recheck_that_it_is_not_ready_refuses_until_it_says_that_it_is() {
    everywhere(async || {
        let system = bare();
        let told = Told::to_say(Readiness::Yes);
        let gauge = system.spawn::<Gauge>(told.clone()).await.unwrap();
        let mut permit = gauge.reserve(Offer { criticality: Criticality::CriticalPlus, ..Offer::within(LONG) }).ok();
        for (says, reason) in [(Readiness::lacks("disk"), Some(not_ready("disk"))), (Readiness::Yes, None)] {
            told.says(Some(says));
            match tell(&gauge, Criticality::CriticalPlus) {
                None => {}
                // By one that was given before.
                Some(_) => permit.take().expect("once").send(Matter(Criticality::CriticalPlus)).unwrap(),
            }
            until("it was asked", || system.unready().is_empty() == reason.is_none()).await;
            assert_eq!(tell(&gauge, Criticality::Critical), reason);
        }
        gauge.settled().await;
        lawful(&system).await;
    });
}

/// Shows goods, and sells them.
struct Shop {
    ready: Readiness,
}

enum Visit {
    Look,
    Buy,
}

impl Message for Visit {
    fn needs_nothing(&self) -> bool {
        matches!(self, Self::Look)
    }
}

impl Actor for Shop {
    type Args = (Dependency, Readiness);
    type Msg = Visit;

    async fn init((bank, ready): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.depends_on(&bank)?;
        Ok(Self { ready })
    }

    fn ready(&self, _: &Context<Self>) -> Readiness {
        self.ready
    }

    async fn handle(&mut self, _: Visit, _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

#[test]
fn what_needs_nothing_is_taken_in_while_a_dependency_is_down_unless_the_actor_itself_is_not_ready() {
    everywhere(async || {
        let system = bare();
        let bank = Dependency::named("bank");
        let shop = system.spawn::<Shop>((bank.clone(), Readiness::Yes)).await.unwrap();
        let closed = system.spawn::<Shop>((bank.clone(), Readiness::lacks("staff"))).await.unwrap();
        let tell = |shop: &ActorRef<Shop>, visit| shop.tell(visit).err().map(|rejected| rejected.why.reason);
        bank.mark_down(None);
        assert_eq!((tell(&shop, Visit::Look), tell(&shop, Visit::Buy)), (None, Some(not_ready("bank"))));
        assert_eq!(shop.reserve(Offer::within(LONG)).unwrap_err().reason, not_ready("bank"), "it may be for anything");
        assert_eq!(tell(&closed, Visit::Look), Some(not_ready("staff")));
        bank.mark_up();
        assert_eq!((tell(&shop, Visit::Buy), tell(&closed, Visit::Look)), (None, Some(not_ready("staff"))));
        shop.settled().await;
        assert_eq!(shop.law().handled, 2);
        lawful(&system).await;
    });
}

#[test]
fn who_is_not_ready_is_asked_again_when_what_it_depends_on_goes_down_and_up_and_who_is_is_not() {
    everywhere(async || {
        let system = bare();
        let database = Dependency::named("db");
        let told = Told { on: Some(database.clone()), ..Told::to_say(Readiness::lacks("warm cache")) };
        let gauge = system.spawn::<Gauge>(told.clone()).await.unwrap();
        let asked = || told.asked.load(Relaxed);
        assert_eq!(asked(), 1);
        database.mark_down(None);
        until("it was asked", || asked() == 2).await;
        told.says(Some(Readiness::Yes));
        database.mark_up();
        until("it was asked", || asked() == 3).await;
        until("it takes work", || tell(&gauge, Criticality::Critical).is_none()).await;
        database.mark_down(None);
        database.mark_up();
        gauge.settled().await;
        assert_eq!(asked(), 3, "it is ready: nothing that it says may change");
        lawful(&system).await;
    });
}

#[test]
fn who_takes_only_what_matters_takes_that() {
    everywhere(async || {
        use Criticality::{Critical, CriticalPlus, Sheddable, SheddablePlus};
        let system = bare();
        let gauge = system.spawn::<Gauge>(Told::to_say(Readiness::Only(Critical))).await.unwrap();
        let reasons = [CriticalPlus, Critical, Sheddable, SheddablePlus].map(|matters| tell(&gauge, matters));
        assert_eq!(reasons, [None, None, Some(Reason::Shed), Some(Reason::Shed)]);
        let offer = |criticality| gauge.reserve(Offer { criticality, ..Offer::within(LONG) });
        assert!(offer(Critical).is_ok() && offer(Sheddable).is_err());
        let unready = system.unready();
        assert_eq!((unready[0].only, &*unready[0].lacks), (Some(Critical), &[][..]));
    });
}

#[test]
fn a_panic_in_ready_fails_the_start_and_later_ends_the_incarnation() {
    everywhere(async || {
        let system = bare();
        let failed = system.spawn::<Gauge>(Told::default()).await;
        assert!(matches!(failed, Err(StartError::Failed(ref reason)) if reason.crash().is_some()), "{failed:?}");
        let told = Told::to_say(Readiness::Yes);
        let gauge = system.spawn::<Gauge>(told.clone()).await.unwrap();
        told.says(None);
        let down = gauge.down();
        assert_eq!(tell(&gauge, Criticality::CriticalPlus), None);
        assert!(down.await.reason.crash().is_some_and(|crash| crash.message.contains("told to panic")));
        assert_eq!(law(&gauge).handled, 1, "the message was handled");
        lawful(&system).await;
    });
}

#[test]
fn what_an_incarnation_says_of_itself_holds_until_the_next_is_asked() {
    everywhere(async || {
        let system = bare();
        let (parent, mut signals) = crate::stage::trapping(&system).await;
        let slot = Slot::<Gauge>::named("gauge");
        let told = Told::to_say(Readiness::lacks("disk"));
        let start = |slot: Slot<Gauge>, told: Told| {
            let (sender, started) = tokio::sync::oneshot::channel();
            let begin = act(move |_, cx| {
                Box::pin(async move {
                    let under = crashworthy_runtime::Under { parent: true, link: true };
                    let _ = sender.send(cx.start(&slot, told, under).await);
                    Ok(())
                })
            });
            parent.tell(begin).expect("the parent takes orders");
            started
        };
        start(slot.clone(), told.clone()).await.unwrap().unwrap();
        system.kill(slot.pid());
        signals.signal().await;
        assert_eq!(tell(&slot, Criticality::Critical), Some(not_ready("disk")), "between two incarnations");
        told.says(Some(Readiness::Yes));
        start(slot.clone(), told).await.unwrap().unwrap();
        assert_eq!(tell(&slot, Criticality::Critical), None);
    });
}
