//! An HTTP handler that asks an actor.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use crashworthy::prelude::*;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::{check, outside};
use crate::peer::{CAPACITY, Peer, Workers};
use crate::peers::Crashworthy;
use crate::wrong::{Wrong, wrong};

/// Connections of clients, each of which waits for an answer before it asks again.
const CLIENTS: u64 = 4;
/// What takes longer counts as this long.
const LONGEST_NS: u64 = 60_000_000_000;
/// The longest answer that a client reads.
const LONGEST_ANSWER: usize = 1_024;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Whom the handler asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A task of tokio around a channel, with a `oneshot` for the answer.
    ByHand,
    /// An actor of ours.
    Ours,
}

/// What the actor does for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// It counts: its turn can be run in place, by the handler that asks.
    AtOnce,
    /// It awaits once before it counts, as if for a socket: its turn cannot be run in place.
    Awaiting,
}

impl Asked {
    /// Both, the one to compare with first.
    pub const ALL: [Self; 2] = [Self::ByHand, Self::Ours];

    /// Its name in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::ByHand => "tokio-mpsc",
            Self::Ours => "crashworthy",
        }
    }
}

impl Answers {
    /// Both.
    pub const ALL: [Self; 2] = [Self::AtOnce, Self::Awaiting];

    /// Its name in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::AtOnce => "at-once",
            Self::Awaiting => "awaiting",
        }
    }

    async fn prepare(self) {
        if self == Self::Awaiting {
            once_more().await;
        }
    }
}

/// Is ready when it is polled again, which is soon.
fn once_more() -> impl Future<Output = ()> + Send {
    let mut before = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut before, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Counts how often it was asked.
struct Clerk {
    answers: Answers,
    asked: u64,
}

/// The question.
struct Count(Reply<u64>);

impl Message for Count {}

impl Actor for Clerk {
    type Args = Answers;
    type Msg = Count;

    async fn init(answers: Answers, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Clerk { answers, asked: 0 })
    }

    async fn handle(&mut self, Count(reply): Count, _: &mut Context<Self>) -> Result<(), Exit> {
        self.answers.prepare().await;
        self.asked += 1;
        reply.send(self.asked);
        Ok(())
    }
}

/// Either clerk.
enum Desk {
    ByHand(mpsc::Sender<oneshot::Sender<u64>>),
    Ours(ActorRef<Clerk>),
}

impl Desk {
    async fn of(asked: Asked, answers: Answers, system: &System) -> Result<Self, Wrong> {
        Ok(match asked {
            Asked::ByHand => {
                let (sender, mut mailbox) = mpsc::channel::<oneshot::Sender<u64>>(CAPACITY);
                tokio::spawn(async move {
                    let mut asked = 0;
                    while let Some(reply) = mailbox.recv().await {
                        answers.prepare().await;
                        asked += 1;
                        // Whoever does not wait any more needs no answer.
                        let _ = reply.send(asked);
                    }
                });
                Self::ByHand(sender)
            }
            Asked::Ours => Self::Ours(system.spawn::<Clerk>(answers).await.map_err(wrong)?),
        })
    }

    async fn ask(&self) -> Option<u64> {
        match self {
            Self::ByHand(sender) => {
                let (reply, answer) = oneshot::channel();
                sender.send(reply).await.ok()?;
                answer.await.ok()
            }
            Self::Ours(clerk) => clerk.ask(Count).await.ok(),
        }
    }
}

/// Times in nanoseconds: of the question in the handler, and of the request at the client.
#[derive(Clone, Debug)]
pub struct Took {
    /// Of the question, two looks at the clock included.
    pub ask_ns: Histogram<u64>,
    /// Of the request.
    pub request_ns: Histogram<u64>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST_NS, 3).expect("three digits are possible")
}

/// What the handler needs.
struct Served {
    desk: Desk,
    ask_ns: Mutex<Histogram<u64>>,
}

impl Served {
    /// What was noted so far; from now on it is noted anew.
    fn take(&self) -> Histogram<u64> {
        std::mem::replace(&mut *self.ask_ns.lock().unwrap_or_else(PoisonError::into_inner), histogram())
    }
}

async fn handler(State(served): State<Arc<Served>>) -> Result<String, StatusCode> {
    let began = Instant::now();
    let answer = served.desk.ask().await;
    let took = began.elapsed();
    let answer = answer.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    let mut ask_ns = served.ask_ns.lock().unwrap_or_else(PoisonError::into_inner);
    ask_ns.saturating_record(took.as_nanos() as u64);
    Ok(answer.to_string())
}

/// One turn: so many requests, after a tenth of them that do not count.
///
/// # Errors
/// When a request is not answered with what the actor should have counted.
pub fn turn(asked: Asked, answers: Answers, requests: u64) -> Result<Took, Wrong> {
    Crashworthy::run(Workers::Two, move |peer| async move {
        let desk = Desk::of(asked, answers, peer.system()).await?;
        let served = Arc::new(Served { desk, ask_ns: Mutex::new(histogram()) });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let routes = Router::new().route("/", get(handler)).with_state(served.clone());
        let serves = tokio::spawn(axum::serve(listener, routes).into_future());

        let (warm, each) = ((requests / CLIENTS).div_ceil(10), requests / CLIENTS);
        outside(clients(address, warm)).await?;
        served.take();
        let request_ns = outside(clients(address, each)).await?;
        serves.abort();
        let ask_ns = served.take();
        check("questions that the handler timed", CLIENTS * each, ask_ns.len())?;
        check("requests answered", CLIENTS * each, request_ns.len())?;
        let counted = served.desk.ask().await.ok_or_else(|| wrong("the actor has gone"))?;
        check("questions of the actor", CLIENTS * (warm + each) + 1, counted)?;
        Ok(Took { ask_ns, request_ns })
    })
}

/// Each client makes so many requests on a connection of its own. How long each took.
async fn clients(address: SocketAddr, each: u64) -> io::Result<Histogram<u64>> {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(async move {
            let mut socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            let (mut took, mut before) = (histogram(), 0);
            for _ in 0..each {
                let began = Instant::now();
                let counted = request(&mut socket).await?;
                took.saturating_record(began.elapsed().as_nanos() as u64);
                if counted <= before {
                    return Err(io::Error::other("an answer is older than the one before"));
                }
                before = counted;
            }
            Ok(took)
        });
    }
    let mut all = histogram();
    while let Some(ended) = clients.join_next().await {
        all.add(ended.map_err(io::Error::other)??).map_err(io::Error::other)?;
    }
    Ok(all)
}

/// Asks, and says what the body of the answer is.
async fn request(socket: &mut TcpStream) -> io::Result<u64> {
    socket.write_all(REQUEST).await?;
    let mut answer = [0; LONGEST_ANSWER];
    let mut read = 0;
    loop {
        match socket.read(&mut answer[read..]).await? {
            0 => return Err(io::Error::other("the answer has no end, or is too long")),
            more => read += more,
        }
        if let Some(body) = body(&answer[..read])? {
            return body.parse().map_err(io::Error::other);
        }
    }
}

/// The body of an answer that says that all is well, once it is there.
fn body(answer: &[u8]) -> io::Result<Option<&str>> {
    let text = std::str::from_utf8(answer).map_err(io::Error::other)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(io::Error::other(format!("not well: {head}")));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    match length {
        Some(length) if body.len() >= length => Ok(Some(&body[..length])),
        Some(_) => Ok(None),
        None => Err(io::Error::other("the answer has no length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_answered_and_every_question_timed() {
        for asked in Asked::ALL {
            for answers in Answers::ALL {
                let took = turn(asked, answers, 80);
                let took = took.unwrap_or_else(|why| panic!("{} {}: {why}", asked.name(), answers.name()));
                assert_eq!((took.ask_ns.len(), took.request_ns.len()), (80, 80));
            }
        }
    }

    #[test]
    fn a_body_is_taken_when_all_of_it_is_there_and_all_is_well() {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n4").expect("so far so well"), None);
        assert_eq!(body(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n47").expect("all is well"), Some("47"));
        assert!(body(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(body(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
