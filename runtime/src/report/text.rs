//! Crash reports as text: a line for each thing known, the cause first.

use std::fmt;
use std::time::Duration;

use super::crash_report::{CrashReport, Handled, InHand, Sender};

impl fmt::Display for CrashReport {
    /// Several lines without a line feed at the end; bounded, as the report is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, path, kind, at, restarts, crash, .. } = self;
        write!(f, "crash of {path} {pid} at {}", Seconds(*at))?;
        let what = if crash.panicked { "panic" } else { "error" };
        line(f, "reason", format_args!("{what} in {}: {}", crash.callback, Indented(&crash.message)))?;
        line(f, "location", format_args!("{}", crash.location.as_deref().unwrap_or("not known")))?;
        match &self.in_hand {
            Some(in_hand) => line(f, "in hand", format_args!("{in_hand}"))?,
            None => line(f, "in hand", format_args!("no message"))?,
        }
        if !self.recent.is_empty() {
            line(f, "last kinds", format_args!("{}", Kinds(&self.recent)))?;
        }
        let again = match restarts {
            0 => "never restarted before".to_owned(),
            1 => "restarted once before".to_owned(),
            many => format!("restarted {many} times before"),
        };
        line(f, "actor", format_args!("{kind}, incarnation {}, {again}", pid.incarnation))?;
        line(f, "decision", format_args!("{}", self.judgement))?;
        if let Some(verdict) = self.judgement.verdict() {
            line(f, "budget", format_args!("{}", verdict.ruling.budget))?;
        }
        match (self.logged, self.withheld) {
            (true, 0) => {}
            (true, n) => line(f, "log", format_args!("{n} reports before it were withheld"))?,
            (false, n) => line(f, "log", format_args!("withheld, as were {} before it", n.saturating_sub(1)))?,
        }
        match &self.backtrace {
            Some(trace) => write!(f, "\n  backtrace\n{}", trace.text().trim_end()),
            None => Ok(()),
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, is: fmt::Arguments<'_>) -> fmt::Result {
    write!(f, "\n  {what:<11}{is}")
}

/// Continued lines begin where the first does.
struct Indented<'t>(&'t str);

impl fmt::Display for Indented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.lines();
        f.write_str(lines.next().unwrap_or_default())?;
        lines.try_for_each(|more| write!(f, "\n{:13}{more}", ""))
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.0.as_secs_f64())
    }
}

/// To the millisecond up to a second, to a tenth of one above.
pub(crate) struct Age(pub(crate) Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            millis @ 0..1_000 => write!(f, "{millis} ms"),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}

impl fmt::Display for InHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, from, asked, sent_ago, taken_ago } = self;
        let how = if *asked { "asked" } else { "sent" };
        write!(f, "{kind}, {how} {from} {} ago, taken {} ago", Age(*sent_ago), Age(*taken_ago))
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("from outside"),
            Self::Itself => f.write_str("by itself"),
            Self::Another { id, path: Some(path) } => write!(f, "by {path} ({id})"),
            Self::Another { id, path: None } => write!(f, "by {id}, which has gone,"),
        }
    }
}

/// The kinds in order, those of one kind in a row together.
pub(crate) struct Kinds<'r>(pub(crate) &'r [Handled]);

impl fmt::Display for Kinds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = self.0.chunk_by(|one, next| one.kind == next.kind);
        let Some(first) = rows.next() else { return Ok(()) };
        row(f, first)?;
        rows.try_for_each(|next| {
            f.write_str(", ")?;
            row(f, next)
        })
    }
}

fn row(f: &mut fmt::Formatter<'_>, row: &[Handled]) -> fmt::Result {
    match row {
        [] => Ok(()),
        [one] => write!(f, "{} ({} ago)", one.kind, Age(one.age)),
        [first, .., last] => write!(f, "{} of {} ({} to {} ago)", row.len(), first.kind, Age(first.age), Age(last.age)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::crash_report::tests::sample;
    use crate::report::verdict::Judgement;

    #[test]
    fn a_report_reads_well() {
        let expected = "\
crash of shop/front/till <5.0#2> at 73.001 s
  reason     panic in handle: attempt to divide by zero
  location   src/till.rs:52:47
  in hand    Split, asked by shop/desk (3.0) 4 ms ago, taken 1 ms ago
  last kinds Open (950 ms ago), 3 of Sell (30 ms to 4 ms ago), Split (1 ms ago)
  actor      shop::Cashier, incarnation 2, restarted once before
  decision   restarted with its later siblings after 150ms (by shop/front)
  budget     2 of 3 restarts in 5s, 1 left
  log        41 reports before it were withheld
  backtrace
   0: shop::split
             at ./src/till.rs:52:47
   1: shop::main";
        assert_eq!(sample().to_string(), expected);
    }

    #[test]
    fn what_is_not_known_is_said_or_left_out() {
        let crash = crate::exit::Crash { message: "one\ntwo".into(), ..Default::default() };
        let report = CrashReport {
            crash: std::sync::Arc::new(crash),
            in_hand: None,
            recent: Vec::new(),
            backtrace: None,
            restarts: 0,
            judgement: Judgement::ParentEnded,
            withheld: 0,
            ..sample()
        };
        let expected = "\
crash of shop/front/till <5.0#2> at 73.001 s
  reason     error in handle: one
             two
  location   not known
  in hand    no message
  actor      shop::Cashier, incarnation 2, never restarted before
  decision   its supervisor ended before it decided";
        assert_eq!(report.to_string(), expected);
    }
}
