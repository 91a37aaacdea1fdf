//! Many connections on which small frames come back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use crashworthy::prelude::*;
use futures_util::stream::unfold;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{check, outside};
use crate::peer::{Peer, Workers};
use crate::peers::Crashworthy;
use crate::wrong::{Wrong, wrong};

/// Who has a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Host {
    /// A task of tokio.
    Task,
    /// An actor that reads and writes in a handler, and so takes no message meanwhile.
    ActorLoop,
    /// An actor to which each frame is a message.
    ActorFrames,
}

impl Host {
    /// All of them, the one to compare with first.
    pub const ALL: [Self; 3] = [Self::Task, Self::ActorLoop, Self::ActorFrames];

    /// Its name in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::ActorLoop => "actor-loop",
            Self::ActorFrames => "actor-frames",
        }
    }
}

/// What is sent and comes back: which connection, and which frame of it.
type Frame = [u8; 16];

fn frame(connection: u64, number: u64) -> Frame {
    let mut frame = Frame::default();
    frame[..8].copy_from_slice(&connection.to_le_bytes());
    frame[8..].copy_from_slice(&number.to_le_bytes());
    frame
}

/// One turn: so many connections, with so many round trips each. Round trips a second.
///
/// # Errors
/// When a frame is lost or changed.
pub fn turn(host: Host, connections: u64, each: u64) -> Result<f64, Wrong> {
    Crashworthy::run(Workers::Two, move |peer| async move {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let echoed = Arc::<AtomicU64>::default();
        let accepts = tokio::spawn(accept(listener, host, peer.system().clone(), echoed.clone()));
        let elapsed = outside(clients(address, connections, each)).await?;
        accepts.abort();
        // Each had one round trip before the time began.
        check("frames echoed", connections * (each + 1), echoed.load(Ordering::Acquire))?;
        Ok((connections * each) as f64 / elapsed.as_secs_f64())
    })
}

async fn accept(listener: TcpListener, host: Host, system: System, echoed: Arc<AtomicU64>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (nodelay, echoed) = (socket.set_nodelay(true), echoed.clone());
        // A connection that cannot be had is closed, and its client says so.
        let served = match host {
            _ if nodelay.is_err() => continue,
            Host::Task => {
                tokio::spawn(echo(socket, echoed));
                true
            }
            Host::ActorLoop => system.spawn::<Loop>((socket, echoed)).await.is_ok(),
            Host::ActorFrames => system.spawn::<Frames>((socket, echoed)).await.is_ok(),
        };
        if !served {
            return;
        }
    }
}

/// Sends back what comes, until nothing does.
async fn echo(mut socket: TcpStream, echoed: Arc<AtomicU64>) {
    let mut frame = Frame::default();
    while socket.read_exact(&mut frame).await.is_ok() {
        echoed.fetch_add(1, Ordering::Release);
        if socket.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// Echoes in a handler.
struct Loop(Option<(TcpStream, Arc<AtomicU64>)>);

/// To begin.
struct Serve;

impl Message for Serve {}

impl Actor for Loop {
    type Args = (TcpStream, Arc<AtomicU64>);
    type Msg = Serve;

    async fn init(connection: Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.send_self(Serve).map_err(|refused| Exit::from(refused.to_string()))?;
        Ok(Loop(Some(connection)))
    }

    async fn handle(&mut self, Serve: Serve, _: &mut Context<Self>) -> Result<(), Exit> {
        if let Some((socket, echoed)) = self.0.take() {
            echo(socket, echoed).await;
        }
        Err(Exit::normal())
    }
}

/// Writes each frame as it is told.
struct Frames {
    to_client: OwnedWriteHalf,
    echoed: Arc<AtomicU64>,
}

/// What comes from the client.
enum Heard {
    Frame(Frame),
    End,
}

impl Message for Heard {}

impl Actor for Frames {
    type Args = (TcpStream, Arc<AtomicU64>);
    type Msg = Heard;

    async fn init((socket, echoed): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        let (from_client, to_client) = socket.into_split();
        let frames = unfold(from_client, |mut from_client| async move {
            let mut frame = Frame::default();
            from_client.read_exact(&mut frame).await.ok().map(|_| (frame, from_client))
        });
        cx.pipe_stream(frames, Heard::Frame, || Heard::End).map_err(|refused| Exit::from(refused.to_string()))?;
        Ok(Frames { to_client, echoed })
    }

    async fn handle(&mut self, heard: Heard, _: &mut Context<Self>) -> Result<(), Exit> {
        let Heard::Frame(frame) = heard else { return Err(Exit::normal()) };
        self.echoed.fetch_add(1, Ordering::Release);
        self.to_client.write_all(&frame).await.map_err(|why| Exit::from(why.to_string()))
    }
}

/// Connects them all, and has all of them wait for their frames as often as that. The time it took, connecting aside.
async fn clients(address: SocketAddr, connections: u64, each: u64) -> io::Result<Duration> {
    let begin = Arc::new(Barrier::new(connections as usize + 1));
    let mut clients = JoinSet::new();
    for connection in 0..connections {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let begin = begin.clone();
        clients.spawn(async move {
            let first = round_trip(&mut socket, frame(connection, 0)).await;
            begin.wait().await;
            first?;
            for number in 1..=each {
                round_trip(&mut socket, frame(connection, number)).await?;
            }
            Ok::<_, io::Error>(())
        });
    }
    begin.wait().await;
    let began = Instant::now();
    while let Some(ended) = clients.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(began.elapsed())
}

async fn round_trip(socket: &mut TcpStream, sent: Frame) -> io::Result<()> {
    let mut back = Frame::default();
    socket.write_all(&sent).await?;
    socket.read_exact(&mut back).await?;
    if back == sent { Ok(()) } else { Err(io::Error::other("another frame came back")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_sends_back_what_came() {
        for host in Host::ALL {
            let rate = turn(host, 20, 10).unwrap_or_else(|why| panic!("{}: {why}", host.name()));
            assert!(rate > 0.0);
        }
    }
}
