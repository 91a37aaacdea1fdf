//! Who takes part.

use crate::blocked::{self, By, Measured};
use crate::overload;
use crate::overload::scene::Scene;
use crate::overload::tally::Turn;
use crate::peer::{Peer, Workers};
use crate::peers::{self, erlang};
use crate::works::idling::{self, Resident};
use crate::works::{Work, Wrong};
use crate::wrong;

/// Who does the works, with its type forgotten.
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
}

/// Who hosts actors of ours in this process, and so can do more than the works.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Its name.
    pub name: &'static str,
    /// Asks one actor as much as the scene says, in this process.
    pub overload: fn(Scene) -> Result<Turn, overload::Wrong>,
    /// Blocks every worker so many times, in this process.
    pub blocked: fn(By, u32) -> Result<Measured, wrong::Wrong>,
}

fn peer<P: Peer>() -> (Contestant, Host) {
    let contestant = Contestant {
        name: P::NAME,
        bounded: P::BOUNDED,
        measure: |work, count| work.measure::<P>(count),
        idle_memory: |actors, limit| P::run(Workers::Two, move |peer| idling::measure(peer, actors, limit)),
    };
    let host = Host { name: P::NAME, overload: overload::turn::measure_here::<P>, blocked: blocked::on_ambient::<P> };
    (contestant, host)
}

/// Ours.
pub const OURS: &str = "crashworthy";

fn peers() -> impl Iterator<Item = (Contestant, Host)> {
    [
        peer::<peers::Crashworthy>(),
        peer::<peers::Ractor>(),
        peer::<peers::Kameo>(),
        peer::<peers::Actix>(),
        peer::<peers::Xtra>(),
        peer::<peers::TokioMpsc>(),
        peer::<peers::Kanal>(),
    ]
    .into_iter()
}

const ERLANG: Contestant =
    Contestant { name: erlang::NAME, bounded: false, measure: erlang::measure, idle_memory: erlang::idle_memory };

/// Everybody who can do the works here, ours first: Erlang, too, where it is installed.
pub fn everybody() -> Vec<Contestant> {
    let erlang = erlang::is_installed().then_some(ERLANG);
    peers().map(|(contestant, _)| contestant).chain(erlang).collect()
}

/// All hosts, ours first.
pub fn hosts() -> Vec<Host> {
    peers().map(|(_, host)| host).collect()
}

/// Who does the works under this name.
///
/// # Errors
/// Who there is, if nobody has the name, or what is missing: a sentence for the command line.
pub fn named(name: &str) -> Result<Contestant, String> {
    if name == erlang::NAME && !erlang::is_installed() {
        return Err(erlang::MISSING.to_owned());
    }
    let all = everybody();
    let found = all.iter().find(|contestant| contestant.name == name).copied();
    found.ok_or_else(|| one_of(all.iter().map(|contestant| contestant.name)))
}

/// The host of this name.
///
/// # Errors
/// Who there is, if nobody has it: a sentence for the command line.
pub fn host_named(name: &str) -> Result<Host, String> {
    let all = hosts();
    all.iter().find(|host| host.name == name).copied().ok_or_else(|| one_of(all.iter().map(|host| host.name)))
}

fn one_of(names: impl Iterator<Item = &'static str>) -> String {
    format!("one of {}", names.collect::<Vec<_>>().join(", "))
}
