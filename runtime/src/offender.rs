//! Actors whose turns block their threads again and again: they get a thread of their own.
//!
//! # The rule
//! A turn *blocks* if it holds its thread for [`BLOCKS_NS`] or longer, whatever it does meanwhile. Each such turn counts one up;
//! each other one that is timed, and handled something, counts one down, and turns are timed while they are not quick. At [`OFFENCES`] the actor is
//! moved. So who blocks in most of its turns is moved after eight of them, who now and then is held up, or has its thread taken
//! away by the operating system, is not.
//!
//! At most [`MOST`] actors of a system are moved; that there are no more places, or no threads, is told once. Who runs on a bulkhead, or has a
//! thread of its own, is where it was put, and stays there. The thread is the slot's, also of later incarnations, until that is
//! gone.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use crate::cell::Core;
use crate::error::StartError;
use crate::event::{self, Happening};

/// A turn this long blocks its thread.
pub(crate) const BLOCKS_NS: u64 = 10_000_000;

/// So many turns that block, beyond those that do not, are too many.
const OFFENCES: u8 = 8;

/// Most actors of a system that are moved.
pub(crate) const MOST: usize = 16;

/// How many turns have blocked lately. Written by the incarnation.
#[derive(Debug, Default)]
pub(crate) struct Record(AtomicU8);

/// A turn was timed that ended so many messages.
#[inline]
pub(crate) fn took(core: &Core, ns: u64, messages: u32) {
    if ns >= BLOCKS_NS {
        blocked(core, ns);
    } else if messages != 0
        && let Some(record) = core.counters().offences()
    {
        record.0.store(record.0.load(Relaxed).saturating_sub(1), Relaxed);
    }
}

#[cold]
fn blocked(core: &Core, ns: u64) {
    if core.pool_number() != 0 {
        return;
    }
    let record = &core.counters().rare().offences;
    let offences = record.0.load(Relaxed).saturating_add(1);
    record.0.store(offences, Relaxed);
    if offences >= OFFENCES {
        record.0.store(0, Relaxed);
        moves(core, ns);
    }
}

/// Gives the actor a thread of its own: its next turn is taken there.
fn moves(core: &Core, ns: u64) {
    let (shared, path) = (core.shared(), core.path());
    let system = &*shared.settings.name;
    match shared.pools.lease_for_offender(shared, path.clone()) {
        Ok(Some(number)) => {
            core.moves_to(number);
            let last = Duration::from_millis(ns / 1_000_000);
            tracing::warn!(
                system, path = &*path, pid = %core.pid(), ?last,
                "actor has blocked its thread again and again, and gets one of its own: declare it as `.blocking()`"
            );
            event::note(shared, Some(core.pid()), path, Happening::Moved { last });
        }
        Ok(None) => {}
        // It ends anyway.
        Err(StartError::SystemStopped) => {}
        Err(error) if !shared.pools.tells_of_offenders() => drop(error),
        Err(error) => {
            tracing::error!(system, path = &*path, %error, "no thread for an actor that blocks again and again")
        }
    }
}
