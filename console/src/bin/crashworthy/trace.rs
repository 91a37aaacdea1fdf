//! `trace`: which messages actors take, for a while.

use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use anstyle::Style;
use clap::Args;
use clap::builder::RangedI64ValueParser;
use crashworthy_console::ClientError;
use crashworthy_console::protocol::{Code, TraceQuery, Traced};
use crashworthy_runtime::{Outcome, TraceEnd, TraceRecord, TraceSpec};
use serde_json::{Value, json};

use crate::act::Span;
use crate::args::Which;
use crate::calendar::moment;
use crate::events::from;
use crate::text::{DIM, RED, YELLOW, clean, counted, short_type, span};
use crate::{Trouble, data, find};

/// Told with `trace --help`.
pub(crate) const WHY: &str = "\
A trace has always a count, a rate and a time: a system refuses one without. Those that are not said here are small, and it
is told at the start which hold, and how many actors match. Whichever comes first ends it: the last message of --count, the
end of --for (at most 1,000 and 60 s, unless the console allows less), Ctrl-C, or the end of the connection. Messages
beyond --rate are handled as ever; they are counted and not told.

Examples:
  crashworthy trace front                                       a branch, by its name
  crashworthy trace shop/front -n 100 --rate 10 --for 30s       the same by its path
  crashworthy trace 'Cashier*' --message Sell -n 20 --rate 5 --for 10s    by type, and one kind of message
  crashworthy trace till -n 500 --rate 100 --for 1m --json | jq -r 'select(.took_ms > 5) | .message'";

/// How often is asked for what was traced.
const EVERY: Duration = Duration::from_millis(100);

/// What is to be traced.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// Which actors: a path or a name (and all below), or how a type begins; with * for any characters, the whole of one.
    #[arg(required = true, value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Which kinds of message, by name, * likewise; may be said several times. [default: all]
    #[arg(long = "message", value_name = "KIND")]
    messages: Vec<String>,
    /// How many messages at most. It ends with the last.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = up_to(TraceSpec::COUNT))]
    count: u32,
    /// How many in any one second at most; how many are left out is told.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = up_to(TraceSpec::RATE))]
    rate: u32,
    /// For how long at most: 500ms, 10s, 1m.
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = within)]
    within: Span,
    /// As JSON: a line for each message, and one for the end.
    #[arg(long)]
    json: bool,
}

/// At least one, and no more than any system allows.
fn up_to(most: u32) -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=most.into())
}

/// The same of time.
fn within(text: &str) -> Result<Span, String> {
    let Span(time) = text.parse()?;
    match time {
        Duration::ZERO => Err("it has to be some time".to_owned()),
        _ if time > TraceSpec::WITHIN => Err(format!("at most {:?}", TraceSpec::WITHIN)),
        _ => Ok(Span(time)),
    }
}

/// Tells messages as they come, until the trace ends. Whether there were any.
pub(crate) fn run(which: &Which, of: &TraceArgs) -> Result<bool, Trouble> {
    let TraceArgs { patterns, messages, count, rate, within, json } = of;
    let query = TraceQuery {
        actors: patterns.clone(),
        messages: messages.clone(),
        count: Some(*count),
        rate: Some(*rate),
        within: Some(within.0),
    };
    let mut client = find::choose(which)?;
    let actors = client.trace(&query).map_err(refused)?.actors as u64;
    let _ = writeln!(anstream::stderr(), "{}", begun(actors, &query));
    let mut known = Counts::default();
    loop {
        let traced = match client.traced() {
            Ok(traced) => traced,
            Err(error) => {
                let why = clean(&error.to_string());
                if *json {
                    write(&known.data(&json!({ "end": "connection_lost", "why": why }))?)?;
                }
                let _ = writeln!(anstream::stderr(), "{}", known.told(&why));
                return Ok(false);
            }
        };
        known = Counts::of(&traced);
        let mut text = String::new();
        for record in &traced.records {
            text += &if *json { data(record)? } else { line(record) };
        }
        if let (true, Some(end)) = (*json, traced.end) {
            text += &known.data(&json!({ "end": end }))?;
        }
        write(&text)?;
        if let Some(end) = traced.end {
            let _ = writeln!(anstream::stderr(), "{}", ended(&traced, end));
            return Ok(traced.taken > 0);
        }
        thread::sleep(EVERY);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What is asked for is more than the system allows, or cannot be meant: the command line is wrong.
fn refused(error: ClientError) -> Trouble {
    match error {
        ClientError::Refused(why) if matches!(why.code, Code::BeyondLimits | Code::BadArguments) => {
            Trouble::Misused(clean(&why.message))
        }
        error => error.into(),
    }
}

/// Whom it means, and the limits that hold: some may not have been said.
fn begun(actors: u64, query: &TraceQuery) -> String {
    let match_ = if actors == 1 { "matches" } else { "match" };
    let whom = match actors {
        0 => "no actor matches yet, those that start are traced".to_owned(),
        _ => format!("{} {match_}", counted(actors, "actor", "actors")),
    };
    let (count, rate) = (query.count.unwrap_or_default(), query.rate.unwrap_or_default());
    let messages = counted(count.into(), "message", "messages");
    format!("{whom}; {messages}, {rate} in a second, {} at most", span(query.within.unwrap_or_default()))
}

/// Why it ended, and what was left out.
pub(crate) fn ended(traced: &Traced, end: TraceEnd) -> String {
    let why = match end {
        TraceEnd::Count => "as many as were asked for",
        TraceEnd::Time => "its time has passed",
        TraceEnd::SystemGone => "the system has gone",
        _ => "for a reason that this version does not know",
    };
    Counts::of(traced).told(why)
}

/// How much there was, as far as that was told.
#[derive(Clone, Copy, Default)]
struct Counts {
    taken: u32,
    withheld: u64,
    lost: u64,
    actors: usize,
    left_out: u64,
}

impl Counts {
    fn of(traced: &Traced) -> Self {
        let Traced { taken, withheld, lost, actors, left_out, .. } = *traced;
        Self { taken, withheld, lost, actors, left_out }
    }

    /// As text, and why there was no more.
    fn told(self, why: &str) -> String {
        let Self { taken, withheld, lost, left_out, .. } = self;
        let messages = counted(taken.into(), "message", "messages");
        let mut text = format!("{messages} traced, {withheld} withheld by the rate, {lost} lost: {why}");
        if left_out > 0 {
            text += &format!("; {left_out} more actors than may be watched had started");
        }
        text
    }

    /// As the last line of JSON, with why there was no more.
    fn data(self, why: &Value) -> Result<String, Trouble> {
        let Self { taken, withheld, lost, actors, left_out } = self;
        let mut last =
            json!({ "taken": taken, "withheld": withheld, "lost": lost, "actors": actors, "left_out": left_out });
        for (name, value) in why.as_object().into_iter().flatten() {
            last[name] = value.clone();
        }
        data(&last)
    }
}

fn line(record: &TraceRecord) -> String {
    let (when, style) = (clock(record.wall), style(record.outcome));
    let TraceRecord { pid, path, size, .. } = record;
    let (kind, message) = (short_type(&record.kind), short_type(&record.message));
    let outcome = outcome(record);
    format!(
        "{DIM}{when}{DIM:#}  {} {DIM}{pid} {kind}{DIM:#} {message} {style}{outcome}{style:#} {DIM}({size} bytes){DIM:#} {}\n",
        clean(path),
        origin(record),
    )
}

/// A moment to a millisecond. What came as a number may have lost a little of it.
pub(crate) fn clock(wall: Duration) -> String {
    let wall = wall.saturating_add(Duration::from_micros(500));
    format!("{}.{:03}", moment(wall), wall.subsec_millis())
}

/// How it ended, and how long it took.
pub(crate) fn outcome(record: &TraceRecord) -> String {
    let ended = match record.outcome {
        Outcome::InHand => "in hand",
        Outcome::Handled => "handled",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
        Outcome::Panicked => "panicked",
        Outcome::Interrupted => "interrupted",
        Outcome::Abandoned => "abandoned",
        _ => "ended",
    };
    record.took.map_or(ended.to_owned(), |took| format!("{ended} in {}", precise(took)))
}

/// Who sent it, and how long it was queued.
fn origin(record: &TraceRecord) -> String {
    let verb = if record.asked { "asked by" } else { "from" };
    format!("{verb} {}, queued for {}", from(&record.from), span(record.age))
}

/// What needs somebody's eye stands out.
fn style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Handled | Outcome::InHand => Style::new(),
        Outcome::Refused => YELLOW,
        _ => RED,
    }
}

/// A span of time that may be a short one.
pub(crate) fn precise(took: Duration) -> String {
    match took.as_nanos() {
        0..1_000_000 => format!("{:.1} µs", took.as_secs_f64() * 1e6),
        1_000_000..1_000_000_000 => format!("{:.1} ms", took.as_secs_f64() * 1e3),
        _ => span(took),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_as_exactly_as_it_is_short() {
        let told = |ns| precise(Duration::from_nanos(ns));
        assert_eq!(
            [told(0), told(12_340), told(3_250_000), told(2_000_000_000)],
            ["0.0 µs", "12.3 µs", "3.2 ms", "2.0 s"]
        );
    }
}
