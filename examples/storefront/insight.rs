//! What the shop tells of itself besides its actors: the cache of searches, and the breaker before each company.
//!
//! Actors write, the console reads: plain numbers, so that neither waits for the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crashworthy::console::sources::{Reading, Sort, Source};

/// What a cache has come to, over all incarnations of whoever keeps it.
#[derive(Debug, Default)]
pub(crate) struct CacheTally {
    pub(crate) entries: AtomicU32,
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) evictions: AtomicU64,
}

/// The cache of searches.
pub(crate) struct Searches(pub(crate) Arc<CacheTally>);

impl Source for Searches {
    fn name(&self) -> String {
        "searches".to_owned()
    }

    fn sort(&self) -> Sort {
        Sort::Cache
    }

    fn read(&self) -> Reading {
        let CacheTally { entries, hits, misses, evictions } = &*self.0;
        let count = |counter: &AtomicU64| counter.load(Relaxed) as f64;
        Reading::new("in use")
            .figure("entries", entries.load(Relaxed))
            .figure("hits", count(hits))
            .figure("misses", count(misses))
            .figure("evictions", count(evictions))
    }
}

/// What a breaker shows to the outside.
#[derive(Debug, Default)]
pub(crate) struct Lamp {
    pub(crate) open: AtomicBool,
    pub(crate) failures: AtomicU32,
}

/// The breaker before a company. Not critical: the shop takes orders without it, and sees to them later.
pub(crate) struct BreakerOf {
    pub(crate) company: &'static str,
    pub(crate) lamp: Arc<Lamp>,
}

impl Source for BreakerOf {
    fn name(&self) -> String {
        self.company.to_owned()
    }

    fn sort(&self) -> Sort {
        Sort::Breaker
    }

    fn read(&self) -> Reading {
        let open = self.lamp.open.load(Relaxed);
        let state = if open { "open" } else { "closed" };
        Reading::new(state).serves(!open).figure("failures in a row", self.lamp.failures.load(Relaxed))
    }
}
