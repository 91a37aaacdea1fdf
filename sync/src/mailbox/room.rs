//! Waiting for room: first come, first served, by handing reserved places over.
//!
//! Who waits stands in a queue under a lock, which only waiting, granting and cancelling take. The queue is
//! not empty exactly while WAITERS is set in the tail word (both change under the lock), so the receiver and
//! who releases a place learn of waiters from the word they look at anyway.
//!
//! **Nobody waits for room that is there.** A waiter sets WAITERS and then looks for room; who makes room
//! does so and then looks for WAITERS. With a full fence (or a read-modify-write of the word) between the
//! two on either side, one of them sees the other. The one that does calls [`Mailbox::grant`].
//!
//! **A granted place has one taker.** The waiter who sees it, who gives up, or somebody who [revokes](Mailbox::revoke_room)
//! the wait for it: whoever finds the grant in the waiter's lock takes it out of there.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::{
    Mailbox, ReserveError,
    word::{CLOSED, WAITERS},
};
use crate::{
    contain::{contain, wake},
    facade::{Arc, Mutex, Ordering, fence},
    once_arc::OnceArc,
};

/// Where those stand who wait for room, made when somebody does for the first time.
#[derive(Default)]
pub struct WaitingRoom(OnceArc<Mutex<Waiters>>);

impl fmt::Debug for WaitingRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WaitingRoom").field(&self.0.get().is_some()).finish()
    }
}

/// What lies between the halves of a mailbox, and knows where its waiting room is: most need none, and it can be kept
/// where they do not pay for it.
pub trait Host {
    /// The waiting room, the same whenever it is asked for: first when somebody waits.
    fn waiting_room(&self) -> &WaitingRoom;
}

/// Nothing else lies there.
impl Host for WaitingRoom {
    fn waiting_room(&self) -> &WaitingRoom {
        self
    }
}

/// Those who wait, the longest first.
#[derive(Default)]
struct Waiters {
    queue: VecDeque<Arc<Waiter>>,
}

/// One who waits. The lock is taken inside the queue's, never the other way round.
struct Waiter(Mutex<Turn>);

enum Turn {
    Waiting(Waker),
    /// A reserved place is the waiter's.
    Granted,
    /// The place was taken, or there will be none.
    Over,
}

/// The mailbox gives no more places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ReserveError::Closed.fmt(f)
    }
}

impl std::error::Error for Closed {}

/// A place in the queue of those who wait for room; of nobody, at first.
///
/// For [`Mailbox::poll_room`] and [`Mailbox::cancel_room`]. Dropping a ticket that waits, or was granted a
/// place nobody has seen, without cancelling it loses the place.
#[derive(Default)]
pub struct RoomTicket {
    waiter: Option<Arc<Waiter>>,
}

impl RoomTicket {
    /// A ticket that waits for nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl RoomTicket {
    /// What it takes to [end this wait](Mailbox::revoke_room) from elsewhere; `None` while it waits for nothing.
    pub fn pass(&self) -> Option<RoomPass> {
        self.waiter.clone().map(RoomPass)
    }
}

/// The right to end somebody's wait for room.
#[derive(Clone)]
pub struct RoomPass(Arc<Waiter>);

impl RoomPass {
    /// Does whoever it is of wait still? Once it does not, it never does again.
    pub fn is_waiting(&self) -> bool {
        matches!(*self.0.0.lock(), Turn::Waiting(_))
    }
}

impl fmt::Debug for RoomPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomPass").finish_non_exhaustive()
    }
}

impl fmt::Debug for RoomTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomTicket").field("waits", &self.waiter.is_some()).finish()
    }
}

impl<T: Send, B: Host> Mailbox<T, B> {
    /// Waits for a place and reserves it for the caller, behind those who wait already.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its position in the queue; a place that was granted goes to the next.
    pub fn wait_for_room(&self) -> RoomWait<'_, T, B> {
        RoomWait { mailbox: self, ticket: RoomTicket::new() }
    }

    /// Polls for a reserved place. After `Ready` the ticket is as new.
    ///
    /// # Errors
    ///
    /// [`Closed`]: there will be none.
    pub fn poll_room(&self, ticket: &mut RoomTicket, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if ticket.waiter.is_none() {
            match self.try_reserve() {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(ReserveError::Closed) => return Poll::Ready(Err(Closed)),
                Err(ReserveError::Full) => self.enqueue(ticket, cx.waker().clone()),
            }
        } else if let Some(waiter) = &ticket.waiter {
            waiter.renew(cx);
        }
        let waiter = ticket.waiter.as_ref().expect("the ticket was enqueued just now, or before");
        let answer = match &mut *waiter.0.lock() {
            Turn::Waiting(_) => return Poll::Pending,
            turn @ Turn::Granted => {
                *turn = Turn::Over;
                Ok(())
            }
            Turn::Over => Err(Closed),
        };
        ticket.waiter = None;
        Poll::Ready(answer)
    }

    /// Stops waiting. A place that was granted and not seen is given back.
    pub fn cancel_room(&self, ticket: &mut RoomTicket) {
        let Some(waiter) = ticket.waiter.take() else { return };
        let waker = self.leave(&waiter);
        // The waker in there is foreign: it is dropped here, under no lock.
        contain(|| drop((waker, waiter)));
    }

    /// Ends somebody's wait, who is told that there will be no room. A place that was granted and not seen is given back;
    /// one that was seen is left to who saw it.
    pub fn revoke_room(&self, pass: &RoomPass) {
        if let Some(waker) = self.leave(&pass.0) {
            wake(waker);
        }
    }

    /// Takes a waiter out of the queue, or a granted place from it. The waker is the caller's to wake, or to drop.
    fn leave(&self, waiter: &Arc<Waiter>) -> Option<Waker> {
        let turn = {
            let mut waiters = self.waiters().lock();
            if waiters.remove(waiter).is_some() && waiters.queue.is_empty() {
                self.nobody_waits();
            }
            std::mem::replace(&mut *waiter.0.lock(), Turn::Over)
        };
        match turn {
            Turn::Waiting(waker) => Some(waker),
            Turn::Granted => {
                self.release_reserved();
                None
            }
            Turn::Over => None,
        }
    }

    /// Puts a ticket at the end of the queue, and serves the queue in case room has come meanwhile.
    fn enqueue(&self, ticket: &mut RoomTicket, waker: Waker) {
        let waiter = Arc::new(Waiter(Mutex::new(Turn::Waiting(waker))));
        ticket.waiter = Some(Arc::clone(&waiter));
        let refused = {
            let mut waiters = self.waiters().lock();
            // AcqRel: a closer that does not see WAITERS closed before us, and we see that here.
            let before = self.senders.tail.fetch_or(WAITERS, Ordering::AcqRel);
            if before & CLOSED == 0 {
                waiters.queue.push_back(waiter);
                None
            } else {
                if waiters.queue.is_empty() {
                    self.nobody_waits();
                }
                Some(waiter)
            }
        };
        match refused {
            Some(waiter) => {
                let waker = waiter.settle(Turn::Over);
                contain(|| drop(waker));
            }
            None => self.grant_if_awaited(),
        }
    }

    /// Those who wait. Only asked for where somebody waits, or has waited.
    fn waiters(&self) -> &Mutex<Waiters> {
        let WaitingRoom(waiters) = self.between.waiting_room();
        if waiters.get().is_none() {
            // Somebody else may have been quicker.
            let _ = waiters.set(Arc::new(Mutex::new(Waiters::default())));
        }
        waiters.get().expect("it was set just now, or before")
    }

    /// Clears WAITERS. Under the waiters' lock, with the queue empty.
    fn nobody_waits(&self) {
        self.senders.tail.fetch_and(!WAITERS, Ordering::AcqRel);
    }

    /// After room was made, or somebody began to wait: hands over what can be.
    pub(super) fn grant_if_awaited(&self) {
        // SeqCst: between our store (the head, the capacity, WAITERS) and the look at the others'. Pairs with
        // itself: see the module's documentation.
        fence(Ordering::SeqCst);
        if self.word().any(WAITERS) {
            self.grant();
        }
    }

    /// Hands free places to those who wait, the longest first, and wakes them.
    #[cold]
    pub(super) fn grant(&self) {
        loop {
            let granted = {
                let mut waiters = self.waiters().lock();
                if waiters.queue.is_empty() || self.reserve(0, u32::MAX).is_err() {
                    return;
                }
                let waiter = waiters.queue.pop_front().expect("it is not empty");
                if waiters.queue.is_empty() {
                    self.nobody_waits();
                }
                waiter.settle(Turn::Granted)
            };
            if let Some(waker) = granted {
                wake(waker);
            }
        }
    }

    /// Wakes everybody who waits, to look around: what they wait for may be in vain. They keep their places in the queue.
    ///
    /// Who begins to wait meanwhile is woken, or sees whatever was written before this call when it has begun to wait.
    #[cold]
    pub fn rouse_waiters(&self) {
        // SeqCst: between what the caller has written and the look at WAITERS; pairs with `grant_if_awaited` of who
        // begins to wait.
        fence(Ordering::SeqCst);
        if !self.word().any(WAITERS) {
            return;
        }
        let everybody: Vec<_> = self.waiters().lock().queue.iter().map(Arc::clone).collect();
        for waiter in everybody {
            let waker = match &mut *waiter.0.lock() {
                // It leaves another when it is polled, which it is now.
                Turn::Waiting(waker) => std::mem::replace(waker, Waker::noop().clone()),
                Turn::Granted | Turn::Over => continue,
            };
            wake(waker);
        }
    }

    /// Tells everybody who waits that there will be no room. After [`Mailbox::close_quietly`] alone.
    #[cold]
    pub fn tell_waiters_closed(&self) {
        let everybody = {
            let mut waiters = self.waiters().lock();
            self.nobody_waits();
            std::mem::take(&mut waiters.queue)
        };
        for waiter in everybody {
            if let Some(waker) = waiter.settle(Turn::Over) {
                wake(waker);
            }
        }
    }
}

impl Waiters {
    fn remove(&mut self, waiter: &Arc<Waiter>) -> Option<Arc<Waiter>> {
        let at = self.queue.iter().position(|other| Arc::ptr_eq(other, waiter))?;
        self.queue.remove(at)
    }
}

impl Waiter {
    /// Ends the wait. The waker is the caller's to wake, or to drop, under no lock.
    fn settle(&self, turn: Turn) -> Option<Waker> {
        match std::mem::replace(&mut *self.0.lock(), turn) {
            Turn::Waiting(waker) => Some(waker),
            Turn::Granted | Turn::Over => None,
        }
    }

    /// Makes sure that the current task is the one to be woken.
    fn renew(&self, cx: &Context<'_>) {
        let will_wake = |turn: &Turn| !matches!(turn, Turn::Waiting(waker) if !waker.will_wake(cx.waker()));
        if will_wake(&self.0.lock()) {
            return;
        }
        // Cloned and dropped under no lock. The wait may end in between; then both wakers are surplus.
        let fresh = cx.waker().clone();
        let surplus = match &mut *self.0.lock() {
            Turn::Waiting(waker) => std::mem::replace(waker, fresh),
            Turn::Granted | Turn::Over => fresh,
        };
        contain(|| drop(surplus));
    }
}

/// The future of [`Mailbox::wait_for_room`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct RoomWait<'a, T: Send, B: Host = WaitingRoom> {
    mailbox: &'a Mailbox<T, B>,
    ticket: RoomTicket,
}

impl<T: Send, B: Host> Future for RoomWait<'_, T, B> {
    type Output = Result<(), Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.mailbox.poll_room(&mut this.ticket, cx)
    }
}

impl<T: Send, B: Host> Drop for RoomWait<'_, T, B> {
    fn drop(&mut self) {
        self.mailbox.cancel_room(&mut self.ticket);
    }
}
