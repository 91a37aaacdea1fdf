//! Order between signals and messages: the tail of the mailbox as a ticket, and bits that are looked at after the message.
//!
//! The receiver here is the runtime's (`runtime/src/inbox.rs`, `signal.rs`) without its actors: it takes a message only
//! when no bit was raised before that was sent, and reads a signal when its position has reached the signal's ticket.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use crashworthy_loom_tests::{Arc, Mutex, model, thread};
use crashworthy_sync::attention::Attention;
use crashworthy_sync::mailbox::{Mailbox, Nothing, Pushed, Ready, Receiver};

const ORDERED: u32 = 1;

/// The `number`th thing that `sender` sent, messages and signals counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Message(u32, u32),
    Signal(u32, u32),
}

use Sent::{Message, Signal};

struct Inbound {
    mailbox: Mailbox<Sent>,
    lane: Mutex<VecDeque<(u64, Sent)>>,
    attention: Attention,
}

impl Inbound {
    fn open() -> (Arc<Self>, Outlet) {
        let lane = Mutex::new(VecDeque::new());
        let inbound = Arc::new(Self { mailbox: Mailbox::new(8), lane, attention: Attention::new() });
        let outlet = Receiver::claim(Arc::clone(&inbound), |inbound| &inbound.mailbox).expect("nobody receives");
        (Arc::clone(&inbound), Outlet(outlet, inbound))
    }

    fn send(&self, what: Sent) {
        match what {
            Message(..) => {
                let Pushed { .. } = self.mailbox.push(what).unwrap();
            }
            Signal(..) => {
                let mut lane = self.lane.lock().unwrap();
                lane.push_back((self.mailbox.tail(), what));
                self.attention.raise(ORDERED);
            }
        }
    }
}

struct Outlet(Receiver<Inbound, Sent>, Arc<Inbound>);

impl Outlet {
    /// What comes next, if something is there.
    fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(signal) = self.due() {
                return Some(signal);
            }
            let inbound = Arc::clone(&self.1);
            let unless = |ready: Ready<'_, Sent>| ready.unless(&inbound.attention, ORDERED).map(Ready::take);
            match self.0.look().map(unless) {
                Ok(Some(message)) => return Some(message),
                // The lane has the first word. What is not due there comes after this message.
                Ok(None) => return self.due().or_else(|| self.0.look().ok().map(Ready::take)),
                Err(Nothing::Busy) => thread::yield_now(),
                Err(Nothing::Empty) => return self.due(),
                Err(Nothing::ClosedAndEmpty) => unreachable!("nobody closes it"),
            }
        }
    }

    /// The signal whose place has come.
    fn due(&mut self) -> Option<Sent> {
        let inbound = &self.1;
        if inbound.attention.bits() & ORDERED == 0 {
            return None;
        }
        let mut lane = inbound.lane.lock().unwrap();
        lane.front().filter(|(ticket, _)| *ticket <= self.0.position())?;
        let due = lane.pop_front().map(|(_, signal)| signal);
        if lane.is_empty() {
            inbound.attention.lower(ORDERED);
        }
        due
    }
}

/// Lets each sender send its list from a thread of its own; each list must be read in its order.
fn in_order<const SENDERS: usize>(lists: [&'static [Sent]; SENDERS]) {
    let (inbound, mut outlet) = Inbound::open();
    let senders = lists.map(|list| {
        let inbound = Arc::clone(&inbound);
        thread::spawn(move || list.iter().for_each(|what| inbound.send(*what)))
    });
    // Twice while they send, and what is left when they have.
    let mut read: Vec<Sent> = (0..2).filter_map(|_| outlet.next()).collect();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    read.extend(std::iter::from_fn(|| outlet.next()));
    for (number, list) in lists.into_iter().enumerate() {
        let of = |what: &Sent| matches!(what, Message(sender, _) | Signal(sender, _) if *sender == number as u32);
        assert_eq!(read.iter().copied().filter(of).collect::<Vec<_>>(), list, "of sender {number} in {read:?}");
    }
}

#[test]
fn a_down_is_read_after_the_last_message() {
    model(|| in_order([&[Message(0, 1), Message(0, 2), Signal(0, 3)]]));
}

#[test]
fn a_message_does_not_pass_a_signal_that_was_sent_before_it() {
    model(|| in_order([&[Signal(0, 1), Message(0, 2)]]));
}

#[test]
fn signals_and_messages_of_one_sender_keep_their_order() {
    model(|| in_order([&[Message(0, 1), Signal(0, 2), Message(0, 3), Signal(0, 4)]]));
}

#[test]
fn signals_and_messages_of_two_senders_keep_the_order_of_each() {
    model(|| in_order([&[Signal(0, 1), Message(0, 2)], &[Message(1, 1)]]));
}
