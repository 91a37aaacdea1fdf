//! One actor without a system of one's own: `Solo`, `Probe` and `Reply::pair`.

use crashworthy_runtime::{AskError, ExitReason, Probe, Reason, Refused, Reply, Solo, StartError};

use crate::stage::{Event, Order, Puppet, act, everywhere, law, now, part, poll_elsewhere, who};

#[test]
fn a_solo_behaves_as_in_service() {
    everywhere(async || {
        let (part, mut journal) = part();
        let solo = Solo::<Puppet>::start(part).await.unwrap();
        assert_eq!(journal.next().await, Event::Init(1));
        solo.tell(Order::Note(1)).unwrap();
        assert_eq!(journal.note().await, 1);
        assert_eq!(who(&solo).await, 1);
        solo.settled().await;
        assert_eq!(law(&solo).handled, 2);
        let down = solo.down();
        solo.tell(Order::Panic).unwrap();
        assert_eq!(down.await.reason.crash().map(|crash| crash.message.clone()).as_deref(), Some("as ordered"));
        assert_eq!(solo.system().crashes().0, 1);
    });
}

#[test]
fn a_solo_whose_init_fails_says_why_and_leaves_nothing_behind() {
    everywhere(async || {
        let (says, said) = tokio::sync::oneshot::channel();
        let (part, _journal) = part();
        let fails = part.init(|cx| {
            let _ = says.send(cx.system());
            Box::pin(async { Err("not today")? })
        });
        let StartError::Failed(reason) = Solo::<Puppet>::start(fails).await.unwrap_err() else {
            panic!("a start that fails")
        };
        assert_eq!(reason.crash().map(|crash| crash.message.as_str()), Some("not today"));
        assert!(said.await.unwrap().is_stopped(), "its system has ended");
    });
}

#[test]
fn a_solo_ends_when_it_is_dropped() {
    everywhere(async || {
        let (part, mut journal) = part();
        let solo = Solo::<Puppet>::start(part).await.unwrap();
        let system = solo.system().clone();
        let (address, down) = (crashworthy_runtime::ActorRef::clone(&solo), solo.down());
        drop(solo);
        assert_eq!(down.await.reason, ExitReason::Killed);
        assert_eq!(address.tell(Order::Note(1)).unwrap_err().why.reason, Reason::Gone);
        assert_eq!(journal.rest(), [Event::Init(1), Event::Dropped(1)]);
        assert!(system.is_stopped());
    });
}

#[test]
fn a_probe_is_an_address_whose_messages_the_test_reads_in_order() {
    everywhere(async || {
        let (front_part, _journal) = part();
        let front = Solo::<Puppet>::start(front_part).await.unwrap();
        let mut probe = Probe::<Puppet>::start().unwrap();
        let to = probe.address();
        assert!(probe.try_next().is_none());
        front
            .tell(now(move |_, _| {
                for note in 0..100 {
                    to.tell(Order::Note(note))?;
                }
                Ok(())
            }))
            .unwrap();
        front.settled().await;
        probe.address().settled().await;
        for note in 0..100 {
            assert!(matches!(probe.try_next(), Some(Order::Note(read)) if read == note), "there already, in order");
        }
        assert!(probe.try_next().is_none());
    });
}

#[test]
fn the_reader_of_a_probe_answers_for_it() {
    everywhere(async || {
        let (front_part, _journal) = part();
        let front = Solo::<Puppet>::start(front_part).await.unwrap();
        let mut probe = Probe::<Puppet>::start().unwrap();
        let to = probe.address();
        let asked = tokio::spawn(async move {
            let make = |reply: Reply<u64>| {
                act(move |_, _| {
                    Box::pin(async move {
                        reply.send(to.ask(|reply| Order::Echo(1, reply)).await?);
                        Ok(())
                    })
                })
            };
            front.ask(make).await
        });
        let Some(Order::Echo(1, reply)) = probe.next().await else { panic!("a question") };
        reply.send(42);
        assert_eq!(asked.await.unwrap(), Ok(42));
        // A question that the reader drops is unanswered.
        let address = probe.address();
        let asked = tokio::spawn(async move { address.ask(|reply| Order::Echo(2, reply)).await });
        drop(probe.next().await);
        assert_eq!(asked.await.unwrap(), Err(AskError::Unanswered));
    });
}

#[test]
fn the_reader_of_a_probe_that_was_killed_is_told_and_reads_what_had_come() {
    everywhere(async || {
        let mut probe = Probe::<Puppet>::start().unwrap();
        let address = probe.address();
        address.tell(Order::Note(1)).unwrap();
        address.settled().await;
        let (killer_part, _journal) = part();
        let down = address.down();
        let other = Solo::<Puppet>::start(killer_part).await.unwrap();
        other.system().kill(address.pid());
        assert!(address.is_alive(), "another system's kill does not reach it");
        drop(other);
        assert!(matches!(probe.next().await, Some(Order::Note(1))));
        drop(probe);
        assert_eq!(down.await.reason, ExitReason::Killed);
        assert_eq!(address.tell(Order::Note(2)).unwrap_err().why.reason, Reason::Gone);
    });
}

#[test]
fn a_pair_is_a_reply_and_its_answer_without_any_actor() {
    everywhere(async || {
        let (reply, mut answer) = Reply::pair();
        assert!(poll_elsewhere(&mut answer).is_pending());
        assert!(!reply.is_cancelled());
        reply.send(7);
        assert_eq!(answer.await, Ok(7));

        let (reply, answer) = Reply::<u64>::pair();
        drop(reply);
        assert_eq!(answer.await, Err(AskError::Unanswered), "at once: no turn will end");

        let (reply, answer) = Reply::<u64>::pair();
        reply.refuse(Refused::because(Reason::Full));
        assert!(matches!(answer.await, Err(AskError::Refused(why)) if why.reason == Reason::Full));

        let (mut reply, answer) = Reply::<u64>::pair();
        drop(answer);
        assert!(reply.is_cancelled());
        reply.cancelled().await;
        reply.send(1);

        // From another task, to whoever polls last.
        let (reply, mut answer) = Reply::pair();
        assert!(poll_elsewhere(&mut answer).is_pending());
        let waits = tokio::spawn(answer);
        let sends = tokio::spawn(async move {
            tokio::task::yield_now().await;
            reply.send(9);
        });
        sends.await.unwrap();
        assert_eq!(waits.await.unwrap(), Ok(9));
    });
}
