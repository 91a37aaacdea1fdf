//! What a supervisor answers, as the traces have it.

use crashworthy_supervisor::core::{Broken, CallError, ChildInfo, Place};
use crashworthy_supervisor::{AutoShutdown, ChildSpec, Rule, Shutdown};
use serde_json::{Value, json};

use super::scenario::Child;

/// `{bad_combination,..}` and its like: why a specification is refused.
pub(crate) fn rule(rule: &Rule, id: &str) -> String {
    match rule {
        Rule::DuplicateId => format!("{{duplicate_child_name,{id}}}"),
        Rule::SignificantUnderNever => "{bad_combination,[{auto_shutdown,never},{significant,true}]}".to_owned(),
        Rule::SignificantPermanent => "{bad_combination,[{restart,permanent},{significant,true}]}".to_owned(),
        other => format!("{{not_in_otp,{other}}}"),
    }
}

/// Why a supervisor does not even begin to start its children: the first broken rule, as in OTP.
pub(crate) fn bad_start(broken: &[Broken]) -> String {
    match broken.first() {
        Some(Broken { child: None, rule: Rule::ZeroPeriod }) => "{supervisor_data,{invalid_period,0}}".to_owned(),
        Some(Broken { child, rule: broken }) => {
            format!("{{start_spec,{}}}", rule(broken, child.as_deref().unwrap_or_default()))
        }
        None => unreachable!("what is invalid breaks a rule"),
    }
}

/// The same of a `simple_one_for_one` that has not one template but so many.
pub(crate) fn no_template(count: usize) -> String {
    format!("{{bad_start_spec,{count}}}")
}

/// Why a request was refused. `id` is the child that was named.
pub(crate) fn refused<P, R>(
    error: &CallError<P, R>,
    id: &str,
    life: impl Fn(&P) -> String,
    reason: impl Fn(&R) -> String,
) -> String {
    let what = match error {
        CallError::StartFailed(why) => return format!("failed:{}", reason(why)),
        CallError::NotFound => "not_found".to_owned(),
        CallError::AlreadyPresent => "already_present".to_owned(),
        CallError::AlreadyStarted(pid) => format!("{{already_started,{}}}", life(pid)),
        CallError::Running => "running".to_owned(),
        CallError::Restarting => "restarting".to_owned(),
        CallError::Invalid(broken) => rule(broken, id),
        CallError::Dynamic => "simple_one_for_one".to_owned(),
        _ => "{not_in_otp}".to_owned(),
    };
    format!("error:{what}")
}

pub(crate) fn specification(spec: &ChildSpec) -> Value {
    let shutdown = match spec.shutdown {
        Shutdown::BrutalKill => json!("brutal_kill"),
        Shutdown::Unlimited => json!("infinity"),
        Shutdown::Within(limit) => json!(limit.as_millis() as u64),
    };
    json!({
        "id": &*spec.id,
        "restart": spec.restart,
        "shutdown": shutdown,
        "significant": spec.significant,
        "type": spec.kind,
    })
}

/// `which_children`. Nameless children are named by `key`, and sorted.
pub(crate) fn children<P: Copy>(
    infos: &[ChildInfo<P>],
    life: impl Fn(P) -> String,
    key: impl Fn(P) -> String,
) -> Value {
    let mut nameless = false;
    let mut rows: Vec<(Option<String>, String, Value)> = Vec::new();
    for info in infos {
        nameless |= info.id.is_none();
        let (shown, pid) = match info.place {
            Place::Running(pid) => (life(pid), Some(pid)),
            Place::Down => ("undefined".to_owned(), None),
            Place::Restarting(_) => ("restarting".to_owned(), None),
        };
        let id = info.id.as_deref().map(str::to_owned).or_else(|| pid.map(&key));
        rows.push((id, shown, json!(info.kind)));
    }
    if nameless {
        rows.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    }
    rows.into_iter().map(|(id, shown, kind)| json!([id, shown, kind])).collect()
}

/// `check_childspecs`.
pub(crate) fn check(specs: &[Child], auto_shutdown: Option<AutoShutdown>) -> String {
    let specs: Vec<ChildSpec> = specs.iter().map(Child::spec).collect();
    match crashworthy_supervisor::core::check(&specs, auto_shutdown) {
        None => "ok".to_owned(),
        Some(Broken { child, rule: broken }) => {
            format!("error:{}", rule(&broken, child.as_deref().unwrap_or_default()))
        }
    }
}
