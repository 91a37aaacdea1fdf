//! The server's thread: listens, lets in as many as there is room for, and goes with the system.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crashworthy_console::Pace;
use crashworthy_runtime::WeakSystem;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::attention::LASTS;
use crate::connection;
use crate::guard::TurnedAway;
use crate::guests::{Guests, Room};
use crate::routes::{Desk, routes};

/// How long to wait after a connection could not be accepted: the process may be out of file descriptors.
const AGAIN: Duration = Duration::from_secs(1);

/// What is said to a connection that is one too many. It fits into the buffer of a socket that is new.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nCache-Control: no-store\r\n\
    Content-Type: text/plain\r\nContent-Length: 31\r\n\r\nthere are too many connections\n";

/// Takes the address.
pub(crate) fn open(at: SocketAddr) -> io::Result<(SocketAddr, TcpListener)> {
    let listener = TcpListener::bind(at)?;
    listener.set_nonblocking(true)?;
    Ok((listener.local_addr()?, listener))
}

/// Starts the thread.
pub(crate) fn start(listener: TcpListener, desk: Desk, system: WeakSystem) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || run(&runtime, listener, Arc::new(desk), &system);
    thread::Builder::new().name("crashworthy-web".to_owned()).spawn(run)?;
    Ok(())
}

fn run(runtime: &Runtime, listener: TcpListener, desk: Arc<Desk>, system: &WeakSystem) {
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        listen(listener, desk, system).await;
        Ok::<_, io::Error>(())
    });
    if let Err(error) = served {
        tracing::error!(%error, "the web server cannot listen");
    }
}

/// Accepts connections until the system has ended.
async fn listen(listener: tokio::net::TcpListener, desk: Arc<Desk>, system: &WeakSystem) {
    let mut guests = Guests::new(desk.limits.connections);
    let lobby =
        Lobby { pace: Arc::new(Mutex::new(Pace::new(desk.limits.requests))), routes: routes(desk.clone()), desk };
    let mut clients = JoinSet::new();
    let mut tires = tokio::time::interval(LASTS);
    // The others wait where the kernel keeps them.
    let mut waits = None;
    let ended = system.ended();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            biased;
            () = &mut ended => return,
            Some(_) = clients.join_next() => {
                if clients.is_empty() {
                    lobby.desk.inspector.rest();
                }
            }
            _ = tires.tick() => lobby.desk.attention.tire(Instant::now()),
            room = guests.room(), if waits.is_some() => {
                let Some(stream) = waits.take() else { continue };
                match room {
                    Room::Here => lobby.receive(stream, &mut guests, &mut clients),
                    Room::None => lobby.turn_away(&stream, &guests),
                }
            }
            accepted = listener.accept(), if waits.is_none() => match accepted {
                Ok((stream, _)) => waits = Some(stream),
                Err(error) => {
                    tracing::warn!(%error, "the web server cannot accept a connection");
                    tokio::time::sleep(AGAIN).await;
                }
            },
        }
    }
}

/// What every connection gets.
struct Lobby {
    desk: Arc<Desk>,
    routes: axum::Router,
    pace: Arc<Mutex<Pace>>,
}

impl Lobby {
    fn receive(&self, stream: TcpStream, guests: &mut Guests, clients: &mut JoinSet<()>) {
        let (routes, pace, limits) = (self.routes.clone(), self.pace.clone(), self.desk.limits.clone());
        guests.receive(clients, |guest| connection::serve(stream, routes, pace, guest, limits));
    }

    fn turn_away(&self, stream: &TcpStream, guests: &Guests) {
        guests.settled();
        TurnedAway::note(&self.desk.turned_away.connections, "a connection too many");
        let _ = stream.try_write(FULL);
    }
}
