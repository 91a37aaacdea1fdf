//! Doing something to actors: the plan is shown, confirmed, committed.

use std::io::{self, BufRead, IsTerminal, Write};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use crashworthy_console::protocol::{self, CommitQuery, CommitView, Deed, Filter, PlanQuery, PlanView};
use crashworthy_console::{Client, ClientError, Pattern};
use serde_json::Value;

use crate::args::{State, Which};
use crate::text::{BOLD, DIM, clean, span};
use crate::{Trouble, aftermath, data, filter, find, source};

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Act {
    /// Asks actors to stop, in order: a permanent one is started again.
    Stop(Whom),
    /// Has actors and those below them finish what they have and take nothing new, then stops them. Of the top of the tree: the whole
    /// system, as SIGTERM does.
    Drain {
        #[command(flatten)]
        whom: Whom,
        /// For how long at most: 500ms, 90s, 5m, 1h.
        #[arg(long, value_name = "TIME", default_value = "30s")]
        within: Span,
    },
    /// Kills actors: no callback of them runs any more.
    Kill(Whom),
    /// Has actors end as if they had failed, so that they are started again unless they are temporary.
    Restart(Whom),
    /// Has actors handle no more messages for a while.
    Suspend {
        #[command(flatten)]
        whom: Whom,
        /// For how long: 500ms, 90s, 5m, 1h.
        #[arg(long = "for", value_name = "TIME", default_value = "60s")]
        span: Span,
    },
    /// Has suspended actors go on.
    Resume(Whom),
    /// Changes how many messages the mailboxes of actors hold.
    Limit {
        #[command(flatten)]
        whom: Whom,
        /// So many messages.
        #[arg(long = "to", value_name = "N")]
        capacity: u32,
    },
    /// Trips the gates of actors: they take nothing new until they are untripped. What is queued is handled.
    Trip(Whom),
    /// Has actors whose gates were tripped take messages again.
    Untrip(Whom),
    /// Sets how much the application logs, if it lets its console do so.
    LogLevel {
        /// How much: what is so important, and all that is more so.
        #[arg(value_enum)]
        level: LogLevel,
        #[command(flatten)]
        how: How,
    },
}

/// How much is logged.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for protocol::LogLevel {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::Off,
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

/// To whom, and why.
#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// Paths, names that only one has, or ids.
    #[arg(value_name = "PATH", required_unless_present_any = ["pattern", "under", "state"])]
    actors: Vec<String>,
    /// To all that match, but for those that are protected: a part of the path, the type or a registered name, or a regular expression (of
    /// which `\w`, `\d` and `(?i)` know ASCII alone); with `~` before it letters in that order; with `!` before all those that do not. `top
    /// --match` shows who they are.
    #[arg(long = "match", value_name = "PATTERN", conflicts_with = "actors", value_parser = pattern)]
    pattern: Option<String>,
    /// To this actor and those below it, by path.
    #[arg(long, value_name = "PATH", conflicts_with = "actors")]
    under: Option<String>,
    /// To all in this state.
    #[arg(long, value_enum, conflicts_with = "actors")]
    state: Option<State>,
    /// Although it may use up the restarts that a supervisor is allowed, which would end it.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    how: How,
}

/// Why, and how that is asked and told.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Why: it is in the audit, and in the reports of supervisors.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Without asking.
    #[arg(long)]
    yes: bool,
    /// As JSON: the plan on a line, then what was done on another.
    #[arg(long)]
    json: bool,
}

impl Act {
    fn parts(&self) -> (PlanQuery, &How) {
        match self {
            Self::Stop(whom) => whom.parts(Deed::Stop),
            Self::Drain { whom, within } => whom.parts(Deed::Drain { within: within.0 }),
            Self::Kill(whom) => whom.parts(Deed::Kill),
            Self::Restart(whom) => whom.parts(Deed::Restart),
            Self::Suspend { whom, span } => whom.parts(Deed::Suspend { span: span.0 }),
            Self::Resume(whom) => whom.parts(Deed::Resume),
            Self::Limit { whom, capacity } => whom.parts(Deed::Limit { capacity: *capacity }),
            Self::Trip(whom) => whom.parts(Deed::Trip),
            Self::Untrip(whom) => whom.parts(Deed::Untrip),
            Self::LogLevel { level, how } => {
                let deed = Deed::LogLevel { level: (*level).into() };
                (PlanQuery { deed, actors: Vec::new(), matching: None, force: false }, how)
            }
        }
    }
}

impl Whom {
    fn parts(&self, deed: Deed) -> (PlanQuery, &How) {
        let (under, state) = (self.under.clone(), self.state.map(Into::into));
        let filter = Filter { under, state, ..filter::query(self.pattern.as_deref()) };
        let matching = self.actors.is_empty().then_some(filter);
        (PlanQuery { deed, actors: self.actors.clone(), matching, force: self.force }, &self.how)
    }
}

/// Whom somebody looks for, if that can be understood and leaves somebody out: nobody stops all because a variable was empty.
fn pattern(text: &str) -> Result<String, String> {
    match text.parse::<Pattern>() {
        Ok(pattern) if pattern.is_all() => Err("it looks for nothing, which all match".to_owned()),
        Ok(_) => Ok(text.to_owned()),
        Err(why) => Err(why.to_string()),
    }
}

/// Plans, shows, asks, commits: unless somebody says no, or nobody can be asked.
pub(crate) fn run(which: &Which, act: &Act) -> Result<bool, Trouble> {
    let (query, how) = act.parts();
    let mut client = find::to_act(which)?;
    if let Some(filter) = &query.matching {
        // An older system would do it to all others, too.
        source::heeds(client.hello(), &serde_json::json!(filter)).map_err(ClientError::Refused)?;
    }
    let (plan, shown): (PlanView, String) = both(&mut client, "plan", &query, how, text)?;
    write(&shown)?;
    if !how.yes && !is_confirmed(&plan)? {
        return Ok(false);
    }
    let commit = CommitQuery { nonce: plan.nonce, reason: how.reason.clone() };
    let (view, shown) = both(&mut client, "commit", &commit, how, done)?;
    write(&shown)?;
    if let ([target], false, true) = (&view.targets[..], how.json, query.deed.ends()) {
        write(&aftermath::of(&mut client, target.pid)?)?;
    }
    Ok(true)
}

/// An answer, and how it is shown.
fn both<T: serde::de::DeserializeOwned>(
    client: &mut Client,
    verb: &str,
    query: &impl serde::Serialize,
    how: &How,
    text: impl Fn(&T) -> String,
) -> Result<(T, String), Trouble> {
    let answer: Value = client.ask(verb, query)?;
    let line = data(&answer)?;
    let view = serde_json::from_value(answer).map_err(|error| Trouble::Told(clean(&error.to_string())))?;
    let shown = if how.json { line } else { text(&view) };
    Ok((view, shown))
}

fn write(text: &str) -> Result<(), Trouble> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The plan: how many first, then who, then what comes of it.
fn text(plan: &PlanView) -> String {
    let mut lines = plan.effect.iter();
    let head = lines.next().map_or_else(|| plan.deed.to_string(), |head| clean(head));
    let mut text = format!("{BOLD}{head}{BOLD:#}\n");
    if plan.total > 1 {
        text.extend(plan.targets.iter().map(|target| format!("    {} {}\n", clean(&target.path), target.pid)));
    }
    text.extend(lines.map(|line| format!("  {}\n", clean(line))));
    if plan.deed.is_destructive() {
        text += &format!("{DIM}  such actions that are allowed just now: {}{DIM:#}\n", plan.left);
    }
    text
}

fn done(view: &CommitView) -> String {
    let whom = match &view.targets[..] {
        [] => String::new(),
        [one] => format!(", {} {}", clean(&one.path), one.pid),
        all => format!(", {} actors", all.len()),
    };
    let audited = if view.audited { "" } else { "; the file of the audit could not be written" };
    format!("done: {}{whom}{audited}\n", view.deed)
}

/// Whether somebody at a terminal says yes; for several actors, how many they are.
fn is_confirmed(plan: &PlanView) -> Result<bool, Trouble> {
    if !io::stdin().is_terminal() {
        let why =
            "nobody can be asked, standard input is no terminal: nothing was done; `--yes` does it without asking";
        let _ = writeln!(anstream::stderr(), "crashworthy: {why}");
        return Ok(false);
    }
    let (question, word) = match plan.total {
        0 | 1 => ("Do it? [y/N] ".to_owned(), "y".to_owned()),
        all => (format!("Do it to {all} actors? Type {all}: "), all.to_string()),
    };
    let mut asks = anstream::stderr();
    write!(asks, "{question}")?;
    asks.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim().to_lowercase();
    let said = answer == word || (word == "y" && answer == "yes");
    if !said {
        writeln!(asks, "nothing was done")?;
    }
    Ok(said)
}

/// A span of time with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a whole number with its unit: 500ms, 90s, 5m, 1h".to_owned();
        let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u32 = text[..at].parse().map_err(|_| wrong())?;
        let unit = match &text[at..] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return Err(wrong()),
        };
        unit.checked_mul(number).map(Self).ok_or_else(wrong)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&span(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_with_its_unit() {
        let of = |text: &str| text.parse::<Span>().map(|span| span.0.as_millis());
        assert_eq!((of("500ms"), of("90s"), of("5m"), of("1h")), (Ok(500), Ok(90_000), Ok(300_000), Ok(3_600_000)));
        for wrong in ["", "90", "s", "-1s", "1.5s", "1d", "99999999999s", "1 s"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
