//! What is counted of a running actor's refusals, in virtual time.

use std::time::Duration;

use crate::Criticality::{Critical, CriticalPlus, Sheddable, SheddablePlus};
use crate::port::{Port, Simulation};
use crate::scripted::ms;
use crate::{
    Actor, AskError, Builder, Context, Criticality, Exit, Message, Offer, Reason, RefusalCount, Reply, Slot, System,
};

struct Porter;

struct Carry(Criticality, Option<Reply<()>>);

impl Message for Carry {
    fn criticality(&self) -> Criticality {
        self.0
    }
}

impl Actor for Porter {
    type Args = ();
    type Msg = Carry;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Porter)
    }

    async fn handle(&mut self, Carry(_, reply): Carry, _: &mut Context<Self>) -> Result<(), Exit> {
        if let Some(reply) = reply {
            reply.send(());
        }
        Ok(())
    }
}

/// Runs a test in virtual time, with a slot that has one place, not started yet.
fn simulate<F: Future<Output = ()>>(turn_cost: Duration, test: impl FnOnce(System, Slot<Porter>) -> F) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let rules = Simulation { turn_cost, ..Simulation::seeded(1) };
        let port = Port::simulated(runtime.handle().clone(), rules);
        let system = Builder::default().bare_on(port).expect("default settings are valid");
        test(system, Slot::anonymous().mailbox(1).expect("one place")).await;
    });
}

fn reason<T>(answer: Result<T, AskError>) -> Reason {
    match answer {
        Err(AskError::Refused(refused)) => refused.reason,
        _ => panic!("not refused"),
    }
}

/// Has a slot that takes nothing refuse each way there is.
async fn refuses(porter: &Slot<Porter>, why: Reason) {
    assert_eq!(porter.tell(Carry(SheddablePlus, None)).unwrap_err().why.reason, why);
    assert_eq!(porter.tell_scoped(Carry(SheddablePlus, None)).unwrap_err().why.reason, why);
    assert_eq!(reason(porter.ask(|reply| Carry(Sheddable, Some(reply))).await), why);
    let critical = Offer { criticality: Critical, ..Offer::within(ms(100)) };
    assert_eq!(porter.reserve(critical).unwrap_err().reason, why);
    let late = if why == Reason::Full { Reason::NoTime } else { why };
    assert_eq!(porter.admitted(ms(10)).await.unwrap_err().reason, late);
}

fn counted(porter: &Slot<Porter>) -> Vec<(Reason, Criticality, u64)> {
    let seen = porter.refusals().counts;
    seen.iter().map(|&RefusalCount { reason, criticality, count }| (reason, criticality, count)).collect()
}

#[test]
fn every_refusal_a_sender_is_told_is_counted_once_by_reason_and_criticality() {
    simulate(Duration::ZERO, async |system, porter| {
        assert_eq!((porter.refusals().total(), porter.refusals().last), (0, None));
        refuses(&porter, Reason::NotStarted).await;
        let before = [
            (Reason::NotStarted, Critical, 1),
            (Reason::NotStarted, Sheddable, 2),
            (Reason::NotStarted, SheddablePlus, 2),
        ];
        assert_eq!((counted(&porter), porter.refusals().last), (before.to_vec(), None));

        system.start_top(&porter, ()).await.expect("it starts");
        let (place, begun) = (porter.reserve(Offer::within(ms(1_000))).unwrap(), system.now());
        refuses(&porter, Reason::Full).await;
        let full = [
            (Reason::Full, Critical, 1),
            (Reason::Full, Sheddable, 1),
            (Reason::Full, SheddablePlus, 2),
            (Reason::NoTime, Sheddable, 1),
        ];
        assert_eq!(counted(&porter), [&full[..], &before].concat());
        let waited = porter.refusals().last.expect("it has refused") - begun;
        assert!((ms(10)..ms(13)).contains(&waited), "{waited:?}: who waited was the last");

        // What is taken in is not counted, nor is a permit that is used or dropped in time.
        place.ask(|reply| Carry(Critical, Some(reply))).await.unwrap();
        drop(porter.reserve(Offer::within(ms(1))).unwrap());
        assert_eq!(porter.refusals().total(), 10);
        // One that comes too late is.
        let late = Offer { criticality: CriticalPlus, ..Offer::within(ms(1)) };
        let (told, asked) = (porter.reserve(late).unwrap(), system.now());
        tokio::time::sleep(ms(10)).await;
        assert!(system.now() > asked);
        assert_eq!(told.send(Carry(CriticalPlus, None)).unwrap_err().why.reason, Reason::NoTime);
        let refusals = porter.refusals();
        assert_eq!((refusals.total(), refusals.of(CriticalPlus), refusals.because(Reason::NoTime)), (11, 1, 2));
        assert_eq!(refusals.last, Some(system.now()));
        assert_eq!(system.snapshot().actors[0].refusals, refusals, "and inspectors see it");

        // The figures are the slot's, not an incarnation's.
        system.kill(porter.pid());
        porter.down().await;
        let (why, before) = (reason(porter.ask(|reply| Carry(Sheddable, Some(reply))).await), refusals);
        assert!(matches!(why, Reason::Stopped | Reason::Gone), "{why}");
        assert_eq!((porter.refusals().total(), porter.refusals().because(why)), (before.total() + 1, 1));
    });
}

#[test]
fn an_actor_that_has_refused_is_measured_no_more_than_others() {
    // A full mailbox is a twentieth of a millisecond of work: nobody needs to know.
    simulate(Duration::from_micros(50), async |system, porter| {
        refuses(&porter, Reason::NotStarted).await;
        system.start_top(&porter, ()).await.expect("it starts");
        for _ in 0..100 {
            porter.ask(|reply| Carry(Sheddable, Some(reply))).await.unwrap();
        }
        assert_eq!(porter.cell.core().gate.wait(10), Duration::ZERO);
    });
}
