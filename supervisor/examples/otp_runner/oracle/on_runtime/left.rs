//! What a killed supervisor leaves behind.
//!
//! In OTP it goes on beside the next life of the supervisor and its children. Here a slot has one life at a time: whatever does not
//! end in its time is ended first. It is told as it would have gone on there.

use super::super::scenario::Stop;
use super::hub::{Life, State};

impl State {
    /// Whether a life that was killed was ended by the next one: its parent was killed before, and what that has told it by
    /// its link has not ended it.
    pub(super) fn is_forced(&self, pid: &str, life: &Life) -> bool {
        let orphan = self.lives.get(&life.parent).is_some_and(|parent| !parent.is_alive());
        orphan
            && !life.condemned
            && match life.worker() {
                Some(worker) if worker.terminating => worker.stop.outlives(),
                Some(worker) => worker.stop != Stop::Die,
                None => self.lives.values().any(|child| child.parent == pid && child.is_alive()),
            }
    }

    /// What becomes of a life in OTP that was ended by the next one here.
    pub(super) fn goes_on(&mut self, pid: &str, life: &Life) {
        self.life_mut(pid).ended = Some("killed".to_owned());
        let Some(worker) = life.worker() else {
            let why = "a supervisor below a killed one is killed at once if it says so, and stops nobody";
            self.incomparable = Some(why);
            return;
        };
        if worker.stop.traps() && !worker.terminating {
            // Its link has told it, and it would have come to that.
            self.note("term", &life.path, life.n, &["killed"]);
        }
        let answer = match &worker.stop {
            stop if stop.outlives() || *stop == Stop::Unlink => return self.life_mut(pid).left = true,
            Stop::Exit(answer) => answer.clone(),
            _ => "killed".to_owned(),
        };
        self.note("exit", &life.path, life.n, &[&answer]);
    }
}
