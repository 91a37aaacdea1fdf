//! One client: whatever it sends, or does not read, it costs no more than the limits say.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::desk::Desk;
use crate::limits::Limits;
use crate::pace::Pace;
use crate::protocol::{Code, Refusal};
use crate::role::Caller;
use crate::traces::Tracer;
use crate::wire::refusal;

/// How long a client that is being closed may take to read why, and how much of what it still sends is read meanwhile:
/// a socket that is closed with something unread takes back what the client has not read.
const FAREWELL: Duration = Duration::from_secs(1);
const UNREAD: u64 = 16 * 1024 * 1024;

/// Answers a client until it leaves, or has to.
pub(crate) async fn serve(stream: UnixStream, desk: Arc<Desk>, caller: Caller) {
    let limits = desk.inspector.limits();
    let (read, mut write) = stream.into_split();
    let mut lines = Lines { read: BufReader::new(read), line: Vec::new() };
    let mut pace = Pace::new(limits.requests);
    let mut tracer = Tracer::new(desk.inspector.clone());
    if send(&mut write, &desk.greeting(caller), limits).await.is_err() {
        return;
    }
    loop {
        match lines.next(limits).await {
            Ok(Some(line)) => {
                pace.wait().await;
                if send(&mut write, &desk.answer(caller, &mut tracer, line).await, limits).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(why) => {
                if send(&mut write, &refusal(None, why), limits).await.is_ok() {
                    part(lines.read, write).await;
                }
                return;
            }
        }
    }
}

/// Writes a whole line, or gives the client up.
async fn send(write: &mut OwnedWriteHalf, line: &[u8], limits: &Limits) -> io::Result<()> {
    timeout(limits.read_within, write.write_all(line)).await?
}

/// Gives a client time to read what it was told last.
async fn part(read: BufReader<OwnedReadHalf>, mut write: OwnedWriteHalf) {
    let _ = write.shutdown().await;
    let _ = timeout(FAREWELL, tokio::io::copy(&mut read.take(UNREAD), &mut tokio::io::sink())).await;
}

/// What a client sends, line by line.
struct Lines {
    read: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

impl Lines {
    /// The next line; none if the client has nothing more to say.
    async fn next(&mut self, limits: &Limits) -> Result<Option<&[u8]>, Refusal> {
        self.line.clear();
        match timeout(limits.idle, self.read.fill_buf()).await {
            Err(_) => return Err(refuse(Code::Idle, format!("no request for {:?}", limits.idle))),
            Ok(Err(_)) => return Ok(None),
            Ok(Ok(_)) => {}
        }
        // One more than allowed tells a line that is too long from one that is not.
        let mut within = (&mut self.read).take(limits.line as u64 + 1);
        let line = within.read_until(b'\n', &mut self.line);
        match timeout(limits.line_within, line).await {
            Err(_) => Err(refuse(Code::TooSlow, format!("a request took more than {:?}", limits.line_within))),
            Ok(_) if self.line.len() > limits.line => {
                Err(refuse(Code::LineTooLong, format!("a request has more than {} bytes", limits.line)))
            }
            Ok(Ok(_)) if self.line.ends_with(b"\n") => Ok(Some(&self.line)),
            Ok(_) => Ok(None),
        }
    }
}

fn refuse(code: Code, why: String) -> Refusal {
    Refusal::new(code, why)
}
