//! Who crashes in the tests of reports, and what is read of it.

use std::time::Duration;

use crashworthy_runtime::{Actor, Context, CrashReport, Decision, Exit, Message, Reply, Siblings, System};

use crate::ear::Said;
use crate::world::until;

pub(crate) fn crashes(system: &System) -> Vec<CrashReport> {
    system.crashes().1
}

/// What was decided about each crash so far.
pub(crate) fn decisions(system: &System) -> Vec<Decision> {
    let judged = |report: &CrashReport| report.judgement.verdict().expect("it was judged").ruling.decision;
    crashes(system).iter().map(judged).collect()
}

pub(crate) async fn until_crashed(times: u64, system: &System) {
    until(|| system.crashes().0 >= times).await;
}

pub(crate) fn is_crash(said: &Said) -> bool {
    said.get("message").starts_with("actor crashed: ")
}

pub(crate) const ALONE: Decision = Decision::Restart { with: Siblings::Nobody, wait: Duration::ZERO };

/// A till that crashes when it is asked to split.
pub(crate) enum Till {
    Sell,
    Split { reply: Reply<u32> },
}

impl Message for Till {
    fn kind(&self) -> &'static str {
        match self {
            Self::Sell => "Sell",
            Self::Split { .. } => "Split",
        }
    }
}

pub(crate) struct Cashier;

impl Actor for Cashier {
    type Args = ();
    type Msg = Till;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, msg: Till, _: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            Till::Sell => Ok(()),
            Till::Split { reply } => {
                drop(reply);
                panic!("zero ways")
            }
        }
    }
}

/// To be done once more.
pub(crate) struct Ask;

impl Message for Ask {}
