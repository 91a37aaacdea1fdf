//! One client: whatever it sends, or does not read, it costs no more than the limits say.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{sleep, timeout};

use crate::desk::{Desk, Session};
use crate::hangup::{Line, gone};
use crate::limits::Limits;
use crate::pace::Pace;
use crate::protocol::{Code, Refusal};
use crate::role::Caller;
use crate::seats::{Seat, displaced};
use crate::wire::{refusal, request};

/// How long a client that is being closed may take to read why, and how much of what it still sends is read meanwhile:
/// a socket that is closed with something unread takes back what the client has not read.
const FAREWELL: Duration = Duration::from_secs(1);
const UNREAD: usize = 16 * 1024 * 1024;
/// How much of that is read at a time, and how long after that more is: who goes on talking keeps no thread busy, neither ours nor his.
const LEFTOVER: usize = 64 * 1024;
const LEFTOVERS_APART: Duration = Duration::from_millis(5);

/// A client, by what is read from it and what is written to it.
pub(crate) struct Connection<R, W> {
    lines: Lines<R>,
    pen: Pen<W>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin + Line> Connection<R, W> {
    pub(crate) fn new(read: R, write: W) -> Self {
        let lines = Lines { read: BufReader::new(read), line: Vec::new() };
        Self { lines, pen: Pen { write, is_over: false } }
    }

    /// Answers the client until it leaves, or has to.
    pub(crate) async fn serve(mut self, desk: Arc<Desk>, caller: Caller, seat: Seat) {
        tokio::select! {
            biased;
            () = seat.displaced() => {}
            () = self.answer(&desk, caller, &seat) => return,
        }
        self.leave().await;
    }

    /// Somebody has its place: what is there to be read is no longer waited for.
    pub(crate) async fn leave(mut self) {
        self.makes_way().await;
    }

    async fn makes_way(&mut self) {
        if !self.pen.is_over {
            let _ = timeout(Duration::ZERO, self.pen.write.write_all(&refusal(None, displaced()))).await;
        }
    }

    async fn answer(&mut self, desk: &Desk, caller: Caller, seat: &Seat) {
        let limits = desk.inspector.limits();
        let mut pace = Pace::new(limits.requests);
        let mut session = Session::new(&desk.inspector);
        if self.pen.line(&desk.greeting(caller), limits).await.is_err() {
            return;
        }
        seat.is_heard().await;
        loop {
            let Ok(said) = self.hear(&mut session, desk, seat).await else { return };
            match said {
                Ok(true) => pace.wait().await,
                Ok(false) => return,
                Err(why) => return self.part(why, limits).await,
            }
            let asked = request(&self.lines.line);
            if let Err(why) = if asked.is_ok() { seat.asks() } else { seat.babbles() } {
                return self.part(why, limits).await;
            }
            let answer = costs(async {
                match asked {
                    Ok(asked) => desk.answer(caller, &mut session, asked).await,
                    Err(why) => refusal(None, why),
                }
            });
            let (answer, cost) = tokio::select! {
                biased;
                answer = answer => answer,
                // Nobody reads it: nobody else is to wait for it.
                () = gone(&self.pen.write) => return,
            };
            pace.charge(cost);
            if self.pen.answer(&answer, seat, limits).await.is_err() {
                return;
            }
            if let Err(why) = seat.answered(session.watches.are_sent()) {
                return self.part(why, limits).await;
            }
        }
    }

    /// Waits for what the client says next: whether it says something. Until then it is sent what it watches: an error if it
    /// does not read that.
    async fn hear(&mut self, session: &mut Session, desk: &Desk, seat: &Seat) -> io::Result<Result<bool, Refusal>> {
        let limits = desk.inspector.limits();
        let idle = (!session.watches.are_sent()).then_some(limits.idle);
        let line = self.lines.next(limits, limits.line, idle);
        tokio::pin!(line);
        loop {
            tokio::select! {
                line = &mut line => return Ok(line),
                () = session.due(&desk.searches) => {
                    // One, and then the client is heard again.
                    if let Some(frame) = session.watches.next() {
                        self.pen.line(&frame, limits).await?;
                        seat.is_told();
                    }
                }
            }
        }
    }

    /// The first line, of at most so many bytes, before anything is said to the client; none if it says nothing.
    pub(crate) async fn first(&mut self, most: usize, limits: &Limits) -> Result<Option<&[u8]>, Refusal> {
        let is_there = self.lines.next(limits, most, Some(limits.line_within)).await?;
        Ok(is_there.then_some(&self.lines.line))
    }

    /// Says no, and parts.
    pub(crate) async fn turn_away(mut self, why: Refusal, limits: &Limits) {
        self.part(why, limits).await;
    }

    async fn part(&mut self, why: Refusal, limits: &Limits) {
        // Of whom there may be any number nobody is waited for.
        if why.code == Code::Displaced {
            return self.makes_way().await;
        }
        if self.pen.line(&refusal(None, why), limits).await.is_ok() {
            self.pen.is_over = true;
            part(&mut self.lines.read, &mut self.pen.write).await;
        }
    }
}

/// What comes of it, and how much of the thread it took: not how long it waited.
async fn costs<R>(what: impl Future<Output = R>) -> (R, Duration) {
    let (mut what, mut cost) = (pin!(what), Duration::ZERO);
    poll_fn(|cx| {
        let began = Instant::now();
        let polled = what.as_mut().poll(cx);
        cost += began.elapsed();
        polled.map(|told| (told, cost))
    })
    .await
}

/// What a client is told with, line by line.
struct Pen<W> {
    write: W,
    /// A line has been begun and not ended, or was the last: nothing else can be said.
    is_over: bool,
}

impl<W: AsyncWrite + Unpin> Pen<W> {
    /// Writes a whole line, or gives the client up.
    async fn line(&mut self, line: &[u8], limits: &Limits) -> io::Result<()> {
        self.is_over = true;
        timeout(limits.read_within, self.write.write_all(line)).await??;
        self.is_over = false;
        Ok(())
    }

    /// The same, for somebody who is in nobody's way as long as he takes some of it again and again.
    async fn answer(&mut self, line: &[u8], seat: &Seat, limits: &Limits) -> io::Result<()> {
        self.is_over = true;
        let write = async {
            let mut rest = line;
            seat.takes();
            while !rest.is_empty() {
                match self.write.write(rest).await? {
                    0 => return Err(io::Error::from(io::ErrorKind::WriteZero)),
                    taken => rest = &rest[taken..],
                }
                seat.takes();
            }
            Ok(())
        };
        timeout(limits.read_within, write).await??;
        self.is_over = false;
        Ok(())
    }
}

/// Gives a client time to read what it was told last.
async fn part(mut read: impl AsyncRead + Unpin, mut write: impl AsyncWrite + Unpin) {
    let _ = write.shutdown().await;
    let _ = timeout(FAREWELL, async {
        let (mut leftover, mut unread) = (vec![0; LEFTOVER], UNREAD);
        while let Ok(read @ 1..) = read.read(&mut leftover).await {
            unread = unread.saturating_sub(read);
            if unread == 0 {
                break;
            }
            sleep(LEFTOVERS_APART).await;
        }
    })
    .await;
}

/// What a client sends, line by line.
struct Lines<R> {
    read: BufReader<R>,
    /// The last one.
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reads the next line of at most so many bytes; false if the client has nothing more to say. It may say nothing for so
    /// long, or for ever.
    async fn next(&mut self, limits: &Limits, most: usize, idle: Option<Duration>) -> Result<bool, Refusal> {
        self.line.clear();
        let begins = timeout(idle.unwrap_or(Duration::MAX), self.read.fill_buf());
        match begins.await {
            Err(_) => return Err(refuse(Code::Idle, format!("no request for {:?}", idle.unwrap_or_default()))),
            Ok(Err(_)) => return Ok(false),
            Ok(Ok(_)) => {}
        }
        // One more than allowed tells a line that is too long from one that is not.
        let mut within = (&mut self.read).take(most as u64 + 1);
        let line = within.read_until(b'\n', &mut self.line);
        match timeout(limits.line_within, line).await {
            Err(_) => Err(refuse(Code::TooSlow, format!("a request took more than {:?}", limits.line_within))),
            Ok(_) if self.line.len() > most => {
                Err(refuse(Code::LineTooLong, format!("a request has more than {most} bytes")))
            }
            Ok(line) => Ok(line.is_ok() && self.line.ends_with(b"\n")),
        }
    }
}

fn refuse(code: Code, why: String) -> Refusal {
    Refusal::new(code, why)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use crashworthy_runtime::System;
    use tokio::io::ReadBuf;
    use tokio::net::UnixStream;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::inspector::Inspector;
    use crate::limits::SEARCH_WITHIN;
    use crate::queue::{Account, Queue, deadline};
    use crate::seats::Seats;

    /// Says some bytes whenever it is read, and counts how often that is.
    struct Talks(usize);

    impl AsyncRead for Talks {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, read: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.0 += 1;
            read.put_slice(b"and then, ");
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_on_talking_when_all_is_said_is_listened_to_now_and_then() {
        let mut talks = Talks(0);
        let began = tokio::time::Instant::now();
        part(&mut talks, Vec::new()).await;
        assert_eq!(began.elapsed(), FAREWELL, "he has had time to read why");
        // At once, and then each time after a rest.
        let most = 1 + FAREWELL.as_millis() / LEFTOVERS_APART.as_millis();
        assert!((most / 2..=most).contains(&(talks.0 as u128)), "{} of {most}", talks.0);
        assert!(LEFTOVER * most as usize > 10 * 1024 * 1024, "a line that was much too long is read to its end");
    }

    /// A client that looks for a pattern while somebody else does.
    async fn looks(system: &System) -> (Arc<Desk>, UnixStream, JoinHandle<()>) {
        let inspector = Arc::new(Inspector::new(system.downgrade(), "shop", Limits::default()));
        let desk = Arc::new(Desk { inspector, actions: None, searches: Queue::default() });
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let seat = Seats::new(1).enter().expect("there is room");
        let (read, write) = ours.into_split();
        let served = tokio::spawn(Connection::new(read, write).serve(desk.clone(), Caller::known(0), seat));
        theirs.write_all(b"{\"id\":1,\"verb\":\"tree\",\"args\":{\"pattern\":\"a|b\"}}\n").await.unwrap();
        (desk, theirs, served)
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_gone_looks_for_nothing_any_more() {
        let system = System::bare().unwrap();
        let (desk, theirs, served) = looks(&system).await;
        let _other = desk.searches.turn(Account::default(), deadline()).await.unwrap();
        sleep(SEARCH_WITHIN / 4).await;
        assert!(!served.is_finished(), "he waits for his turn");
        drop(theirs);
        timeout(SEARCH_WITHIN / 4, served).await.expect("it is seen that he has gone").unwrap();
        system.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_said_all_he_had_to_say_is_answered_when_it_is_his_turn() {
        let system = System::bare().unwrap();
        let (desk, mut theirs, served) = looks(&system).await;
        let other = desk.searches.turn(Account::default(), deadline()).await.unwrap();
        theirs.shutdown().await.unwrap();
        sleep(SEARCH_WITHIN / 4).await;
        drop(other);
        let mut told = String::new();
        theirs.read_to_string(&mut told).await.unwrap();
        assert!(told.contains("{\"id\":1,\"ok\":"), "{told}");
        served.await.unwrap();
        system.stop().await;
    }
}
