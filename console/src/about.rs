//! What a service is, where it runs, and since when: for whoever is greeted, and for `/info`.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::protocol::{Application, Host};

/// Addresses of this machine that are told.
const ADDRESSES: usize = 32;
/// How long they are as they were: they change seldom, and whoever connects again and again does not ask the kernel each time.
const FRESH: Duration = Duration::from_secs(10);

/// What is known of it.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) application: OnceLock<Application>,
    /// Since 1970.
    pub(crate) started: Duration,
    host: Mutex<Option<(Instant, Host)>>,
}

impl About {
    /// Of a system that starts now.
    pub(crate) fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { application: OnceLock::new(), started, host: Mutex::default() }
    }

    /// The machine, as it was not long ago.
    pub(crate) fn host(&self) -> Host {
        let mut host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        let known = host.take().filter(|(when, _)| when.elapsed() < FRESH);
        host.insert(known.unwrap_or_else(|| (Instant::now(), look()))).1.clone()
    }
}

fn look() -> Host {
    let all = if_addrs::get_if_addrs().unwrap_or_default().into_iter();
    let reached = all.filter(|interface| !interface.is_loopback());
    Host { name: host_name(), addresses: reached.map(|interface| interface.ip()).take(ADDRESSES).collect() }
}

/// What the kernel says, where it says it in a file.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
