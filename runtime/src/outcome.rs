//! How a system ended, as data and in words.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::exit::{Crash, ExitReason};
use crate::pid::Pid;
use crate::report::Plain;
use crate::shutdown::{Straggler, rough};

/// What a shutdown met, or why there was none to ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutdownReport {
    /// Messages still queued when the drain time was over.
    pub undrained: u64,
    /// Children that had to be killed or abandoned, in the order they were stopped.
    pub stragglers: Vec<Straggler>,
    /// How long the whole stop took. Zero, if nobody asked for it.
    pub took: Duration,
    /// Why the system ended that nobody had asked to, unless its root ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Box<Failure>>,
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            Some(failure) => write!(f, "failed: {failure}")?,
            None => write!(f, "stopped in {:?}", rough(self.took))?,
        }
        match self.undrained {
            0 => {}
            1 => f.write_str(", 1 message was not served")?,
            more => write!(f, ", {more} messages were not served")?,
        }
        for straggler in &self.stragglers {
            write!(f, "\n  {straggler}")?;
        }
        Ok(())
    }
}

/// Why a system failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Why its root ended; `None` if the runtime went away under it.
    pub reason: Option<ExitReason>,
    /// The newest crash for which a supervisor gave up; if there is none, the newest of all.
    pub last_crash: Option<LastCrash>,
}

/// Which crash a [`Failure`] came after. [`System::crashes`](crate::System::crashes) has its whole report, as long as the
/// system is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCrash {
    /// Which incarnation.
    pub pid: Pid,
    /// Its place in the tree.
    pub path: Arc<str>,
    /// Reason, location, callback.
    pub crash: Arc<Crash>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(ExitReason::Shutdown) => {
                f.write_str("the root supervisor gave up: too many restarts, or the end of a significant child")?;
            }
            Some(reason) => write!(f, "the root ended: {reason}")?,
            None => f.write_str("the runtime went away under the system")?,
        }
        match &self.last_crash {
            Some(LastCrash { pid, path, crash }) => write!(f, "; the last crash was of {path} {pid}: {crash}"),
            None => Ok(()),
        }
    }
}

/// How a system ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why its root ended; `None` if the runtime went away under it.
    pub reason: Option<ExitReason>,
    /// Whether it was asked to stop.
    pub asked: bool,
    /// What the stop met.
    pub report: ShutdownReport,
}

/// Whether an end is a failure: nobody asked for it, and the root did not end well.
pub(crate) fn is_failure(reason: Option<&ExitReason>, asked: bool) -> bool {
    match reason {
        None => true,
        Some(ExitReason::Normal) => false,
        Some(_) => !asked,
    }
}

impl Ended {
    pub(crate) fn runtime_gone() -> Self {
        let failure = Some(Box::new(Failure { reason: None, last_crash: None }));
        Self { reason: None, asked: false, report: ShutdownReport { failure, ..ShutdownReport::default() } }
    }

    /// `Ok` if it was asked to stop or its root ended well: what `main` returns. Stragglers are no failure: they are in
    /// the [`report`](Self::report), and in the log.
    ///
    /// # Errors
    /// [`SystemFailed`] if the root crashed or gave up, or the runtime went away.
    pub fn into_result(self) -> Result<(), SystemFailed> {
        if is_failure(self.reason.as_ref(), self.asked) { Err(SystemFailed { ended: self }) } else { Ok(()) }
    }
}

/// A system ended that nobody had asked to.
///
/// Its `Debug` reads as its `Display` does, for that is what a `main` prints that returns it: why the root ended, and whose
/// crash was the last, with control characters escaped. The fields are there for whoever wants more.
#[derive(Clone, PartialEq, Eq)]
pub struct SystemFailed {
    /// How.
    pub ended: Ended,
}

impl fmt::Display for SystemFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ended.report.failure {
            Some(failure) => write!(f, "{failure}"),
            None => write!(f, "{}", Failure { reason: self.ended.reason.clone(), last_crash: None }),
        }
    }
}

impl fmt::Debug for SystemFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Plain(self), f)
    }
}

impl std::error::Error for SystemFailed {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Callback;
    use crate::pid::ActorId;

    fn failure() -> Failure {
        let crash = Crash {
            message: "till overflow".into(),
            panicked: true,
            location: Some("src/till.rs:7:1".into()),
            callback: Callback::Handle,
            in_hand: None,
        };
        let pid = Pid { id: ActorId::new(5), incarnation: 4 };
        let last_crash = Some(LastCrash { pid, path: "shop/till".into(), crash: Arc::new(crash) });
        Failure { reason: Some(ExitReason::Shutdown), last_crash }
    }

    const TEXT: &str = "the root supervisor gave up: too many restarts, or the end of a significant child; the last crash \
                        was of shop/till <5.0#4>: panic in handle: till overflow (src/till.rs:7:1)";

    #[test]
    fn a_failure_says_whose_crash_was_the_last_wherever_it_is_printed() {
        let failure = failure();
        let report = ShutdownReport { failure: Some(Box::new(failure.clone())), ..ShutdownReport::default() };
        assert_eq!(report.to_string(), format!("failed: {TEXT}"));
        let failed = Ended { reason: failure.reason, asked: false, report }.into_result().unwrap_err();
        assert_eq!((failed.to_string(), format!("{failed:?}")), (TEXT.to_owned(), TEXT.to_owned()));
    }

    #[test]
    fn only_what_nobody_asked_for_is_a_failure_and_a_runtime_that_goes_always_is() {
        let crashed = ExitReason::crashed("it did");
        for reason in [&ExitReason::Shutdown, &ExitReason::Killed, &crashed] {
            assert!(is_failure(Some(reason), false) && !is_failure(Some(reason), true));
        }
        assert!(!is_failure(Some(&ExitReason::Normal), false));
        assert!(is_failure(None, true));
    }

    #[test]
    fn a_report_survives_the_way_through_json() {
        let report = ShutdownReport { failure: Some(Box::new(failure())), ..ShutdownReport::default() };
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<ShutdownReport>(&json).unwrap(), report);
        // One that was written without a word of failures is read, too.
        let stopped = serde_json::to_string(&ShutdownReport::default()).unwrap();
        assert!(!stopped.contains("failure"), "{stopped}");
        assert_eq!(serde_json::from_str::<ShutdownReport>(&stopped).unwrap(), ShutdownReport::default());
    }
}
