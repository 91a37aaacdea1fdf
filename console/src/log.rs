//! How much the application logs: set through the console, by a handle of the application's.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::protocol::{Code, LogLevel, Refusal};

/// Characters of what an application says of its log.
const SAID: usize = 256;

/// What sets how much an application logs while it runs: given to the console with [`Console::log`](crate::Console::log).
///
/// The console knows no logger. With `tracing_subscriber` it is a few lines around a `reload::Handle`; the example `storefront`
/// has them. Both are called on the thread of the console, which waits for them: they are to return at once. A panic is told to whoever
/// asked.
pub trait LogControl: Send + Sync {
    /// What is logged now, in a few words: a level, or directives. At most 256 characters of it are told.
    fn current(&self) -> String;

    /// Logs this much from now on.
    ///
    /// # Errors
    /// Why that cannot be, in a few words. Nothing has changed then.
    fn set(&self, level: LogLevel) -> Result<(), String>;
}

/// The handle, if the application gave one.
#[derive(Default)]
pub(crate) struct Log(pub(crate) Option<Box<dyn LogControl>>);

impl Log {
    fn control(&self) -> Result<&dyn LogControl, Refusal> {
        let none = "the application has given its console nothing to set the log level with: `Console::log`";
        self.0.as_deref().ok_or_else(|| Refusal::new(Code::Unsupported, none))
    }

    /// What is logged now.
    ///
    /// # Errors
    /// [`Code::Unsupported`] where there is no handle, [`Code::Failed`] where it panics.
    pub(crate) fn current(&self) -> Result<String, Refusal> {
        let control = self.control()?;
        contained(|| control.current()).map(|said| shortened(&said))
    }

    /// Logs this much from now on.
    ///
    /// # Errors
    /// Likewise, and [`Code::Failed`] if the application says that it cannot be.
    pub(crate) fn set(&self, level: LogLevel) -> Result<(), Refusal> {
        let control = self.control()?;
        let failed =
            |why: String| Refusal::new(Code::Failed, format!("the log level was not set: {}", shortened(&why)));
        contained(|| control.set(level))?.map_err(failed)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Log").field(&self.0.is_some()).finish()
    }
}

/// The application's own code may panic: the console goes on.
fn contained<R>(work: impl FnOnce() -> R) -> Result<R, Refusal> {
    let panicked = |_| Refusal::new(Code::Failed, "the application panicked when it was asked about its log");
    catch_unwind(AssertUnwindSafe(work)).map_err(panicked)
}

fn shortened(said: &str) -> String {
    said.chars().take(SAID).collect()
}
