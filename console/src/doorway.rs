//! Where clients come in, whatever they come over: one after the other, when there is room.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use crate::desk::Desk;
use crate::seats::Seats;

/// How long to wait after a connection could not be accepted: the process may be out of file descriptors.
const AGAIN: Duration = Duration::from_secs(1);

/// How many come in at a time, if there is room: between two of these all who are in have their turn.
const AT_A_TIME: usize = 16;

/// Those who come in at one place.
#[derive(Debug)]
pub(crate) struct Doorway<S> {
    seats: Arc<Seats>,
    clients: JoinSet<()>,
    /// The next one, until there is room for him. The others wait where the kernel keeps them.
    waits: Option<S>,
}

impl<S> Doorway<S> {
    pub(crate) fn new(seats: Arc<Seats>) -> Self {
        Self { seats, clients: JoinSet::new(), waits: None }
    }

    /// Lets in one after the other, and sees them off. Whoever comes is served, if he may be and is given a place.
    pub(crate) async fn serve<F>(
        &mut self,
        desk: &Desk,
        there: &There,
        accept: impl AsyncFn() -> io::Result<S>,
        mut serve: impl FnMut(S, &Arc<Seats>) -> Option<F>,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            tokio::select! {
                biased;
                () = there.leave(&mut self.clients, desk) => {}
                next = next(&mut self.waits, &self.seats, &accept) => match next {
                    Ok(client) => {
                        let mut next = Some(client);
                        for _ in 0..AT_A_TIME {
                            let Some(client) = next else { break };
                            if let Some(served) = serve(client, &self.seats) {
                                there.comes();
                                self.clients.spawn(served);
                            }
                            next = if self.seats.has_room() { at_once(accept()).and_then(Result::ok) } else { None };
                        }
                        self.waits = next;
                        let _wanted = self.waits.is_some().then(|| self.seats.wanted());
                        // However many come, those who are in are heard.
                        yield_now().await;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the console cannot accept a connection");
                        sleep(AGAIN).await;
                    }
                },
            }
        }
    }
}

/// What there is already of something that may have to be waited for.
fn at_once<R>(what: impl Future<Output = R>) -> Option<R> {
    match pin!(what).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(there) => Some(there),
        Poll::Pending => None,
    }
}

/// The next one, when there is room for him.
///
/// # Cancel safety
/// Nobody is lost.
async fn next<S>(waits: &mut Option<S>, seats: &Seats, accept: impl AsyncFn() -> io::Result<S>) -> io::Result<S> {
    loop {
        if waits.is_some() {
            seats.room().await;
        }
        match waits.take() {
            Some(client) => return Ok(client),
            None => *waits = Some(accept().await?),
        }
    }
}

/// How many are connected, wherever they came in.
#[derive(Debug, Default)]
pub(crate) struct There(Cell<usize>);

impl There {
    fn comes(&self) {
        self.0.set(self.0.get() + 1);
    }

    /// Waits until one has gone, and perhaps more. When nobody is there any more nobody needs the newest picture.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    async fn leave(&self, clients: &mut JoinSet<()>, desk: &Desk) {
        if clients.join_next().await.is_none() {
            return pending().await;
        }
        let mut gone = 1;
        while clients.try_join_next().is_some() {
            gone += 1;
        }
        self.0.set(self.0.get() - gone);
        if self.0.get() == 0 {
            desk.inspector.rest();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use crashworthy_runtime::System;

    use super::*;
    use crate::inspector::Inspector;
    use crate::limits::Limits;
    use crate::queue::Queue;

    #[tokio::test(start_paused = true)]
    async fn everybody_comes_in_once_and_in_order_and_no_more_at_a_time_than_there_is_room_for() {
        const ALL: usize = AT_A_TIME * 3 + 5;
        let system = System::bare().unwrap();
        let inspector = Arc::new(Inspector::new(system.downgrade(), "shop", Limits::default()));
        let desk = Desk { inspector, actions: None, searches: Queue::default() };
        // Places for so many who have just come.
        for stay in [1, 8] {
            let (mut doorway, there, came) =
                (Doorway::new(Seats::new(stay)), There::default(), RefCell::new(Vec::new()));
            let (seats, next) = (doorway.seats.clone(), Cell::new(0));
            let accept = async || match next.replace(next.get() + 1) {
                number if number < ALL => Ok(number),
                _ => pending().await,
            };
            let serve = |number: usize, seats: &Arc<Seats>| {
                came.borrow_mut().push(number);
                let seat = seats.enter().expect("there was room");
                Some(async move {
                    sleep(Duration::from_millis(100)).await;
                    drop(seat);
                })
            };
            tokio::select! {
                () = doorway.serve(&desk, &there, accept, serve) => unreachable!("it goes on"),
                () = sleep(Duration::from_secs(60)) => {}
            }
            assert_eq!(came.into_inner(), (0..ALL).collect::<Vec<_>>());
            assert!(there.0.get() == 0 && seats.has_room(), "all have left");
        }
        system.stop().await;
    }
}
