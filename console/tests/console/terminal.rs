//! The screens in a real terminal: tmux is one that can be asked what it shows.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::support::{Dir, Shop, Till, until};

/// A terminal of 80 columns and 24 lines in which the command runs, on a server of tmux of its own.
pub(crate) struct Terminal<'a> {
    dir: &'a Dir,
    socket: String,
}

impl<'a> Terminal<'a> {
    /// None where there is no tmux; that is told.
    pub(crate) fn open(dir: &'a Dir, words: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("skipped: there is no tmux here, and without it no terminal to look at");
            return None;
        }
        // One that is ending leaves its socket for a moment.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let socket = format!("tmux-{}", NUMBER.fetch_add(1, Relaxed));
        let terminal = Self { dir, socket: dir.path().join(socket).display().to_string() };
        let program = env!("CARGO_BIN_EXE_crashworthy");
        let program = format!("sh -c 'echo $$ > pid; exec \"$0\" {words}' '{program}'");
        let command = format!("{program}; echo \"it ended with $?\"; exec cat");
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &command]);
        Some(terminal)
    }

    #[track_caller]
    fn tmux(&self, words: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        let tmux = tmux.arg("-S").arg(&self.socket).args(words).current_dir(self.dir.path());
        let tmux = tmux.env("CRASHWORTHY_RUNTIME_DIR", self.dir.path()).env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        let Output { status, stdout, stderr } = tmux.output().expect("it runs");
        assert!(status.success(), "tmux {words:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).expect("it shows text")
    }

    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits until the screen is as somebody wants it.
    #[track_caller]
    pub(crate) fn see(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(what, || {
                last = self.tmux(&["capture-pane", "-p"]);
                is_so(&last).then(|| last.clone())
            })
        }));
        seen.unwrap_or_else(|_| panic!("waited in vain: {what}; there is\n{last}"))
    }

    /// Waits for another answer of the system: it says how long it has been up.
    #[track_caller]
    pub(crate) fn see_answer(&self) {
        let up = |screen: &str| screen.split(" up ").nth(1).and_then(|rest| Some(rest.split(" ·").next()?.to_owned()));
        let before = up(&self.see_text(" up "));
        self.see("another answer", |screen| up(screen).is_some_and(|now| Some(now) != before));
    }

    #[track_caller]
    pub(crate) fn see_text(&self, text: &str) -> String {
        self.see(text, |screen| screen.contains(text))
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

#[test]
fn somebody_looks_at_the_tree_opens_an_actor_pauses_and_quits() {
    let shop = Shop::open();
    let Some(terminal) = Terminal::open(&shop.dir, "") else { return };
    terminal.see("the pulse of the only system", |screen| screen.contains("MOST QUEUED") && screen.contains(" live"));

    terminal.press(&["2"]);
    let tree = terminal.see("the tree", |screen| screen.contains("    right "));
    let names: Vec<_> =
        tree.lines().skip(3).take(4).map(|line| line.split("  ").find(|word| !word.is_empty())).collect();
    assert_eq!(names, ["shop", "front", "left", "right"].map(Some), "{tree}");

    let held = shop.block(&shop.right);
    terminal.see("who blocks its thread", |screen| screen.contains("blocks: "));
    terminal.press(&["End", "Enter"]);
    terminal.see("the actor", |screen| screen.contains("Tree > shop/front/right"));
    terminal.see_text("1 accepted: 0 handled, 1 in hand");

    terminal.press(&["Space"]);
    terminal.see_text("paused");
    drop(held);
    shop.total(&shop.right);
    terminal.see("time that passes", |screen| {
        screen.contains("paused") && !screen.contains("paused 0 s") && !screen.contains("paused 1 s")
    });
    assert!(terminal.see_text("paused").contains(" 1 in hand"), "what is paused does not change");
    terminal.press(&["Space"]);
    terminal.see_text(" 0 in hand");

    terminal.press(&["q"]);
    let end = terminal.see_text("it ended with 0");
    assert!(!end.contains("Tree >"), "the terminal is as it was\n{end}");
}

#[test]
fn somebody_trips_a_gate_says_why_and_sees_it_in_the_limits_and_in_the_audit() {
    let shop = Shop::open();
    let Some(terminal) = Terminal::open(&shop.dir, "") else { return };
    terminal.see_text("MOST QUEUED");
    terminal.press(&["2"]);
    terminal.see_text("    right ");
    terminal.press(&["End", "x"]);
    terminal.see_text("refuses all new messages until it is untripped");
    terminal.press(&["/"]);
    terminal.press(&["-l", "until it is untripped"]);
    terminal.press(&["Enter"]);
    terminal.see_text("1 found");
    terminal.press(&["Enter"]);
    terminal.see_text("trip: shop/front/right <");
    terminal.press(&["-l", "wrong prices"]);
    terminal.see_text("why: wrong prices");
    assert_eq!(shop.right.gate(), crashworthy::GateState::Open, "it was not said yet");
    terminal.press(&["Enter"]);
    terminal.see_text("done: trip, shop/front/right <");
    assert_eq!(shop.right.gate(), crashworthy::GateState::Tripped);
    terminal.press(&["7"]);
    terminal.see_text("  shop/front/right: tripped");
    terminal.press(&["8"]);
    terminal.see("the audit", |screen| screen.contains("trip") && screen.contains("wrong prices"));
    terminal.press(&["q"]);
    terminal.see_text("it ended with 0");
}

/// As ssh forwards it: under a name of its own, with nothing beside it.
#[test]
fn through_a_socket_that_is_relayed_the_menu_is_there_for_whoever_may_act_and_for_nobody_else() {
    let shop = Shop::open();
    let relayed = |name: &str, to: &str| {
        let place = shop.dir.path().join(name);
        std::os::unix::fs::symlink(shop.socket.with_file_name(to), &place).expect("there is no such file");
        Terminal::open(&shop.dir, &format!("--socket {}", place.display()))
    };
    let Some(looks) = relayed("looks.sock", "ro.sock") else { return };
    looks.see_text("MOST QUEUED");
    looks.press(&["2"]);
    let tree = looks.see("the tree", |screen| screen.contains("    right "));
    assert!(!tree.contains("x act"), "{tree}");
    looks.press(&["x"]);
    let told = looks.see_text("its console is read-only here: nothing can be done through it");
    assert!(told.contains("    right "), "no menu\n{told}");
    looks.press(&["q"]);
    looks.see_text("it ended with 0");
    drop(looks);

    let acts = relayed("acts.sock", "rw.sock").expect("there was a tmux before");
    acts.see_text("MOST QUEUED");
    acts.press(&["2"]);
    acts.see("the tree", |screen| screen.contains("    right ") && screen.contains("x act"));
    acts.press(&["x"]);
    acts.see_text("refuses all new messages until it is untripped");
    acts.press(&["q"]);
    acts.see_text("it ended with 0");
}

#[test]
fn a_signal_gives_the_terminal_back_and_leaves_a_whole_recording() {
    let shop = Shop::open();
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let Some(terminal) = Terminal::open(&shop.dir, &format!("--record {signal}.jsonl")) else { return };
        terminal.see_text("REC ");
        terminal.see_text("MOST QUEUED");
        let pid = std::fs::read_to_string(shop.dir.path().join("pid")).expect("it was written before the command ran");
        let kill = format!("kill -{signal} \"$0\"");
        assert!(Command::new("sh").args(["-c", &kill, pid.trim()]).status().expect("it runs").success());
        let end = terminal.see_text(&format!("it ended with {code}"));
        assert!(end.contains("recorded: ") && !end.contains("1 Pulse"), "{signal}: {end}");
        let tape = shop.dir.path().join(signal).with_extension("jsonl").display().to_string();
        let health = crate::command::said(&shop.dir, &["health", "--replay", &tape]);
        assert_eq!(health, "ready: everybody takes new work\n");
    }
}

#[test]
fn what_is_recorded_is_replayed_after_the_system_has_ended() {
    let shop = Shop::open();
    shop.left.tell(Till::Break).unwrap();
    assert_eq!(shop.total(&shop.left), 0);
    let Some(terminal) = Terminal::open(&shop.dir, "--record tape.jsonl") else { return };
    terminal.see_text("REC ");
    terminal.see_text(" live");
    terminal.press(&["4"]);
    terminal.see_text("the drawer is stuck");
    terminal.see_answer();
    shop.runtime.block_on(shop.system.stop());
    terminal.see("the last picture, though the system is lost", |screen| {
        screen.contains(" lost ") && screen.contains("tries again") && screen.contains("the drawer is stuck")
    });
    terminal.press(&["q"]);
    terminal.see("what was recorded", |screen| screen.contains("recorded: ") && screen.contains("it ended with 0"));
    drop(terminal);

    let tape = shop.dir.path().join("tape.jsonl").display().to_string();
    let letters = crate::command::data(&shop.dir, &["dead-letters", "--json", "--replay", &tape]);
    assert_eq!((&letters["given_up"], letters["letters"].as_array().map(Vec::len)), (&1.into(), Some(1)));
    let terminal = Terminal::open(&shop.dir, "--replay tape.jsonl").expect("there was a tmux before");
    let first = terminal.see_text("recorded");
    assert!(
        first.contains("picture ") && first.contains("MOST QUEUED") && !first.contains("was not recorded"),
        "{first}"
    );
    terminal.press(&["{"]);
    terminal.see("its first picture", |screen| {
        screen.contains("stands 0 ms of") && screen.contains("picture 1 of") && screen.contains(" up ")
    });
    terminal.press(&["4", "Enter"]);
    terminal.see_text("reason     error in handle: the drawer is stuck");
    terminal.press(&["Escape"]);
    terminal.see_text("4 Crashes");
    terminal.press(&["2", "}"]);
    terminal.see("the tree at its end", |screen| screen.contains("    right ") && !screen.contains("plays"));
    terminal.press(&["q"]);
    terminal.see_text("it ended with 0");
}

#[test]
fn somebody_traces_an_actor_and_sees_its_messages_and_the_end() {
    let shop = Shop::open();
    let Some(terminal) = Terminal::open(&shop.dir, "") else { return };
    terminal.see_text(" live");
    terminal.press(&["2"]);
    terminal.see("the tree", |screen| screen.contains("    left "));
    terminal.press(&["j", "j", "t"]);
    terminal.see("what is asked", |screen| {
        screen.contains("trace of shop/front/left") && screen.contains("count rate time: 100 10 30s")
    });
    terminal.press(&["C-u"]);
    terminal.press(&["2 100 1m Sell", "Enter"]);
    terminal.see_text("traces: ");
    shop.left.tell(Till::Sell).unwrap();
    shop.total(&shop.left);
    let one = terminal.see("a message", |screen| screen.contains("1 of 2 taken"));
    let line = one.lines().nth(3).unwrap_or_default();
    assert!(line.starts_with("Sell ") && line.contains("handled in ") && line.contains("outside"), "{one}");
    assert!(!one.contains("Total"), "another kind\n{one}");
    shop.left.tell(Till::Sell).unwrap();
    terminal.see_text("ENDED: 2 messages traced, 0 withheld by the rate, 0 lost");
    terminal.press(&["Escape"]);
    terminal.see_text("2 Tree");
    terminal.press(&["9"]);
    shop.left.tell(Till::Break).unwrap();
    terminal.see("what happens", |screen| screen.contains("shop/front/left") && screen.contains("crashed"));
    terminal.press(&["q"]);
    terminal.see_text("it ended with 0");
}

#[test]
fn somebody_goes_to_an_actor_by_name_looks_at_its_state_and_gives_it_less_room() {
    let shop = Shop::open();
    shop.right.tell(Till::Sell).unwrap();
    assert_eq!(shop.total(&shop.right), 1);
    let Some(terminal) = Terminal::open(&shop.dir, "") else { return };
    terminal.see_text(" live");
    terminal.press(&[":"]);
    terminal.press(&["-l", "right"]);
    terminal.press(&["Enter"]);
    terminal.see_text("Pulse > shop/front/right");
    terminal.press(&["d"]);
    let state = terminal.see_text("sold: 1");
    assert!(state.contains("pin: (secret)"), "{state}");
    terminal.press(&["Escape"]);
    terminal.see_text("mailbox    0 of 1024 places taken");
    terminal.press(&["x", "/"]);
    terminal.press(&["-l", "^limit"]);
    terminal.press(&["Enter", "Enter"]);
    terminal.see_text("messages its mailbox is to hold: ");
    terminal.press(&["-l", "8"]);
    terminal.press(&["Enter"]);
    terminal.see_text("limit: 1024 now");
    terminal.press(&["-l", "too much waits there"]);
    terminal.press(&["Enter"]);
    terminal.see_text("done: limit");
    terminal.see_text("mailbox    0 of 8 places taken");
    assert_eq!(shop.look(&shop.right).limit, 8);
    terminal.press(&["q"]);
    terminal.see_text("it ended with 0");
}
