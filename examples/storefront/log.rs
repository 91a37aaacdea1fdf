//! What is logged, and the handle by which the console sets it while the shop runs.

use std::io::{IsTerminal, stderr};

use crashworthy::console::{Console, LogControl, protocol::LogLevel};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

/// Begins to log, as `RUST_LOG` says. The console that is returned can set that.
pub(crate) fn begin(json: bool) -> Console {
    let chosen = EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let lines = tracing_subscriber::fmt().with_env_filter(chosen).with_writer(stderr).with_ansi(stderr().is_terminal());
    // What reloads knows all else that is set: it is told last.
    if json {
        let lines = lines.json().with_filter_reloading();
        let console = Console::default().log(Filter(lines.reload_handle()));
        lines.init();
        console
    } else {
        let lines = lines.with_filter_reloading();
        let console = Console::default().log(Filter(lines.reload_handle()));
        lines.init();
        console
    }
}

/// What is in force of all that could be logged.
struct Filter<S>(Handle<EnvFilter, S>);

impl<S: Send + Sync> LogControl for Filter<S> {
    fn current(&self) -> String {
        self.0.with_current(ToString::to_string).unwrap_or_else(|error| error.to_string())
    }

    fn set(&self, level: LogLevel) -> Result<(), String> {
        self.0.reload(EnvFilter::new(level.name())).map_err(|error| error.to_string())
    }
}
