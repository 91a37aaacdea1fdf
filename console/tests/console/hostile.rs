//! Hostile clients change nothing: the server answers others, the actors answer, and what is used up is bounded.

use std::fs::Permissions;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crashworthy::console::{ConsoleExt, Limits};
use crashworthy_console::protocol::{AuditResult, Code};
use serde_json::{Value, json};

use crate::actions::audit;
use crate::support::{Raw, Shop, Way, until};

/// Whichever way they come.
macro_rules! both_ways {
    ($($test:ident),* $(,)?) => {
        mod over_a_socket {
            use super::Way;
            $(#[test] fn $test() { super::$test(Way::Socket); })*
        }

        mod over_tcp {
            use super::Way;
            $(#[test] fn $test() { super::$test(Way::Tcp); })*
        }
    };
}

both_ways! {
    garbage_is_called_so_and_the_connection_goes_on,
    a_refusal_does_not_repeat_all_that_was_said,
    a_line_that_is_too_long_is_refused_before_it_ends_and_the_connection_is_closed,
    the_longest_line_that_is_allowed_is_read,
    a_client_that_sends_slowly_is_refused_and_closed,
    a_client_that_says_nothing_is_told_so_and_closed,
    a_client_that_never_reads_is_cut_off,
    one_connection_more_than_allowed_is_answered_for_a_while_and_told_so_and_those_there_are_answered,
    a_client_that_leaves_in_the_middle_of_a_line_or_of_an_answer_is_forgotten,
    a_flood_of_requests_is_answered_at_its_pace_and_keeps_nobody_waiting,
}

fn brief() -> Limits {
    let soon = Duration::from_millis(100);
    Limits { line_within: soon, read_within: soon, idle: soon, ..Limits::default() }
}

fn garbage_is_called_so_and_the_connection_goes_on(way: Way) {
    let shop = Shop::open();
    let mut raw = Raw::greeted_over(&shop, way);
    for garbage in [&b"\n"[..], b"\xff\xfe\x00\n", b"[[[[\n", b"{\"id\":-1,\"verb\":\"tree\"}\n", b"GET / HTTP/1.1\r\n"]
    {
        raw.say(garbage).unwrap();
        assert_eq!(raw.refused(), "malformed");
    }
    // Deeper than a parser can follow.
    raw.say(format!("{{\"id\":1,\"verb\":\"tree\",\"args\":{}\n", "[".repeat(60_000)).as_bytes()).unwrap();
    assert_eq!(raw.refused(), "malformed");
    raw.say(b"{\"id\":2,\"verb\":\"system\"}\n").unwrap();
    assert_eq!(raw.line().expect("an answer")["ok"]["name"], "shop");
    shop.assert_serves();
}

fn a_refusal_does_not_repeat_all_that_was_said(way: Way) {
    let shop = Shop::open();
    let mut raw = Raw::greeted_over(&shop, way);
    let long = "x".repeat(50_000);
    raw.say(format!("{}\n", json!({ "id": 1, "verb": "actors", "args": { "state": long } })).as_bytes()).unwrap();
    let refused = raw.line().expect("an answer").to_string();
    assert!(refused.contains("bad_arguments") && refused.len() < 1_000, "{refused}");
    shop.assert_serves();
}

fn a_line_that_is_too_long_is_refused_before_it_ends_and_the_connection_is_closed(way: Way) {
    let shop = Shop::open();
    let mut raw = Raw::greeted_over(&shop, way);
    // It is cut off somewhere in there.
    let _ = (0..160).try_for_each(|_| raw.say(&[b'x'; 64 * 1024]));
    assert_eq!(raw.refused(), "line_too_long");
    assert_eq!(raw.line(), None);
    shop.assert_serves();
}

fn the_longest_line_that_is_allowed_is_read(way: Way) {
    let shop = Shop::open();
    let mut raw = Raw::greeted_over(&shop, way);
    let mut line = json!({ "id": 1, "verb": "system" }).to_string();
    line.push_str(&" ".repeat(Limits::default().line - line.len() - 1));
    line.push('\n');
    raw.say(line.as_bytes()).unwrap();
    assert_eq!(raw.line().expect("an answer")["ok"]["name"], "shop");
}

fn a_client_that_sends_slowly_is_refused_and_closed(way: Way) {
    let shop = Shop::with(Limits { idle: Duration::from_secs(60), ..brief() });
    let mut raw = Raw::greeted_over(&shop, way);
    let mut slow = raw.stream().try_clone().unwrap();
    let sends = thread::spawn(move || {
        // A byte at a time, until the server has had enough.
        while std::io::Write::write_all(&mut slow, b"{").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(raw.refused(), "too_slow");
    assert_eq!(raw.line(), None);
    let _ = raw.stream().shutdown(Shutdown::Both);
    sends.join().unwrap();
    shop.assert_serves();
}

fn a_client_that_says_nothing_is_told_so_and_closed(way: Way) {
    let shop = Shop::with(brief());
    let mut raw = Raw::greeted_over(&shop, way);
    assert_eq!(raw.refused(), "idle");
    assert_eq!(raw.line(), None);
    shop.assert_serves();
}

fn a_client_that_never_reads_is_cut_off(way: Way) {
    let shop = Shop::with(Limits { requests: 1_000, idle: Duration::from_secs(60), ..brief() });
    let mut raw = Raw::mute_over(&shop, way);
    // The server stops reading when it cannot write, and gives up soon after: then a write fails.
    let (mut said, request) = (0, b"{\"id\":1,\"verb\":\"tree\"}\n");
    until("the server gives it up", || {
        said += request.len();
        raw.say(request).is_err().then_some(())
    });
    // What lies between them, and what the server has read, is not much.
    assert!(said < 4 << 20, "{said} bytes were taken");
    shop.assert_serves();
}

/// A client that has asked something, and been answered.
fn asks(shop: &Shop, way: Way) -> Raw {
    let mut raw = let_in(shop, way);
    ask(&mut raw, "system");
    raw
}

#[track_caller]
fn ask(raw: &mut Raw, verb: &str) -> Value {
    raw.say(format!("{{\"id\":1,\"verb\":\"{verb}\"}}\n").as_bytes()).unwrap();
    raw.line().expect("an answer")["ok"].clone()
}

fn one_connection_more_than_allowed_is_answered_for_a_while_and_told_so_and_those_there_are_answered(way: Way) {
    let shop = Shop::with(Limits { connections: 3, requests: 1_000, ..Limits::default() });
    let mut there: Vec<_> = (0..3).map(|_| asks(&shop, way)).collect();
    for _ in 0..3 {
        let mut more = let_in(&shop, way);
        let told = (0..1_000).map(|_| {
            // Those who stay are not silent.
            for raw in &mut there {
                ask(raw, "hello");
            }
            more.say(b"{\"id\":1,\"verb\":\"hello\"}\n").unwrap();
            more.line().expect("an answer")
        });
        let told: Vec<_> = told.take_while(|told| told.get("ok").is_some()).collect();
        assert_eq!(told.len(), 32);
        assert_eq!(more.line(), None);
    }
    for raw in &mut there {
        assert_eq!(ask(raw, "system")["name"], "shop");
    }
    drop(there.pop());
    shop.assert_serves();
}

#[test]
fn however_many_say_nothing_one_more_is_answered_at_once() {
    let (shop, way) = (Shop::open(), Way::Socket);
    let _eight: Vec<_> = (0..8).map(|_| asks(&shop, way)).collect();
    let mut silent: Vec<_> = (0..1_000).map(|_| Raw::mute_over(&shop, way)).collect();
    let began = Instant::now();
    let mut client = shop.client();
    let tree: Value = client.ask("tree", &json!({})).expect("it is answered");
    assert_eq!(tree["total"], 4);
    // Not how fast that is, but that nobody's silence is waited for.
    assert!(began.elapsed() < Limits::default().idle / 2, "{:?}", began.elapsed());
    let first = &mut silent[0];
    assert!(first.line().expect("it is greeted").get("hello").is_some());
    assert_eq!((first.refused().as_str(), first.line()), ("displaced", None));
}

/// The same who never leave: whoever is displaced comes again, asks again, and reads nothing.
struct Mute {
    rounds: Arc<AtomicUsize>,
    end: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Mute {
    /// So many, each of whom asks for more than the buffer of his socket holds.
    fn come(shop: &Shop, many: usize) -> Self {
        let (socket, come) = (shop.socket.clone(), Arc::new(AtomicUsize::new(0)));
        let (rounds, end) = (come.clone(), Arc::new(AtomicBool::new(false)));
        let ends = end.clone();
        let asks = move || -> io::Result<UnixStream> {
            let mut stream = UnixStream::connect(&socket)?;
            stream.set_nonblocking(true)?;
            stream.write_all(&b"{\"id\":1,\"verb\":\"tree\"}\n".repeat(8))?;
            come.fetch_add(1, Relaxed);
            Ok(stream)
        };
        let thread = thread::spawn(move || {
            let mut there: Vec<_> = (0..many).filter_map(|_| asks().ok()).collect();
            while !ends.load(Relaxed) {
                for stream in &mut there {
                    // Only who has been closed cannot write a byte more, or wait until there is room for one.
                    let is_closed = stream.write(b" ").is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock);
                    if is_closed && let Ok(again) = asks() {
                        *stream = again;
                    }
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { rounds, end, thread: Some(thread) }
    }

    /// How many have come until now, each time they did.
    fn rounds(&self) -> usize {
        self.rounds.load(Relaxed)
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.end.store(true, Relaxed);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

#[test]
fn who_asks_and_never_reads_keeps_nobody_from_asking_however_often_he_comes() {
    // One who stays, and eight places for all others.
    let shop = Shop::with(Limits { connections: 1, ..Limits::default() });
    let _many = shop.adds(400);
    let many = 200;
    let mute = Mute::come(&shop, many);
    until("they wait for each other's places", || (mute.rounds() > many).then_some(()));
    // For how long each is in the way is tested where places are. On a busy machine it may take longer to ask than anybody is left alone.
    let tree: Value = until("it is answered", || shop.client().ask("tree", &json!({})).ok());
    assert_eq!(tree["total"], 404);
}

#[test]
fn who_stays_and_says_nothing_makes_way_for_who_watches_and_keeps_nobody_from_asking() {
    let shop = Shop::with(Limits { connections: 2, ..Limits::default() });
    let watch = b"{\"id\":7,\"verb\":\"watch\",\"args\":{\"tree\":{},\"every_ms\":3600000}}\n";
    let mut silent = asks(&shop, Way::Socket);
    let mut watches = let_in(&shop, Way::Socket);
    watches.say(watch).unwrap();
    assert!(watches.line().expect("an answer").get("ok").is_some());
    assert!(watches.line().expect("the list").get("frame").is_some());
    for _ in 0..20 {
        asks(&shop, Way::Socket);
    }
    // Nobody makes way before he has been silent for a while.
    until("it may stay", || {
        let mut next = let_in(&shop, Way::Socket);
        // Of those that may not so many come that they make way for each other, too.
        next.say(watch).ok()?;
        next.line()?.get("ok")?;
        next.line()?.get("frame").is_some().then_some(next)
    });
    assert_eq!((silent.refused().as_str(), silent.line()), ("displaced", None));
    watches.say(b"{\"id\":8,\"verb\":\"unwatch\",\"args\":{\"watch\":7}}\n").unwrap();
    assert_eq!(watches.line().expect("it is there")["id"], 8);
}

/// A client that is let in: those that have left may be there for a moment yet.
fn let_in(shop: &Shop, way: Way) -> Raw {
    until("there is room", || {
        let mut raw = Raw::mute_over(shop, way);
        raw.line().is_some_and(|line| line.get("hello").is_some()).then_some(raw)
    })
}

fn a_client_that_leaves_in_the_middle_of_a_line_or_of_an_answer_is_forgotten(way: Way) {
    let shop = Shop::with(Limits { connections: 2, ..Limits::default() });
    for _ in 0..20 {
        let mut raw = let_in(&shop, way);
        raw.say(b"{\"id\":1,\"verb\":\"tree\"}\n{\"id\":2,\"ve").unwrap();
    }
    // Half-closed: what was asked is answered.
    let mut raw = let_in(&shop, way);
    raw.say(b"{\"id\":3,\"verb\":\"system\"}\n{\"id\":4,\"ve").unwrap();
    raw.stream().shutdown(Shutdown::Write).unwrap();
    assert_eq!(raw.line().expect("an answer")["id"], 3);
    raw.end();
    shop.assert_serves();
}

fn a_flood_of_requests_is_answered_at_its_pace_and_keeps_nobody_waiting(way: Way) {
    let shop = Shop::with(Limits { requests: 20, ..Limits::default() });
    let mut raw = Raw::greeted_over(&shop, way);
    let mut flood = raw.stream().try_clone().unwrap();
    let requests = thread::spawn(move || {
        // Ends when the connection does.
        while std::io::Write::write_all(&mut flood, b"{\"id\":1,\"verb\":\"actors\"}\n").is_ok() {}
    });
    for _ in 0..25 {
        assert_eq!(raw.line().expect("an answer")["ok"]["total"], 4);
        shop.total(&shop.right);
    }
    shop.assert_serves();
    raw.stream().shutdown(Shutdown::Both).unwrap();
    requests.join().unwrap();
}

#[test]
fn another_user_is_told_so_at_either_socket_and_is_in_the_audit() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let shop = Shop::open();
    if std::fs::metadata(&shop.socket).unwrap().uid() != 0 {
        eprintln!("skipped: only root can be another user");
        return;
    }
    let (looks, acts) = (shop.socket.clone(), shop.system.console_for_actions().unwrap());
    // What keeps him out before that: the modes of the directories and of the sockets.
    let open = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    open(shop.dir.path(), 0o755);
    open(looks.parent().unwrap(), 0o755);
    // Where he can run it.
    let command = shop.dir.path().join("crashworthy");
    std::fs::copy(env!("CARGO_BIN_EXE_crashworthy"), &command).unwrap();
    open(&command, 0o755);
    for socket in [&looks, &acts] {
        open(socket, 0o666);
        let mut tree = Command::new(&command);
        let told = tree.arg("--socket").arg(socket).arg("tree").uid(65_534).gid(65_534).output().unwrap();
        let why = String::from_utf8(told.stderr).unwrap();
        assert!(why.contains("this console is for the user of its process, and for root"), "{why}");
        assert_eq!(told.status.code(), Some(1));
    }
    let entries = audit(&mut shop.client()).entries;
    let told: Vec<_> = entries.iter().map(|entry| (entry.peer.uid, entry.reason.as_str(), &entry.result)).collect();
    let not_allowed = AuditResult::Refused(Code::NotAllowed);
    assert_eq!(
        told,
        [
            (65_534, "turned away at ro.sock: another user", &not_allowed),
            (65_534, "turned away at rw.sock: another user", &not_allowed)
        ]
    );
}
