//! What was done, among the events of the system: whoever follows those sees it beside what comes of it.

use crashworthy_runtime::{Acted, System};

use crate::protocol::{AuditEntry, AuditResult};

/// Actors of one action that are told of, each by an event: the ring has room for others, too.
const ACTORS: usize = 32;

pub(super) fn tell(system: &System, entry: &AuditEntry) {
    let AuditEntry { peer, plan, reason, result, .. } = entry;
    let targets = plan.as_ref().map_or(&[][..], |plan| &plan.targets);
    let action = || Acted {
        verb: plan.as_ref().map_or("connect".to_owned(), |plan| plan.deed.to_string()).into(),
        by: peer.to_string(),
        reason: reason.clone(),
        outcome: outcome(result).into(),
        actors: targets.len(),
    };
    if targets.is_empty() {
        system.note_action(None, action());
    }
    for target in targets.iter().take(ACTORS) {
        system.note_action(Some((target.pid, &target.path)), action());
    }
}

fn outcome(result: &AuditResult) -> String {
    match result {
        AuditResult::Done => "done".to_owned(),
        AuditResult::Refused(code) => {
            let code = serde_json::to_value(code).ok();
            format!("refused, {}", code.as_ref().and_then(|code| code.as_str()).unwrap_or("unknown"))
        }
    }
}
