//! Screens of one process, and others of the same name beside it or after it.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use crashworthy::prelude::*;

use crate::support::{Cashier, Dir, until};
use crate::terminal::Terminal;

/// Where a copy of this program is to have its sockets.
const BASE: &str = "CRASHWORTHY_TEST_REPLICA";

/// What a copy of this program does: it is a system until nobody holds its input any more.
#[test]
fn replica() {
    let Ok(base) = std::env::var(BASE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let till = Slot::<Cashier>::named("till");
    let tree = Supervisor::one_for_one("shop").child(till.child(()));
    let console = Console::default().below(base);
    let _system = runtime.block_on(System::builder().name("shop").with(console).start(tree)).expect("it starts");
    let _ = std::io::stdin().read(&mut [0]);
}

/// A system of the name `shop` in a process of its own, which is killed with this.
struct Replica(Child);

impl Replica {
    /// It runs, and answers, when this returns.
    fn start(dir: &Dir) -> Self {
        let mut program = Command::new(std::env::current_exe().expect("this program has a path"));
        program.args(["replicas::replica", "--exact", "--test-threads=1"]);
        program.env(BASE, dir.path()).stdin(Stdio::piped()).stdout(Stdio::null());
        let replica = Self(program.spawn().expect("it can be run"));
        let home = format!("{}-shop", replica.id());
        let is_there = || fs::metadata(dir.path().join(&home).join("ro.sock")).ok();
        until("it listens", is_there);
        replica
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    fn shown(&self) -> String {
        format!("process {} ", self.id())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn screens_do_not_move_to_a_replica_that_ran_beside_the_one_that_was_lost() {
    let dir = Dir::new();
    let first = Replica::start(&dir);
    let Some(terminal) = Terminal::open(&dir, "") else { return };
    terminal.see_text(&first.shown());
    let second = Replica::start(&dir);
    // What comes now was asked while both ran, but for what was under way.
    terminal.see_answer();
    terminal.see_answer();
    let (process, shown) = (first.id(), first.shown());
    drop(first);
    let lost = terminal.see("the last picture", |screen| {
        screen.contains(&format!("process {process} does not run any more; o: other systems"))
    });
    assert!(lost.contains(&shown) && lost.contains(" lost "), "{lost}");
    // It tries again, and still does not.
    terminal.see("longer pauses", |screen| screen.contains("tries again in 3 s"));
    terminal.see("the next one", |screen| screen.contains("tries again in 4 s"));
    assert!(terminal.see_text(" lost ").contains(&shown), "it has moved");
    terminal.press(&["o"]);
    terminal.see_text("Which system?");
    terminal.see_text(&second.id().to_string());
    terminal.press(&["Enter"]);
    terminal.see_text(&second.shown());
    terminal.press(&["q"]);
    terminal.see_text("it ended with 0");
}

#[test]
fn screens_go_on_with_the_process_that_comes_after_and_say_so_unless_a_process_was_named() {
    let dir = Dir::new();
    let first = Replica::start(&dir);
    let Some(by_name) = Terminal::open(&dir, "--system shop") else { return };
    let by_process = Terminal::open(&dir, &format!("--system {}", first.id())).expect("there was a tmux before");
    for terminal in [&by_name, &by_process] {
        terminal.see("it is looked at", |screen| screen.contains(&first.shown()) && screen.contains(" live"));
    }
    let (process, shown) = (first.id(), first.shown());
    drop(first);
    for terminal in [&by_name, &by_process] {
        terminal.see_text(" lost ");
    }
    let second = Replica::start(&dir);
    by_name.see_text(&format!("another process is there now: {} after {process}", second.id()));
    by_name.see("it is looked at", |screen| screen.contains(&second.shown()) && screen.contains(" live"));
    assert!(by_process.see_text("it does not run any more; o: other systems").contains(&shown), "it was named");
    by_process.press(&["o"]);
    by_process.see_text(&second.id().to_string());
}
