//! `crashworthy`: looks into running systems, from a terminal or a script.
#![forbid(unsafe_code)]

mod act;
mod aftermath;
mod args;
mod audit;
mod calendar;
mod completions;
mod dump;
mod events;
mod filter;
mod find;
mod ranked;
mod recording;
mod remote;
mod show;
mod source;
mod sources;
mod state;
mod terminal;
mod text;
mod trace;
mod watching;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;

use clap::CommandFactory;
use clap::error::ErrorKind as Misuse;
use crashworthy_console::ClientError;
use crashworthy_console::openmetrics;
use crashworthy_console::protocol::{ActorQuery, AuditQuery, CrashesQuery, Health, ReportsQuery};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::args::{Action, Cli, Show, What, Which};

/// Why there is nothing to show: exit code 1. Misuse of the command line is mostly clap's to tell: exit code 2.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// In words for people.
    Told(String),
    /// Nobody reads what is written any more.
    Unread,
    /// The command line is wrong, which only a system could say: exit code 2.
    Misused(String),
    /// Nothing was asked; what can be was told: exit code 2.
    Helped,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Told(error.to_string()),
        }
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Self::Told(text::clean(&error.to_string()))
    }
}

fn main() -> ExitCode {
    let cli = Cli::said().unwrap_or_else(|misuse| {
        // Whoever asks for a machine is told the way there, and not that this is no command.
        let named = std::env::args_os().find_map(|word| {
            let word = word.to_str()?;
            let value = word.strip_prefix("--").and_then(|option| option.split_once('='));
            remote::way(value.map_or(word, |(_, value)| value))
        });
        match named.filter(|_| misuse.use_stderr()) {
            Some(way) => Cli::command().error(Misuse::InvalidSubcommand, way).exit(),
            None => misuse.exit(),
        }
    });
    if let Some(misuse) = cli.misuse() {
        misuse.exit();
    }
    match run(&cli) {
        Ok(code) => code,
        Err(Trouble::Unread) => ExitCode::SUCCESS,
        Err(Trouble::Helped) => ExitCode::from(2),
        Err(Trouble::Misused(why)) => fail(&why, ExitCode::from(2)),
        Err(Trouble::Told(why)) => fail(&why, ExitCode::FAILURE),
    }
}

fn fail(why: &str, code: ExitCode) -> ExitCode {
    // Whoever has closed standard error, too, does not want to know.
    let _ = writeln!(anstream::stderr(), "crashworthy: {why}");
    code
}

/// Code 1 if not all is as it should be, as far as that was asked; 3 if what was to be done was not confirmed.
fn run(cli: &Cli) -> Result<ExitCode, Trouble> {
    let well = match &cli.action {
        None => return open(cli),
        Some(Action::Show(what)) => show_of(&cli.which, what),
        Some(Action::Act(act)) => {
            let is_confirmed = act::run(&cli.which, act)?;
            return Ok(if is_confirmed { ExitCode::SUCCESS } else { ExitCode::from(3) });
        }
        Some(Action::Completions { shell }) => {
            io::stdout().write_all(&completions::script(*shell))?;
            Ok(true)
        }
        Some(Action::Trace(of)) => trace::run(&cli.which, of),
        Some(Action::Dump { file, json }) => {
            let extent = dump::dump(&mut find::choose(&cli.which)?, file)?;
            if !extent.is_whole() {
                let _ = writeln!(anstream::stderr(), "{}: {extent}", file.display());
            }
            if *json && file.as_os_str() != "-" {
                io::stdout().write_all(dump::data(file, &extent)?.as_bytes())?;
            }
            Ok(true)
        }
    };
    well.map(|well| if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The screens, if there is a terminal for them. Who did not ask for them is told what there is.
fn open(cli: &Cli) -> Result<ExitCode, Trouble> {
    match (&cli.which.replay, io::stdout().is_terminal()) {
        (Some(file), true) => terminal::play(file),
        (None, true) => terminal::run(cli.which.clone(), cli.record.as_deref()),
        (None, false) if cli.record.is_none() => {
            let _ = write!(anstream::stderr(), "{}", Cli::command().render_help().ansi());
            Err(Trouble::Helped)
        }
        _ => Err(Trouble::Told("the screens need a terminal".to_owned())),
    }
}

/// Says what was asked, once or again and again.
fn show_of(which: &Which, what: &What) -> Result<bool, Trouble> {
    let show = what.show();
    if let (What::Events(of), Some(every), None) = (what, show.watch, &which.replay) {
        return events::follow(which, of, every.0);
    }
    if let Some((list, every)) = watching::list(which, what)
        && let Some(mut client) = watching::connect(which)?
    {
        return watching::follow(&mut client, what, list, every);
    }
    loop {
        let Said { text, well } = say(which, what, show)?;
        print(&text, show)?;
        match show.watch {
            Some(every) => thread::sleep(every.0),
            None => return Ok(well),
        }
    }
}

/// Puts what there is to say in the place of what was said before, where that can be done.
fn print(text: &str, show: &Show) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if show.watch.is_some() && !show.json && io::stdout().is_terminal() {
        // Home, and nothing below.
        out.write_all(b"\x1b[H\x1b[2J")?;
    }
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What there is to say, and whether that is good.
struct Said {
    text: String,
    well: bool,
}

impl From<String> for Said {
    fn from(text: String) -> Self {
        Self { text, well: true }
    }
}

/// What there is to say now.
fn say(which: &Which, what: &What, show: &Show) -> Result<Said, Trouble> {
    let text = match what {
        What::Health { .. } => {
            let health: Health = source::choose(which)?.ask("health", &())?;
            let text = if show.json { data(&health)? } else { show::health(&health) };
            return Ok(Said { text, well: health.ready });
        }
        What::Sources { .. } => return sources::say(which, show),
        What::State { actor, .. } => return state::say(which, show, actor),
        What::Metrics { .. } => tell(which, show, "metrics", &(), openmetrics::text),
        What::Ps { .. } => {
            let systems = find::running()?;
            if show.json { json(&find::data(&systems)) } else { Ok(find::table(&systems)) }
        }
        What::Tree(of) => {
            return list(which, show, "tree", &of.query(), |view| of.text(view), |view| of.is_in_vain(view));
        }
        What::Top(of) if of.wants_rates() => return watching::recorded(which, of),
        What::Top(of) => {
            return list(which, show, "actors", &of.query(), |view| of.text(view), |view| of.is_in_vain(view));
        }
        What::Actor { actor, .. } => tell(which, show, "actor", &ActorQuery { actor: actor.clone() }, show::actor),
        What::Crashes { under, limit, backtrace, .. } => {
            let query = CrashesQuery { under: under.clone(), limit: *limit, ..CrashesQuery::default() };
            tell(which, show, "crashes", &query, |view| show::crashes(view, *backtrace))
        }
        What::Events(of) => tell(which, show, "events", &of.query(), events::listed),
        What::DeadLetters(of) => tell(which, show, "dead_letters", &of.query(), events::letters),
        What::Audit { limit, .. } => audit::say(which, show, &AuditQuery { limit: *limit }),
        What::Reports { under, progress, limit, .. } => {
            let query = ReportsQuery { under: under.clone(), progress: *progress, limit: *limit };
            tell(which, show, "reports", &query, show::reports)
        }
    }?;
    Ok(text.into())
}

/// Asks a system one thing, and says the answer as data or as text.
fn tell<T: DeserializeOwned>(
    which: &Which,
    show: &Show,
    verb: &str,
    query: &impl Serialize,
    text: impl Fn(&T) -> String,
) -> Result<String, Trouble> {
    let mut client = source::choose(which)?;
    if show.json { json(&client.ask::<Value>(verb, query)?) } else { Ok(text(&client.ask::<T>(verb, query)?)) }
}

/// The same of a list, which is good unless somebody is looked for in vain: as text that is an error.
fn list<T: DeserializeOwned>(
    which: &Which,
    show: &Show,
    verb: &str,
    query: &impl Serialize,
    text: impl Fn(&T) -> Result<String, Trouble>,
    is_in_vain: impl Fn(&T) -> bool,
) -> Result<Said, Trouble> {
    let mut client = source::choose(which)?;
    if !show.json {
        return Ok(text(&client.ask(verb, query)?)?.into());
    }
    let answer: Value = client.ask(verb, query)?;
    let text = json(&answer)?;
    let is_in_vain = serde_json::from_value(answer).is_ok_and(|list| is_in_vain(&list));
    Ok(Said { text, well: !is_in_vain })
}

pub(crate) fn data(value: &impl Serialize) -> Result<String, Trouble> {
    json(&serde_json::to_value(value).map_err(|error| Trouble::Told(error.to_string()))?)
}

fn json(value: &Value) -> Result<String, Trouble> {
    Ok(format!("{value}\n"))
}
