//! What is on the screen of a program in which nobody has installed a subscriber of `tracing`: every crash, and why it
//! ended. Each program here is this test again, in a process of its own.

use std::process::{Command, Output};

use crashworthy::prelude::*;

#[derive(Message)]
enum Till {
    Sell { cents: u64 },
    Close,
}

struct Cashier {
    total: u64,
}

impl Actor for Cashier {
    type Args = u64;
    type Msg = Till;

    async fn init(float: u64, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Cashier { total: float })
    }

    async fn handle(&mut self, msg: Till, _: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            Till::Sell { cents } => self.total = self.total.checked_add(cents).expect("the till \u{1b}[31moverflows"),
            Till::Close => return Err(Exit::normal()),
        }
        Ok(())
    }
}

/// Which program this process is; none, if it is the test.
const ROLE: &str = "CRASHWORTHY_TEST_ROLE";

/// Runs one of the programs below, by its name: how it listens to the log, and which backtraces it wants.
fn run(program: &str, listens: &str, backtrace: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("a test is a file"));
    command.args(["--ignored", "--exact", "--nocapture", program]).env(ROLE, listens);
    command.env("RUST_BACKTRACE", backtrace).env_remove("RUST_LIB_BACKTRACE");
    command.output().expect("it runs")
}

/// What such a program printed to standard error.
fn said(program: &str, listens: &str) -> String {
    said_with_backtrace(program, listens, "0")
}

fn said_with_backtrace(program: &str, listens: &str, backtrace: &str) -> String {
    let said = String::from_utf8(run(program, listens, backtrace).stderr).expect("it is text");
    // Of a program that panics itself there is nothing to be learned.
    assert!(!said.contains("thread '"), "{said}");
    said
}

/// The programs are tests that nobody asks for but the tests here.
fn listens() -> Option<String> {
    let listens = std::env::var(ROLE).ok()?;
    match &*listens {
        "nobody" => {}
        "silence" => {
            tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new()).expect("it is the first");
        }
        "log" => tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init(),
        other => panic!("nobody listens as {other}"),
    }
    Some(listens)
}

/// Tells a till so many times what ends it, and waits for the end of the system, or stops it.
async fn ends(allowed: u32, times: u32, message: impl Fn() -> Till) -> crashworthy::Ended {
    let till = Slot::<Cashier>::named("till");
    let shop = Supervisor::one_for_one("shop").intensity(allowed, secs(60)).child(till.child(100));
    let limit = crashworthy::RateLimit { burst: 3, every: secs(3_600) };
    let system = System::builder().error_reports(limit).start(shop).await.expect("it starts");
    for _ in 0..times {
        till.tell(message()).expect("there is room");
    }
    if times <= allowed {
        till.settled().await;
        system.begin_stop(secs(5), crashworthy::ExitReason::Shutdown);
    }
    system.ended().await
}

fn overflow() -> Till {
    Till::Sell { cents: u64::MAX }
}

#[crashworthy::test]
#[ignore = "a program of the tests beside it"]
async fn crashes_twice_and_stops() {
    if listens().is_some() {
        ends(3, 2, overflow).await;
    }
}

#[crashworthy::test]
#[ignore = "a program of the tests beside it"]
async fn crashes_again_and_again() {
    if listens().is_some() {
        ends(20, 9, overflow).await;
    }
}

#[crashworthy::test]
#[ignore = "a program of the tests beside it"]
async fn gives_up() {
    if listens().is_some() {
        let ended = ends(1, 2, overflow).await;
        eprintln!("{}", ended.report);
        eprintln!("Error: {:?}", ended.into_result().expect_err("it failed"));
    }
}

/// Where the program with a console has what it writes.
#[cfg(feature = "console")]
fn base(process: u32) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("crashworthy-unheard-{process}"))
}

#[cfg(feature = "console")]
#[crashworthy::test]
#[ignore = "a program of the tests beside it"]
async fn gives_up_with_a_console() {
    if listens().is_some() {
        let (till, base) = (Slot::<Cashier>::named("till"), base(std::process::id()));
        let shop = Supervisor::one_for_one("shop").intensity(0, secs(60)).child(till.child(100));
        let console = Console::default().below(&base);
        let system = System::builder().name("shop").with(console).start(shop).await.expect("it starts");
        till.tell(overflow()).expect("there is room");
        system.ended().await;
        std::fs::remove_dir_all(base).expect("it was there");
    }
}

#[crashworthy::test]
#[ignore = "a program of the tests beside it"]
async fn gives_up_without_a_crash() {
    if listens().is_some() {
        let ended = ends(1, 2, || Till::Close).await;
        eprintln!("Error: {:?}", ended.into_result().expect_err("it failed"));
    }
}

const CRASH: &str = "crash of shop/till ";
const REASON: &str = "panic in handle: the till \\u{1b}[31moverflows";

#[test]
fn where_nobody_listens_every_crash_is_on_standard_error_once() {
    let said = said("crashes_twice_and_stops", "nobody");
    assert_eq!((said.matches(CRASH).count(), said.matches(REASON).count()), (2, 2), "{said}");
    assert!(said.contains("tests/unheard.rs:") && said.contains("1 of 3 restarts in 60s, 2 left"), "{said}");
}

#[test]
fn where_somebody_listens_nothing_is_printed_besides() {
    let said = said("crashes_twice_and_stops", "log");
    assert_eq!((said.matches(CRASH).count(), said.matches("actor crashed: ").count()), (0, 2), "{said}");
}

#[cfg(feature = "console")]
#[test]
fn where_the_dump_of_a_system_that_fails_is_is_told_as_crashes_are() {
    let told = |listens: &str| said("gives_up_with_a_console", listens);
    let heard_by = |said: &str, start: &str| {
        let of_dump = |line: &&str| line.contains("it fails: what there was (2 actors") && line.contains(".jsonl");
        said.lines().filter(of_dump).filter(|line| line.starts_with(start)).count()
    };
    let (nobody, log) = (told("nobody"), told("log"));
    assert_eq!(heard_by(&nobody, "system shop: "), 1, "{nobody}");
    assert_eq!((heard_by(&log, "system shop: "), heard_by(&log, "")), (0, 1), "{log}");
    assert_eq!(told("silence"), "");
}

#[test]
fn whoever_wants_silence_has_it() {
    assert_eq!(said("crashes_twice_and_stops", "silence"), "");
}

#[test]
fn a_crash_loop_prints_no_more_than_it_would_log_and_says_how_much_that_is() {
    let said = said("crashes_again_and_again", "nobody");
    assert_eq!(said.matches(CRASH).count(), 3, "{said}");
    assert!(said.ends_with("reports of errors were withheld: 6 more of shop\n"), "{said}");
}

#[test]
fn a_supervisor_that_gives_up_says_so_and_the_end_names_the_crash() {
    let said = said("gives_up", "nobody");
    assert_eq!(said.matches(CRASH).count(), 2, "{said}");
    let supervisor = said.lines().find(|line| line.starts_with("supervisor shop: it gives up: till: more than"));
    assert!(supervisor.is_some(), "{said}");
    assert!(said.contains(&format!("{REASON} (tests/unheard.rs:")), "{said}");
    for before in ["\nfailed: ", "\nError: "] {
        let end = said.split_once(before).and_then(|(_, end)| end.lines().next()).expect("it is printed");
        for part in [
            "the root supervisor gave up",
            "the last crash was of shop/till <",
            "#2>: panic in handle: the till",
            "tests/unheard.rs:",
        ] {
            assert!(end.contains(part), "`{part}` in {end}");
        }
    }
}

#[test]
fn a_supervisor_that_gives_up_over_children_that_did_not_crash_says_so() {
    let said = said("gives_up_without_a_crash", "nobody");
    let supervisor: Vec<_> = said.lines().filter(|line| line.starts_with("supervisor shop: ")).collect();
    assert_eq!((supervisor.len(), said.matches(CRASH).count()), (3, 0), "{said}");
    assert!(supervisor[2].starts_with("supervisor shop: it gives up: till: more than"), "{said}");
    assert!(said.contains("Error: the root supervisor gave up") && !said.contains("last crash"), "{said}");
}

/// What is in every whole backtrace of an actor, and of no interest to its author.
const RUNTIMES_OWN: [&str; 3] = ["crashworthy_runtime::crash::", "take_turn", "tokio::runtime"];

#[test]
#[cfg_attr(not(debug_assertions), ignore = "an optimised build has other frames")]
fn a_backtrace_has_the_calls_between_the_panic_and_the_turn() {
    let said = said_with_backtrace("crashes_twice_and_stops", "nobody", "1");
    assert_eq!(said.matches("\n  backtrace\n   0: ").count(), 2, "{said}");
    assert!(said.contains("<unheard::Cashier as ") && said.contains("./tests/unheard.rs:"), "{said}");
    assert!(RUNTIMES_OWN.iter().all(|frame| !said.contains(frame)), "{said}");
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "an optimised build has other frames")]
fn a_backtrace_is_whole_for_whoever_wants_it_so() {
    let said = said_with_backtrace("crashes_twice_and_stops", "nobody", "full");
    assert!(said.contains("<unheard::Cashier as ") && RUNTIMES_OWN.iter().all(|frame| said.contains(frame)), "{said}");
}
