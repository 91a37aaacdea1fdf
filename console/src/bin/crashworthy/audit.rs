//! The audit as text.

use std::fmt::Write;
use std::time::Duration;

use crashworthy_console::protocol::{AuditEntry, AuditQuery, AuditResult, AuditView};
use serde_json::Value;

use crate::args::{Show, Which};
use crate::text::{DIM, RED, clean, span};
use crate::{Trouble, json, source};

/// The newest entries, each as old as it is now, or was at the end of a recording.
pub(crate) fn say(which: &Which, show: &Show, query: &AuditQuery) -> Result<String, Trouble> {
    let mut source = source::choose(which)?;
    if show.json {
        json(&source.ask::<Value>("audit", query)?)
    } else {
        Ok(text(&source.ask("audit", query)?, source.now()))
    }
}

/// The entries, as old as they are at a time since the beginning of 1970.
fn text(view: &AuditView, now: Duration) -> String {
    let mut text = format!("{} entries; the newest {}:\n", view.total, view.entries.len());
    for entry in &view.entries {
        let _ = write!(text, "\n{}", one(entry, now));
    }
    if view.forged + view.unwritten > 0 {
        let AuditView { forged, unwritten, .. } = view;
        let _ =
            writeln!(text, "\n{forged} commits named no plan; {unwritten} entries could not be written to the file");
    }
    if let Some(file) = &view.file {
        let _ = writeln!(text, "\n{DIM}all of it: {}{DIM:#}", clean(&file.display().to_string()));
    }
    text
}

fn one(entry: &AuditEntry, now: Duration) -> String {
    let AuditEntry { unix_ms, peer, plan, reason, result, .. } = entry;
    let ago = span(now.saturating_sub(Duration::from_millis(*unix_ms)));
    let what = plan.as_ref().map_or_else(|| "connect".to_owned(), |plan| plan.deed.to_string());
    let result = match result {
        AuditResult::Done => "done".to_owned(),
        AuditResult::Refused(code) => format!("{RED}refused{RED:#}: {code:?}"),
    };
    let mut text = format!("{what}, {result} {DIM}{ago} ago{DIM:#}\n  by      {peer}\n  reason  {}\n", clean(reason));
    for target in plan.iter().flat_map(|plan| &plan.targets) {
        let _ = writeln!(text, "  actor   {} {}", clean(&target.path), target.pid);
    }
    for line in plan.iter().flat_map(|plan| plan.effect.iter().skip(1)) {
        let _ = writeln!(text, "  plan    {}", clean(line));
    }
    text
}
