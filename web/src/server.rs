//! The server's thread: listens, lets in as many as there is room for, and goes with the system.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crashworthy_runtime::WeakSystem;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::attention::LASTS;
use crate::connection;
use crate::guard::TurnedAway;
use crate::guests::{Guests, Room};
use crate::limits::Limits;
use crate::routes::{Desk, routes};
use crate::share::Share;

/// How long to wait after a connection could not be accepted: the process may be out of file descriptors.
const AGAIN: Duration = Duration::from_secs(1);

/// Connections that the kernel keeps until they are accepted, if it is not told to keep fewer: whoever comes while many others do
/// tries again a second later otherwise.
const WAIT_OUTSIDE: u32 = 4_096;

/// What is said to a connection that is one too many. It fits into the buffer of a socket that is new.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nCache-Control: no-store\r\n\
    Content-Type: text/plain\r\nContent-Length: 31\r\n\r\nthere are too many connections\n";

/// Where it listens, and on what runtime.
pub(crate) struct Door {
    runtime: Runtime,
    listener: TcpListener,
    share: Arc<Share>,
}

/// Takes the address.
pub(crate) fn open(at: SocketAddr, limits: &Limits) -> io::Result<(SocketAddr, Door)> {
    let share = Arc::new(Share::new(limits.strangers_percent));
    let (wakes, dozes) = (share.clone(), share.clone());
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.on_thread_unpark(move || wakes.wakes()).on_thread_park(move || dozes.dozes());
    let runtime = runtime.enable_all().build()?;
    let entered = runtime.enter();
    let opened = bind(at).and_then(|listener| Ok((listener.local_addr()?, listener)));
    drop(entered);
    match opened {
        Ok((addr, listener)) => Ok((addr, Door { runtime, listener, share })),
        Err(error) => {
            // Whoever starts the system may be in a runtime of his own, where none may be waited for.
            runtime.shutdown_background();
            Err(error)
        }
    }
}

/// To be called where a runtime with I/O has been entered.
fn bind(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does, so that a restart finds the port free.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(WAIT_OUTSIDE)
}

/// Starts the thread.
pub(crate) fn start(door: Door, desk: Desk, system: WeakSystem) -> io::Result<()> {
    let Door { runtime, listener, share } = door;
    let run = move || {
        // In a task, so that it has its turn among those who are connected, and not before them.
        let listens = runtime.spawn(listen(listener, Arc::new(desk), share, system));
        if let Err(error) = runtime.block_on(listens) {
            tracing::error!(%error, "the web server does not listen any more");
        }
    };
    thread::Builder::new().name("crashworthy-web".to_owned()).spawn(run)?;
    Ok(())
}

/// Accepts connections until the system has ended.
async fn listen(listener: TcpListener, desk: Arc<Desk>, share: Arc<Share>, system: WeakSystem) {
    let mut guests = Guests::new(desk.limits.connections);
    let lobby = Lobby { routes: routes(desk.clone()), share, desk };
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
                while clients.try_join_next().is_some() {}
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
        lobby.share.rests();
    }
}

/// What every connection gets.
struct Lobby {
    desk: Arc<Desk>,
    routes: axum::Router,
    share: Arc<Share>,
}

impl Lobby {
    fn receive(&self, stream: TcpStream, guests: &mut Guests, clients: &mut JoinSet<()>) {
        let (routes, desk, share) = (self.routes.clone(), self.desk.clone(), self.share.clone());
        guests.receive(clients, |guest| connection::serve(stream, routes, guest, desk, share));
    }

    fn turn_away(&self, stream: &TcpStream, guests: &Guests) {
        guests.settled();
        TurnedAway::note(&self.desk.turned_away.connections, "a connection too many");
        let _ = stream.try_write(FULL);
    }
}
