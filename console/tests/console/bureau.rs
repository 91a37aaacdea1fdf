//! Two desks that do as they are told, so that a test knows what is so: `bureau` with `one` and `two`, on two workers.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crashworthy::Pid;
use crashworthy::prelude::*;
use crashworthy_console::Client;
use crashworthy_console::protocol::{ActorView, Row};
use serde_json::json;
use tokio::sync::oneshot;

use crate::support::{Dir, PATIENCE, until};

/// What a desk is told to do.
#[derive(Message)]
pub(crate) enum Work {
    /// Nothing, but it counts.
    Note,
    /// Blocks its thread: says so, and waits for a word.
    Block {
        blocks: Sender<()>,
        until: Receiver<()>,
    },
    /// Awaits: says so, and waits for a word.
    Await {
        awaits: Sender<()>,
        until: oneshot::Receiver<()>,
    },
    /// Takes so long.
    Take(Duration),
    /// Says how many notes it has.
    Count {
        reply: Reply<u32>,
    },
    /// Asks another how many notes that has.
    AskOf(ActorRef<Desk>),
    Link(Pid),
    Watch(Pid),
    Need(Dependency),
    Crash,
}

pub(crate) struct Desk(u32);

impl Actor for Desk {
    type Args = ();
    type Msg = Work;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(0))
    }

    async fn handle(&mut self, work: Work, cx: &mut Context<Self>) -> Result<(), Exit> {
        match work {
            Work::Note => self.0 += 1,
            Work::Block { blocks, until } => {
                blocks.send(())?;
                let _ = until.recv();
            }
            Work::Await { awaits, until } => {
                awaits.send(())?;
                let _ = until.await;
            }
            Work::Take(time) => tokio::time::sleep(time).await,
            Work::Count { reply } => reply.send(self.0),
            Work::AskOf(other) => {
                let _ = other.ask(|reply| Work::Count { reply }).within(PATIENCE).await;
            }
            Work::Link(other) => cx.link(other),
            Work::Watch(other) => drop(cx.monitor(other)),
            Work::Need(what) => cx.depends_on(&what)?,
            Work::Crash => return Err("as it was told".into()),
        }
        Ok(())
    }
}

/// The mailbox of `two` is as large.
pub(crate) const ROOM: u32 = 4;

pub(crate) struct Bureau {
    pub(crate) system: System,
    pub(crate) one: Slot<Desk>,
    pub(crate) two: Slot<Desk>,
    pub(crate) runtime: tokio::runtime::Runtime,
    _dir: Dir,
}

impl Bureau {
    pub(crate) fn open() -> Self {
        Self::under(Supervisor::rest_for_one("bureau").intensity(5, secs(3_600)))
    }

    /// Under a supervisor of that name.
    pub(crate) fn under(bureau: Supervisor) -> Self {
        let (dir, runtime) = (Dir::new(), workers());
        let (one, two) = (Slot::named("one"), Slot::named("two").mailbox(ROOM).expect("room for some"));
        let tree = bureau.child(one.child(())).child(two.child(()));
        let console = Console::default().below(dir.path());
        let system = runtime.block_on(System::builder().name("bureau").with(console).start(tree)).expect("it starts");
        Self { system, one, two, runtime, _dir: dir }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.system.console().expect("it listens"), PATIENCE).expect("it lets us in")
    }

    /// Has a desk block its thread until the sender is dropped.
    pub(crate) fn block(&self, desk: &Slot<Desk>) -> Sender<()> {
        let ((blocks, told), (held, until)) = (channel(), channel());
        desk.tell(Work::Block { blocks, until }).expect("there is room");
        told.recv_timeout(PATIENCE).expect("it blocks");
        held
    }

    /// Has a desk await until the sender is dropped.
    pub(crate) fn hold(&self, desk: &Slot<Desk>) -> oneshot::Sender<()> {
        let ((awaits, told), (held, until)) = (channel(), oneshot::channel());
        desk.tell(Work::Await { awaits, until }).expect("there is room");
        told.recv_timeout(PATIENCE).expect("it awaits");
        held
    }

    pub(crate) fn settled(&self, desk: &Slot<Desk>) {
        self.runtime.block_on(desk.settled());
    }
}

fn workers() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// What the console says of a desk now.
pub(crate) fn view(client: &mut Client, desk: &str) -> ActorView {
    client.ask("actor", &json!({ "actor": format!("bureau/{desk}") })).expect("it answers")
}

/// The same once it is so: what is told may be a moment old.
#[track_caller]
pub(crate) fn seen(client: &mut Client, desk: &str, what: &str, is_so: impl Fn(&Row) -> bool) -> ActorView {
    until(what, || Some(view(client, desk)).filter(|view| is_so(&view.row)))
}
