//! What lies between a client and a server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A connection to a server, which is waited for up to a moment: the whole of an answer, however many pieces it comes in.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    until: Instant,
}

#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    /// Waits for the other side for so long from now on.
    pub(super) fn new(socket: Socket, within: Duration) -> Self {
        Self { socket, until: after(within) }
    }

    /// The same anew: for what is said and answered next.
    pub(super) fn wait_at_most(&mut self, within: Duration) {
        self.until = after(within);
    }

    /// What is left of that; an error if nothing is.
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// A moment that far in the future.
fn after(within: Duration) -> Instant {
    let now = Instant::now();
    // Who would wait longer than clocks count waits as long as they do.
    now.checked_add(within).unwrap_or_else(|| now + Duration::from_secs(u32::MAX.into()))
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        match &mut self.socket {
            Socket::Unix(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(bytes)),
            Socket::Tcp(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(bytes)),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        match &mut self.socket {
            Socket::Unix(stream) => stream.set_write_timeout(left).and_then(|()| stream.write(bytes)),
            Socket::Tcp(stream) => stream.set_write_timeout(left).and_then(|()| stream.write(bytes)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.socket {
            Socket::Unix(stream) => stream.flush(),
            Socket::Tcp(stream) => stream.flush(),
        }
    }
}
