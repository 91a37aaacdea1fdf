//! Actors and sockets: an actor for each TCP connection, and an HTTP handler that asks an actor, beside the same by hand.
//!
//! Servers are on a runtime of two workers; the clients have a thread of their own. Everybody takes a turn in each round.

pub mod echo;
pub mod http;
pub mod report;

use std::future::Future;
use std::io;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::wrong::{Wrong, wrong};

/// How long the clients of a turn may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs clients on a thread of their own, outside of the runtime that serves them.
async fn outside<T, F>(clients: F) -> Result<T, Wrong>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let (says, said) = oneshot::channel();
    thread::spawn(move || {
        let ended = Builder::new_current_thread().enable_all().build().and_then(|runtime| {
            runtime.block_on(async { timeout(PATIENCE, clients).await.map_err(io::Error::from).flatten() })
        });
        drop(says.send(ended));
    });
    said.await.map_err(|_| wrong("the clients have panicked"))?.map_err(wrong)
}

/// Accepts only what was expected.
fn check(what: &str, expected: u64, found: u64) -> Result<(), Wrong> {
    if found == expected { Ok(()) } else { Err(wrong(format_args!("{what}: expected {expected}, found {found}"))) }
}
