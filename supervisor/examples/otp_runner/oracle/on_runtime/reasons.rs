//! Exit reasons between Erlang's notation and ours.

use crashworthy_runtime::ExitReason;

/// Erlang's text as a reason of ours.
pub(super) fn ours(text: &str) -> ExitReason {
    match text {
        "normal" => ExitReason::Normal,
        "shutdown" => ExitReason::Shutdown,
        "killed" => ExitReason::Killed,
        "noproc" => ExitReason::NoProc,
        other => match other.strip_prefix("{shutdown,").and_then(|rest| rest.strip_suffix('}')) {
            Some(why) => ExitReason::ShutdownWith(why.to_owned()),
            None => ExitReason::crashed(other),
        },
    }
}

/// A reason of ours, as it is shown, in Erlang's notation.
pub(super) fn erlangs(shown: &str) -> String {
    match shown {
        "normal" | "shutdown" | "killed" => return shown.to_owned(),
        "no such actor" => return "noproc".to_owned(),
        _ => {}
    }
    if let Some(why) = shown.strip_prefix("shutdown: ") {
        return match why.strip_prefix("child ").and_then(|why| why.split_once(" failed to start: ")) {
            Some((child, why)) => format!("{{shutdown,{{failed_to_start_child,{child},{}}}}}", erlangs(why)),
            None => format!("{{shutdown,{why}}}"),
        };
    }
    // A crash: "error in handle: boom", "panic in init: e2 (file.rs:1:2)".
    let message = shown.split_once(": ").map_or(shown, |(_, message)| message);
    let message = message.split_once(" (").map_or(message, |(message, _)| message);
    if message.starts_with("not ready within") { "timeout".to_owned() } else { message.to_owned() }
}
