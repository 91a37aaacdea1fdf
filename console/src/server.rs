//! The inspector's thread: listens, lets in who may come in, and goes with the system.

use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crashworthy_runtime::WeakSystem;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::connection;
use crate::home::{self, Home};
use crate::inspector::Inspector;
use crate::protocol::{Code, Refusal};
use crate::wire::refusal;

/// How long to wait after a connection could not be accepted: the process may be out of file descriptors.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the start of a system waits until its console listens: whoever has places beside its own may not answer.
const LISTENS: Duration = Duration::from_secs(5);

/// Starts the thread, and waits until it listens.
pub(crate) fn start(base: Option<PathBuf>, inspector: Arc<Inspector>, system: WeakSystem) -> io::Result<Arc<Home>> {
    let (told, listens) = sync_channel(1);
    thread::Builder::new()
        .name("crashworthy-console".to_owned())
        .spawn(move || run(base, inspector, &system, &told))?;
    listens.recv_timeout(LISTENS).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => Err(io::Error::new(io::ErrorKind::TimedOut, "it does not listen in time")),
        RecvTimeoutError::Disconnected => Err(io::Error::other("the thread of the console ended")),
    })
}

fn run(
    base: Option<PathBuf>,
    inspector: Arc<Inspector>,
    system: &WeakSystem,
    told: &SyncSender<io::Result<Arc<Home>>>,
) {
    let opened = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let uid = home::own_uid()?;
        drop(entered);
        let base = base.map_or_else(home::base, Ok)?;
        let (home, listener) = Home::make(&base, uid, inspector.name())?;
        Ok((runtime, uid, Arc::new(home), listener))
    };
    match opened() {
        Ok((runtime, uid, home, listener)) => {
            let _ = told.send(Ok(home.clone()));
            runtime.block_on(listen(listener, uid, inspector, system));
            home.leave();
        }
        Err(error) => {
            let _ = told.send(Err(error));
        }
    }
}

/// Accepts connections until the system has ended.
async fn listen(listener: UnixListener, uid: u32, inspector: Arc<Inspector>, system: &WeakSystem) {
    let listener = match tokio::net::UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the console cannot listen"),
    };
    let mut clients = JoinSet::new();
    let ended = system.ended();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            biased;
            () = &mut ended => return,
            Some(_) = clients.join_next() => {
                if clients.is_empty() {
                    inspector.rest();
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => receive(stream, uid, &inspector, &mut clients),
                Err(error) => {
                    tracing::warn!(%error, "the console cannot accept a connection");
                    tokio::time::sleep(AGAIN).await;
                }
            },
        }
    }
}

fn receive(stream: UnixStream, uid: u32, inspector: &Arc<Inspector>, clients: &mut JoinSet<()>) {
    if !may_enter(uid, stream.peer_cred().map(|peer| peer.uid())) {
        return tracing::warn!("the console has turned away a process of another user");
    }
    let most = inspector.limits().connections;
    if clients.len() >= most {
        let why = format!("there are {most} connections already");
        // It fits into the buffer of a socket that is new.
        let _ = stream.try_write(&refusal(None, Refusal::new(Code::TooManyConnections, why)));
        return;
    }
    clients.spawn(connection::serve(stream, inspector.clone()));
}

/// Whether a peer may look: the user of this process alone.
fn may_enter(own: u32, peer: io::Result<u32>) -> bool {
    peer.is_ok_and(|peer| peer == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_user_may_enter_and_nobody_else() {
        assert!(may_enter(1000, Ok(1000)));
        assert!(!may_enter(1000, Ok(1001)));
        assert!(!may_enter(1000, Ok(0)));
        assert!(!may_enter(0, Err(io::ErrorKind::Unsupported.into())));
    }
}
