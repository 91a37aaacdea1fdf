//! A client that waits: what the command is made of, and what programs and tests can ask with.

mod stream;
mod tracing;
mod watching;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::stream::{Socket, Stream};
use self::watching::{Followed, Line};
use crate::protocol::{Greeting, Hello, Knock, Outcome, PROTOCOL, Refusal, Request, Response};
use crate::token::Token;

/// Bytes of a line from a server, at most: it may be another version, or not ours at all.
const LINE: u64 = 16 * 1024 * 1024;

/// Lines about what is watched that may come before an answer does.
const BETWEEN: usize = 1_000;

/// A connection to the console of a system.
///
/// # Examples
/// ```no_run
/// use crashworthy_console::{Client, protocol::{Actors, ActorsQuery}};
/// use std::{path::Path, time::Duration};
///
/// let mut client = Client::connect(Path::new("/run/user/1000/crashworthy/4711-shop/ro.sock"), Duration::from_secs(5))?;
/// let fullest: Actors = client.ask("actors", &ActorsQuery { limit: Some(3), ..ActorsQuery::default() })?;
/// for actor in fullest.rows {
///     println!("{} {}", actor.path, actor.depth);
/// }
/// # Ok::<(), crashworthy_console::ClientError>(())
/// ```
#[derive(Debug)]
pub struct Client {
    stream: BufReader<Stream>,
    greeting: Box<Greeting>,
    asked: u64,
    /// How long the other side is waited for.
    within: Duration,
    followed: Vec<Followed>,
}

/// Why there is no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The connection cannot be made, or fails, or the answer does not come in time.
    Io(io::Error),
    /// The server has closed the connection: the system has ended, or a limit was passed.
    Closed,
    /// The server has closed the connection, and says why: somebody else needed its place.
    Parted(Refusal),
    /// The server says no.
    Refused(Refusal),
    /// The server says what this client does not understand.
    Foreign(String),
}

impl Client {
    /// Connects, and reads who is there. No question waits longer than `within` for the whole of its answer, in however many
    /// pieces that comes; nor does this.
    ///
    /// # Errors
    /// [`ClientError::Foreign`] if it speaks another protocol; the others.
    pub fn connect(socket: &Path, within: Duration) -> Result<Self, ClientError> {
        Self::greet(Stream::new(Socket::Unix(UnixStream::connect(socket)?), within), within)
    }

    /// Connects to a console that listens on [TCP](crate::Tcp), and shows it its token. To be connected, to be greeted, and
    /// to be answered take no longer than `within` each.
    ///
    /// # Errors
    /// As of [`connect`](Self::connect); a wrong token is refused as
    /// [`Code::WrongToken`](crate::protocol::Code::WrongToken), and late.
    pub fn connect_tcp(addr: SocketAddr, token: &Token, within: Duration) -> Result<Self, ClientError> {
        let stream = TcpStream::connect_timeout(&addr, within)?;
        stream.set_nodelay(true)?;
        let mut stream = Stream::new(Socket::Tcp(stream), within);
        let knock = Knock { token: token.as_str().to_owned() };
        let mut line = serde_json::to_vec(&knock).map_err(foreign)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        Self::greet(stream, within)
    }

    fn greet(stream: Stream, within: Duration) -> Result<Self, ClientError> {
        let mut stream = BufReader::new(stream);
        let greeting = match parse::<First>(&read(&mut stream)?)? {
            First::Greeting(greeting) => greeting,
            First::Refused(Response { outcome: Outcome::Error(why), .. }) => return Err(ClientError::Refused(why)),
            First::Refused(_) => return Err(ClientError::Foreign("an answer before a question".to_owned())),
        };
        let Hello { protocol, version, .. } = &greeting.hello;
        if *protocol != PROTOCOL {
            let why = format!("it speaks protocol {protocol} (crashworthy {version}), this is protocol {PROTOCOL}");
            return Err(ClientError::Foreign(why));
        }
        Ok(Self { stream, greeting, asked: 0, within, followed: Vec::new() })
    }

    /// Who is there.
    pub fn hello(&self) -> &Hello {
        &self.greeting.hello
    }

    /// Asks one of [`VERBS`](crate::protocol::VERBS), or on the socket for actions one of
    /// [`ACTION_VERBS`](crate::protocol::ACTION_VERBS), and waits for the answer.
    ///
    /// # Errors
    /// [`ClientError::Refused`] leaves the connection usable; the others do not.
    pub fn ask<T: DeserializeOwned>(&mut self, verb: &str, args: &impl Serialize) -> Result<T, ClientError> {
        self.asked += 1;
        let args = serde_json::to_value(args).map_err(foreign)?;
        let request = Request { id: self.asked, verb: verb.to_owned(), args };
        let mut line = serde_json::to_vec(&request).map_err(foreign)?;
        line.push(b'\n');
        let stream = self.stream.get_mut();
        stream.wait_at_most(self.within);
        if let Err(error) = stream.write_all(&line) {
            return Err(match error.kind() {
                io::ErrorKind::BrokenPipe => self.farewell(),
                _ => error.into(),
            });
        }
        let answer = self.next_answer()?;
        match answer.outcome {
            // What is said of no question is said last.
            Outcome::Error(why) if answer.id.is_none() => Err(ClientError::Parted(why)),
            Outcome::Error(why) => Err(ClientError::Refused(why)),
            Outcome::Ok(_) if answer.id != Some(self.asked) => {
                Err(ClientError::Foreign("an answer to another question".to_owned()))
            }
            Outcome::Ok(value) => serde_json::from_value(value).map_err(foreign),
        }
    }

    /// What a server that has closed the connection has said last, if that can still be read.
    fn farewell(&mut self) -> ClientError {
        match self.next_answer() {
            Ok(Response { id: None, outcome: Outcome::Error(why) }) => ClientError::Parted(why),
            _ => ClientError::Closed,
        }
    }

    fn next_answer(&mut self) -> Result<Response<Value>, ClientError> {
        for _ in 0..BETWEEN {
            match self.next_line()? {
                Line::Push(push) => self.heed(push),
                Line::Answer(answer) => return serde_json::from_value(answer).map_err(foreign),
            }
        }
        Err(ClientError::Foreign(format!("{BETWEEN} lines, and none of them an answer")))
    }

    fn next_line(&mut self) -> Result<Line, ClientError> {
        let value: Value = parse(&read(&mut self.stream)?)?;
        if value.get("watch").is_some() && value.get("id").is_none() {
            return serde_json::from_value(value).map(Line::Push).map_err(foreign);
        }
        Ok(Line::Answer(value))
    }
}

/// The first line of a server.
#[derive(Deserialize)]
#[serde(untagged)]
enum First {
    Greeting(Box<Greeting>),
    Refused(Response<Value>),
}

fn read(stream: &mut BufReader<Stream>) -> Result<Vec<u8>, ClientError> {
    let mut line = Vec::new();
    stream.take(LINE).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        Ok(line)
    } else if line.len() as u64 == LINE {
        Err(foreign(serde_json::Error::custom("a line that does not end")))
    } else {
        Err(ClientError::Closed)
    }
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(line).map_err(foreign)
}

fn foreign(error: serde_json::Error) -> ClientError {
    ClientError::Foreign(error.to_string())
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                f.write_str("it does not answer in time")
            }
            Self::Io(error) => write!(f, "{error}"),
            Self::Closed => f.write_str("it has closed the connection"),
            Self::Parted(why) => write!(f, "it has closed the connection: {why}"),
            Self::Refused(why) => write!(f, "{why}"),
            Self::Foreign(why) => write!(f, "it cannot be understood: {why}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Closed | Self::Parted(_) | Self::Refused(_) | Self::Foreign(_) => None,
        }
    }
}
