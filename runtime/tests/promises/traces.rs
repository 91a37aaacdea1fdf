//! Traces tell of messages what is known of them besides what they say: of each once, within limits, and for a while.

use std::sync::mpsc;
use std::time::Duration;

use crashworthy_runtime::{
    Abandoned, ExitReason, Outcome, Sender, Slot, Trace, TraceEnd, TraceError, TraceRead, TraceRecord, TraceSpec,
};
use tokio::sync::oneshot;

use crate::stage::{
    Nursery, Order, Puppet, act, bare, cast, everywhere, law, lawful, ms, now, on_many, on_two, puppet, until, who,
};

/// Of whoever is named, as much as there may be.
fn all_of(whom: &str) -> TraceSpec {
    let (count, rate, within) = (TraceSpec::COUNT, TraceSpec::RATE, TraceSpec::WITHIN);
    TraceSpec { whom: vec![whom.into()], messages: vec![], count, rate, within }
}

fn of(messages: &[&str]) -> TraceSpec {
    TraceSpec { messages: messages.iter().map(|&kind| kind.to_owned()).collect(), ..all_of("*") }
}

fn kinds(read: &TraceRead) -> Vec<(&str, Outcome)> {
    read.records.iter().map(|record| (&*record.message, record.outcome)).collect()
}

/// What was recorded, once that are so many.
async fn read(trace: &Trace, records: usize) -> Vec<TraceRecord> {
    let mut seen = Vec::new();
    until("so many are recorded", || {
        seen.extend(trace.read().records);
        seen.len() >= records
    })
    .await;
    assert_eq!(seen.len(), records, "{seen:#?}");
    seen
}

#[test]
fn a_record_says_who_when_from_whom_and_for_how_long() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::named("till")).await;
        let (other, _journal) = puppet(&system).await;
        let trace = system.trace(all_of("till")).unwrap();
        let begun = system.now();
        let (gate, closed) = oneshot::channel();
        nursery.slot.tell(Order::Await(closed)).unwrap();
        let slot = nursery.slot.clone();
        other.tell(now(move |_, _| Ok(slot.tell(Order::Note(2))?))).unwrap();
        other.settled().await;
        until("it is in hand", || nursery.slot.law().in_hand == 1).await;
        let queued = system.now();
        until("it has waited", || system.now() >= queued + ms(150)).await;
        gate.send(()).unwrap();
        assert_eq!(who(&nursery.slot).await, 1);

        let [awaited, noted, asked] = read(&trace, 3).await.try_into().unwrap();
        // Not before: whoever is answered may run on while the handler that answered is still to return.
        let ended = system.now();
        assert_eq!(
            [&awaited, &noted, &asked].map(|record| (record.number, &*record.message, record.outcome, record.asked)),
            [
                (1, "Await", Outcome::Handled, false),
                (2, "Note", Outcome::Handled, false),
                (3, "Who", Outcome::Handled, true)
            ]
        );
        for record in [&awaited, &noted, &asked] {
            assert_eq!((record.pid, record.path.rsplit('/').next()), (nursery.slot.pid(), Some("till")));
            assert_eq!((record.size, &*record.kind), (size_of::<Order>(), std::any::type_name::<Puppet>()));
            assert!((begun..=ended).contains(&record.at) && record.took.is_some_and(|took| record.at + took <= ended));
        }
        assert!(awaited.took >= Some(ms(15)), "{awaited:?}");
        assert!((ms(15)..=ended - begun + ms(2)).contains(&noted.age), "{noted:?}");
        assert!(noted.at >= awaited.at + ms(15), "{noted:?}");
        let from = |record: &TraceRecord| match &record.from {
            Sender::Another { id, .. } => Some(*id),
            _ => None,
        };
        assert_eq!((&awaited.from, from(&noted)), (&Sender::Outside, Some(other.id())));
    });
}

#[test]
fn how_a_handler_ended_is_told_whichever_way_it_was() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::named("till")).await;
        let trace = system.trace(all_of("till")).unwrap();
        let itself = now(|_, cx| {
            cx.send_after(Duration::ZERO, Order::Note(3));
            Ok(())
        });
        nursery.slot.tell(itself).unwrap();
        let own = read(&trace, 2).await.pop().unwrap();
        assert_eq!((&*own.message, &own.from, own.age), ("Note", &Sender::Itself, Duration::ZERO));

        let refused = now(|_, _| Err(Slot::<Puppet>::anonymous().tell(Order::Fail).expect_err("nobody there").why)?);
        nursery.slot.tell(refused).unwrap();
        for ends in [Order::Exit(ExitReason::Normal), Order::Fail, Order::Panic] {
            nursery.slot.tell(ends).unwrap();
            nursery.slot.down().await;
            nursery.start().await.unwrap();
        }
        let (_gate, closed) = oneshot::channel();
        nursery.slot.tell(Order::Await(closed)).unwrap();
        let mut told = read(&trace, 4).await;
        until("it awaits", || trace.read().in_hand == 1).await;
        system.kill(nursery.slot.pid());
        nursery.slot.down().await;
        told.extend(read(&trace, 1).await);
        let ends: Vec<_> =
            told.iter().map(|record| (&*record.message, record.outcome, record.pid.incarnation)).collect();
        let expected = [
            ("Do", Outcome::Refused, 1),
            ("Exit", Outcome::Handled, 1),
            ("Fail", Outcome::Failed, 2),
            ("Panic", Outcome::Panicked, 3),
            ("Await", Outcome::Interrupted, 4),
        ];
        assert_eq!(ends, expected);
        lawful(&system).await;
    });
}

#[test]
fn what_is_in_hand_when_the_time_has_passed_is_told_as_that() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        // A machine that stands still may take its time before it is in hand: then once more, with more.
        let mut within = ms(50);
        let (trace, gate, last) = loop {
            let trace = system.trace(TraceSpec { within, ..all_of("*") }).unwrap();
            let (gate, closed) = oneshot::channel();
            actor.tell(Order::Await(closed)).unwrap();
            let (mut last, mut was_in_hand) = (TraceRead::default(), false);
            until("its time has passed", || {
                last = trace.read();
                was_in_hand |= last.in_hand == 1;
                last.end.is_some()
            })
            .await;
            if was_in_hand || within > Duration::from_secs(10) {
                break (trace, gate, last);
            }
            drop((trace, gate));
            actor.settled().await;
            within *= 4;
        };
        assert_eq!((kinds(&last), last.end), (vec![("Await", Outcome::InHand)], Some(TraceEnd::Time)));
        assert_eq!((last.records[0].took, last.taken), (None, 1));
        gate.send(()).unwrap();
        actor.tell(Order::Note(1)).unwrap();
        actor.settled().await;
        assert_eq!(trace.read().records, []);
    });
}

#[test]
fn the_return_of_an_abandoned_turn_is_told() {
    on_two(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::named("till")).await;
        let trace = system.trace(all_of("till")).unwrap();
        let ((inside, is_inside), (gate, closed)) = (oneshot::channel(), mpsc::channel::<()>());
        let blocks = now(move |_, _| {
            let _ = inside.send(());
            let _ = closed.recv();
            Ok(())
        });
        nursery.slot.tell(blocks).unwrap();
        is_inside.await.unwrap();
        let stuck = nursery.slot.pid();
        system.kill(stuck);
        until("it is abandoned", || system.abandon(stuck) == Abandoned::Done).await;
        nursery.start().await.unwrap();
        nursery.slot.tell(Order::Note(1)).unwrap();
        assert_eq!(read(&trace, 1).await[0].pid.incarnation, 2, "its heir is traced beside it");
        drop(gate);
        let returned = read(&trace, 1).await.remove(0);
        assert_eq!((returned.pid, returned.outcome), (stuck, Outcome::Abandoned));
        lawful(&system).await;
    });
}

#[test]
fn who_starts_later_and_matches_is_traced_and_nobody_else() {
    everywhere(async || {
        let system = bare();
        let trace = system.trace(all_of("till")).unwrap();
        assert_eq!(trace.read().actors, 0);
        let (other, _other) = puppet(&system).await;
        let nursery = Nursery::open(&system, Slot::named("till")).await;
        other.tell(Order::Note(1)).unwrap();
        other.settled().await;
        nursery.slot.tell(Order::Note(2)).unwrap();
        assert_eq!(read(&trace, 1).await[0].pid, nursery.slot.pid());
        nursery.slot.tell(Order::Fail).unwrap();
        nursery.slot.down().await;
        nursery.start().await.unwrap();
        nursery.slot.tell(Order::Note(3)).unwrap();
        let last = read(&trace, 2).await.pop().unwrap();
        assert_eq!((&*last.message, last.pid.incarnation, trace.read().actors), ("Note", 2, 1));
    });
}

#[test]
fn two_traces_of_one_actor_each_tell_what_they_were_asked_for() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (notes, few) =
            (system.trace(of(&["No*"])).unwrap(), system.trace(TraceSpec { count: 2, ..of(&[]) }).unwrap());
        for order in [Order::Note(1), Order::Other(2, Default::default()), Order::Note(3), Order::Note(4)] {
            actor.tell(order).unwrap();
        }
        actor.settled().await;
        let (notes, few) = (notes.read(), few.read());
        assert_eq!(kinds(&notes), [("Note", Outcome::Handled); 3]);
        assert_eq!((notes.end, notes.withheld), (None, 0));
        assert_eq!(kinds(&few), [("Note", Outcome::Handled), ("Other", Outcome::Handled)]);
        assert_eq!((few.end, few.withheld), (Some(TraceEnd::Count), 0));
    });
}

#[test]
fn what_is_beyond_the_rate_is_withheld_and_handled_all_the_same() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let trace = system.trace(TraceSpec { rate: 5, ..all_of("*") }).unwrap();
        for note in 0..500 {
            actor.tell(Order::Note(note)).unwrap();
        }
        actor.settled().await;
        let told = trace.read();
        assert_eq!((told.taken + told.withheld as u32, told.records.len()), (500, told.taken as usize));
        let begun: Vec<_> = told.records.iter().map(|record| record.at).collect();
        assert!(begun.windows(6).all(|six| six[5] - six[0] >= Duration::from_secs(1)), "{begun:?}");
        assert!(!begun.is_empty() && journal.notes().into_iter().eq(0..500));
    });
}

#[test]
fn messages_of_an_actor_that_is_traced_stay_in_order_and_each_is_taken_once() {
    on_many(3, async || {
        let system = bare();
        let (actor, mut journal) = cast(&system, |part| part).await;
        let (sending, mut traces) = (actor.clone(), Vec::new());
        let sender = tokio::spawn(async move {
            for note in 0..5_000 {
                // Some of each sort, and each as soon as there is room.
                match note % 3 {
                    0 => sending
                        .ask(|reply| Order::Echo(note, reply))
                        .within(Duration::from_secs(60))
                        .await
                        .map(drop)
                        .unwrap(),
                    _ => sending.admitted(Duration::from_secs(60)).await.unwrap().send(Order::Note(note)).unwrap(),
                }
            }
        });
        // Beginning and ending all the while.
        while !sender.is_finished() {
            traces.push(system.trace(TraceSpec { rate: 1, ..all_of("*") }).unwrap());
            if traces.len() > 2 {
                drop(traces.remove(0));
            }
            tokio::task::yield_now().await;
        }
        sender.await.unwrap();
        actor.settled().await;
        assert!(journal.notes().into_iter().eq((0..5_000).filter(|note| note % 3 != 0)));
        assert_eq!(law(&actor).handled, 5_000);
    });
}

#[test]
fn a_question_that_is_answered_in_place_is_traced() {
    everywhere(async || {
        let system = bare();
        let ((front, _front), (back, _back)) = (puppet(&system).await, puppet(&system).await);
        let trace = system.trace(of(&["Who"])).unwrap();
        for _ in 0..20 {
            let back = back.clone();
            let asks = act(move |_, _| {
                Box::pin(async move {
                    assert_eq!(who(&back).await, 1);
                    Ok(())
                })
            });
            front.tell(asks).unwrap();
            front.settled().await;
        }
        back.settled().await;
        let told = read(&trace, 20).await;
        assert!(
            told.iter().all(|record| record.asked && record.outcome == Outcome::Handled && record.pid == back.pid())
        );
        assert!(told.iter().all(|record| matches!(&record.from, Sender::Another { id, .. } if *id == front.id())));
        lawful(&system).await;
    });
}

#[test]
fn a_trace_out_of_bounds_is_refused_with_what_and_which() {
    everywhere(async || {
        let system = bare();
        let why = |spec: TraceSpec| system.trace(spec).expect_err("it is out of bounds").to_string();
        let good = all_of("*");
        assert_eq!(why(TraceSpec { count: 0, ..good.clone() }), "trace: 0 messages (count), allowed are 1 to 1000");
        assert_eq!(
            why(TraceSpec { count: 1_001, ..good.clone() }),
            "trace: 1001 messages (count), allowed are 1 to 1000"
        );
        assert_eq!(
            why(TraceSpec { rate: 101, ..good.clone() }),
            "trace: 101 messages a second (rate), allowed are 1 to 100"
        );
        assert_eq!(
            why(TraceSpec { rate: 0, ..good.clone() }),
            "trace: 0 messages a second (rate), allowed are 1 to 100"
        );
        let longer = TraceSpec::WITHIN + Duration::from_nanos(1);
        assert_eq!(
            why(TraceSpec { within: longer, ..good.clone() }),
            "trace: 60001 ms (within), allowed are 1 to 60000"
        );
        assert_eq!(
            why(TraceSpec { within: Duration::ZERO, ..good.clone() }),
            "trace: 0 ms (within), allowed are 1 to 60000"
        );
        assert_eq!(
            why(TraceSpec { whom: vec![], ..good.clone() }),
            "trace: 0 patterns for actors, allowed are 1 to 16"
        );
        assert!(
            why(TraceSpec { messages: vec!["a".into(); 17], ..good.clone() })
                .starts_with("trace: 17 patterns for messages")
        );
        let long = why(TraceSpec { whom: vec!["x".repeat(257)], ..good.clone() });
        assert!(
            long.starts_with("trace: a pattern of 257 bytes (\"xxx") && long.ends_with("allowed are 1 to 256"),
            "{long}"
        );
        let mut traces: Vec<_> = (0..TraceSpec::AT_ONCE).map(|_| system.trace(good.clone()).unwrap()).collect();
        assert_eq!(system.trace(good.clone()).expect_err("one too many"), TraceError::TooManyTraces);
        traces.pop();
        drop(system.trace(good).expect("there is room again"));
    });
}

#[test]
fn a_trace_keeps_no_system_and_says_that_it_has_gone() {
    everywhere(async || {
        let system = bare();
        let trace = system.trace(all_of("*")).unwrap();
        let (actor, _journal) = puppet(&system).await;
        (0..2).for_each(|note| actor.tell(Order::Note(note)).unwrap());
        actor.settled().await;
        system.stop().await;
        drop((actor, system));
        // Some may be told before it has gone; the others are lost.
        let mut told = 0;
        until("it has gone", || {
            let read = trace.read();
            told += read.records.len() as u64;
            read.end == Some(TraceEnd::SystemGone)
        })
        .await;
        let read = trace.read();
        assert_eq!((read.taken, told + read.lost), (2, 2), "who would have told of them is gone");
    });
}
