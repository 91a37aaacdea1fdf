//! Who takes part.

use crate::blocked::{self, By, Measured};
use crate::overload;
use crate::overload::scene::Scene;
use crate::overload::tally::Turn;
use crate::peer::{Peer, Workers};
use crate::peers;
use crate::works::idling::{self, Resident};
use crate::works::{Work, Wrong};
use crate::wrong;

/// A peer, with its type forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Contestant {
    /// Its name.
    pub name: &'static str,
    /// Whether its mailboxes are bounded.
    pub bounded: bool,
    /// Does a work once, with so much of what it counts, and says the figure.
    pub measure: fn(Work, u64) -> Result<f64, Wrong>,
    /// Measures the memory of so many idle actors, within so many bytes, in this process.
    pub idle_memory: fn(usize, u64) -> Result<Resident, Wrong>,
    /// Asks one actor as much as the scene says, in this process.
    pub overload: fn(Scene) -> Result<Turn, overload::Wrong>,
    /// Blocks every worker so many times, in this process.
    pub blocked: fn(By, u32) -> Result<Measured, wrong::Wrong>,
}

impl Contestant {
    fn of<P: Peer>() -> Self {
        Contestant {
            name: P::NAME,
            bounded: P::BOUNDED,
            measure: |work, count| work.measure::<P>(count),
            idle_memory: |actors, limit| P::run(Workers::Two, move |peer| idling::measure(peer, actors, limit)),
            overload: overload::turn::measure_here::<P>,
            blocked: blocked::on_ambient::<P>,
        }
    }
}

/// Ours.
pub const OURS: &str = "crashworthy";

/// Everybody, ours first.
pub fn everybody() -> Vec<Contestant> {
    vec![
        Contestant::of::<peers::Crashworthy>(),
        Contestant::of::<peers::Ractor>(),
        Contestant::of::<peers::Kameo>(),
        Contestant::of::<peers::Actix>(),
        Contestant::of::<peers::Xtra>(),
        Contestant::of::<peers::TokioMpsc>(),
        Contestant::of::<peers::Kanal>(),
    ]
}

/// Who has this name.
///
/// # Errors
/// Who there is, if nobody has it: a sentence for the command line.
pub fn named(name: &str) -> Result<Contestant, String> {
    let everybody = everybody();
    everybody.iter().find(|contestant| contestant.name == name).copied().ok_or_else(|| {
        let names: Vec<&str> = everybody.iter().map(|contestant| contestant.name).collect();
        format!("one of {}", names.join(", "))
    })
}
