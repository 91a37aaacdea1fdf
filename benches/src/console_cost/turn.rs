//! One turn, in a process of its own: two actors that pass a ball, many that do nothing, and whoever looks at them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crashworthy::console::Client;
use crashworthy::console::protocol::{Actors, ActorsQuery, Sort, SystemView, TreeQuery, TreeView};
use crashworthy::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Mode, hostile};
use crate::crowd::resident;
use crate::wrong::{Wrong, wrong};

/// How long anybody waits for anything.
pub(super) const PATIENCE: Duration = secs(60);
/// Asks a console until that has ended. The longest answer, in milliseconds.
type Asks = fn(&Path, &AtomicBool) -> Result<f64, Wrong>;

/// How often somebody looks who is attached: twice a second.
const LOOKS: Duration = ms(500);

/// What one turn has shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Of one way of the ball.
    pub pass_ns: f64,
    /// Of the process, once everybody is there and the ball has flown.
    pub resident_bytes: u64,
    /// The longest answer to a look at the system, if somebody looked.
    pub snapshot_ms: Option<f64>,
}

/// Passes the ball back, and says when it has done so often enough.
struct Player {
    other: Option<ActorRef<Player>>,
    left: u64,
    done: Option<mpsc::Sender<()>>,
}

#[derive(Message)]
enum Ball {
    Meet(ActorRef<Player>, u64, mpsc::Sender<()>),
    Pass,
}

impl Actor for Player {
    type Args = ();
    type Msg = Ball;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self { other: None, left: 0, done: None })
    }

    async fn handle(&mut self, ball: Ball, _: &mut Context<Self>) -> Result<(), Exit> {
        match ball {
            Ball::Meet(other, passes, done) => {
                (self.other, self.left, self.done) = (Some(other), passes, Some(done));
            }
            Ball::Pass => match self.left.checked_sub(1) {
                Some(left) => {
                    self.left = left;
                    if let Some(other) = &self.other {
                        other.tell(Ball::Pass)?;
                    }
                }
                None => {
                    if let Some(done) = self.done.take() {
                        let _ = done.send(());
                    }
                }
            },
        }
        Ok(())
    }
}

/// Takes a turn: so many idle actors, and so many ways of the ball.
///
/// # Errors
/// When the system does not start, the ball gets lost, or nobody answers who is asked.
pub fn take(mode: Mode, actors: usize, passes: u64) -> Result<Turn, Wrong> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(wrong)?;
    let place = Place::new();
    runtime.block_on(async {
        let builder = System::builder().name("cost").drain(Duration::ZERO);
        let builder = match mode {
            Mode::Without => builder,
            Mode::Unattached | Mode::Attached | Mode::Hostile => builder.with(Console::default().below(&place.0)),
        };
        let system = builder.bare().map_err(wrong)?;
        let mut idle = Vec::with_capacity(actors);
        for _ in 0..actors {
            idle.push(system.spawn::<Player>(()).await.map_err(wrong)?);
        }
        let ends = Arc::new(AtomicBool::new(false));
        let asks: Option<Asks> = match mode {
            Mode::Without | Mode::Unattached => None,
            Mode::Attached => Some(attach),
            Mode::Hostile => Some(hostile::attack),
        };
        let looker = asks.map(|asks| {
            let (socket, ends) = (system.console(), ends.clone());
            thread::spawn(move || asks(&socket.ok_or_else(|| wrong("the console is not open"))?, &ends))
        });
        let pass_ns = play(&system, passes).await?;
        ends.store(true, Relaxed);
        let resident_bytes = resident();
        let snapshot_ms = match looker.map(thread::JoinHandle::join) {
            None => None,
            Some(looked) => Some(looked.map_err(|_| wrong("who looks has panicked"))??),
        };
        drop(idle);
        system.stop().await;
        Ok(Turn { pass_ns, resident_bytes, snapshot_ms })
    })
}

/// Lets the ball fly. What one way takes, in nanoseconds.
async fn play(system: &System, passes: u64) -> Result<f64, Wrong> {
    let (one, other) =
        (system.spawn::<Player>(()).await.map_err(wrong)?, system.spawn::<Player>(()).await.map_err(wrong)?);
    let (done, ended) = mpsc::channel();
    for (player, meets) in [(&one, &other), (&other, &one)] {
        player.tell(Ball::Meet(meets.clone(), passes / 2, done.clone())).map_err(wrong)?;
    }
    let begun = Instant::now();
    one.tell(Ball::Pass).map_err(wrong)?;
    tokio::task::spawn_blocking(move || ended.recv_timeout(PATIENCE)).await.map_err(wrong)?.map_err(wrong)?;
    Ok(begun.elapsed().as_nanos() as f64 / passes as f64)
}

/// Connects, and looks.
fn attach(socket: &Path, ends: &AtomicBool) -> Result<f64, Wrong> {
    look(Client::connect(socket, PATIENCE).map_err(wrong)?, ends)
}

/// Looks as the terminal does, once and until it ends. The longest answer, in milliseconds.
pub(super) fn look(mut client: Client, ends: &AtomicBool) -> Result<f64, Wrong> {
    let mut longest = Duration::ZERO;
    let mut next = Instant::now();
    loop {
        let begun = Instant::now();
        let _: SystemView = client.ask("system", &()).map_err(wrong)?;
        longest = longest.max(begun.elapsed());
        let _: TreeView = client.ask("tree", &TreeQuery { limit: Some(50), ..TreeQuery::default() }).map_err(wrong)?;
        let top = ActorsQuery { sort: Sort::Depth, limit: Some(50), ..ActorsQuery::default() };
        let _: Actors = client.ask("actors", &top).map_err(wrong)?;
        next += LOOKS;
        while !ends.load(Relaxed) && Instant::now() < next {
            thread::sleep(ms(1));
        }
        if ends.load(Relaxed) {
            return Ok(longest.as_secs_f64() * 1e3);
        }
    }
}

/// A directory for a console, as long as it lasts.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("crashworthy-cost-{}", std::process::id())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
