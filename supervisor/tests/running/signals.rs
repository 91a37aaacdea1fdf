//! SIGTERM and SIGINT to a real process: this test program, started again as a service.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crashworthy_runtime::{Actor, Context, Exit, ExitReason, Message, Offer, Reason, Slot, System};
use crashworthy_supervisor::{Shutdown, SlotExt, Supervisor};
use tokio::sync::Notify;

use crate::world::{MS, SECOND, until};

/// Tells the copy of this program what it is to be.
const ROLE: &str = "CRASHWORTHY_TEST_SERVICE";

/// One worker of the service. It says on standard output what happens to it.
struct Clerk {
    name: &'static str,
}

enum Errand {
    Wait,
    Crash,
}

impl Message for Errand {}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the test reads it");
}

impl Actor for Clerk {
    type Args = &'static str;
    type Msg = Errand;

    async fn init(name: &'static str, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(true);
        say(&format!("+{name}"));
        Ok(Self { name })
    }

    async fn handle(&mut self, errand: Errand, _: &mut Context<Self>) -> Result<(), Exit> {
        match errand {
            Errand::Wait => {
                say("waits");
                Notify::new().notified().await;
                Ok(())
            }
            Errand::Crash => Err("told to".into()),
        }
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
        let reason = if reason.is_normal_class() { "in order" } else { "crashed" };
        say(&format!("-{} {reason}", self.name));
    }
}

/// The service: does nothing unless this program was started as one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let [a, b, c] = ["a", "b", "c"].map(Slot::<Clerk>::named);
    let below = Supervisor::one_for_one("below").child(b.child("b").within(50 * MS));
    let top = Supervisor::one_for_one("top").intensity(0, SECOND);
    let top = top.child(a.child("a")).child(below).child(c.child("c").shutdown(Shutdown::Unlimited));
    let system = System::builder().drain(60 * SECOND).start(top).await.expect("it starts");
    let crashes = Arc::new(Notify::new());
    match role.as_str() {
        "waits" => {
            b.tell(Errand::Wait).expect("it can be told");
            let b = b.address();
            tokio::spawn(async move {
                let offer = Offer::within(SECOND);
                until(|| b.reserve(offer).is_err_and(|refused| refused.reason == Reason::Draining)).await;
                say("drains");
            });
        }
        "crashes" => {
            let (a, crashes) = (a.address(), crashes.clone());
            tokio::spawn(async move {
                crashes.notified().await;
                a.tell(Errand::Crash).expect("it can be told");
            });
        }
        _ => {}
    }
    let ended = tokio::join!(system.run_until_signal(), async {
        // The first poll of its neighbour has installed the signal handlers.
        say("ready");
        crashes.notify_one();
    })
    .0;
    let report = ended.report.clone();
    match ended.into_result() {
        Ok(()) => say(&format!("stopped, {} stragglers, {} undrained", report.stragglers.len(), report.undrained)),
        Err(error) => {
            say(&format!("failed: {error}"));
            std::process::exit(3);
        }
    }
}

/// A running copy of this program.
struct Service {
    process: Child,
    says: std::io::Lines<BufReader<ChildStdout>>,
}

impl Service {
    fn start(role: &str) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.args(["signals::service", "--exact", "--nocapture", "--test-threads=1"]);
        let mut process = command.env(ROLE, role).stdout(Stdio::piped()).spawn().expect("it can be run");
        let says = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        Self { process, says }
    }

    /// Reads until one of these lines comes, lines of the test harness aside; returns what was said by then.
    fn until(&mut self, last: &str) -> Vec<String> {
        let mut said = Vec::new();
        for line in self.says.by_ref() {
            let line = line.expect("it is text");
            if ["+", "-", "ready", "waits", "drains", "stopped", "failed"].iter().any(|word| line.starts_with(word)) {
                said.push(line.clone());
            }
            if line.starts_with(last) {
                return said;
            }
        }
        panic!("it ended after {said:?}, before `{last}`");
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().expect("there is a shell");
        assert!(sent.success());
    }

    fn end(&mut self) -> ExitStatus {
        self.process.wait().expect("it ends")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended, unless the test has failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_signal_stops_the_service_in_reverse_order_and_it_exits_well() {
    for signal in ["TERM", "INT"] {
        let mut service = Service::start("orderly");
        service.until("ready");
        service.signal(signal);
        let said = service.until("stopped");
        assert_eq!(said, ["-c in order", "-b in order", "-a in order", "stopped, 0 stragglers, 0 undrained"]);
        assert_eq!(service.end().code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_the_drain_and_not_the_order() {
    let began = Instant::now();
    let mut service = Service::start("waits");
    service.until("ready");
    service.signal("TERM");
    service.until("drains");
    service.signal("TERM");
    let said = service.until("stopped");
    assert_eq!(said, ["-c in order", "-a in order", "stopped, 1 stragglers, 1 undrained"]);
    assert_eq!(service.end().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(60), "the drain alone would have taken a minute");
}

#[test]
fn a_root_that_gives_up_ends_the_service_with_an_error() {
    let mut service = Service::start("crashes");
    service.until("ready");
    let said = service.until("failed");
    let [crash, c, b, error] = &said[..] else { panic!("{said:?}") };
    assert_eq!([crash, c, b], ["-a crashed", "-c in order", "-b in order"]);
    assert!(error.contains("the root supervisor gave up"), "{error}");
    assert_eq!(service.end().code(), Some(3));
}
