//! Those who come to a console, in a process of their own, as they would be: they share no lock, no memory and no thread with whom they look at.
//!
//! ```text
//!  begin ─────────────────▶
//!                            connect, and look or do harm
//!        ◀─────────── begun
//!  (the ball flies)
//!  end ───────────────────▶
//!                            all of them go
//!        ◀──────────── what they have seen, as JSON
//! ```

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crashworthy::console::Client;
use crashworthy::console::protocol::{Actors, ActorsQuery, Sort, SystemView, TreeQuery, TreeView};
use crashworthy::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Mode, PATIENCE, hostile};
use crate::wrong::{Wrong, wrong};

/// The hidden option under which the program of the same name is such clients.
pub const CLIENTS: &str = "--clients";

/// How often somebody looks who is attached: twice a second.
const LOOKS: Duration = ms(500);
/// How long after the beginning he looks first: what he sees is told within the shortest of the usual windows.
pub(super) const FIRST: Duration = ms(20);

const BEGIN: &str = "begin";
const BEGUN: &str = "begun";
const END: &str = "end";

/// What they have seen and done between a beginning and an end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// How long each look at the system took, in milliseconds.
    pub looks_ms: Vec<f64>,
    /// How many of those who connect at once were connected.
    pub crowd: usize,
    /// How often the others who mean no good were let in again after they had been cut off.
    pub again: usize,
}

impl Seen {
    pub(super) fn add(&mut self, other: Self) {
        self.looks_ms.extend(other.looks_ms);
        self.crowd += other.crowd;
        self.again += other.again;
    }
}

/// Such a process.
pub(super) struct Clients {
    process: Child,
    tell: ChildStdin,
    told: Receiver<String>,
}

impl Clients {
    /// For the console that listens there. They do nothing before they are told to.
    pub(super) fn start(mode: Mode, socket: &Path) -> Result<Self, Wrong> {
        let mut process = Command::new(std::env::current_exe().map_err(wrong)?)
            .args([CLIENTS, mode.name(), "--socket"])
            .arg(socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(wrong)?;
        let (tell, said) = (process.stdin.take(), process.stdout.take());
        let (tell, said) = tell.zip(said).ok_or_else(|| wrong("the clients' pipes are not ours"))?;
        let (line, told) = mpsc::channel();
        thread::spawn(move || BufReader::new(said).lines().map_while(Result::ok).try_for_each(|said| line.send(said)));
        Ok(Self { process, tell, told })
    }

    /// Its number.
    pub(super) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Returns when they are in action.
    pub(super) fn begin(&mut self) -> Result<(), Wrong> {
        match &*self.ask(BEGIN)? {
            BEGUN => Ok(()),
            said => Err(wrong(format_args!("the clients have not begun: {said}"))),
        }
    }

    /// Returns when all of them have gone.
    pub(super) fn end(&mut self) -> Result<Seen, Wrong> {
        serde_json::from_str(&self.ask(END)?).map_err(wrong)
    }

    fn ask(&mut self, what: &str) -> Result<String, Wrong> {
        writeln!(self.tell, "{what}").map_err(wrong)?;
        self.told.recv_timeout(PATIENCE).map_err(|_| wrong(format_args!("the clients do not answer to `{what}`")))
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        // One that has ended by itself cannot be ended once more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is such clients, until nobody tells them anything any more.
///
/// # Errors
/// When they are not let in, or who looks is not answered.
pub fn serve(mode: Mode, socket: &Path) -> Result<(), Wrong> {
    let mut told = io::stdin().lines();
    let mut attached = Attached { client: None, next_in: FIRST };
    while let Some(line) = told.next() {
        if line.map_err(wrong)? != BEGIN {
            return Err(wrong("the clients were told something else than to begin"));
        }
        let ends = AtomicBool::new(false);
        let (begun, begins) = mpsc::channel();
        let seen = thread::scope(|scope| {
            let (ends, attached) = (&ends, &mut attached);
            let acts = scope.spawn(move || match mode {
                Mode::Hostile => hostile::attack(socket, ends, &begun),
                _ => attach(socket, attached, ends, &begun),
            });
            // If they could not begin that is what they end with.
            if begins.recv_timeout(PATIENCE).is_ok() {
                println!("{BEGUN}");
                told.next();
            }
            ends.store(true, Relaxed);
            acts.join().map_err(|_| wrong("the clients have panicked"))?
        })?;
        println!("{}", serde_json::to_string(&seen).expect("numbers are JSON"));
    }
    Ok(())
}

/// Who looks, again and again with breaks in which he does nothing.
struct Attached {
    client: Option<Client>,
    /// How long after the next break he looks next: breaks do not count.
    next_in: Duration,
}

/// Connects, if nobody is connected yet, and looks. The first look of all is over before it begins.
fn attach(
    socket: &Path,
    Attached { client, next_in }: &mut Attached,
    ends: &AtomicBool,
    begun: &mpsc::Sender<()>,
) -> Result<Seen, Wrong> {
    let mut seen = Seen::default();
    if client.is_none() {
        let mut comes = Client::connect(socket, PATIENCE).map_err(wrong)?;
        seen.looks_ms.push(look(&mut comes)?);
        *client = Some(comes);
    }
    let client = client.as_mut().expect("it is connected");
    begun.send(()).map_err(wrong)?;
    seen.looks_ms.extend(look_on(client, next_in, ends)?);
    Ok(seen)
}

/// Looks twice a second until it ends, first after so long, which is then how much later the next look would have been. How long the looks at the system took.
pub(super) fn look_on(client: &mut Client, next_in: &mut Duration, ends: &AtomicBool) -> Result<Vec<f64>, Wrong> {
    let (mut looks_ms, mut next) = (Vec::new(), Instant::now() + *next_in);
    while !ends.load(Relaxed) {
        thread::sleep(ms(1).min(next.saturating_duration_since(Instant::now())));
        if Instant::now() >= next {
            looks_ms.push(look(client)?);
            next += LOOKS;
        }
    }
    *next_in = next.saturating_duration_since(Instant::now());
    Ok(looks_ms)
}

/// Looks as the terminal does: at the system, the tree and the fullest mailboxes. How long the first of that took, in milliseconds.
fn look(client: &mut Client) -> Result<f64, Wrong> {
    let begun = Instant::now();
    let _: SystemView = client.ask("system", &()).map_err(wrong)?;
    let took = begun.elapsed();
    let _: TreeView = client.ask("tree", &TreeQuery { limit: Some(50), ..TreeQuery::default() }).map_err(wrong)?;
    let top = ActorsQuery { sort: Sort::Depth, limit: Some(50), ..ActorsQuery::default() };
    let _: Actors = client.ask("actors", &top).map_err(wrong)?;
    Ok(took.as_secs_f64() * 1e3)
}
