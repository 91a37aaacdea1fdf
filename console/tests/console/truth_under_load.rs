//! While many send, and actors crash and are refused, what the console says lies between what the senders know.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;

use crashworthy::prelude::*;
use crashworthy::{Law, Pid};
use crashworthy_console::protocol::{Actors, Crashes, DeadLetters, Metrics, Node, Row, SystemView, TreeView};
use crashworthy_console::{Client, protocol::WatchQuery};
use serde_json::json;

use crate::bureau::{Bureau, Desk, ROOM, Work, view};
use crate::support::until;

/// Senders, and what each sends to either desk.
const SENDERS: u64 = 3;
const EACH: u64 = 20_000;
/// One message in so many is a crash.
const CRASHES: u64 = 2_000;

/// What senders know of one desk.
#[derive(Default)]
struct Ledger {
    tried: AtomicU64,
    taken: AtomicU64,
    refused: AtomicU64,
}

impl Ledger {
    fn send(&self, desk: &ActorRef<Desk>, work: Work) -> bool {
        self.tried.fetch_add(1, SeqCst);
        let taken = desk.tell(work).is_ok();
        if taken { &self.taken } else { &self.refused }.fetch_add(1, SeqCst);
        taken
    }
}

/// Sends until all is sent.
fn send(desks: &[ActorRef<Desk>; 2], ledgers: &[Ledger; 2]) {
    for number in 1..=EACH {
        for (desk, ledger) in desks.iter().zip(ledgers) {
            let crashes = number % CRASHES == 0;
            // A crash is sent until it is taken, so that the test knows how many there are.
            while !ledger.send(desk, if crashes { Work::Crash } else { Work::Note }) && crashes {
                thread::yield_now();
            }
        }
    }
}

/// What was seen of an actor last: none of it goes back.
#[derive(Default)]
struct Before(HashMap<String, (Pid, u64, u64, u64)>);

impl Before {
    fn holds(&mut self, row: &Row) {
        let (accepted, handled, refused) = (row.accepted, row.handled, row.refused);
        assert!(row.restarts + 1 == row.pid.incarnation, "{row:?}");
        assert!(row.depth <= row.limit, "{row:?}");
        let known = self.0.insert(row.path.clone(), (row.pid, accepted, handled, refused));
        let Some((pid, was_accepted, was_handled, was_refused)) = known else { return };
        assert!(pid.id == row.pid.id && pid.incarnation <= row.pid.incarnation, "{row:?}");
        assert!(was_accepted <= accepted && was_handled <= handled && was_refused <= refused, "{row:?}");
    }
}

#[test]
fn what_is_told_never_goes_back_and_lies_between_what_senders_know() {
    // Of its restarts not all are used up, and what is queued outlives each.
    let bureau = Bureau::under(Supervisor::one_for_one("bureau").intensity(1_000, secs(3_600)));
    let ledgers = Arc::new(<[Ledger; 2]>::default());
    let desks = [bureau.one.address(), bureau.two.address()];
    let all_sent = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (desks, ledgers) = (desks.clone(), ledgers.clone());
            thread::spawn(move || send(&desks, &ledgers))
        })
        .collect();
    let looks = {
        let (mut client, all_sent, ledgers) = (bureau.client(), all_sent.clone(), ledgers.clone());
        thread::spawn(move || look(&mut client, &all_sent, &ledgers))
    };
    senders.into_iter().for_each(|sender| sender.join().expect("it sends"));
    all_sent.store(true, SeqCst);
    assert!(looks.join().expect("all holds") > 0, "somebody has looked");
    desks.iter().for_each(|desk| bureau.runtime.block_on(desk.settled()));
    at_rest(&bureau, &ledgers);
}

/// Looks while others send. How often.
fn look(client: &mut Client, all_sent: &AtomicBool, ledgers: &[Ledger; 2]) -> usize {
    let query = json!({ "actors": { "sort": "path" } });
    let watch = client.watch(&serde_json::from_value::<WatchQuery>(query).expect("it is a query")).expect("it watches");
    let (mut before, mut looks) = (Before::default(), 0);
    while !all_sent.load(SeqCst) {
        let tree: TreeView = client.ask("tree", &json!({})).expect("it answers");
        tree.nodes.iter().for_each(|Node { row, .. }| before.holds(row));
        let actors = client.refresh(watch).expect("it answers").actors().expect("it is a list");
        actors.rows.iter().for_each(|row| before.holds(row));
        for (desk, ledger) in ["one", "two"].iter().zip(ledgers) {
            let told = view(client, desk);
            before.holds(&told.row);
            // Asked later: what it took in, somebody had tried to send by now, and what it refused as well.
            let tried = ledger.tried.load(SeqCst);
            assert!(told.law.accepted <= tried && told.refusals.total() <= tried, "{told:?} of {tried}");
            assert!(told.law.handled + told.law.given_up <= told.law.accepted, "{told:?}");
        }
        let system: SystemView = client.ask("system", &()).expect("it answers");
        assert!((system.actors, system.pools.total, system.pools.first[0].total) == (3, 1, 2), "{system:?}");
        assert!(system.crashes <= 2 * SENDERS * (EACH / CRASHES), "{system:?}");
        looks += 1;
    }
    looks
}

/// When all is done, what is told is exactly what is known.
fn at_rest(bureau: &Bureau, ledgers: &[Ledger; 2]) {
    let mut client = bureau.client();
    let crashes = SENDERS * (EACH / CRASHES);
    let taken = ledgers.each_ref().map(|ledger| ledger.taken.load(SeqCst));
    let told = until("all has had its end", || {
        let told = ["one", "two"].map(|desk| view(&mut client, desk));
        told.iter().zip(taken).all(|(told, taken)| told.row.depth == 0 && told.law.accepted == taken).then_some(told)
    });
    for ((told, ledger), limit) in told.iter().zip(ledgers).zip([1_024, ROOM]) {
        let accepted = ledger.taken.load(SeqCst);
        let law = Law { accepted, handled: accepted - crashes, given_up: crashes, ..Law::default() };
        assert_eq!((told.law, u64::from(told.row.restarts)), (law, crashes), "{told:?}");
        assert_eq!((told.row.limit, told.row.oldest, told.row.doing.as_ref()), (limit, None, None));
        assert_eq!(told.refusals.total(), ledger.refused.load(SeqCst), "{told:?}");
    }
    let [one, two] = &told;

    let all: Crashes = client.ask("crashes", &json!({ "brief": true })).unwrap();
    assert_eq!(all.total, 2 * crashes);
    assert!(all.reports.iter().all(|report| report.crash.message == "as it was told"), "{all:?}");
    let letters: DeadLetters = client.ask("dead_letters", &()).unwrap();
    assert_eq!((letters.total, letters.given_up, letters.undelivered), (2 * crashes, 2 * crashes, 0));
    let system: SystemView = client.ask("system", &()).unwrap();
    assert_eq!((system.crashes, system.dead_letters, system.queued, system.busy), (2 * crashes, 2 * crashes, 0, 0));
    let metrics: Metrics = client.ask("metrics", &()).unwrap();
    let mut sum = one.law;
    sum += two.law;
    let desks = metrics.kinds.iter().find(|kind| kind.kind.ends_with("Desk")).expect("there are desks");
    assert_eq!((desks.law, desks.restarts), (sum, u64::from(one.row.restarts + two.row.restarts)));
    let refused: u64 = desks.refusals.iter().map(|of| of.count).sum();
    assert_eq!(refused, one.row.refused + two.row.refused);
    let busiest: Actors = client.ask("actors", &json!({ "sort": "handled", "limit": 1 })).unwrap();
    assert_eq!(busiest.rows[0].handled, one.row.handled.max(two.row.handled));
}
