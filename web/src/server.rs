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
use crate::guests::Guests;
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
    let room = Room { pace: Arc::new(Mutex::new(Pace::new(desk.limits.requests))), routes: routes(desk.clone()), desk };
    let mut clients = JoinSet::new();
    let mut tires = tokio::time::interval(LASTS);
    let ended = system.ended();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            biased;
            () = &mut ended => return,
            Some(_) = clients.join_next() => {
                if clients.is_empty() {
                    room.desk.inspector.rest();
                }
            }
            _ = tires.tick() => room.desk.attention.tire(Instant::now()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => room.receive(stream, &mut guests, &mut clients),
                Err(error) => {
                    tracing::warn!(%error, "the web server cannot accept a connection");
                    tokio::time::sleep(AGAIN).await;
                }
            },
        }
    }
}

/// What every connection gets.
struct Room {
    desk: Arc<Desk>,
    routes: axum::Router,
    pace: Arc<Mutex<Pace>>,
}

impl Room {
    fn receive(&self, stream: TcpStream, guests: &mut Guests, clients: &mut JoinSet<()>) {
        let (routes, pace, limits) = (self.routes.clone(), self.pace.clone(), self.desk.limits.clone());
        let mut stream = Some(stream);
        let received = guests.receive(clients, |guest| {
            let stream = stream.take();
            async move {
                if let Some(stream) = stream {
                    connection::serve(stream, routes, pace, guest, limits).await;
                }
            }
        });
        if !received && let Some(stream) = stream {
            TurnedAway::note(&self.desk.turned_away.connections, "a connection too many");
            let _ = stream.try_write(FULL);
        }
    }
}
