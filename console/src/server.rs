//! The inspector's thread: listens, lets in who may come in, and goes with the system.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crashworthy_runtime::WeakSystem;
use tokio::net::{UnixListener, UnixStream};

use crate::actions::{Actions, Terms};
use crate::connection::Connection;
use crate::desk::Desk;
use crate::doorway::{Doorway, There};
use crate::home::{self, Home};
use crate::inspector::Inspector;
use crate::past;
use crate::protocol::{Code, Refusal};
use crate::queue::Queue;
use crate::role::{Caller, Role, admits};
use crate::seats::{Seats, too_many};
use crate::tcp::{OnTcp, Tcp, TcpDoor};
use crate::wire::refusal;

/// How long the start of a system waits until its console listens: whoever has places beside its own may not answer.
const LISTENS: Duration = Duration::from_secs(5);

/// What is to be opened.
pub(crate) struct Opening {
    /// Below which directory.
    pub(crate) base: Option<PathBuf>,
    pub(crate) inspector: Arc<Inspector>,
    /// None if nothing is to be done at all.
    pub(crate) acts: Option<Terms>,
    /// Where else it listens.
    pub(crate) tcp: Option<Tcp>,
}

/// Where it listens.
pub(crate) struct Listens {
    pub(crate) home: Arc<Home>,
    pub(crate) tcp: Option<OnTcp>,
    /// What does something, where something can be done.
    pub(crate) actions: Option<Arc<Actions>>,
}

/// Starts the thread, and waits until it listens.
pub(crate) fn start(opening: Opening, system: WeakSystem) -> io::Result<Listens> {
    let (told, listens) = sync_channel(1);
    thread::Builder::new().name("crashworthy-console".to_owned()).spawn(move || run(opening, &system, &told))?;
    listens.recv_timeout(LISTENS).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => Err(io::Error::new(io::ErrorKind::TimedOut, "it does not listen in time")),
        RecvTimeoutError::Disconnected => Err(io::Error::other("the thread of the console ended")),
    })
}

fn run(opening: Opening, system: &WeakSystem, told: &SyncSender<io::Result<Listens>>) {
    let opened = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let uid = home::own_uid()?;
        let server = Server::open(opening, uid)?;
        drop(entered);
        Ok((runtime, server))
    };
    match opened() {
        Ok((runtime, mut server)) => {
            let home = server.home.clone();
            let _ends = Ends { actions: server.desk.actions.clone(), system };
            let tcp = server.tcp.as_ref().map(TcpDoor::address);
            let actions = server.desk.actions.clone();
            let _ = told.send(Ok(Listens { home: home.clone(), tcp, actions }));
            runtime.block_on(server.listen(system));
            home.leave();
        }
        Err(error) => {
            let _ = told.send(Err(error));
        }
    }
}

/// Undoes what the console would have undone later, however its thread ends.
struct Ends<'s> {
    actions: Option<Arc<Actions>>,
    system: &'s WeakSystem,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        if let Some(actions) = &self.actions {
            actions.end(self.system);
        }
    }
}

/// Who listens, and answers.
struct Server {
    home: Arc<Home>,
    desk: Arc<Desk>,
    looks: Door,
    acts: Option<Door>,
    tcp: Option<TcpDoor>,
}

impl Server {
    fn open(opening: Opening, uid: u32) -> io::Result<Self> {
        let Opening { base, inspector, acts, tcp } = opening;
        let base = base.map_or_else(home::base, Ok)?;
        let (home, listener) = Home::make(&base, uid, inspector.name())?;
        let stay = inspector.limits().connections;
        let looks = Door::new(listener, Role::Looks, uid, stay)?;
        let door = |_: &Terms| Door::new(home.listen_for_actions()?, Role::Acts, uid, stay);
        let door = acts.as_ref().map(door).transpose()?;
        let tcp = tcp.map(|tcp| TcpDoor::open(tcp, &home, uid, inspector.limits())).transpose()?;
        let audit = home.audit(inspector.name());
        let actions = acts.map(|terms| Arc::new(Actions::new(inspector.clone(), terms, audit)));
        Ok(Self {
            home: Arc::new(home),
            desk: Arc::new(Desk { inspector, actions, searches: Queue::default() }),
            looks,
            acts: door,
            tcp,
        })
    }

    /// Accepts connections until the system has ended.
    async fn listen(&mut self, system: &WeakSystem) {
        let Self { looks, acts, tcp, desk, .. } = self;
        let there = There::default();
        let looks = looks.serve(desk, &there);
        let acts = async {
            if let Some(door) = acts {
                door.serve(desk, &there).await;
            }
        };
        let tcp = async {
            if let Some(door) = tcp {
                door.serve(desk, &there).await;
            }
        };
        tokio::select! {
            biased;
            () = system.ended() => {}
            // It never ends.
            _ = async { tokio::join!(looks, acts, tcp, past::keep(&desk.inspector)) } => {}
        }
    }
}

/// One socket, and those who came through it.
struct Door {
    listener: UnixListener,
    role: Role,
    /// The user of this process.
    own: u32,
    doorway: Doorway<UnixStream>,
}

impl Door {
    fn new(listener: std::os::unix::net::UnixListener, role: Role, own: u32, stay: usize) -> io::Result<Self> {
        let (listener, doorway) = (UnixListener::from_std(listener)?, Doorway::new(Seats::new(stay)));
        Ok(Self { listener, role, own, doorway })
    }

    /// Lets in one after the other, for as long as it is polled.
    async fn serve(&mut self, desk: &Arc<Desk>, there: &There) {
        let Self { listener, role, own, doorway } = self;
        let visitors = Visitors { role: *role, own: *own, desk };
        let accept = async || Ok(listener.accept().await?.0);
        doorway.serve(desk, there, accept, |stream, seats| visitors.receive(stream, seats)).await;
    }
}

/// Those who come to a socket.
struct Visitors<'d> {
    role: Role,
    own: u32,
    desk: &'d Arc<Desk>,
}

impl Visitors<'_> {
    fn receive(&self, stream: UnixStream, seats: &Arc<Seats>) -> Option<impl Future<Output = ()> + Send + use<>> {
        let caller = Caller::of(&stream, self.role).ok()?;
        if !admits(self.own, caller.peer.uid) {
            self.turn_away(&stream, caller);
            return None;
        }
        let Some(seat) = seats.enter() else {
            // It fits into the buffer of a socket that is new.
            let _ = stream.try_write(&refusal(None, too_many(self.desk.inspector.limits().connections)));
            return None;
        };
        let (read, write) = stream.into_split();
        Some(Connection::new(read, write).serve(self.desk.clone(), caller, seat))
    }

    /// Tells somebody else that this is not for him, and whoever looks after the service that he was there.
    fn turn_away(&self, stream: &UnixStream, caller: Caller) {
        tracing::warn!(peer = %caller.peer, socket = self.role.socket(), "the console has turned away another user");
        if let Some(actions) = &self.desk.actions {
            actions.turned_away(caller);
        }
        let why = "this console is for the user of its process, and for root";
        // It fits into the buffer of a socket that is new.
        let _ = stream.try_write(&refusal(None, Refusal::new(Code::NotAllowed, why)));
    }
}
