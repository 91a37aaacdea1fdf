//! A small shop, and clients of its console.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crashworthy::console::Limits;
use crashworthy::prelude::*;
use crashworthy::{ActorSnapshot, Pid};
use crashworthy_console::protocol::Code;
use crashworthy_console::{Client, ClientError, OnTcp, Tcp, Token};
use serde_json::{Value, json};

/// Nothing here takes longer, unless it never happens.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn until<R>(what: &str, mut look: impl FnMut() -> Option<R>) -> R {
    let patience = Instant::now() + PATIENCE;
    loop {
        match look() {
            Some(seen) => return seen,
            None => assert!(Instant::now() < patience, "waited in vain: {what}"),
        }
        thread::sleep(Duration::from_millis(2));
    }
}

#[derive(Message)]
pub(crate) enum Till {
    Sell,
    Total {
        reply: Reply<u32>,
    },
    /// Blocks the thread: says so, and waits for a word.
    Block {
        blocks: Sender<()>,
        until: Receiver<()>,
    },
    /// From now on it needs that.
    Need(Dependency),
    /// Ends with that one from now on.
    Link(Pid),
    Break,
    /// Sends itself two messages, and breaks before they come.
    Forget,
}

pub(crate) struct Cashier(u32);

impl Actor for Cashier {
    type Args = ();
    type Msg = Till;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(0))
    }

    async fn handle(&mut self, msg: Till, cx: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            Till::Sell => self.0 += 1,
            Till::Total { reply } => reply.send(self.0),
            Till::Block { blocks, until } => {
                blocks.send(())?;
                let _ = until.recv();
            }
            Till::Need(what) => cx.depends_on(&what)?,
            Till::Link(other) => cx.link(other),
            Till::Break => return Err("the drawer is stuck".into()),
            Till::Forget => {
                cx.send_self(Till::Sell)?;
                cx.send_self(Till::Sell)?;
                return Err("what was it?".into());
            }
        }
        Ok(())
    }

    fn view(&self, view: &mut View<'_>) {
        view.value("sold", self.0);
        view.secret("pin");
    }
}

/// A directory of its own for the sockets of one test, which goes with it.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let dir = std::env::temp_dir().join(format!("crashworthy-con-{}-{number}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&dir).expect("nobody else has that name");
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).expect("it is there").next().is_none()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `shop` with the branch `front`, in which are the tills `left` and `right`, on a runtime with two workers.
pub(crate) struct Shop {
    pub(crate) dir: Dir,
    pub(crate) system: System,
    pub(crate) left: Slot<Cashier>,
    pub(crate) right: Slot<Cashier>,
    pub(crate) socket: PathBuf,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Shop {
    pub(crate) fn open() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self::built(|console| console.limits(limits).tcp(Tcp::default()))
    }

    /// With a console that is made to be so.
    pub(crate) fn built(made: impl FnOnce(Console) -> Console) -> Self {
        let dir = Dir::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (left, right) = (Slot::named("left"), Slot::named("right"));
        let front =
            Supervisor::one_for_one("front").intensity(3, secs(60)).child(left.child(())).child(right.child(()));
        let tree = Supervisor::one_for_one("shop").child(front);
        let console = made(Console::default().below(dir.path()));
        let system = runtime
            .block_on(System::builder().name("shop").blocked_after(secs(3_600)).with(console).start(tree))
            .expect("it starts");
        let socket = system.console().expect("it listens");
        Self { dir, system, left, right, socket, runtime }
    }

    /// A client that is let in: those that have left may be there for a moment yet.
    pub(crate) fn client(&self) -> Client {
        until("it lets us in", || match Client::connect(&self.socket, PATIENCE) {
            Err(ClientError::Refused(why)) if why.code == Code::TooManyConnections => None,
            client => Some(client.expect("it lets us in")),
        })
    }

    /// Where its console listens on TCP.
    pub(crate) fn tcp(&self) -> OnTcp {
        self.system.console_on_tcp().expect("it listens on TCP")
    }

    pub(crate) fn token(&self) -> std::sync::Arc<Token> {
        Token::read(self.tcp().token_file()).expect("it is kept")
    }

    /// A client that may act.
    pub(crate) fn actor(&self) -> Client {
        Client::connect(&self.system.console_for_actions().expect("it takes actions"), PATIENCE).expect("it lets us in")
    }

    /// The till as it is now.
    pub(crate) fn look(&self, till: &Slot<Cashier>) -> ActorSnapshot {
        self.system.inspect(till.pid()).expect("it is there")
    }

    /// So many tills more, which nobody supervises: lists get longer.
    pub(crate) fn adds(&self, many: usize) -> Vec<ActorRef<Cashier>> {
        let spawn = async || self.system.spawn::<Cashier>(()).await.expect("it starts");
        (0..many).map(|_| self.runtime.block_on(spawn())).collect()
    }

    /// What the till itself says. It has counted the question, too, when this returns.
    pub(crate) fn total(&self, till: &Slot<Cashier>) -> u32 {
        self.runtime.block_on(async {
            let total = till.ask(|reply| Till::Total { reply }).within(PATIENCE).await.expect("it answers");
            till.settled().await;
            total
        })
    }

    /// Has a till block its thread until the sender is dropped.
    pub(crate) fn block(&self, till: &Slot<Cashier>) -> Sender<()> {
        let ((blocks, told), (held, until)) = (channel(), channel());
        till.tell(Till::Block { blocks, until }).expect("there is room");
        told.recv_timeout(PATIENCE).expect("it blocks");
        held
    }

    /// What a client that behaves and the actors behind it still get: an answer.
    #[track_caller]
    pub(crate) fn assert_serves(&self) {
        let left: Value = self.client().ask("actor", &json!({ "actor": "shop/front/left" })).expect("it answers");
        assert_eq!(left["name"], "left");
        let before = self.total(&self.left);
        self.left.tell(Till::Sell).expect("there is room");
        assert_eq!(self.total(&self.left), before + 1);
    }
}

/// How a client reaches the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Socket,
    Tcp,
}

/// A connection that is made one way or the other.
pub(crate) enum Stream {
    Socket(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    pub(crate) fn connect(shop: &Shop, way: Way) -> Self {
        match way {
            Way::Socket => Self::Socket(UnixStream::connect(&shop.socket).expect("somebody listens")),
            Way::Tcp => Self::Tcp(TcpStream::connect(shop.tcp().addr()).expect("somebody listens")),
        }
    }

    pub(crate) fn write_within(&self, within: Duration) {
        match self {
            Self::Socket(stream) => stream.set_write_timeout(Some(within)).unwrap(),
            Self::Tcp(stream) => stream.set_write_timeout(Some(within)).unwrap(),
        }
    }

    fn read_within(&self, within: Duration) {
        match self {
            Self::Socket(stream) => stream.set_read_timeout(Some(within)).unwrap(),
            Self::Tcp(stream) => stream.set_read_timeout(Some(within)).unwrap(),
        }
    }

    pub(crate) fn try_clone(&self) -> std::io::Result<Self> {
        Ok(match self {
            Self::Socket(stream) => Self::Socket(stream.try_clone()?),
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
        })
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> std::io::Result<()> {
        match self {
            Self::Socket(stream) => stream.shutdown(how),
            Self::Tcp(stream) => stream.shutdown(how),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Socket(stream) => stream.read(bytes),
            Self::Tcp(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Socket(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A client that is free to misbehave.
pub(crate) struct Raw(BufReader<Stream>);

impl Raw {
    /// Connects, and reads nothing yet; over TCP it has shown the token.
    pub(crate) fn mute_over(shop: &Shop, way: Way) -> Self {
        let mut raw = Self::stranger(shop, way);
        if way == Way::Tcp {
            raw.say(format!("{}\n", json!({ "token": shop.token().as_str() })).as_bytes()).unwrap();
        }
        raw
    }

    /// Connects, and says nothing at all.
    pub(crate) fn stranger(shop: &Shop, way: Way) -> Self {
        let stream = Stream::connect(shop, way);
        stream.read_within(PATIENCE);
        stream.write_within(PATIENCE);
        Self(BufReader::new(stream))
    }

    pub(crate) fn mute(shop: &Shop) -> Self {
        Self::mute_over(shop, Way::Socket)
    }

    /// Connects, and reads the greeting.
    pub(crate) fn greeted(shop: &Shop) -> Self {
        Self::greeted_over(shop, Way::Socket)
    }

    pub(crate) fn greeted_over(shop: &Shop, way: Way) -> Self {
        let mut raw = Self::mute_over(shop, way);
        assert_eq!(raw.line().expect("it is greeted")["hello"]["system"], "shop");
        raw
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    pub(crate) fn stream(&self) -> &Stream {
        self.0.get_ref()
    }

    /// The next line, as JSON; none at the end.
    pub(crate) fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).expect("the server speaks JSON")),
            // What was not read when the other side closed.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// The code of the refusal that is next.
    #[track_caller]
    pub(crate) fn refused(&mut self) -> String {
        let line = self.line().expect("it is told why");
        line["error"]["code"].as_str().unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    /// Reads to the end.
    pub(crate) fn end(&mut self) {
        while self.line().is_some() {}
    }
}
