//! What threads have worked, and how long they waited for a core.

use std::fs;
use std::ops::Sub;
use std::path::Path;
use std::time::Duration;

/// What the kernel calls the threads on which actors run: no name is longer.
const WORKER: &str = "tokio-rt-worker";
/// The same of the threads of consoles.
const CONSOLE: &str = "crashworthy-con";

/// What has been worked so far; nothing where there is no `/proc`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Worked {
    /// How long threads on which actors run waited for a core.
    pub(super) waited: Duration,
    /// How long the consoles' threads had one.
    pub(super) console: Duration,
    /// How long those had one who come to a console.
    pub(super) clients: Duration,
}

impl Worked {
    /// By this process, and by that of the clients.
    pub(super) fn so_far(clients: Option<u32>) -> Self {
        let (mut worked, own) = (Self::default(), Path::new("/proc/self"));
        for_each_thread(own, |name, had, waited| match name {
            WORKER => worked.waited += waited,
            CONSOLE => worked.console += had,
            _ => {}
        });
        if let Some(process) = clients {
            for_each_thread(&Path::new("/proc").join(process.to_string()), |_, had, _| worked.clients += had);
        }
        worked
    }
}

impl Sub for Worked {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            waited: self.waited.saturating_sub(before.waited),
            console: self.console.saturating_sub(before.console),
            clients: self.clients.saturating_sub(before.clients),
        }
    }
}

/// The name of each thread of a process, how long it had a core, and how long it waited for one.
fn for_each_thread(process: &Path, mut tell: impl FnMut(&str, Duration, Duration)) {
    for thread in fs::read_dir(process.join("task")).into_iter().flatten().flatten() {
        // A thread that has ended meanwhile tells nothing.
        let read = |file| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        let times = read("schedstat");
        let mut times = times.split_whitespace().map(|ns| Duration::from_nanos(ns.parse().unwrap_or(0)));
        let (had, waited) = (times.next().unwrap_or_default(), times.next().unwrap_or_default());
        tell(read("comm").trim_end(), had, waited);
    }
}
