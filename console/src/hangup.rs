//! Whether a client has gone altogether: one that has only said all it wanted to say still reads.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{Interest, Ready};
use tokio::net::{tcp, unix};
use tokio::time::sleep;

/// How often somebody is looked at who waits for an answer.
const LOOKS: Duration = Duration::from_millis(20);

/// What is written to a client.
pub(crate) trait Line {
    /// Whether nobody can read it any more. Over TCP that shows when the client has been written to in vain, or has left something unread.
    fn is_dead(&self) -> bool;
}

impl Line for unix::OwnedWriteHalf {
    fn is_dead(&self) -> bool {
        is_closed(self.ready(Interest::WRITABLE))
    }
}

impl Line for tcp::OwnedWriteHalf {
    fn is_dead(&self) -> bool {
        is_closed(self.ready(Interest::WRITABLE))
    }
}

fn is_closed(ready: impl Future<Output = io::Result<Ready>>) -> bool {
    match pin!(ready).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ready) => ready.is_ok_and(|ready| ready.is_write_closed()),
        Poll::Pending => false,
    }
}

/// Returns soon after the client has gone.
///
/// # Cancel safety
/// Nothing is lost.
pub(crate) async fn gone(line: &impl Line) {
    while !line.is_dead() {
        sleep(LOOKS).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;

    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn who_has_said_all_he_had_to_say_is_there_until_he_closes() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (_read, write) = ours.into_split();
        let theirs = theirs.into_std().unwrap();
        assert!(!write.is_dead());
        theirs.shutdown(Shutdown::Write).unwrap();
        write.as_ref().readable().await.unwrap();
        assert!(!write.is_dead(), "he reads");
        drop(theirs);
        gone(&write).await;
    }
}
