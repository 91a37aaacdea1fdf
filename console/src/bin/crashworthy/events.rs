//! `events` and `dead-letters`: what has happened, and what comes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::thread;
use std::time::Duration;

use anstyle::Style;
use clap::{Args, ValueEnum};
use crashworthy_console::Client;
use crashworthy_console::protocol::{DeadLetters, DeadLettersQuery, Events, EventsQuery};
use crashworthy_runtime::{Fallen, Happening, Sender, SourceSeen, SystemEvent};
use serde_json::Value;

use crate::args::{Show, Which};
use crate::text::{DIM, RED, YELLOW, clean, counted, short_type, span, table};
use crate::{Trouble, find, json};

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Those after this number, oldest first.
    #[arg(long, value_name = "SEQ")]
    since: Option<u64>,
    /// Of this kind; may be said several times.
    #[arg(long = "kind", value_name = "KIND", value_parser = clap::builder::PossibleValuesParser::new(Happening::NAMES))]
    kinds: Vec<String>,
    /// Of this actor and those below it, by path, name or id.
    #[arg(long, value_name = "PATH")]
    under: Option<String>,
    /// How many at most. [default: 20, or all with --since]
    #[arg(short = 'n', long = "limit", value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    pub(crate) show: Show,
}

impl EventsArgs {
    pub(crate) fn query(&self) -> EventsQuery {
        let Self { since, kinds, under, limit, show: _ } = self;
        EventsQuery { since: *since, kinds: kinds.clone(), under: under.clone(), limit: *limit }
    }
}

/// Which dead letters.
#[derive(Debug, Args)]
pub(crate) struct DeadLettersArgs {
    /// To this actor and those below it, by path, name or id.
    #[arg(long, value_name = "PATH")]
    under: Option<String>,
    /// Those that fell for this reason.
    #[arg(long, value_enum)]
    why: Option<Why>,
    /// How many at most. [default: 20]
    #[arg(short = 'n', long = "limit", value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    pub(crate) show: Show,
}

impl DeadLettersArgs {
    pub(crate) fn query(&self) -> DeadLettersQuery {
        let Self { under, why, limit, show: _ } = self;
        DeadLettersQuery { under: under.clone(), why: why.map(Into::into), limit: *limit }
    }
}

/// Why a message fell.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Why {
    /// It was in hand when its incarnation ended.
    GivenUp,
    /// It was queued when its slot was emptied.
    Undelivered,
}

impl From<Why> for Fallen {
    fn from(why: Why) -> Self {
        match why {
            Why::GivenUp => Self::GivenUp,
            Why::Undelivered => Self::Undelivered,
        }
    }
}

/// Says what comes, over one connection, until the system ends or nobody reads.
pub(crate) fn follow(which: &Which, of: &EventsArgs, every: Duration) -> Result<bool, Trouble> {
    let mut client = find::choose(which)?;
    let mut query = of.query();
    let mut known = None;
    loop {
        let answer: Value = client.ask("events", &query)?;
        let events: Events =
            serde_json::from_value(answer.clone()).map_err(|error| Trouble::Told(error.to_string()))?;
        let lost = if query.since.is_some() { events.dropped } else { 0 };
        let untold = untold(query.since, events.lifecycle_since).filter(|_| known != Some(events.lifecycle_since));
        known = Some(events.lifecycle_since);
        if !events.events.is_empty() || lost > 0 || untold.is_some() || query.since.is_none() {
            let mut out = anstream::stdout().lock();
            let text = if of.show.json {
                json(&answer)?
            } else {
                missed(lost) + &untold.unwrap_or_default() + &lines(&events, When::Clock)
            };
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
        let is_all = events.next == events.last;
        query = EventsQuery { since: Some(events.next), limit: None, ..query };
        if is_all {
            wait(&mut client, every)?;
        }
    }
}

/// Waits, and says something now and then: who is silent for too long is taken for gone, and beginnings and ends are told no
/// more.
fn wait(client: &mut Client, every: Duration) -> Result<(), Trouble> {
    let most = client.hello().limits.idle / 3;
    let mut left = every;
    while left > most {
        thread::sleep(most);
        left -= most;
        client.ask::<Value>("hello", &())?;
    }
    thread::sleep(left);
    Ok(())
}

pub(crate) fn listed(view: &Events) -> String {
    let mut text = format!("{} happened", view.last);
    if view.dropped > 0 {
        let _ = write!(text, ", {} of all that happened since are not kept any more", view.dropped);
    }
    if view.lifecycle_since.is_none() {
        text += ", and who began and ended is not told while nobody follows events";
    }
    let _ = writeln!(text, "; {} of {} that are kept and match:", view.events.len(), view.matched);
    text + &lines(view, When::Ago)
}

/// How the time of an event is told.
#[derive(Clone, Copy)]
enum When {
    /// As how long ago it was.
    Ago,
    /// By the clock of the system: what is followed may be read later than it is written.
    Clock,
}

/// A line for those that were lost, if any were.
fn missed(lost: u64) -> String {
    if lost == 0 { String::new() } else { format!("{YELLOW}{lost} events of whatever kind were lost{YELLOW:#}\n") }
}

/// A line for beginnings and ends after a number that were not told, if there may be such: nobody has listened.
fn untold(since: Option<u64>, lifecycle_since: Option<u64>) -> Option<String> {
    let why = match (since?, lifecycle_since) {
        (since, Some(first)) if first <= since.saturating_add(1) => return None,
        (_, Some(first)) => format!("who began and ended before event {first} is not told"),
        (_, None) => "who began and ended until now is not told".to_owned(),
    };
    Some(format!("{YELLOW}{why}{YELLOW:#}\n"))
}

/// A line for each.
fn lines(view: &Events, when: When) -> String {
    let mut text = String::new();
    for event in &view.events {
        let style = style(event);
        let when = match when {
            When::Ago => format!("{:>10} ago", span(view.at.saturating_sub(event.at))),
            When::Clock => format!("{:>10.3} s", event.at.as_secs_f64()),
        };
        let who = if event.path.is_empty() { "the system" } else { &event.path };
        let SystemEvent { seq, what, .. } = event;
        let pid = event.pid.map_or(String::new(), |pid| format!(" {DIM}{pid}{DIM:#}"));
        let _ = writeln!(
            text,
            "{DIM}{seq:>6} {when}{DIM:#}  {}{pid} {style}{}{style:#}",
            clean(who),
            clean(&what.to_string())
        );
    }
    text
}

/// How much it needs somebody's eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Usual,
    Trouble,
    Bad,
}

pub(crate) fn weight(what: &Happening) -> Weight {
    match what {
        Happening::Crashed { .. }
        | Happening::StartFailed { .. }
        | Happening::GivesUp { .. }
        | Happening::Abandoned { .. } => Weight::Bad,
        _ if what.is_lifecycle() => Weight::Usual,
        Happening::GateOpen { .. }
        | Happening::StuckNoMore { .. }
        | Happening::ExpiresNoMore { .. }
        | Happening::DependencyUp { .. }
        | Happening::Returned
        | Happening::Source(SourceSeen { serves: true, .. }) => Weight::Usual,
        _ => Weight::Trouble,
    }
}

fn style(event: &SystemEvent) -> Style {
    match weight(&event.what) {
        Weight::Usual => Style::new(),
        Weight::Trouble => YELLOW,
        Weight::Bad => RED,
    }
}

pub(crate) fn letters(view: &DeadLetters) -> String {
    let DeadLetters { total, given_up, undelivered, own_undelivered, unseen, .. } = view;
    let letters = if *total == 1 { "letter" } else { "letters" };
    let mut text = format!("{total} dead {letters}: {given_up} given up, {undelivered} undelivered");
    if *own_undelivered > 0 {
        let own = counted(*own_undelivered, "own message", "own messages");
        let _ = write!(text, ", and {own} (ticks, pipes) of incarnations that had ended");
    }
    if *unseen > 0 {
        let _ = write!(text, "; the hook was too slow for {unseen}");
    }
    let _ = writeln!(text, "; the newest {} of {} that are kept and match:", view.letters.len(), view.matched);
    let rows = view.letters.iter().map(|letter| {
        let ago = format!("{} ago", span(view.at.saturating_sub(letter.at)));
        let cells = vec![
            ago,
            clean(&letter.path),
            short_type(&letter.kind),
            letter.why.to_string(),
            span(letter.age),
            from(&letter.from),
        ];
        (None, cells)
    });
    text += &table(&[">WHEN", "TO", "MESSAGE", "WHY", ">QUEUED FOR", "FROM"], rows);
    text
}

/// Who sent something.
pub(crate) fn from(sender: &Sender) -> String {
    match sender {
        Sender::Outside => "outside".to_owned(),
        Sender::Itself => "itself".to_owned(),
        Sender::Another { path: Some(path), .. } => clean(path),
        Sender::Another { id, .. } => id.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_follows_is_told_where_beginnings_and_ends_are_missing_and_nowhere_else() {
        let told = |since, first| untold(since, first).map(|line| anstream::adapter::strip_str(&line).to_string());
        for nothing in [(None, None), (Some(7), Some(8)), (Some(7), Some(1)), (Some(u64::MAX), Some(1))] {
            assert_eq!(told(nothing.0, nothing.1), None, "{nothing:?}");
        }
        let before = "who began and ended before event 9 is not told\n";
        assert_eq!(told(Some(7), Some(9)).as_deref(), Some(before));
        assert_eq!(told(Some(7), None).as_deref(), Some("who began and ended until now is not told\n"));
    }
}
