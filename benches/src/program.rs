//! Other programs, or this one again in a process of its own, that are run for what they say: within limits.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The most that is read of what a program says.
const LONGEST: u64 = 64 * 1_024;

/// What a program says on its stdout. One that has not closed it after `patience` is ended; its stderr is ours.
///
/// # Errors
/// When it cannot be run, does not end in time, says what is no text, or ends as one that failed.
pub fn said(program: &mut Command, patience: Duration) -> io::Result<String> {
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut running = Running(program.spawn()?);
    let (sender, receiver) = mpsc::channel();
    let stdout = running.0.stdout.take().ok_or_else(|| io::Error::other("its stdout is not ours"))?;
    thread::spawn(move || {
        let mut said = String::new();
        let read = stdout.take(LONGEST).read_to_string(&mut said);
        drop(sender.send(read.map(|_| said)));
    });
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no end after {} s", patience.as_secs_f64()));
    let said = receiver.recv_timeout(patience).map_err(late)??;
    let status = running.0.wait()?;
    if status.success() { Ok(said) } else { Err(io::Error::other(format!("it ended with {status}"))) }
}

/// A program that is ended when nobody waits for it any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended by itself cannot be ended once more.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_says_nothing_is_ended() {
        let late =
            said(Command::new("sleep").arg("600"), Duration::from_millis(50)).expect_err("it does not end by itself");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn what_a_program_says_is_taken_only_if_it_ends_well() {
        let soon = Duration::from_secs(60);
        assert_eq!(said(Command::new("sh").args(["-c", "echo yes"]), soon).expect("it ends well"), "yes\n");
        let failed = said(Command::new("sh").args(["-c", "echo yes; exit 3"]), soon).expect_err("it ends with 3");
        assert!(failed.to_string().contains('3'), "{failed}");
    }
}
