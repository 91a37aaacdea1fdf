//! Restarts while others go on sending: addresses survive, and every message ends in one way.

use crashworthy_runtime::{ActorRef, AskError, Reason, Slot, State, System};
use crashworthy_supervisor::{SlotExt, Strategy, Supervisor};

use crate::world::{Diary, Job, SECOND, Worker, counted, lawful, over, soon, until, worker};

const SENDERS: u32 = 3;
const MESSAGES: u32 = 400;
const EVERY: u32 = 20;

/// Sends through a full mailbox, too; every so often what it sends is a crash.
async fn tell(to: ActorRef<Worker>, crashes: bool) {
    for n in 1..=MESSAGES {
        let permit = soon(to.admitted(10 * SECOND)).await.expect("its mailbox is open through every restart");
        let job = if crashes && n % EVERY == 0 { Job::Crash } else { Job::Count };
        permit.send(job).expect("its mailbox is open through every restart");
    }
}

/// Asks one question after the other; returns how many were answered.
async fn ask(to: ActorRef<Worker>) -> u32 {
    let mut answered = 0;
    let mut ended = 0;
    while ended < MESSAGES {
        match soon(to.ask(Job::Counted).within(10 * SECOND)).await {
            Ok(_) => answered += 1,
            // Its group was restarted: what was queued has fallen.
            Err(AskError::Refused(refused)) if refused.reason == Reason::Stopped => {}
            Err(AskError::Refused(refused)) if refused.reason == Reason::Full => {
                tokio::task::yield_now().await;
                continue;
            }
            Err(error) => panic!("{error}"),
        }
        ended += 1;
    }
    answered
}

struct Flood {
    slots: [Slot<Worker>; 3],
    system: System,
    answered: u32,
    _diary: Diary,
}

/// Three siblings get messages from all sides while the one in the middle crashes.
async fn flood(strategy: Strategy) -> Flood {
    let diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let [a, b, c] = [a, b, c].map(|slot| slot.mailbox(16).expect("16 is allowed"));
    let top = Supervisor::new("top", strategy).intensity(100_000, SECOND);
    let top = top.child(a.child(ak)).child(b.child(bk)).child(c.child(ck));
    let system = System::start(top).await.expect("it starts");
    let senders: Vec<_> = (0..SENDERS)
        .flat_map(|_| [(&a, false), (&b, true), (&c, false)])
        .map(|(slot, crashes)| tokio::spawn(tell(slot.address(), crashes)))
        .collect();
    let asker = tokio::spawn(ask(b.address()));
    for sender in senders {
        sender.await.expect("it could send");
    }
    let answered = asker.await.expect("every question ends");
    // The last crash may still be under way: every one of them leads to one life more.
    let crashed = || b.law().given_up;
    let lives = |slot: &Slot<Worker>| u64::from(slot.pid().incarnation) - 1;
    let stand = match strategy {
        Strategy::OneForOne => [false, true, false],
        Strategy::OneForAll => [true; 3],
        Strategy::RestForOne => [false, true, true],
    };
    let quiet = |system: &System| system.snapshot().actors.iter().all(|actor| actor.state == State::Running);
    until(|| {
        let all = [&a, &b, &c].into_iter().zip(stand);
        b.law().queued == 0 && all.into_iter().all(|(slot, goes)| lives(slot) == if goes { crashed() } else { 0 })
    })
    .await;
    until(|| quiet(&system)).await;
    for slot in [&a, &b, &c] {
        counted(slot).await;
    }
    lawful(&system).await;
    Flood { slots: [a, b, c], system, answered, _diary: diary }
}

const COUNTS: u64 = (SENDERS * MESSAGES) as u64;
const CRASHES: u64 = COUNTS / EVERY as u64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_for_one_gives_up_the_message_in_hand_and_no_other() {
    let Flood { slots: [a, b, c], system, answered, _diary } = flood(Strategy::OneForOne).await;
    assert_eq!(answered, MESSAGES, "what is queued survives");
    let law = b.law();
    assert_eq!((law.given_up, law.undelivered), (CRASHES, 0), "{law:?}");
    assert_eq!(law.handled, COUNTS - CRASHES + u64::from(MESSAGES) + 1);
    assert_eq!(u64::from(b.pid().incarnation), CRASHES + 1);
    for bystander in [a, c] {
        let law = bystander.law();
        assert_eq!((law.handled, law.given_up, law.undelivered, bystander.pid().incarnation), (COUNTS + 1, 0, 0, 1));
    }
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_for_all_gives_every_sibling_a_new_life_at_the_same_address() {
    let Flood { slots: [a, b, c], system, .. } = flood(Strategy::OneForAll).await;
    let lives = [&a, &b, &c].map(|slot| slot.pid().incarnation);
    assert!(lives[1] > 1 && lives == [lives[1]; 3], "{lives:?}");
    assert_eq!(b.law().given_up, u64::from(lives[1]) - 1, "one crash a restart");
    assert_eq!(a.law().accepted, COUNTS + 1);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_for_one_lets_those_before_keep_every_message() {
    let Flood { slots: [a, b, c], system, .. } = flood(Strategy::RestForOne).await;
    let lives = [&a, &b, &c].map(|slot| slot.pid().incarnation);
    assert!(lives[0] == 1 && lives[1] > 1 && lives[1] == lives[2], "{lives:?}");
    let law = a.law();
    assert_eq!((law.handled, law.undelivered, law.given_up), (COUNTS + 1, 0, 0));
    over(system).await;
}
