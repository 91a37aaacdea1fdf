//! The same over TCP, for whoever shows a token.
//!
//! ```text
//! ▶ {"token":"0123456789abcdef0123456789abcdef"}
//! ◀ {"hello":{…}}                                        from here on as on the socket for looking
//! ```
//! The client speaks first, within a second, and is told nothing before it has shown the token: not even who is there. Of those
//! who have not, whoever has been there for longest makes way for the next, so that however many there are, one more who shows it at
//! once gets in. A web page can send requests to an address of this machine, but no request of HTTP begins with a token.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::connection::Connection;
use crate::desk::Desk;
use crate::doorway::{Doorway, There};
use crate::hangup::Line;
use crate::home::Home;
use crate::limits::Limits;
use crate::protocol::{Code, Knock, Refusal};
use crate::role::Caller;
use crate::seats::{Seat, Seats, too_many};
use crate::token::Token;
use crate::wire::refusal;

/// How much later a wrong token is answered.
const LATER: Duration = Duration::from_secs(1);
/// How long a client may take to say it: whoever knows it says it at once, and takes a place from others until then.
const KNOCKS: Duration = Duration::from_secs(1);
/// Connections that the kernel keeps until they are accepted: whoever comes while many others do tries again a second later otherwise.
const WAIT_OUTSIDE: u32 = 1024;
/// Bytes of the line with the token.
const KNOCK: usize = 512;

/// Where a console listens on TCP, beside its sockets: off unless [said](crate::Console::tcp).
///
/// It is a free port of 127.0.0.1, and a token that is new each time, in the file `tcp.token` beside the socket, with the
/// mode 0600. A wrong token is answered a second later, and counted. What is sent is not encrypted.
#[derive(Clone, Debug)]
#[must_use = "a place to listen at belongs to a console: `Console::default().tcp(..)`"]
pub struct Tcp {
    at: SocketAddr,
    is_open: bool,
    token: Option<PathBuf>,
    read: Option<Arc<Token>>,
}

impl Default for Tcp {
    fn default() -> Self {
        Self { at: (Ipv4Addr::LOCALHOST, 0).into(), is_open: false, token: None, read: None }
    }
}

impl Tcp {
    /// The same at another address; the port 0 is any that is free.
    pub fn at(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.at = addr.into();
        self
    }

    /// Allows an address that others can reach. What is sent is not encrypted, the token included: in a network that is
    /// trusted. On one machine, and over SSH, the loopback address will do.
    pub fn beyond_loopback(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// The token that is in this file, instead of a new one each time: 22 to 256 letters, digits, and `-._~`; its mode
    /// must let nobody but its owner read it. Whose it is is not looked at: root reads the file of anybody.
    pub fn token_from(mut self, file: impl Into<PathBuf>) -> Self {
        self.token = Some(file.into());
        self
    }

    /// What is wrong with it, if something is.
    pub(crate) fn fault(&self) -> Option<String> {
        let is_reached = !self.at.ip().is_loopback() && !self.is_open;
        is_reached.then(|| format!("console: {} can be reached by others: `beyond_loopback` allows that", self.at))
    }

    pub(crate) fn read_token(&mut self) -> io::Result<()> {
        self.read = self.token.as_deref().map(Token::read).transpose()?;
        Ok(())
    }
}

/// Where a console listens on TCP.
#[derive(Clone)]
pub struct OnTcp {
    addr: SocketAddr,
    file: PathBuf,
    gate: Arc<Gate>,
}

impl OnTcp {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The file with the token.
    pub fn token_file(&self) -> &Path {
        &self.file
    }

    /// How often somebody came with a wrong token, or with none.
    pub fn turned_away(&self) -> u64 {
        self.gate.turned_away.load(Relaxed)
    }
}

impl fmt::Debug for OnTcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (addr, turned_away) = (self.addr, self.turned_away());
        f.debug_struct("OnTcp").field("addr", &addr).field("turned_away", &turned_away).finish_non_exhaustive()
    }
}

/// Who is let in, and how many.
#[derive(Debug)]
struct Gate {
    token: Arc<Token>,
    turned_away: AtomicU64,
    /// The user of this process.
    own: u32,
    inside: Arc<Seats>,
}

/// A port, and those who came through it.
pub(crate) struct TcpDoor {
    listener: TcpListener,
    file: PathBuf,
    gate: Arc<Gate>,
    /// With places for those who have not shown a token yet, so that they take none of the others. When all are taken, whoever
    /// has been there for longest makes way.
    doorway: Doorway<TcpStream>,
}

impl TcpDoor {
    /// To be called where a runtime with I/O has been entered.
    pub(crate) fn open(tcp: Tcp, home: &Home, own: u32, limits: &Limits) -> io::Result<Self> {
        let Tcp { at, read, token, .. } = tcp;
        let (token, file) = match (read, token) {
            (Some(read), Some(file)) => (read, file),
            _ => {
                let (token, file) = (Token::random()?, home.token());
                token.keep(&file)?;
                (Arc::new(token), file)
            }
        };
        let told = |error: io::Error| io::Error::new(error.kind(), format!("{at}: {error}"));
        let listener = listen(at).map_err(told)?;
        let (outside, inside) = (Seats::outside(limits.connections), Seats::new(limits.connections));
        let gate = Gate { token, turned_away: AtomicU64::new(0), own, inside };
        Ok(Self { listener, file, gate: Arc::new(gate), doorway: Doorway::new(outside) })
    }

    pub(crate) fn address(&self) -> OnTcp {
        let addr = self.listener.local_addr().unwrap_or_else(|_| (Ipv4Addr::UNSPECIFIED, 0).into());
        OnTcp { addr, file: self.file.clone(), gate: self.gate.clone() }
    }

    /// Lets in one after the other, for as long as it is polled.
    pub(crate) async fn serve(&mut self, desk: &Arc<Desk>, there: &There) {
        let Self { listener, gate, doorway, .. } = self;
        let accept = async || Ok(listener.accept().await?.0);
        let receive = |stream: TcpStream, seats: &Arc<Seats>| {
            let Some(seat) = seats.enter() else {
                let _ = stream.try_write(&refusal(None, too_many(desk.inspector.limits().connections)));
                return None;
            };
            // Small lines one by one: a frame is not held back for the next.
            let _ = stream.set_nodelay(true);
            Some(gate.clone().answer(stream, desk.clone(), seat))
        };
        doorway.serve(desk, there, accept, receive).await;
    }
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does, so that a restart finds the port free.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(WAIT_OUTSIDE)
}

impl Gate {
    async fn answer(self: Arc<Self>, stream: TcpStream, desk: Arc<Desk>, outside: Seat) {
        let limits = desk.inspector.limits();
        let (read, write) = stream.into_split();
        let mut connection = Connection::new(read, write);
        outside.is_heard().await;
        let is_known = tokio::select! {
            biased;
            () = outside.displaced() => None,
            is_known = self.knocks(&mut connection, limits) => Some(is_known),
        };
        if is_known != Some(true) {
            self.note();
        }
        let caller = Caller::known(self.own);
        match is_known {
            // He is not in the way any more, nor out of it before he has a place.
            Some(true) if outside.asks().is_ok() => match self.enter(&outside).await {
                Some(seat) => {
                    drop(outside);
                    connection.serve(desk.clone(), caller, seat).await;
                }
                None => connection.turn_away(too_many(limits.connections), limits).await,
            },
            Some(false) => tokio::select! {
                biased;
                () = outside.displaced() => {}
                () = tokio::time::sleep(LATER) => {
                    let why = Refusal::new(Code::WrongToken, "the first line is to have the token of this process");
                    connection.turn_away(why, limits).await;
                }
            },
            _ => connection.leave().await,
        }
    }

    /// Whether he shows the token in time.
    async fn knocks<R, W>(&self, connection: &mut Connection<R, W>, limits: &Limits) -> bool
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin + Line,
    {
        let knocks = KNOCKS.min(limits.line_within);
        let said = tokio::time::timeout(knocks, connection.first(KNOCK, limits)).await;
        said.is_ok_and(|said| said.is_ok_and(|said| said.is_some_and(|said| self.is_known(said))))
    }

    /// A place inside, for as long as others do not need the one outside.
    async fn enter(&self, outside: &Seat) -> Option<Seat> {
        tokio::select! {
            biased;
            () = outside.displaced() => None,
            () = self.inside.room() => self.inside.enter(),
        }
    }

    fn is_known(&self, said: &[u8]) -> bool {
        serde_json::from_slice::<Knock>(said).is_ok_and(|knock| self.token.is(knock.token.as_bytes()))
    }

    /// One more was turned away. The log is told of the first, the second, the fourth and so on: as many as come fill no disk.
    fn note(&self) {
        let times = self.turned_away.fetch_add(1, Relaxed) + 1;
        if times.is_power_of_two() {
            tracing::warn!(times, "the console has turned away somebody without its token on TCP");
        }
    }
}
