#![allow(unused_must_use, reason = "most tests have no receiver that sleeps")]

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use super::*;

fn mailbox<T: Send>(capacity: u32) -> (Arc<Mailbox<T>>, Receiver<Mailbox<T>, T>) {
    let mailbox = Arc::new(Mailbox::new(capacity));
    let receiver = Receiver::claim(Arc::clone(&mailbox), |mailbox| mailbox).expect("nobody receives");
    (mailbox, receiver)
}

/// Counts its wake-ups.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Counts how many of it were dropped, and panics then if it is told to.
struct Tracked(Arc<AtomicUsize>, bool);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        assert!(!self.1, "a message that panics when it is dropped");
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn what_senders_write_begins_a_pointer_behind_what_lies_between() {
    use std::mem::offset_of;
    assert_eq!(offset_of!(super::Senders<u64>, tail), 8);
    assert_eq!(offset_of!(Mailbox<u64, [u64; 8]>, senders), offset_of!(Mailbox<u64, [u64; 8]>, between) + 64);
}

#[test]
fn messages_come_out_in_the_order_they_went_in() {
    let (mailbox, mut receiver) = mailbox(1_000);
    for round in 0..3 {
        for number in 0..1_000_u32 {
            assert_eq!(mailbox.push((round, number)), Ok(Pushed { wake: false }));
        }
        assert_eq!(mailbox.push((9, 9)), Err(PushError::Full((9, 9))));
        for number in 0..1_000 {
            assert_eq!(receiver.pop(), Pop::Message((round, number)));
        }
        assert_eq!(receiver.pop(), Pop::Empty);
    }
    assert_eq!((mailbox.tail(), mailbox.head(), receiver.position()), (3_000, 3_000, 3_000));
}

#[test]
fn a_place_that_was_dropped_unfilled_is_passed_over() {
    let (mailbox, mut receiver) = mailbox(100);
    mailbox.push(1).unwrap();
    let Ok(kept) = mailbox.place() else { panic!("there is room") };
    drop(mailbox.place());
    mailbox.push(4).unwrap();
    assert_eq!((receiver.pop(), receiver.pop()), (Pop::Message(1), Pop::Busy));
    kept.fill(2);
    assert_eq!((receiver.pop(), receiver.pop(), receiver.pop()), (Pop::Message(2), Pop::Message(4), Pop::Empty));
    drop(mailbox.place());
    assert_eq!(receiver.pop(), Pop::Empty);
    assert!(receiver.park());
    assert!(mailbox.push(6).unwrap().wake);
    assert_eq!(receiver.pop(), Pop::Message(6));
}

#[test]
fn a_message_is_looked_at_and_then_taken() {
    let (mailbox, mut receiver) = mailbox(1);
    assert!(matches!(receiver.look(), Err(Nothing::Empty)));
    mailbox.push(Box::new(7)).unwrap();
    assert_eq!(**receiver.look().expect("it is there").message(), 7);
    assert_eq!(receiver.look().expect("it is there still").take(), Box::new(7));
    mailbox.close();
    assert!(matches!(receiver.look(), Err(Nothing::ClosedAndEmpty)));
}

#[test]
fn a_new_mailbox_allocates_nothing_and_a_parked_one_has_one_small_block() {
    let (mailbox, mut receiver) = mailbox::<[u64; 16]>(1_000);
    let block = || NonNull::new(mailbox.senders.block.load(Ordering::Relaxed));
    // SAFETY: nobody else is here.
    let slots = || unsafe { Block::slots(block().expect("a message has come")) };
    assert_eq!(block(), None);
    for _ in 0..1_000 {
        mailbox.push([0; 16]).unwrap();
    }
    assert_eq!(slots(), Block::<[u64; 16]>::MOST, "they pile up");
    while let Pop::Message(_) = receiver.pop() {}
    assert!(receiver.park());
    assert!(mailbox.senders.spare.load(Ordering::Relaxed).is_null());
    assert_eq!(block(), None);
    for round in 0..100 {
        assert!(mailbox.push([0; 16]).unwrap().wake);
        let before = block();
        assert_eq!(slots(), Block::<[u64; 16]>::FEWEST);
        assert!(matches!(receiver.pop(), Pop::Message(_)));
        assert!(receiver.park());
        assert_eq!(block(), before, "round {round}");
    }
}

#[test]
fn blocks_grow_while_messages_pile_up_and_not_before() {
    let (mailbox, mut receiver) = mailbox(1_000);
    // SAFETY: nobody else is here.
    let slots = || unsafe { Block::slots(NonNull::new(mailbox.senders.block.load(Ordering::Relaxed)).unwrap()) };
    for number in 0..1_000 {
        mailbox.push(number).unwrap();
        assert_eq!(receiver.pop(), Pop::Message(number));
        assert_eq!(slots(), Block::<u32>::FEWEST);
    }
    let mut sizes: Vec<_> = (0..1_000).map(|number| (mailbox.push(number).unwrap(), slots()).1).collect();
    sizes.dedup();
    assert_eq!(sizes, [8, 16, 32, 64]);
    for number in 0..1_000 {
        assert_eq!(receiver.pop(), Pop::Message(number));
    }
}

#[test]
fn full_means_full_whatever_was_taken_last() {
    for capacity in [1, 2, 3, 4, 64, 1_000] {
        let (mailbox, mut receiver) = mailbox(capacity);
        for number in 0..capacity {
            mailbox.push(number).unwrap();
        }
        for number in capacity..capacity * 3 {
            assert_eq!(mailbox.push(number), Err(PushError::Full(number)));
            assert_eq!(receiver.pop(), Pop::Message(number - capacity));
            mailbox.push(number).expect("one place is free");
            assert_eq!(mailbox.len(), capacity);
        }
    }
}

#[test]
fn who_is_told_to_take_care_gets_no_place_at_once_and_one_with_care() {
    let (mailbox, mut receiver) = mailbox(100);
    // Where a block ends nobody gets one at once.
    let mut at_once = || {
        let taken = (0..20).filter_map(|_| {
            assert!(mailbox.push(0).is_ok());
            mailbox.place_at_once(u32::MAX).map(|place| place.fill(1))
        });
        let taken = taken.count();
        while receiver.pop() != Pop::Empty {}
        taken
    };
    assert!(at_once() > 10);
    mailbox.set_careful(true);
    mailbox.set_careful(true);
    assert_eq!(at_once(), 0);
    // All else is as it was: room, waking, closing.
    assert!(receiver.park());
    assert!(mailbox.place_within(u32::MAX).expect("there is room").fill(2).wake);
    assert!(mailbox.close() && mailbox.place_within(u32::MAX).is_err());
    mailbox.reopen();
    assert!(!mailbox.place_within(2).expect("there is room").fill(3).wake);
    assert_eq!(mailbox.place_within(2).err(), Some(ReserveError::Full));
    assert_eq!([receiver.pop(), receiver.pop()], [Pop::Message(2), Pop::Message(3)]);
    mailbox.set_careful(false);
    let taken = (0..20).filter_map(|_| {
        assert!(mailbox.push(0).is_ok());
        mailbox.place_at_once(u32::MAX).map(|place| place.fill(1))
    });
    assert!(taken.count() > 10);
}

#[test]
fn the_first_sender_after_a_park_wakes_and_no_other() {
    let (mailbox, mut receiver) = mailbox(8);
    assert_eq!(mailbox.push(1), Ok(Pushed { wake: false }), "it has not parked yet");
    assert!(!receiver.park(), "there is a message");
    assert_eq!(receiver.pop(), Pop::Message(1));
    assert!(receiver.park());
    assert_eq!(mailbox.push(2), Ok(Pushed { wake: true }));
    assert_eq!(mailbox.push(3), Ok(Pushed { wake: false }));
}

#[test]
fn one_receiver_at_a_time_and_the_next_goes_on_where_it_stopped() {
    let (mailbox, mut first) = mailbox(8);
    for number in 0..8 {
        mailbox.push(number).unwrap();
    }
    assert_eq!(first.pop(), Pop::Message(0));
    assert!(Receiver::claim(Arc::clone(&mailbox), |mailbox| mailbox).is_none());
    drop(first);
    let mut second = Receiver::claim(Arc::clone(&mailbox), |mailbox| mailbox).unwrap();
    assert_eq!(second.position(), 1);
    assert_eq!(second.pop(), Pop::Message(1));
}

#[test]
fn reserved_places_count_and_can_be_given_back() {
    let (mailbox, mut receiver) = mailbox(2);
    assert_eq!(mailbox.try_reserve(), Ok(()));
    assert_eq!(mailbox.try_reserve(), Ok(()));
    assert_eq!(mailbox.try_reserve(), Err(ReserveError::Full));
    assert_eq!(mailbox.push(1), Err(PushError::Full(1)));
    assert_eq!((mailbox.len(), mailbox.reserved()), (0, 2));
    mailbox.push_reserved(2).unwrap();
    mailbox.release_reserved();
    assert_eq!((mailbox.len(), mailbox.reserved()), (1, 0));
    mailbox.push(3).unwrap();
    assert_eq!((receiver.pop(), receiver.pop()), (Pop::Message(2), Pop::Message(3)));
    assert!(catch_unwind(AssertUnwindSafe(|| mailbox.push_reserved(4))).is_err(), "nothing is reserved");
    assert!(catch_unwind(AssertUnwindSafe(|| mailbox.release_reserved())).is_err());
    assert_eq!((mailbox.len(), mailbox.reserved()), (0, 0));
}

#[test]
fn c4_a_closed_mailbox_gives_messages_back_and_is_drained_by_its_receiver() {
    let (mailbox, mut receiver) = mailbox(4);
    mailbox.push(1).unwrap();
    mailbox.try_reserve().unwrap();
    assert!(mailbox.close());
    assert!(!mailbox.close(), "somebody did");
    assert_eq!(mailbox.push(2), Err(PushError::Closed(2)));
    assert_eq!(mailbox.try_reserve(), Err(ReserveError::Closed));
    assert_eq!(mailbox.push_reserved(3), Err(PushError::Closed(3)));
    assert_eq!(mailbox.reserved(), 0, "the place was given back");
    assert!(!receiver.park());
    assert_eq!(receiver.pop(), Pop::Message(1));
    assert_eq!(receiver.pop(), Pop::ClosedAndEmpty);
    mailbox.reopen();
    assert_eq!(receiver.pop(), Pop::Empty);
    assert!(receiver.park());
    assert_eq!(mailbox.push(4), Ok(Pushed { wake: true }));
}

#[test]
fn a_mailbox_can_start_closed() {
    let mailbox = Mailbox::closed(4, super::WaitingRoom::default());
    assert_eq!(mailbox.push(1), Err(PushError::Closed(1)));
    mailbox.reopen();
    mailbox.push(1).unwrap();
}

#[test]
fn c6_accepted_is_read_off_the_tail() {
    let (mailbox, mut receiver) = mailbox(3);
    let (mut accepted, mut refused) = (0, 0);
    for number in 0..1_000_u64 {
        match mailbox.push(number) {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
        if number % 3 == 0 {
            let _ = receiver.pop();
        }
        assert_eq!(mailbox.tail(), accepted);
        assert_eq!(mailbox.tail() - mailbox.head(), u64::from(mailbox.len()));
    }
    assert!(refused > 0);
}

#[test]
fn who_waits_gets_room_in_the_order_of_waiting() {
    let (mailbox, mut receiver) = mailbox(1);
    mailbox.push(0).unwrap();
    let bells: Vec<_> = (0..3).map(|_| Arc::new(Bell::default())).collect();
    let wakers: Vec<Waker> = bells.iter().map(|bell| Arc::clone(bell).into()).collect();
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(mailbox.wait_for_room())).collect();
    for (wait, waker) in waits.iter_mut().zip(&wakers) {
        assert!(wait.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    for turn in 0..3 {
        let _ = receiver.pop();
        let rung: Vec<_> = bells.iter().map(|bell| bell.rung()).collect();
        assert_eq!(rung, (0..3).map(|other| usize::from(other <= turn)).collect::<Vec<_>>());
        assert_eq!(mailbox.push(99), Err(PushError::Full(99)), "the place is not up for grabs");
        let mut cx = Context::from_waker(&wakers[turn]);
        assert_eq!(waits[turn].as_mut().poll(&mut cx), Poll::Ready(Ok(())));
        mailbox.push_reserved(turn + 1).unwrap();
    }
    drop(waits);
    let _ = receiver.pop();
    mailbox.push(5).expect("nobody waits any more");
}

#[test]
fn a_place_that_was_granted_and_not_seen_goes_to_the_next() {
    let (mailbox, mut receiver) = mailbox(1);
    mailbox.push(0).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = Box::pin(mailbox.wait_for_room());
    let mut second = pin!(mailbox.wait_for_room());
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    let _ = receiver.pop();
    assert_eq!(mailbox.reserved(), 1, "granted to the first");
    drop(first);
    assert_eq!(second.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(mailbox.reserved(), 1);
    mailbox.release_reserved();
    mailbox.push(1).unwrap();
}

#[test]
fn who_gives_up_waiting_leaves_the_queue() {
    let (mailbox, mut receiver) = mailbox(1);
    mailbox.push(0).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut wait = Box::pin(mailbox.wait_for_room());
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    drop(wait);
    let _ = receiver.pop();
    assert_eq!(mailbox.reserved(), 0);
    mailbox.push(1).expect("nobody waits");
}

#[test]
fn who_waits_is_told_of_the_close() {
    let (mailbox, _receiver) = mailbox(1);
    mailbox.push(0).unwrap();
    let bell = Arc::new(Bell::default());
    let waker = Arc::clone(&bell).into();
    let mut cx = Context::from_waker(&waker);
    let mut wait = pin!(mailbox.wait_for_room());
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    mailbox.close();
    assert_eq!(bell.rung(), 1);
    assert_eq!(wait.as_mut().poll(&mut cx), Poll::Ready(Err(Closed)));
    assert_eq!(pin!(mailbox.wait_for_room()).poll(&mut cx), Poll::Ready(Err(Closed)));
}

#[test]
fn a_larger_capacity_serves_who_waits() {
    let (mailbox, _receiver) = mailbox(1);
    mailbox.push(0).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut wait = pin!(mailbox.wait_for_room());
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    mailbox.set_capacity(2);
    assert_eq!(wait.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
}

#[test]
fn g2_a_waker_that_panics_stops_nobody_else() {
    struct Rude;
    impl Wake for Rude {
        fn wake(self: Arc<Self>) {
            panic!("rude");
        }
    }
    let (mailbox, mut receiver) = mailbox(2);
    mailbox.push(0).unwrap();
    mailbox.push(0).unwrap();
    let rude = Arc::new(Rude).into();
    let bell = Arc::new(Bell::default());
    let polite = Arc::clone(&bell).into();
    let (mut first, mut second) = (pin!(mailbox.wait_for_room()), pin!(mailbox.wait_for_room()));
    assert!(first.as_mut().poll(&mut Context::from_waker(&rude)).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&polite)).is_pending());
    let _ = (receiver.pop(), receiver.pop());
    assert_eq!(bell.rung(), 1);
}

#[test]
fn g2_no_waker_is_woken_or_dropped_under_the_lock() {
    /// Waits for room itself, when it is woken and when it is dropped.
    struct Nosy(Arc<Mailbox<u32>>);

    impl Nosy {
        fn look(&self) {
            let wait = pin!(self.0.wait_for_room());
            if wait.poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                self.0.release_reserved();
            }
        }
    }

    impl Wake for Nosy {
        fn wake(self: Arc<Self>) {
            self.look();
        }
    }

    impl Drop for Nosy {
        fn drop(&mut self) {
            self.look();
        }
    }

    let (mailbox, mut receiver) = mailbox(1);
    let nosy = || Waker::from(Arc::new(Nosy(Arc::clone(&mailbox))));
    mailbox.push(0);
    let mut first = Box::pin(mailbox.wait_for_room());
    let mut second = Box::pin(mailbox.wait_for_room());
    for wait in [&mut first, &mut second] {
        // Twice: the second waker replaces the first.
        for _ in 0..2 {
            assert!(wait.as_mut().poll(&mut Context::from_waker(&nosy())).is_pending());
        }
    }
    drop(second);
    let _ = receiver.pop();
    mailbox.close();
    drop(first);
}

#[test]
fn what_is_queued_dies_with_the_mailbox_even_if_it_panics() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let (mailbox, mut receiver) = mailbox(1_000);
    for number in 0..100 {
        assert!(mailbox.push(Tracked(Arc::clone(&dropped), number % 10 == 5)).is_ok());
    }
    drop(receiver.pop());
    drop((mailbox, receiver));
    assert_eq!(dropped.load(Ordering::SeqCst), 100);
}

#[test]
fn g1_a_message_of_any_size_and_alignment_fits() {
    #[repr(align(128))]
    #[derive(Clone, Copy, PartialEq, Debug)]
    struct Aligned(u8);
    let (bytes, mut byte_receiver) = mailbox(100);
    let (units, mut unit_receiver) = mailbox(100);
    let (large, mut large_receiver) = mailbox(100);
    for number in 0..100 {
        bytes.push(Aligned(number)).unwrap();
        units.push(()).unwrap();
        large.push([u64::from(number); 300]).unwrap();
    }
    for number in 0..100 {
        assert_eq!(byte_receiver.pop(), Pop::Message(Aligned(number)));
        assert_eq!(unit_receiver.pop(), Pop::Message(()));
        assert_eq!(large_receiver.pop(), Pop::Message([u64::from(number); 300]));
    }
}

#[test]
fn many_senders_lose_and_reorder_nothing() {
    const SENDERS: u64 = 3;
    const EACH: u64 = if cfg!(miri) { 50 } else { 20_000 };
    let (mailbox, mut receiver) = mailbox(64);
    let asleep = Mutex::new(false);
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (mailbox, asleep) = (&mailbox, &asleep);
            scope.spawn(move || {
                for number in 0..EACH {
                    while let Err(PushError::Full(_)) = mailbox.push((sender, number)).map(|pushed| {
                        if pushed.wake {
                            let mut asleep = asleep.lock().unwrap();
                            assert!(*asleep, "woken once for each park");
                            *asleep = false;
                        }
                    }) {
                        thread::yield_now();
                    }
                }
            });
        }
        let mut next = [0; SENDERS as usize];
        while next.iter().sum::<u64>() < SENDERS * EACH {
            match receiver.pop() {
                Pop::Message((sender, number)) => {
                    assert_eq!(next[sender as usize], number);
                    next[sender as usize] += 1;
                }
                Pop::Busy => thread::yield_now(),
                Pop::Empty => {
                    // Held across the park, so that no waker comes before we say that we sleep.
                    let mut guard = asleep.lock().unwrap();
                    *guard = receiver.park();
                    drop(guard);
                    while *asleep.lock().unwrap() {
                        thread::yield_now();
                    }
                }
                Pop::ClosedAndEmpty => unreachable!("nobody closed it"),
            }
        }
    });
    assert_eq!(mailbox.tail(), SENDERS * EACH);
}

#[test]
fn a_place_within_a_limit_is_given_while_fewer_are_taken() {
    let (mailbox, mut receiver) = mailbox(100);
    for number in 0..3 {
        let Pushed { .. } = mailbox.place_within(3).unwrap().fill(number);
    }
    assert_eq!(mailbox.place_within(3).err(), Some(ReserveError::Full));
    assert_eq!(mailbox.try_reserve_within(3), Err(ReserveError::Full));
    mailbox.try_reserve_within(4).unwrap();
    assert_eq!(mailbox.place_within(4).err(), Some(ReserveError::Full), "what is promised counts");
    mailbox.push(3).unwrap();
    mailbox.release_reserved();
    assert_eq!(receiver.pop(), Pop::Message(0));
    assert!(mailbox.place_within(3).is_err());
    assert_eq!(receiver.pop(), Pop::Message(1));
    let Pushed { .. } = mailbox.place_within(3).unwrap().fill(4);
}

#[test]
fn a_pass_says_whether_there_was_room_yet() {
    let (mailbox, mut receiver) = mailbox(1);
    mailbox.push(0).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let (mut first, mut second) = (RoomTicket::new(), RoomTicket::new());
    assert!(mailbox.poll_room(&mut first, &mut cx).is_pending());
    assert!(mailbox.poll_room(&mut second, &mut cx).is_pending());
    let [first_pass, second_pass] = [&first, &second].map(|ticket| ticket.pass().expect("it waits"));
    assert!(first_pass.is_waiting() && second_pass.is_waiting());
    let _ = receiver.pop();
    assert!(!first_pass.is_waiting(), "it was granted, seen or not");
    mailbox.revoke_room(&second_pass);
    assert!(!second_pass.is_waiting());
    mailbox.cancel_room(&mut first);
    mailbox.cancel_room(&mut second);
}
