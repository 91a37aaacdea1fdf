//! A shop that is on the web, and clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crashworthy::prelude::*;
use crashworthy_web::{Address, Limits, Web, WebExt};
use serde_json::Value;

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
    Break(&'static str),
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
            Till::Break(why) => return Err(why.into()),
        }
        Ok(())
    }

    fn view(&self, view: &mut View<'_>) {
        view.value("sold", self.0);
        view.secret("pin");
    }
}

/// A directory of its own for one test, which goes with it.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let dir = std::env::temp_dir().join(format!("crashworthy-web-{}-{number}", std::process::id()));
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .create(&dir)
            .expect("nobody else has that name");
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A runtime with two workers.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// `shop` with the tills `left` and `right`, on a runtime with two workers.
pub(crate) struct Shop {
    pub(crate) dir: Dir,
    pub(crate) system: System,
    pub(crate) left: Slot<Cashier>,
    pub(crate) right: Slot<Cashier>,
    pub(crate) web: Address,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Shop {
    pub(crate) fn open() -> Self {
        Self::with(Web::default())
    }

    pub(crate) fn within(limits: Limits) -> Self {
        Self::with(Web::default().limits(limits))
    }

    pub(crate) fn with(web: Web) -> Self {
        Self::made_of(Console::default(), web)
    }

    pub(crate) fn made_of(console: Console, web: Web) -> Self {
        let (dir, runtime) = (Dir::new(), runtime());
        let (left, right) = (Slot::named("left"), Slot::named("right"));
        let tree = Supervisor::one_for_one("shop").intensity(3, secs(60)).child(left.child(())).child(right.child(()));
        let console = console.below(dir.path());
        let builder = System::builder().name("shop").with(console).with(web);
        let system = runtime.block_on(builder.start(tree)).expect("it starts");
        let web = system.web().expect("it listens");
        Self { dir, system, left, right, web, runtime }
    }

    /// What a client that has the token gets for a path.
    pub(crate) fn ask(&self, path: &str) -> Answer {
        ask(self.web.addr(), path, &self.bearer())
    }

    /// What anybody gets for a path.
    pub(crate) fn ask_as_anybody(&self, path: &str) -> Answer {
        ask(self.web.addr(), path, "")
    }

    /// The line that shows the token.
    pub(crate) fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.web.token().expect("it has a token"))
    }

    /// What the till itself says. It has counted the question, too, when this returns.
    pub(crate) fn total(&self, till: &Slot<Cashier>) -> u32 {
        self.runtime.block_on(async {
            let total = till.ask(|reply| Till::Total { reply }).within(PATIENCE).await.expect("it answers");
            till.settled().await;
            total
        })
    }

    /// So many more, whom nobody supervises and nobody sends anything.
    pub(crate) fn crowd(&self, many: usize) -> Crowd {
        let newcomer = |_| self.runtime.block_on(self.system.spawn(())).expect("it starts");
        Crowd { system: self.system.clone(), members: (0..many).map(newcomer).collect() }
    }

    /// The same of anybody, as soon as there is a thread for it.
    pub(crate) fn ask_to_block(&self, till: &ActorRef<Cashier>) -> (Sender<()>, Receiver<()>) {
        let ((blocks, told), (held, until)) = (channel(), channel());
        till.tell(Till::Block { blocks, until }).expect("there is room");
        (held, told)
    }

    /// Has a till block its thread until the sender is dropped.
    pub(crate) fn block(&self, till: &Slot<Cashier>) -> Sender<()> {
        let (held, told) = self.ask_to_block(till);
        told.recv_timeout(PATIENCE).expect("it blocks");
        held
    }

    /// What a client that behaves and the actors behind it still get: an answer.
    #[track_caller]
    pub(crate) fn assert_serves(&self) {
        let (at, bearer) = (self.web.addr(), self.bearer());
        let request = format!("GET /actor?actor=left HTTP/1.1\r\nHost: {at}\r\n{bearer}Connection: close\r\n\r\n");
        // Those before may be there for a moment yet, and where time is short we are cut off as they are.
        let answer = until("it answers", || try_say(at, &request).filter(|answer| answer.status != 503));
        assert_eq!((answer.status, &answer.json()["name"]), (200, &"left".into()));
        let before = self.total(&self.left);
        self.left.tell(Till::Sell).expect("there is room");
        assert_eq!(self.total(&self.left), before + 1);
    }
}

/// Actors that go with this.
pub(crate) struct Crowd {
    system: System,
    pub(crate) members: Vec<ActorRef<Cashier>>,
}

impl Crowd {
    /// Has everybody handle a message.
    pub(crate) fn works(&self) {
        for member in &self.members {
            let _ = member.tell(Till::Sell);
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for member in &self.members {
            self.system.kill(member.pid());
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The code of an error.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

/// What comes back for a path, asked with these header lines besides the host.
#[track_caller]
pub(crate) fn ask(at: SocketAddr, path: &str, lines: &str) -> Answer {
    say(at, &format!("GET {path} HTTP/1.1\r\nHost: {at}\r\n{lines}Connection: close\r\n\r\n"))
}

/// What comes back for a whole request.
#[track_caller]
pub(crate) fn say(at: SocketAddr, request: &str) -> Answer {
    try_say(at, request).expect("there is an answer")
}

/// The same of whoever may be cut off first.
fn try_say(at: SocketAddr, request: &str) -> Option<Answer> {
    let mut raw = Raw::connect(at);
    raw.say(request.as_bytes()).ok()?;
    raw.answer()
}

/// A client that is free to misbehave.
pub(crate) struct Raw(BufReader<TcpStream>);

impl Raw {
    pub(crate) fn connect(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    /// Status and head of the next answer; none if there is none.
    pub(crate) fn head(&mut self) -> Option<(u16, String)> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if !matches!(self.0.read_line(&mut head), Ok(read) if read > 0) {
                return None;
            }
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, head))
    }

    /// The next answer, whose length is told.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let (status, head) = self.head()?;
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").expect("its length is told").parse().expect("it is a number");
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        answer.body = String::from_utf8(body).expect("it is text");
        Some(answer)
    }

    /// The next line of a body that comes in pieces; the lines between pieces are left out.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.0.read_line(&mut line).ok()? > 0).then_some(line)
    }

    /// Whether the server has closed it, once it has.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// What a page reads.
pub(crate) struct Watch(Raw);

impl Watch {
    /// Begins to watch.
    #[track_caller]
    pub(crate) fn begin(shop: &Shop, query: &str) -> Self {
        let mut raw = Raw::connect(shop.web.addr());
        let (at, bearer) = (shop.web.addr(), shop.bearer());
        raw.say(format!("GET /live{query} HTTP/1.1\r\nHost: {at}\r\n{bearer}\r\n").as_bytes()).unwrap();
        let (status, head) = raw.head().expect("there is an answer");
        assert_eq!(status, 200, "{head}");
        assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
        Self(raw)
    }

    /// The next event, with its name; none at the end.
    pub(crate) fn next(&mut self) -> Option<(String, Value)> {
        let mut name = None;
        loop {
            let line = self.0.line()?;
            if let Some(word) = line.strip_prefix("event: ") {
                name = Some(word.trim_end().to_owned());
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name?, serde_json::from_str(data).expect("it is JSON on one line")));
            }
        }
    }

    /// The next event of this name.
    #[track_caller]
    pub(crate) fn until(&mut self, name: &str) -> Value {
        loop {
            match self.next() {
                Some((told, data)) if told == name => return data,
                Some(_) => {}
                None => panic!("it ended before {name}"),
            }
        }
    }
}
