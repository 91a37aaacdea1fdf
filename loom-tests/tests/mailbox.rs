//! The bounded queue: senders, one receiver, waiters, and closing.

#![forbid(unsafe_code)]

use std::task::{Context, Poll, Waker};

use crashworthy_loom_tests::atomic::{AtomicBool, Ordering::Relaxed};
use crashworthy_loom_tests::{Arc, block_on, model, poll_once, thread};
use crashworthy_sync::mailbox::{Closed, Mailbox, Pop, PushError, Pushed, Receiver, RoomTicket};

type Queue = Arc<Mailbox<u32>>;

fn queue(capacity: u32) -> (Queue, Receiver<Mailbox<u32>, u32>) {
    let queue = Arc::new(Mailbox::new(capacity));
    let receiver = Receiver::claim(Arc::clone(&queue), |queue| queue).expect("nobody receives");
    (queue, receiver)
}

/// The next message; waits for a sender that is on its way.
fn next(receiver: &mut Receiver<Mailbox<u32>, u32>) -> Option<u32> {
    loop {
        match receiver.pop() {
            Pop::Message(message) => return Some(message),
            Pop::Busy => thread::yield_now(),
            _ => return None,
        }
    }
}

fn drain(receiver: &mut Receiver<Mailbox<u32>, u32>) -> Vec<u32> {
    std::iter::from_fn(|| next(receiver)).collect()
}

#[test]
fn a_park_is_answered_by_exactly_one_wake() {
    model(|| {
        let (queue, mut receiver) = queue(4);
        let senders: Vec<_> = (1..=2)
            .map(|number| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.push(number).unwrap().wake)
            })
            .collect();
        let mut got = drain(&mut receiver);
        let parked = receiver.park();
        let before = got.len();
        let wakes = senders.into_iter().map(|sender| sender.join().unwrap()).filter(|wake| *wake).count();
        // Parked with a message still to come: one sender, the first of them, wakes. Otherwise nobody does.
        assert_eq!(wakes, usize::from(parked && before < 2));
        got.extend(drain(&mut receiver));
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
    });
}

#[test]
fn blocks_are_switched_and_nothing_is_lost_or_reordered() {
    model(|| {
        let (queue, mut receiver) = queue(8);
        let sender = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                for number in [10, 11, 12] {
                    let Pushed { .. } = queue.push(number).unwrap();
                }
            })
        };
        let Pushed { .. } = queue.push(20).unwrap();
        let mut got = drain(&mut receiver);
        sender.join().unwrap();
        got.extend(drain(&mut receiver));
        assert_eq!(got.iter().filter(|number| **number >= 20).count(), 1);
        got.retain(|number| *number < 20);
        assert_eq!(got, [10, 11, 12]);
        assert_eq!((queue.tail(), queue.head()), (4, 4));
    });
}

#[test]
fn two_senders_install_one_block() {
    model(|| {
        let (queue, mut receiver) = queue(8);
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let Pushed { .. } = queue.push(1).unwrap();
            })
        };
        let Pushed { .. } = queue.push(2).unwrap();
        let Pushed { .. } = queue.push(3).unwrap();
        other.join().unwrap();
        let mut got = drain(&mut receiver);
        got.sort_unstable();
        assert_eq!(got, [1, 2, 3]);
    });
}

#[test]
fn a_receiver_that_tidies_up_at_a_block_boundary_meets_senders() {
    model(|| {
        let (queue, mut receiver) = queue(8);
        for number in [1, 2] {
            let Pushed { .. } = queue.push(number).unwrap();
        }
        assert_eq!(drain(&mut receiver), [1, 2]);
        let sender = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || [queue.push(3).unwrap().wake, queue.push(4).unwrap().wake])
        };
        // The block is spent: a park takes it for the next two messages.
        let parked = receiver.park();
        let mut got = drain(&mut receiver);
        let wakes = sender.join().unwrap();
        got.extend(drain(&mut receiver));
        assert_eq!(got, [3, 4]);
        assert_eq!(wakes, [parked, false]);
    });
}

#[test]
fn a_receiver_that_gives_a_large_block_back_meets_senders() {
    model(|| {
        let (queue, mut receiver) = queue(8);
        // Two fit into the first block; the next is larger.
        for number in 0..4 {
            let Pushed { .. } = queue.push(number).unwrap();
        }
        assert_eq!(drain(&mut receiver), [0, 1, 2, 3]);
        let sender = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || [queue.push(4).unwrap().wake, queue.push(5).unwrap().wake])
        };
        let parked = receiver.park();
        let mut got = drain(&mut receiver);
        let wakes = sender.join().unwrap();
        got.extend(drain(&mut receiver));
        assert_eq!(got, [4, 5]);
        assert_eq!(wakes, [parked, false]);
    });
}

#[test]
fn a_full_queue_takes_as_many_as_leave() {
    model(|| {
        let (queue, mut receiver) = queue(2);
        let sender = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || (0..4).filter(|number| queue.push(*number).is_ok()).collect::<Vec<_>>())
        };
        let mut got = Vec::new();
        for _ in 0..3 {
            got.extend(match receiver.pop() {
                Pop::Message(message) => Some(message),
                _ => None,
            });
            assert!(queue.len() <= 2);
        }
        let accepted = sender.join().unwrap();
        got.extend(drain(&mut receiver));
        assert_eq!(got, accepted);
        assert_eq!(queue.tail(), accepted.len() as u64);
    });
}

#[test]
fn c4_a_sender_in_flight_when_the_mailbox_closes_is_drained() {
    model(|| {
        let (queue, mut receiver) = queue(4);
        let senders: Vec<_> = (1..=2)
            .map(|number| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || match queue.push(number) {
                    Ok(_) => Some(number),
                    Err(PushError::Closed(back)) => {
                        assert_eq!(back, number);
                        None
                    }
                    Err(PushError::Full(_)) => unreachable!("there is room"),
                })
            })
            .collect();
        assert!(queue.close());
        let mut got = Vec::new();
        loop {
            match receiver.pop() {
                Pop::Message(message) => got.push(message),
                Pop::Busy => thread::yield_now(),
                Pop::ClosedAndEmpty => break,
                other => unreachable!("it is closed: {other:?}"),
            }
        }
        assert_eq!(queue.tail(), got.len() as u64, "C6: accepted is read off the tail, and all was drained");
        let mut accepted: Vec<_> = senders.into_iter().filter_map(|sender| sender.join().unwrap()).collect();
        accepted.sort_unstable();
        got.sort_unstable();
        assert_eq!(got, accepted);
        assert_eq!(receiver.pop(), Pop::ClosedAndEmpty, "nobody publishes after the drain");
    });
}

#[test]
fn who_waits_gets_the_place_that_is_freed() {
    model(|| {
        let (queue, mut receiver) = queue(1);
        let Pushed { .. } = queue.push(0).unwrap();
        let waiter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                block_on(queue.wait_for_room()).unwrap();
                let Pushed { .. } = queue.push_reserved(1).unwrap();
            })
        };
        assert_eq!(next(&mut receiver), Some(0));
        waiter.join().unwrap();
        assert_eq!(next(&mut receiver), Some(1));
        assert_eq!(queue.reserved(), 0);
    });
}

#[test]
fn two_who_wait_are_both_served() {
    model(|| {
        let (queue, mut receiver) = queue(1);
        let Pushed { .. } = queue.push(0).unwrap();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    block_on(queue.wait_for_room()).unwrap();
                    queue.release_reserved();
                })
            })
            .collect();
        assert_eq!(next(&mut receiver), Some(0));
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!((queue.reserved(), queue.push(3).is_ok()), (0, true));
    });
}

#[test]
fn who_gives_up_passes_a_granted_place_on() {
    model(|| {
        let (queue, mut receiver) = queue(1);
        let Pushed { .. } = queue.push(0).unwrap();
        let fickle = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                if let Some(granted) = poll_once(queue.wait_for_room()) {
                    granted.unwrap();
                    queue.release_reserved();
                }
            })
        };
        let patient = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                block_on(queue.wait_for_room()).unwrap();
                let Pushed { .. } = queue.push_reserved(1).unwrap();
            })
        };
        assert_eq!(next(&mut receiver), Some(0));
        fickle.join().unwrap();
        patient.join().unwrap();
        assert_eq!(next(&mut receiver), Some(1));
        assert_eq!(queue.reserved(), 0);
    });
}

#[test]
fn a_granted_place_is_taken_once_by_who_sees_it_or_by_who_revokes_it() {
    model(|| {
        let (queue, mut receiver) = queue(1);
        let Pushed { .. } = queue.push(0).unwrap();
        let mut ticket = RoomTicket::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(queue.poll_room(&mut ticket, &mut cx).is_pending());
        let pass = ticket.pass().expect("it waits");
        let waiter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let polled = queue.poll_room(&mut ticket, &mut Context::from_waker(Waker::noop()));
                if polled == Poll::Ready(Ok(())) {
                    let Pushed { .. } = queue.push_reserved(1).unwrap();
                }
                queue.cancel_room(&mut ticket);
                polled
            })
        };
        let revoker = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.revoke_room(&pass))
        };
        assert_eq!(next(&mut receiver), Some(0));
        let _ = receiver.park();
        let polled = waiter.join().unwrap();
        revoker.join().unwrap();
        assert_eq!(next(&mut receiver), (polled == Poll::Ready(Ok(()))).then_some(1));
        assert_eq!((queue.reserved(), queue.push(2).is_ok()), (0, true));
    });
}

#[test]
fn who_waits_when_everybody_is_roused_has_seen_why_or_is_woken() {
    model(|| {
        let (queue, _receiver) = queue(1);
        let Pushed { .. } = queue.push(0).unwrap();
        let in_vain = Arc::new(AtomicBool::new(false));
        let waiter = {
            let (queue, in_vain) = (Arc::clone(&queue), Arc::clone(&in_vain));
            thread::spawn(move || {
                let mut ticket = RoomTicket::new();
                block_on(std::future::poll_fn(|cx| {
                    assert!(queue.poll_room(&mut ticket, cx).is_pending(), "nobody makes room");
                    if in_vain.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending }
                }));
                queue.cancel_room(&mut ticket);
            })
        };
        in_vain.store(true, Relaxed);
        queue.rouse_waiters();
        waiter.join().unwrap();
        assert_eq!(queue.reserved(), 0);
    });
}

#[test]
fn who_waits_is_told_of_the_close_or_served() {
    model(|| {
        let (queue, mut receiver) = queue(1);
        let Pushed { .. } = queue.push(0).unwrap();
        let waiter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || match block_on(queue.wait_for_room()) {
                Ok(()) => queue.push_reserved(1).is_ok(),
                Err(Closed) => false,
            })
        };
        let popped = next(&mut receiver);
        queue.close();
        let served = waiter.join().unwrap();
        assert_eq!(popped, Some(0));
        assert_eq!(drain(&mut receiver).len(), usize::from(served));
        assert_eq!(queue.reserved(), 0);
    });
}

#[test]
fn a_reserved_place_is_nobody_elses() {
    model(|| {
        let (queue, mut receiver) = queue(1);
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.push(1).is_ok())
        };
        let reserved = queue.try_reserve().is_ok();
        let pushed = other.join().unwrap();
        assert!(reserved != pushed, "one place, one winner");
        if reserved {
            let Pushed { .. } = queue.push_reserved(2).unwrap();
        }
        assert_eq!(drain(&mut receiver), [if reserved { 2 } else { 1 }]);
        assert_eq!(queue.reserved(), 0);
    });
}

#[test]
fn no_more_places_are_taken_than_a_limit_allows() {
    model(|| {
        let (queue, mut receiver) = queue(4);
        let Pushed { .. } = queue.push(0).unwrap();
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.place_within(2).map(|place| place.fill(1)).is_ok())
        };
        let reserved = queue.try_reserve_within(2).is_ok();
        let pushed = other.join().unwrap();
        assert!(reserved != pushed, "one place is left, and has one winner");
        if reserved {
            queue.release_reserved();
        }
        assert_eq!(drain(&mut receiver).len(), 1 + usize::from(pushed));
        assert_eq!(queue.reserved(), 0);
    });
}

#[test]
fn whether_senders_take_care_changes_nothing_but_how_they_send() {
    model(|| {
        let (queue, mut receiver) = queue(2);
        let Pushed { .. } = queue.push(0).unwrap();
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let place = queue.place_at_once(2).or_else(|| queue.place_within(2).ok());
                place.map(|place| place.fill(1).wake)
            })
        };
        queue.set_careful(true);
        assert_eq!(next(&mut receiver), Some(0));
        let parked = receiver.park();
        queue.set_careful(false);
        let woken = other.join().unwrap().expect("there is room");
        assert_eq!(woken, parked, "who parked is woken, and nobody else");
        assert_eq!(drain(&mut receiver), [1]);
    });
}

#[test]
fn the_next_receiver_goes_on_where_the_last_one_stopped() {
    model(|| {
        let (queue, mut first) = queue(4);
        for number in [1, 2, 3] {
            let Pushed { .. } = queue.push(number).unwrap();
        }
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut second = Receiver::claim(queue, |queue| queue)?;
                next(&mut second)
            })
        };
        assert_eq!(next(&mut first), Some(1));
        drop(first);
        let seen = other.join().unwrap();
        let mut third = Receiver::claim(Arc::clone(&queue), |queue| queue).expect("nobody receives");
        match seen {
            Some(number) => assert_eq!((number, drain(&mut third)), (2, vec![3])),
            None => assert_eq!(drain(&mut third), [2, 3]),
        }
    });
}
