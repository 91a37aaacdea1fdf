//! Health: who takes no new work and why, what was refused, and the limits of the console.

use crashworthy_console::protocol::{Health, Metrics, Refused, Unready};

use super::super::model::Model;
use super::super::page::{Opens, Page, Tone};
use super::super::question::Question;
use super::{Text, id, unanswered};
use crate::show;
use crate::text::{counted, short_type};

pub(crate) fn page(model: &Model) -> Page {
    let mut text = Text::new(model.body().0);
    match &model.picture.health {
        Some(health) => self::health(&mut text, health),
        None => text.line(Tone::Dim, &unanswered(model, &Question::Health)),
    }
    if let Some(metrics) = &model.picture.metrics {
        refused(&mut text, metrics);
    }
    if let Some(system) = model.system() {
        text.gap();
        text.line(Tone::Head, "what was lost, or is stuck");
        text.line(Tone::Plain, &format!("  {}", counted(system.dead_letters, "dead letter", "dead letters")));
        text.line(
            Tone::Plain,
            &format!("  {} withheld from the log by its limit", counted(system.reports_withheld, "report", "reports")),
        );
        let stuck: Vec<_> = system.stragglers.iter().map(ToString::to_string).collect();
        match stuck.is_empty() {
            true => text.line(Tone::Plain, "  no abandoned turn blocks a thread"),
            false => text.line(Tone::Bad, &format!("  abandoned turns block threads: {}", stuck.join(", "))),
        }
    }
    text.page()
}

fn health(text: &mut Text, health: &Health) {
    if health.ready {
        return text.line(Tone::Good, "ready: everybody takes new work");
    }
    for line in show::not_ready(health) {
        text.line(Tone::Bad, &format!("not ready: {line}"));
    }
    if health.total == 0 {
        return;
    }
    let them = if health.total == 1 { "one takes".to_owned() } else { format!("{} take", health.total) };
    text.line(Tone::Bad, &format!("not ready: {them} no new work, or only some"));
    for unready in &health.unready {
        let why = show::why(unready, health.at);
        let why = if why.is_empty() { show::state(unready.row.state).to_owned() } else { why };
        let Unready { row, .. } = unready;
        text.link(&format!("  {}: {why}", row.path), Tone::Warn, Opens::Actor(id(row.pid.id)));
    }
    if health.total > health.unready.len() {
        text.line(Tone::Dim, &format!("  and {} more", health.total - health.unready.len()));
    }
}

/// What the gates refused, most first.
fn refused(text: &mut Text, metrics: &Metrics) {
    let mut all: Vec<(&str, &Refused)> = metrics
        .kinds
        .iter()
        .flat_map(|kind| kind.refusals.iter().map(|refused| (kind.kind.as_str(), refused)))
        .collect();
    all.sort_by_key(|(_, refused)| std::cmp::Reverse(refused.count));
    text.gap();
    text.line(Tone::Head, "what the gates refused since the start");
    if all.is_empty() {
        text.line(Tone::Plain, "  nothing");
    }
    for (kind, Refused { reason, criticality, count }) in all {
        let reason = reason.replace('_', " ");
        text.line(Tone::Plain, &format!("  {}: {count} of {criticality:?}, {reason}", short_type(kind)));
    }
}
