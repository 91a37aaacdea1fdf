//! The console over HTTP: health for whoever starts and stops the service, figures for Prometheus, and a page that shows a
//! running system to people.
//!
//! | path | what it says | token |
//! |---|---|---|
//! | `/livez` | whether the system gets on: if not, only a restart of the process helps | no |
//! | `/readyz` | whether everybody takes new work, and else why not | no; with it, also who |
//! | `/startupz` | whether the tree is up | no |
//! | `/info` | addresses, versions, when it was started, whether it accepts work, pools of workers, caches, breakers and whatever else tells of itself, the limits in force | yes |
//! | `/metrics` | sums over all actors of a type, in the format of OpenMetrics | yes |
//! | `/` | the page; it holds no data | no |
//! | `/live` | what the page shows, as server-sent events | yes |
//! | `/actor?actor=PATH` | one actor | yes |
//! | `/state?actor=PATH` | what it shows of its state, or that it is busy | yes |
//! | `/events?since=SEQ&kinds=A,B&under=PATH&limit=N` | what has happened: the newest, or those after a number | yes |
//!
//! It runs on a thread and a runtime of its own and reads snapshots (a state is the actor's own answer, within a limit): it answers while every worker of the system is blocked.
//! Nothing can be changed through it.
//!
//! # Who may look
//!
//! It listens on a loopback address. Every page that is open in a browser on this machine can send requests there, so a
//! request for a foreign host, or from a foreign origin, is refused, and data is for whoever shows a token of 128 bits:
//! `Authorization: Bearer TOKEN`. The token is in a file that is the user's alone, beside the console's socket, and in
//! [`Address::url`] behind a `#`, which browsers send nowhere: it is in no request line, no `Referer` and no log.
#![forbid(unsafe_code)]

mod asked;
mod attention;
mod connection;
mod guard;
mod guests;
mod happened;
mod headers;
mod health;
mod info;
mod limits;
mod live;
mod page;
mod patience;
mod problem;
mod progress;
mod routes;
mod server;
mod share;
mod token;
mod turns;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crashworthy_console::ConsoleExt;
use crashworthy_runtime::{Part, StartError, System};

pub use crashworthy_console::Application;
pub use crashworthy_console::sources::{Reading, Sort, Source};
pub use limits::Limits;

use crashworthy_console::Token;
use guard::Names;
use routes::{Desk, Settings};

/// Serves the console of a system over HTTP: `System::builder().with(Console::default()).with(Web::default())`.
///
/// It listens on a free port of 127.0.0.1 unless it is told [otherwise](Self::at); [`WebExt::web`] says where.
///
/// # Guarantees
/// Who is not on this machine cannot reach it, unless [`beyond_loopback`](Self::beyond_loopback) was said. Clients can look
/// and do nothing else; what they can use up is bounded by [`Limits`]; no actor waits for them.
///
/// # Errors
/// Where it cannot listen, the log says why, [`WebExt::web`] is `None`, and the service starts. Settings that are out of
/// range or would open it by mistake, a token that cannot be read, and a system without a console before it end the start:
/// [`StartError::Setting`].
///
/// # Examples
/// ```
/// use crashworthy_console::Console;
/// use crashworthy_runtime::System;
/// use crashworthy_web::{Web, WebExt};
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let system = System::builder().name("shop").with(Console::default()).with(Web::default()).bare()?;
/// let address = system.web().ok_or("it does not listen")?;
/// assert!(address.addr().ip().is_loopback());
/// println!("look inside: {}", address.url());
/// system.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "a web server belongs to a system: `System::builder().with(..)`"]
pub struct Web {
    at: SocketAddr,
    beyond: Option<Vec<String>>,
    token: Option<PathBuf>,
    settings: Settings,
    sources: Vec<Box<dyn Source>>,
    application: Option<Application>,
}

impl Default for Web {
    fn default() -> Self {
        let (at, settings) = ((Ipv4Addr::LOCALHOST, 0).into(), Settings::default());
        Self { at, beyond: None, token: None, settings, sources: Vec::new(), application: None }
    }
}

impl Web {
    /// The same at another address; the port 0 is any that is free.
    pub fn at(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.at = addr.into();
        self
    }

    /// Allows an address that others can reach, under these names and under any IP address.
    ///
    /// What is sent is not encrypted, the token included: behind a proxy that does, or in a network that is trusted. On one
    /// machine, and over SSH, the loopback address will do.
    pub fn beyond_loopback<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.beyond = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The token that is in this file, instead of a new one each time: for whoever asks across restarts, such as
    /// Prometheus. 22 to 256 letters, digits, and `-._~`; nobody but the user may read the file.
    pub fn token_from(mut self, file: impl Into<PathBuf>) -> Self {
        self.token = Some(file.into());
        self
    }

    /// Whose readiness is the readiness of the service: these actors and those below them, by path. Everybody's, unless told
    /// otherwise; where actors come and go with customers, one that is being restarted is no reason to take the rest away.
    pub fn critical<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.settings.critical = paths.into_iter().map(Into::into).collect();
        self
    }

    /// With something that tells of itself, as [`Console::source`](crashworthy_console::Console::source), where all that looks finds
    /// it. `/info` and the page say how it is; if it is [critical](Source::is_critical) and does not serve, `/readyz` says no, with the
    /// reason `source`.
    pub fn source(mut self, source: impl Source) -> Self {
        self.sources.push(Box::new(source));
        self
    }

    /// What the service says it is, as [`Console::application`](crashworthy_console::Console::application): what was said there counts.
    pub fn application(mut self, application: Application) -> Self {
        self.application = Some(application);
        self
    }

    /// The same with other limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// What is wrong with the settings, if something is.
    fn fault(&self) -> Option<String> {
        let is_open = !self.at.ip().is_loopback() && self.beyond.is_none();
        let open = is_open.then(|| format!("web: {} can be reached by others: `beyond_loopback` allows that", self.at));
        self.settings.limits.fault().or(open)
    }
}

impl Part for Web {
    fn attach(&mut self, system: &System) -> Result<(), StartError> {
        if let Some(fault) = self.fault() {
            return Err(StartError::Setting(fault));
        }
        let Some(inspector) = system.inspector() else {
            let why = "web: it needs a console, before it: `.with(Console::default()).with(Web::default())`";
            return Err(StartError::Setting(why.to_owned()));
        };
        if let Some(application) = self.application.take() {
            inspector.set_application(application);
        }
        for source in self.sources.drain(..) {
            system.add_source(source)?;
        }
        let given = self.token.as_deref().map(Token::read).transpose();
        let given = given.map_err(|error| StartError::Setting(format!("web: {error}")))?;
        let opened = server::open(self.at, &self.settings.limits).and_then(|(addr, door)| {
            let token = given.or_else(|| token::fresh(system.console().as_deref()));
            let names = self.beyond.take().map_or(Names::Loopback, Names::Beyond);
            let address = Address { addr, token };
            let desk = Desk::new(inspector, names, &address, self.settings.clone());
            server::start(door, desk, system.downgrade())?;
            Ok(address)
        });
        match opened {
            Ok(address) => {
                let (system_name, addr) = (system.name(), address.addr);
                tracing::info!(system = system_name, %addr, "the console is on the web");
                // The first of two is the one that is told of.
                let _ = system.extension::<Doorplate>().0.set(address);
            }
            Err(error) => {
                let (system, addr) = (system.name(), self.at);
                tracing::error!(system, %addr, %error, "the web server cannot listen: no health, no page");
            }
        }
        Ok(())
    }
}

/// Where a system is on the web, and with which token.
#[derive(Clone)]
pub struct Address {
    addr: SocketAddr,
    token: Option<Arc<Token>>,
}

impl Address {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The token; none if there was no directory of the user's own to keep it in, and then data is told to nobody.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref().map(Token::as_str)
    }

    /// What to open in a browser. It contains the token: for the terminal of the user, not for a log.
    pub fn url(&self) -> String {
        let ip = match self.addr.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let at = SocketAddr::new(ip, self.addr.port());
        self.token().map_or_else(|| format!("http://{at}/"), |token| format!("http://{at}/#{token}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Where the web server of a system is.
#[derive(Default)]
struct Doorplate(OnceLock<Address>);

/// What a system knows of its web server.
pub trait WebExt {
    /// Where it listens; none if it has no web server, or one that cannot listen.
    fn web(&self) -> Option<Address>;
}

impl WebExt for System {
    fn web(&self) -> Option<Address> {
        self.extension::<Doorplate>().0.get().cloned()
    }
}
