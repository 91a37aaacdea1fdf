//! Clients that mean no good, all at once, and one that does and is still answered.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crashworthy::console::Client;
use crashworthy::console::protocol::SystemView;
use crashworthy::prelude::*;

use super::PATIENCE;
use super::clients::{FIRST, Seen, look_on};
use crate::wrong::{Wrong, wrong};

/// How long whoever was cut off waits before it comes again.
const AGAIN: Duration = ms(100);
/// How long a write may wait before it is looked whether all of this has ended.
const WRITES: Duration = ms(100);
/// Those that connect at once.
const CROWD: usize = 1_000;
/// Bytes of a line that does not end.
const LONG: usize = 10 * 1024 * 1024;

/// What one of them does with a connection, until it is cut off or all of this has ended.
type Misuse = fn(UnixStream, &AtomicBool);

const ALL: [Misuse; 5] = [garbage, slowly, never_reads, long_line, leaves_in_the_middle];

/// Runs all of them until it ends, and says when each has been let in once.
pub(super) fn attack(socket: &Path, ends: &AtomicBool, begun: &Sender<()>) -> Result<Seen, Wrong> {
    // It is there before there is no place left, and stays, since it has asked something.
    let mut good = Client::connect(socket, PATIENCE).map_err(wrong)?;
    good.ask::<SystemView>("system", &()).map_err(wrong)?;
    thread::scope(|scope| {
        let (inside, all_inside) = mpsc::channel();
        let misuses = ALL.map(|misuse| {
            let inside = inside.clone();
            scope.spawn(move || again_and_again(misuse, socket, ends, &inside))
        });
        for _ in ALL {
            all_inside.recv_timeout(PATIENCE).map_err(wrong)?;
        }
        begun.send(()).map_err(wrong)?;
        let good = scope.spawn(|| look_on(&mut good, &mut { FIRST }, ends));
        let crowd = crowd(socket, ends);
        let looks_ms = good.join().map_err(|_| wrong("who looks has panicked"))??;
        let inside = misuses.into_iter().map(|misuse| misuse.join().unwrap_or(0)).sum::<usize>();
        Ok(Seen { looks_ms, crowd, again: inside - ALL.len() })
    })
}

/// Comes again whenever it was cut off. How often it was let in.
fn again_and_again(misuse: Misuse, socket: &Path, ends: &AtomicBool, inside: &Sender<()>) -> usize {
    let mut times = 0;
    while !ends.load(Relaxed) {
        if let Ok(stream) = UnixStream::connect(socket)
            && stream.set_write_timeout(Some(WRITES)).is_ok()
        {
            times += 1;
            if times == 1 {
                // Nobody waits for it any more if another one was not let in.
                let _ = inside.send(());
            }
            misuse(stream, ends);
        }
        rest(AGAIN, ends);
    }
    times
}

/// One after the other, and none of them closed before all have been there. How many were connected.
fn crowd(socket: &Path, ends: &AtomicBool) -> usize {
    let crowd: Vec<_> =
        (0..CROWD).take_while(|_| !ends.load(Relaxed)).filter_map(|_| UnixStream::connect(socket).ok()).collect();
    crowd.len()
}

/// Writes all of it, however long the other side takes; false if it was cut off, or all of this has ended.
fn say(stream: &mut UnixStream, mut bytes: &[u8], ends: &AtomicBool) -> bool {
    while !bytes.is_empty() && !ends.load(Relaxed) {
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return false,
        }
    }
    bytes.is_empty()
}

/// What is no request, as fast as it is taken.
fn garbage(mut stream: UnixStream, ends: &AtomicBool) {
    while say(&mut stream, b"\xff\x00[[[{\"id\":\n", ends) {}
}

/// A byte a second.
fn slowly(mut stream: UnixStream, ends: &AtomicBool) {
    while say(&mut stream, b"{", ends) {
        rest(secs(1), ends);
    }
}

/// Asks for all that there is, and reads none of it.
fn never_reads(mut stream: UnixStream, ends: &AtomicBool) {
    while say(&mut stream, b"{\"id\":1,\"verb\":\"tree\"}\n", ends) {}
}

fn long_line(mut stream: UnixStream, ends: &AtomicBool) {
    say(&mut stream, &vec![b'x'; LONG], ends);
}

/// Is gone with half a request said, and an answer half read.
fn leaves_in_the_middle(mut stream: UnixStream, ends: &AtomicBool) {
    if say(&mut stream, b"{\"id\":1,\"verb\":\"tree\"}\n{\"id\":2,\"ve", ends) {
        // Whether there is something to read yet does not matter.
        let _ = stream.set_read_timeout(Some(ms(20)));
        let _ = stream.read(&mut [0; 64]);
    }
}

fn rest(time: Duration, ends: &AtomicBool) {
    let end = Instant::now() + time;
    while !ends.load(Relaxed) && Instant::now() < end {
        thread::sleep(ms(10));
    }
}
