//! Building a system: settings, parts, then the tree.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::dead_letter::{DeadLetter, DeadLetters, Hook};
use crate::entry::cores;
use crate::error::StartError;
use crate::port::Port;
use crate::report::{self, PROGRESS, RateLimit, Reports};
use crate::scheduler::Pool;
use crate::shared::Shared;
use crate::shutdown;
use crate::system::{Root, Settings, System};
use crate::time::Wheel;

/// What plugs into a system: the console and others. Parts are told of the system before its tree starts.
pub trait Part: Send + 'static {
    /// The system is about to start its tree.
    ///
    /// # Errors
    /// Ends the start.
    fn attach(&mut self, system: &System) -> Result<(), StartError>;

    /// The system fails: its top ends, or is about to, and nobody has asked for that. Called once at most, before
    /// [`detach`](Self::detach), on the thread that found out, which may be one that runs actors. A supervisor at the top that gives up
    /// has ended nobody yet: whoever wants to tell what there was can look. The end waits for this, so it must be short, and must not
    /// wait for an actor. When the runtime goes away under a system, nobody is told.
    fn fails(&mut self) {}

    /// The system has ended, and nobody has been told yet. Called once on a part that was attached, on the thread that ends
    /// the system: it must not wait. A part of a system that everybody has forgotten is only dropped.
    fn detach(&mut self) {}
}

/// Settings of a system that is to be started. Defaults: asks end after 5 s, a stop drains for at most 5 s, as many
/// pumps as the runtime has workers, one a core at the most; of reports, each source logs 10 errors at once and then one
/// a second.
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    settings: Settings,
    hook: Option<Hook>,
    errors: RateLimit,
    progress: RateLimit,
    parts: Vec<Box<dyn Part>>,
}

/// Most pumps a system may have.
const PUMPS: usize = 1024;

impl Default for Builder {
    fn default() -> Self {
        let settings = Settings {
            name: "system".into(),
            ask_within: Duration::from_secs(5),
            drain: Duration::from_secs(5),
            pumps: None,
            blocked_after: Duration::from_millis(10),
        };
        Self { settings, hook: None, errors: RateLimit::default(), progress: PROGRESS, parts: Vec::new() }
    }
}

/// After what time a turn may be told to block its thread: not before it could be seen, and while somebody still cares.
const SHORTEST_BLOCK: Duration = Duration::from_millis(5);
const LONGEST_BLOCK: Duration = Duration::from_secs(3_600);

impl Builder {
    /// The system's name, for logs and the console.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// The deadline of asks that name none; 5 s unless told otherwise, and [`LONGEST_DEADLINE`](crate::LONGEST_DEADLINE) at most.
    pub fn ask_within(mut self, within: Duration) -> Self {
        self.settings.ask_within = within;
        self
    }

    /// How long a stop serves what is queued before it stops the tree.
    pub fn drain(mut self, at_most: Duration) -> Self {
        self.settings.drain = at_most;
        self
    }

    /// How many pumps run actors: as many as the runtime has workers, but no more than there are cores, unless told
    /// otherwise. From 1 to 1,024; others are a [`StartError::Setting`].
    pub fn pumps(mut self, pumps: usize) -> Self {
        self.settings.pumps = Some(pumps);
        self
    }

    /// A turn that holds its thread for longer is told: in the log, as the event `blocks`, and in the actor's
    /// [count](crate::ActorSnapshot::blocked). 10 ms unless told otherwise; 5 ms to an hour, others are a [`StartError::Setting`]. It
    /// is looked for every 5 ms or so, and not on a runtime of one thread, where nobody could.
    pub fn blocked_after(mut self, after: Duration) -> Self {
        self.settings.blocked_after = after;
        self
    }

    /// What is told of messages that nobody handled. It runs in a task of its own; at most 1,024 letters wait for it,
    /// more are counted.
    pub fn on_dead_letter(mut self, hook: impl Fn(DeadLetter) + Send + Sync + 'static) -> Self {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// How many crash reports, and errors of supervisors, each source may log: a supervisor, or an actor without one. 10 at
    /// once and then one a second, unless told otherwise; all sources together ten times that. How many were withheld is
    /// logged with the next one, or a second later; [`System::crashes`] has the withheld ones, too.
    ///
    /// The log is `tracing`. In a process in which no subscriber of it was ever installed, nobody would hear: there the same
    /// reports, and no more of them, are printed to standard error, and so is how many were withheld. Nothing is printed
    /// once there is a subscriber. Whoever wants silence installs one that hears nothing,
    /// [`NoSubscriber`](tracing::subscriber::NoSubscriber), with `tracing::subscriber::set_global_default`, before the first
    /// system is started; so does whoever has `tracing` write to the crate `log`, which is not asked.
    pub fn error_reports(mut self, limit: RateLimit) -> Self {
        self.errors = limit;
        self
    }

    /// The same for what is no error: that children were started. 100 at once and then ten a second, unless told otherwise.
    pub fn progress_reports(mut self, limit: RateLimit) -> Self {
        self.progress = limit;
        self
    }

    /// Adds a part, such as the console.
    pub fn with(mut self, part: impl Part) -> Self {
        self.parts.push(Box::new(part));
        self
    }

    /// Starts the system and its tree on the current tokio runtime, and waits until every child is ready.
    ///
    /// # Errors
    /// As [`System::start`], and [`StartError::Setting`] for a setting out of range.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(self, root: impl Root) -> Result<System, StartError> {
        let system = self.bare()?;
        match root.start(&system).await {
            Ok(top) => {
                shutdown::watch(&system, top);
                Ok(system)
            }
            Err(error) => {
                // Also what a branch that took too long has left running.
                shutdown::end(&system.shared, None).await;
                Err(error)
            }
        }
    }

    /// Starts the system without a tree.
    ///
    /// # Errors
    /// [`StartError::Setting`], or what a part answered.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn bare(self) -> Result<System, StartError> {
        self.bare_on(Port::of(Handle::current()))
    }

    /// The same on a clock of one's own.
    pub(crate) fn bare_on(self, port: Arc<Port>) -> Result<System, StartError> {
        self.check()?;
        crate::crash::install_hook();
        let handle = port.runtime().clone();
        let pumps = self.settings.pumps.unwrap_or_else(|| handle.metrics().num_workers().min(cores()).max(1));
        let pool = Pool::start(self.settings.name.clone(), handle, pumps, port.clone());
        let wheel = Wheel::start(port.clone());
        pool.look_after(&wheel);
        let dead_letters = DeadLetters::new(self.hook, &port);
        let reports = Reports::new(self.errors, self.progress);
        let shared = Shared::new(self.settings, port, pool, wheel, dead_letters, reports);
        shutdown::watch_runtime(&shared);
        report::start(&shared);
        let system = System { shared };
        for mut part in self.parts {
            if let Err(error) = part.attach(&system) {
                // Those before it have been told of a system that will never be.
                shutdown::end_now(&system.shared, None);
                return Err(error);
            }
            system.shared.stop.parts.lock().push(part);
        }
        Ok(system)
    }

    fn check(&self) -> Result<(), StartError> {
        let Settings { pumps, ask_within, blocked_after, .. } = &self.settings;
        if let Some(pumps) = pumps.filter(|pumps| !(1..=PUMPS).contains(pumps)) {
            return Err(StartError::Setting(format!("{pumps} pumps, allowed are 1 to {PUMPS}")));
        }
        if ask_within.is_zero() {
            return Err(StartError::Setting("asks that end within 0 s: they could never be answered".into()));
        }
        if !(SHORTEST_BLOCK..=LONGEST_BLOCK).contains(blocked_after) {
            let why = format!(
                "turns that block after {blocked_after:?}, allowed are {SHORTEST_BLOCK:?} to {LONGEST_BLOCK:?}"
            );
            return Err(StartError::Setting(why));
        }
        if self.errors.burst == 0 || self.progress.burst == 0 {
            return Err(StartError::Setting("no report at once: at least one is allowed".into()));
        }
        Ok(())
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).field("parts", &self.parts.len()).finish()
    }
}
