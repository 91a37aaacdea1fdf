//! The console: looks into a running system, without stopping or slowing it.
//!
//! A [`Console`] is a part of a system. It runs on a thread of its own, and answers from snapshots: also while every worker of
//! the system is blocked, which is when somebody wants to know by whom. One answer is an actor's own, what it
//! [shows](crashworthy_runtime::Actor::view) of its state; it is waited for no longer than a quarter of a second. It
//! listens on a socket that is the user's alone; the [`protocol`] is lines of JSON. The command `crashworthy`, in this
//! package, speaks it, and so does [`Client`].
//!
//! On a second socket actors can be stopped, drained, killed, restarted, suspended, tripped, and given more room or less, and what the
//! application logs can be set, by somebody who has been told what would come of it and says why. [`ActionLimits`] says how much of that there may be.
//!
//! Messages can be [traced](TraceLimits): which ones some actors handle, from whom, how that ended and how long it took, never what they
//! say. A trace has a count, a rate and a time, and ends with the connection that it was begun on.
//!
//! While nobody is connected it does nothing at all: no thread wakes up, nothing is kept.
#![forbid(unsafe_code)]

mod about;
mod actions;
mod client;
mod connection;
mod desk;
mod doorway;
mod dumps;
mod events;
mod forest;
mod hangup;
mod health;
mod home;
mod inspector;
mod limits;
mod log;
#[cfg(feature = "openmetrics")]
pub mod openmetrics;
mod order;
mod outline;
mod pace;
mod past;
mod pattern;
mod picture;
pub mod protocol;
mod queue;
pub mod recording;
mod role;
mod search;
mod seats;
mod server;
pub mod sources;
mod state;
mod sums;
mod tcp;
mod timetable;
mod token;
mod traces;
mod vitals;
mod waiting;
mod watch;
mod watches;
mod whom;
mod wire;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crashworthy_runtime::{Part, StartError, System};

pub use actions::ActionLimits;
use actions::Terms;
pub use client::{Client, ClientError};
use dumps::{Dumper, Dumps};
use home::Home;
pub use home::{Place, TOKEN, base, list, newest_dump};
pub use inspector::Inspector;
pub use limits::Limits;
use log::Log;
pub use log::LogControl;
pub use outline::{Outline, Outlined};
pub use pace::Pace;
pub use pattern::{NoPattern, Pattern};
pub use protocol::Application;
use server::{Listens, Opening};
use sources::{Source, Sources};
pub use tcp::{OnTcp, Tcp};
pub use token::Token;
pub use traces::TraceLimits;
pub use vitals::Vitals;
pub use watch::{Amiss, Watch, Watched};

/// Answers what is asked about a system: `System::builder().with(Console::default())`.
///
/// The socket is `ro.sock` in a directory for the system, `<process>-<name>`, below `$CRASHWORTHY_RUNTIME_DIR`, or
/// `$XDG_RUNTIME_DIR/crashworthy`, or a directory of the user among the temporary files. It goes when the system ends.
///
/// # Guarantees
/// Who may enter is the user of the process, and root; others are told so, and are in the audit. What clients can use up is bounded
/// by [`Limits`]; no actor waits for them. On `ro.sock` they can look and do nothing else. On `rw.sock` beside it, unless the
/// console is [read-only](Self::read_only), they can act: each action is planned, then committed with a reason, and entered in
/// the audit, `audit/<name>.jsonl` beside the directory of the system. The top of the tree can be drained, with which the system ends as on SIGTERM,
/// and otherwise be neither ended nor suspended.
///
/// A system that [fails](crashworthy_runtime::Part::fails) leaves a dump behind: `dumps/<name>-<seconds since 1970>-<process>.jsonl` beside the
/// directory of the system, the newest four of a name. It is one picture of everything, as it was when the supervisor at the top gave up and
/// had ended nobody yet, and what has crashed and happened before: `crashworthy --replay FILE` opens it, and the log says where it
/// is. Its end waits for that for two seconds at most. Who is killed, aborts or runs out of memory leaves none.
///
/// # Errors
/// A console that cannot listen does not keep a service from starting: the log says why, and
/// [`ConsoleExt::console`] is `None`; so is one that was to listen on [TCP](Self::tcp), too, and cannot. Limits out of range,
/// an address that others can reach, and a token that cannot be read end the start: [`StartError::Setting`].
///
/// # Examples
/// ```
/// use crashworthy_console::{Client, Console, ConsoleExt, protocol::SystemView};
/// use crashworthy_runtime::System;
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let system = System::builder().name("shop").with(Console::default()).bare()?;
/// let socket = system.console().ok_or("it does not listen")?;
/// let mut client = Client::connect(&socket, Duration::from_secs(5))?;
/// let view: SystemView = client.ask("system", &())?;
/// assert_eq!((view.name.as_str(), view.actors), ("shop", 0));
/// system.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Default)]
#[must_use = "a console belongs to a system: `System::builder().with(..)`"]
pub struct Console {
    base: Option<PathBuf>,
    limits: Limits,
    read_only: bool,
    terms: Terms,
    tcp: Option<Tcp>,
    home: Option<Arc<Home>>,
    dumps: Dumps,
    dumper: Option<Dumper>,
    sources: Vec<Box<dyn Source>>,
    application: Option<Application>,
}

impl Console {
    /// The same below another directory: one of the user's own with the mode 0700, or one that can be made.
    pub fn below(mut self, base: impl Into<PathBuf>) -> Self {
        self.base = Some(base.into());
        self
    }

    /// The same without the socket for actions: clients can look and do nothing else.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The same with these actors protected, by their paths: nothing is done to them but to resume and untrip them, and nobody above them
    /// is ended. Refused is also what would stop one of them as a consequence: a sibling that is started again under `one_for_all`, one
    /// started earlier under `rest_for_one`, a supervisor above that has no restart left for it, somebody with whom it is linked; to force it changes nothing of that.
    /// An actor that does not exist is protected as soon as it does. What actors do by themselves is not held up.
    ///
    /// # Examples
    /// ```
    /// use crashworthy_console::Console;
    ///
    /// let console = Console::default().protect(["shop/ledger", "shop/bank"]);
    /// # drop(console);
    /// ```
    pub fn protect<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.terms.protected.extend(paths.into_iter().map(Into::into));
        self
    }

    /// The same with a handle by which somebody can set how much the application logs: `crashworthy log-level debug`. Without one
    /// that is refused, and the answer says why.
    pub fn log(mut self, control: impl LogControl + 'static) -> Self {
        self.terms.log = Log(Some(Box::new(control)));
        self
    }

    /// The same on TCP, too, for whoever shows a token: clients can look there and do nothing else.
    ///
    /// # Examples
    /// ```
    /// use crashworthy_console::{Console, Tcp};
    ///
    /// let console = Console::default().tcp(Tcp::default().at(([127, 0, 0, 1], 7070)));
    /// # drop(console);
    /// ```
    pub fn tcp(mut self, tcp: Tcp) -> Self {
        self.tcp = Some(tcp);
        self
    }

    /// The same with something that tells of itself: a cache, a circuit breaker, a pool of connections. `crashworthy sources` says how it is,
    /// and so do the screens, `metrics`, and a web server of the same system; at most 64, each with a name of its own among its sort. That
    /// its state changes is the event `source`, once somebody looks: nobody asks it in between.
    pub fn source(mut self, source: impl Source) -> Self {
        self.sources.push(Box::new(source));
        self
    }

    /// The same with what the service says it is: whoever connects is told, and so is whoever asks the web server of the same system.
    pub fn application(mut self, application: Application) -> Self {
        self.application = Some(application);
        self
    }

    /// The same with dumps in another directory, which is made with the mode 0700 unless it is there.
    ///
    /// # Examples
    /// ```
    /// use crashworthy_console::Console;
    ///
    /// let console = Console::default().dumps_to("/var/lib/shop/dumps");
    /// # drop(console);
    /// ```
    pub fn dumps_to(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dumps = Dumps::To(dir.into());
        self
    }

    /// The same without dumps: a system that fails leaves nothing behind but its log.
    pub fn without_dumps(mut self) -> Self {
        self.dumps = Dumps::Nowhere;
        self
    }

    /// The same with other limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl Part for Console {
    fn attach(&mut self, system: &System) -> Result<(), StartError> {
        if let Some(fault) = self.limits.fault().or(self.tcp.as_ref().and_then(Tcp::fault)) {
            return Err(StartError::Setting(fault));
        }
        if let Some(tcp) = &mut self.tcp {
            tcp.read_token().map_err(|error| StartError::Setting(format!("console: {error}")))?;
        }
        for source in self.sources.drain(..) {
            system.add_source(source)?;
        }
        let inspector = Arc::new(Inspector::new(system.downgrade(), system.name(), self.limits.clone()));
        if let Some(application) = self.application.take() {
            inspector.set_application(application);
        }
        let plate = system.extension::<Doorplate>();
        // The first of two consoles is the one that is told of.
        let _ = plate.inspector.set(inspector.clone());
        let acts = (!self.read_only).then(|| std::mem::take(&mut self.terms));
        let opening = Opening { base: self.base.clone(), inspector, acts, tcp: self.tcp.take() };
        let mut done = None;
        match server::start(opening, system.downgrade()) {
            Ok(Listens { home, tcp, actions }) => {
                done = actions;
                if let Some(tcp) = tcp {
                    tracing::info!(system = system.name(), addr = %tcp.addr(), "the console listens on TCP");
                    let _ = plate.tcp.set(tcp);
                }
                let _ = plate.socket.set(home.socket());
                if !self.read_only {
                    let _ = plate.actions.set(home.actions());
                }
                self.home = Some(home);
            }
            Err(error) => {
                tracing::error!(system = system.name(), %error, "the console cannot listen: nobody can attach")
            }
        }
        self.dumper = Dumper::new(system, self.dumps.clone(), self.base.take(), done);
        Ok(())
    }

    fn fails(&mut self) {
        if let Some(dumper) = self.dumper.take() {
            dumper.dump();
        }
    }

    fn detach(&mut self) {
        // Not left to the thread: the process may end as soon as somebody has been told.
        if let Some(home) = self.home.take() {
            home.leave();
        }
    }
}

/// Where the console of a system is.
#[derive(Default)]
struct Doorplate {
    socket: OnceLock<PathBuf>,
    actions: OnceLock<PathBuf>,
    tcp: OnceLock<OnTcp>,
    inspector: OnceLock<Arc<Inspector>>,
}

/// What a system knows of its console.
pub trait ConsoleExt {
    /// The socket on which its console listens; none if it has no console, or one that cannot listen.
    fn console(&self) -> Option<PathBuf>;

    /// The socket on which its console takes actions; none if it takes none, or does not listen.
    fn console_for_actions(&self) -> Option<PathBuf>;

    /// Where its console listens on TCP; none if it does not.
    fn console_on_tcp(&self) -> Option<OnTcp>;

    /// Adds something that tells of itself, as [`Console::source`] does, for whoever comes later.
    ///
    /// # Errors
    /// [`StartError::Setting`] if there are 64 already, another has its name, or it panics when it is asked for that.
    fn add_source(&self, source: Box<dyn Source>) -> Result<(), StartError>;

    /// What answers for its console; none if it has no console. It answers also where the console cannot listen.
    fn inspector(&self) -> Option<Arc<Inspector>>;
}

impl ConsoleExt for System {
    fn console(&self) -> Option<PathBuf> {
        self.extension::<Doorplate>().socket.get().cloned()
    }

    fn console_for_actions(&self) -> Option<PathBuf> {
        self.extension::<Doorplate>().actions.get().cloned()
    }

    fn console_on_tcp(&self) -> Option<OnTcp> {
        self.extension::<Doorplate>().tcp.get().cloned()
    }

    fn add_source(&self, source: Box<dyn Source>) -> Result<(), StartError> {
        let added = self.extension::<Sources>().add(source);
        added.map_err(|why| StartError::Setting(format!("console: {why}")))
    }

    fn inspector(&self) -> Option<Arc<Inspector>> {
        self.extension::<Doorplate>().inspector.get().cloned()
    }
}
