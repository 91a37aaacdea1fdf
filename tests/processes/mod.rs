//! The two large examples as processes, and a client that does not hide anything.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing here takes longer, unless it never happens.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn until<R>(what: &str, look: impl Fn() -> Option<R>) -> R {
    let patience = Instant::now() + PATIENCE;
    loop {
        match look() {
            Some(seen) => return seen,
            None => assert!(Instant::now() < patience, "waited in vain: {what}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A command that runs the service.
pub(crate) fn storefront() -> Command {
    Command::new(EXAMPLES.join("storefront"))
}

/// A command that runs the load driver. It starts the service that is built already.
pub(crate) fn black_friday() -> Command {
    let mut command = Command::new(EXAMPLES.join("black_friday"));
    command.env_remove("CARGO").stdin(Stdio::null());
    command
}

/// Where cargo puts the examples, which it builds for their own tests only, when tests are what it is asked for.
static EXAMPLES: LazyLock<PathBuf> = LazyLock::new(|| {
    let deps = std::env::current_exe().expect("a test is a file");
    let profile = deps.ancestors().nth(2).expect("it lies in the `deps` of its profile");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--workspace", "--example", "storefront", "--example", "black_friday"]);
    build.arg("--target-dir").arg(profile.parent().expect("a profile lies in the target directory"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    assert!(build.status().expect("cargo runs").success(), "the examples build");
    profile.join("examples")
});

/// A directory of its own for one shop, which goes when the test has passed.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("crashworthy-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory can be made");
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("storefront.redb")
    }

    /// Where the console of a shop listens.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.0.join("run")
    }

    /// What shops that kept their data here have logged.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A program that is running, and what it says on standard output.
pub(crate) struct Told {
    process: Child,
    says: BufReader<ChildStdout>,
    said: String,
}

impl Told {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let says = BufReader::new(process.stdout.take().expect("it is a pipe"));
        Self { process, says, said: String::new() }
    }

    /// Reads up to a line with these words in it, and returns that.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, words: &str) -> &str {
        loop {
            let before = self.said.len();
            let read = self.says.read_line(&mut self.said).expect("it says something");
            assert!(read > 0, "it ended without {words:?}:\n{}", self.said);
            if self.said[before..].contains(words) {
                return &self.said[before..];
            }
        }
    }

    /// Waits for its end. How it ended, and all it has said.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        self.says.read_to_string(&mut self.said).expect("it says something");
        (self.process.wait().expect("it ends"), std::mem::take(&mut self.said))
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // One that has ended already is not there any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A shop that is open. Dropping it is `kill -9`.
pub(crate) struct Shop {
    pub(crate) at: SocketAddr,
    program: Told,
}

impl Shop {
    /// Opens on some free port.
    pub(crate) fn open(dir: &Dir) -> Self {
        Self::open_at(dir, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    pub(crate) fn open_at(dir: &Dir, at: SocketAddr) -> Self {
        Self::open_with(dir, at, &[])
    }

    /// The same with more arguments.
    pub(crate) fn open_with(dir: &Dir, at: SocketAddr, more: &[&str]) -> Self {
        let log = File::options().create(true).append(true).open(dir.log()).expect("the log can be written");
        let mut command = storefront();
        command.arg("--addr").arg(at.to_string()).arg("--data").arg(dir.path()).args(more);
        command.env("RUST_LOG", "warn").env_remove("RUST_BACKTRACE").stdin(Stdio::null()).stderr(log);
        command.env("CRASHWORTHY_RUNTIME_DIR", dir.sockets());
        let mut program = Told::spawn(command);
        let line = program.wait_for("The shop is open on http://");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(',').next());
        let at = address.and_then(|address| address.parse().ok()).expect("it says where");
        Self { at, program }
    }

    /// Where its inside is shown, and the token for it.
    pub(crate) fn page(&mut self) -> (SocketAddr, String) {
        let line = self.program.wait_for("/#").trim();
        let parts = line.strip_prefix("http://").and_then(|rest| rest.split_once("/#"));
        let (at, token) = parts.unwrap_or_else(|| panic!("it is no address: {line}"));
        (at.parse().expect("it says where"), token.to_owned())
    }

    /// `kill -9`.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// SIGTERM. Does something before it waits for the end, which must be a good one; returns what the shop said.
    pub(crate) fn stop_while(self, meanwhile: impl FnOnce()) -> String {
        let pid = self.program.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("it runs").success());
        meanwhile();
        let (status, said) = self.program.end();
        assert!(status.success(), "{status}: {said}");
        said
    }

    /// Asks once. None: there was no answer.
    pub(crate) fn asks(&self, question: Question) -> Option<Answer> {
        ask(self.at, &question)
    }

    /// Asks what must be answered so.
    #[track_caller]
    pub(crate) fn does(&self, question: Question, status: u16) -> Answer {
        let answer = ask(self.at, &question).unwrap_or_else(|| panic!("no answer to {question:.200?}"));
        assert_eq!(answer.status, status, "{question:.200?}: {answer:?}");
        answer
    }

    #[track_caller]
    pub(crate) fn strike(&self, actor: &str, fault: Value) {
        self.does(post(&format!("/admin/actors/{actor}"), fault), 202);
    }

    /// How often an actor was restarted.
    pub(crate) fn restarts(&self, actor: &str) -> u64 {
        let seen = self.does(get("/admin/actors"), 200).body;
        let actors = seen["actors"].as_array().expect("a list");
        // A company's supervisor has the company's name, too.
        let is_meant = |one: &&Value| one["name"] == actor && one["kind"].as_str().is_some_and(is_ours);
        let restarts = actors.iter().find(is_meant).expect("it is there")["restarts"].as_u64();
        restarts.expect("a number")
    }
}

fn is_ours(kind: &str) -> bool {
    kind.starts_with("storefront::")
}

/// What to ask a shop.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    /// Header lines of its own.
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn with(method: &'static str, path: &str) -> Question {
    Question { method, path: path.to_owned(), head: String::new(), body: String::new() }
}

pub(crate) fn get(path: &str) -> Question {
    with("GET", path)
}

pub(crate) fn post(path: &str, body: Value) -> Question {
    let head = "Content-Type: application/json\r\n".to_owned();
    Question { head, body: body.to_string(), ..with("POST", path) }
}

/// What it answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) text: String,
    /// The text as JSON, if it is.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.head, self.text)
    }
}

/// Asks, over a connection of its own. None: there was no whole answer.
pub(crate) fn ask(at: SocketAddr, question: &Question) -> Option<Answer> {
    let Question { method, path, head, body } = question;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
    );
    send(at, request.as_bytes())
}

/// Sends any bytes, and reads the answer to its end.
pub(crate) fn send(at: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    // Who has heard enough answers before it has heard all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let (head, text) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = serde_json::from_str(text).unwrap_or(Value::Null);
    Some(Answer { status, head: head.to_owned(), text: text.to_owned(), body })
}
