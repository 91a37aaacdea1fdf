//! Where `#[crashworthy::main]` begins: a tokio runtime of the program's own.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Builder;

/// How long the program waits for its threads when `main` has returned.
const LEAVE_WITHIN: Duration = Duration::from_millis(500);

/// Workers beyond one a core: so many are left for sockets, timers and plain tasks when handlers block all that poll pumps. Turns
/// that plain tasks run in place can block these, too.
const RESERVE: usize = 1;

/// How many threads run at a time: as many pumps has a system at the most, unless told otherwise.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs a program's main future on this thread, beside the workers of a multi-threaded runtime made for it.
///
/// There are as many workers as told; else one a core, and one more in reserve.
///
/// It need not be `Send`, so that `main` may return any error. What asks actors often belongs into a task of the
/// runtime instead: waking this thread from a worker costs tens of microseconds.
///
/// # Panics
/// If the runtime cannot be made.
#[doc(hidden)]
pub fn block_on_main<F: Future>(workers: Option<usize>, main: F) -> F::Output {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().thread_name("crashworthy");
    builder.worker_threads(workers.unwrap_or_else(|| cores() + RESERVE));
    let runtime = match builder.build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("the runtime of the program could not be made: {error}"),
    };
    let output = runtime.block_on(main);
    // A turn that blocks its thread was abandoned when its system stopped: the program does not wait for it either.
    runtime.shutdown_timeout(LEAVE_WITHIN);
    output
}
