//! The works: what is measured, how much of it, and how it is checked.

mod asking;
mod bank;
mod big;
mod counting;
pub mod idling;
mod passing;
mod restarting;
mod spawning;
mod support;

use clap::ValueEnum;

pub(crate) use self::restarting::ON_DEMAND;
pub(crate) use self::support::{Countdown, Dice, check, each};
pub use self::support::{Wrong, median};
use crate::peer::{Peer, Workers};

/// Something that actors do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "`definition` says what each of them is")]
pub enum Work {
    Tell,
    TellSingle,
    Fanin8,
    Fanin64,
    Pairs,
    Pingpong,
    Ask,
    Ask64,
    Ring1,
    Ring64,
    Big,
    Bank,
    Spawn,
    IdleMemory,
    CrashRestart,
}

/// In what a work is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Millions a second: more is better.
    Millions,
    /// Nanoseconds each: less is better.
    Nanoseconds,
    /// Bytes each: less is better.
    Bytes,
}

impl Unit {
    /// As it is written in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Millions => "M msg/s",
            Unit::Nanoseconds => "ns",
            Unit::Bytes => "bytes",
        }
    }

    /// Whether more is better.
    pub fn more_is_better(self) -> bool {
        self == Unit::Millions
    }

    /// How many times better `this` is than `that`.
    pub fn ratio(self, this: f64, that: f64) -> f64 {
        if self.more_is_better() { this / that } else { that / this }
    }
}

impl Work {
    /// All of them, in the order of the tables.
    pub fn all() -> &'static [Work] {
        Work::value_variants()
    }

    /// Its name on the command line and in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Work::Tell => "tell",
            Work::TellSingle => "tell-single",
            Work::Fanin8 => "fanin8",
            Work::Fanin64 => "fanin64",
            Work::Pairs => "pairs",
            Work::Pingpong => "pingpong",
            Work::Ask => "ask",
            Work::Ask64 => "ask64",
            Work::Ring1 => "ring1",
            Work::Ring64 => "ring64",
            Work::Big => "big",
            Work::Bank => "bank",
            Work::Spawn => "spawn",
            Work::IdleMemory => "idle-memory",
            Work::CrashRestart => "crash-restart",
        }
    }

    /// In what it is counted.
    pub fn unit(self) -> Unit {
        match self {
            Work::Tell
            | Work::TellSingle
            | Work::Fanin8
            | Work::Fanin64
            | Work::Pairs
            | Work::Ask64
            | Work::Big
            | Work::Bank => Unit::Millions,
            Work::Pingpong | Work::Ask | Work::Ring1 | Work::Ring64 | Work::Spawn | Work::CrashRestart => {
                Unit::Nanoseconds
            }
            Work::IdleMemory => Unit::Bytes,
        }
    }

    /// The threads it runs on.
    pub fn workers(self) -> Workers {
        if self == Work::TellSingle { Workers::One } else { Workers::Two }
    }

    /// How much of it is done in a round, unless told otherwise.
    pub fn count(self) -> u64 {
        match self {
            Work::Tell | Work::TellSingle | Work::Fanin8 | Work::Fanin64 | Work::Ring64 | Work::Big => 2_000_000,
            Work::Pairs => 4_000_000,
            Work::Ask64 | Work::Ring1 => 800_000,
            Work::Pingpong | Work::Ask | Work::Bank => 400_000,
            Work::Spawn => 200_000,
            Work::IdleMemory => 1_000_000,
            Work::CrashRestart => 4_000,
        }
    }

    /// The most rounds that tell anything new: memory hardly varies, and takes long.
    pub fn most_rounds(self) -> usize {
        if self == Work::IdleMemory { 1 } else { usize::MAX }
    }

    /// What it is, in a sentence or two. The rest is in the README of this package.
    pub fn definition(self) -> &'static str {
        match self {
            Work::Tell => "one task tells one actor numbers (u64); messages handled a second",
            Work::TellSingle => "the same on a runtime with a single thread",
            Work::Fanin8 => "8 tasks tell one actor; messages handled a second",
            Work::Fanin64 => "64 tasks tell one actor; messages handled a second",
            Work::Pairs => "64 tasks tell an actor of their own each; messages handled a second, all pairs together",
            Work::Pingpong => "two actors tell each other one token; time of a round trip",
            Work::Ask => "one task asks one actor; median time of an ask, timed 8 at a time",
            Work::Ask64 => "64 tasks ask one actor; asks answered a second",
            Work::Ring1 => "one token goes round 503 actors; time of a hop",
            Work::Ring64 => "64 tokens go round 503 actors; time divided by all their hops",
            Work::Big => {
                "128 actors ping one another at random, each with 4 pings under way, and answer with pongs; pings and pongs a second"
            }
            Work::Bank => {
                "64 tasks move money between 1,024 account actors, asking one to withdraw, then the other to deposit; transfers a second"
            }
            Work::Spawn => {
                "one task spawns actors, at most 1,024 alive, and tells each a number, at which it stops; time an actor, until the last state is dropped"
            }
            Work::IdleMemory => {
                "resident memory of an actor that has started and never had a message; in a process of its own"
            }
            Work::CrashRestart => {
                "a supervised actor is made to panic; median time from sending the fatal message until the next incarnation has answered"
            }
        }
    }

    /// What [`Work::count`] counts.
    pub fn counted(self) -> &'static str {
        match self {
            Work::Tell | Work::TellSingle | Work::Fanin8 | Work::Fanin64 | Work::Pairs | Work::Big => "messages",
            Work::Pingpong => "round trips",
            Work::Ask | Work::Ask64 => "asks",
            Work::Ring1 | Work::Ring64 => "hops",
            Work::Bank => "transfers",
            Work::Spawn | Work::IdleMemory => "actors",
            Work::CrashRestart => "crashes",
        }
    }

    /// Does it once with `count` of what it counts, in a fresh runtime, after a tenth of that to warm up.
    ///
    /// # Errors
    /// When something that was sent is not counted in the end.
    ///
    /// # Panics
    /// If the work is [`Work::IdleMemory`], which needs a process of its own: [`idling::measure`].
    pub fn measure<P: Peer>(self, count: u64) -> Result<f64, Wrong> {
        P::run(self.workers(), move |peer| async move {
            self.perform(peer.clone(), count / 10).await?;
            self.perform(peer, count).await
        })
    }

    /// Does it with `count` of what it counts, as a task of the runtime.
    ///
    /// # Errors
    /// When something that was sent is not counted in the end.
    ///
    /// # Panics
    /// As [`Work::measure`].
    pub async fn perform<P: Peer>(self, peer: P, count: u64) -> Result<f64, Wrong> {
        match self {
            Work::Tell | Work::TellSingle => counting::fan_in(peer, 1, count).await,
            Work::Fanin8 => counting::fan_in(peer, 8, count).await,
            Work::Fanin64 => counting::fan_in(peer, 64, count).await,
            Work::Pairs => counting::pairs(peer, 64, count).await,
            Work::Pingpong => passing::ping_pong(peer, count).await,
            Work::Ask => asking::one(peer, count).await,
            Work::Ask64 => asking::many(peer, 64, count).await,
            Work::Ring1 => passing::ring(peer, passing::RING, 1, count).await,
            Work::Ring64 => passing::ring(peer, passing::RING, 64, count).await,
            Work::Big => big::big(peer, count).await,
            Work::Bank => bank::bank(peer, count).await,
            Work::Spawn => spawning::spawn(peer, count).await,
            Work::IdleMemory => panic!("memory is measured in a process of its own"),
            Work::CrashRestart => restarting::restart(peer, count).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_and_the_tables_use_one_name() {
        for work in Work::all() {
            assert_eq!(work.to_possible_value().map(|value| value.get_name().to_owned()).as_deref(), Some(work.name()));
        }
    }
}
