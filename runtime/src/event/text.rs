//! Events as text: a line each.

use std::fmt;
use std::time::Duration;

use super::{Acted, Happening, SourceSeen};
use crate::brief::brief;
use crate::pid::{ActorId, Pid};

impl fmt::Display for Happening {
    /// What happened to whoever it is about, on one line unless a text of the author's has several.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begins { kind, parent } => write!(f, "begins as {kind}{}", Under(*parent)),
            Self::Started => f.write_str("has started"),
            Self::Ends { reason, parent } => write!(f, "ends: {reason}{}", Under(*parent)),
            Self::StartFailed { reason, parent } => write!(f, "fails to start: {reason}{}", Under(*parent)),
            Self::Crashed { crash, judgement, .. } => write!(f, "crashed: {crash}; {judgement}"),
            Self::GivesUp { budget: Some(budget) } => write!(f, "gives up: {budget}"),
            Self::GivesUp { budget: None } => f.write_str("gives up"),
            Self::GateRefuses { reason, refused, depth, limit, .. } => {
                write!(f, "gate refuses: {reason}; {refused} so far, {depth} of {limit} places taken")
            }
            Self::GateOpen { refused, lasted } => {
                write!(f, "gate is open again: {refused} refused{}", Over(*lasted))
            }
            Self::Tripped => f.write_str("gate is tripped: it takes nothing new"),
            Self::Untripped => f.write_str("gate is untripped"),
            Self::Suspended { within: Some(within) } => write!(f, "suspended for {:?}", brief(*within)),
            Self::Suspended { within: None } => f.write_str("suspended until it is resumed"),
            Self::Resumed => f.write_str("resumed: it handles messages again"),
            Self::Drains { within } => write!(f, "drains for at most {:?}, then stops", brief(*within)),
            Self::Stuck { message, in_hand, depth, .. } => {
                write!(f, "is stuck{} for {:?}, {depth} wait", In(message.as_deref()), brief(*in_hand))
            }
            Self::StuckNoMore { refused, lasted } => {
                write!(f, "is stuck no more: {refused} refused{}", Over(*lasted))
            }
            Self::Expires { count, depth, .. } => {
                write!(f, "drops what it took in: {count} expired or would have, {depth} wait")
            }
            Self::ExpiresNoMore { count, lasted } => {
                write!(f, "keeps its promises again: {count} dropped{}", Over(*lasted))
            }
            Self::BoundExceedsDeadline { limit, takes, deadline } => {
                let (takes, deadline) = (brief(*takes), brief(*deadline));
                write!(
                    f,
                    "a full mailbox is more than callers wait for: {limit} messages take {takes:?}, not {deadline:?}"
                )
            }
            Self::WorkersBlocked { pool, workers, actors: 0 } => {
                write!(f, "none of {workers} workers{} takes turns: other tasks of the runtime block them", Of(pool))
            }
            Self::WorkersBlocked { pool, workers, actors } => {
                write!(f, "none of {workers} workers{} takes turns: {actors} handlers block them", Of(pool))
            }
            Self::PoolsExceedCores { threads, cores } => {
                write!(f, "the bulkheads have {threads} threads for {cores} cores")
            }
            Self::Blocks { callback, message, held } => {
                write!(f, "blocks its thread: {callback}{} for {:?} so far", In(message.as_deref()), brief(*held))
            }
            Self::Moved { last } => {
                write!(f, "gets a thread of its own: it blocks again and again, the last time for {:?}", brief(*last))
            }
            Self::Abandoned { message } => write!(f, "is abandoned: a turn does not return{}", In(message.as_deref())),
            Self::Returned => f.write_str("the turn of an abandoned incarnation has returned"),
            Self::DeadLetters { why, count: 1, message, from, .. } => write!(f, "{why}: {message}{}", From(*from)),
            Self::DeadLetters { why, count, message, from, .. } => {
                write!(f, "{why}: {count} messages, the first {message}{}", From(*from))
            }
            Self::CycleRefused { cycle } => write!(f, "cycle refused: {cycle}"),
            Self::DependencyDown { dependency, actors } => write!(f, "lacks {dependency}{}", Others(*actors)),
            Self::DependencyUp { dependency, actors } => write!(f, "has {dependency} again{}", Others(*actors)),
            Self::Acted(Acted { verb, by, reason, outcome, actors }) => {
                let of = if *actors > 1 { format!(", one of {actors},") } else { String::new() };
                write!(f, "{verb}{of} by {by}: {reason}; {outcome}")
            }
            Self::Source(SourceSeen { sort, name, state, serves, changes }) => {
                let serves = if *serves { "" } else { ", and does not serve" };
                let of = if *changes > 1 { format!("; {changes} changes") } else { String::new() };
                write!(f, "{sort} {name}: {state}{serves}{of}")
            }
            Self::Unknown => f.write_str("something that this version does not know"),
        }
    }
}

/// From the first time to the last: of what was seen once that is nothing.
struct Over(Duration);

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() { Ok(()) } else { write!(f, " in {:?}", brief(self.0)) }
    }
}

struct Under(Option<Pid>);

impl fmt::Display for Under {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(Pid::OUTSIDE) => f.write_str(", below the system"),
            Some(parent) => write!(f, ", below {parent}"),
        }
    }
}

/// The pool, if it is known: one that was told of by an older version is not.
struct Of<'a>(&'a str);

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " of `{}`", self.0) }
    }
}

struct In<'m>(Option<&'m str>);

impl fmt::Display for In<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |message| write!(f, " in {message}"))
    }
}

struct From(ActorId);

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ActorId::OUTSIDE => f.write_str(" from outside"),
            from => write!(f, " from {from}"),
        }
    }
}

struct Others(usize);

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1 { write!(f, ", as {} others", self.0 - 1) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dead_letter::Fallen;
    use crate::event::SystemEvent;
    use crate::exit::{Callback, Crash, ExitReason};
    use crate::report::{Budget, Judgement};

    fn all() -> Vec<Happening> {
        let (parent, lasted) = (Some(Pid::OUTSIDE), Duration::from_micros(1_500));
        let budget = Some(Budget { restarts: 4, allowed: 3, period: Duration::from_secs(5) });
        let reason = || ExitReason::crashed("no stock");
        let message = || Some("Sell".into());
        vec![
            Happening::Begins { kind: "shop::Till".into(), parent },
            Happening::Started,
            Happening::Ends { reason: ExitReason::Shutdown, parent },
            Happening::StartFailed { reason: reason(), parent: None },
            Happening::Crashed { crash: Arc::new(Crash::default()), restarts: 2, judgement: Judgement::Late },
            Happening::GivesUp { budget },
            Happening::GateRefuses {
                reason: crate::Reason::Full,
                refused: 7,
                depth: 8,
                limit: 8,
                wait: Duration::from_millis(20),
            },
            Happening::GateOpen { refused: 7, lasted },
            Happening::Tripped,
            Happening::Untripped,
            Happening::Suspended { within: Some(lasted) },
            Happening::Resumed,
            Happening::Drains { within: lasted },
            Happening::Stuck { message: message(), in_hand: lasted, refused: 1, depth: 3 },
            Happening::StuckNoMore { refused: 1, lasted },
            Happening::Expires { count: 3, not_begun_in_time: 1, depth: 0 },
            Happening::ExpiresNoMore { count: 3, lasted },
            Happening::BoundExceedsDeadline { limit: 1024, takes: 6 * lasted, deadline: lasted },
            Happening::WorkersBlocked { pool: "shop".into(), workers: 2, actors: 2 },
            Happening::PoolsExceedCores { threads: 6, cores: 2 },
            Happening::Blocks { callback: Callback::Handle, message: message(), held: lasted },
            Happening::Moved { last: lasted },
            Happening::Abandoned { message: None },
            Happening::Returned,
            Happening::DeadLetters {
                why: Fallen::GivenUp,
                count: 1,
                message: "Sell".into(),
                from: ActorId::OUTSIDE,
                age: Duration::from_millis(4),
            },
            Happening::CycleRefused { cycle: crate::Cycle { path: vec!["a".into(), "b".into(), "a".into()] } },
            Happening::DependencyDown { dependency: "db".into(), actors: 3 },
            Happening::DependencyUp { dependency: "db".into(), actors: 1 },
            Happening::Acted(Acted {
                verb: "kill".into(),
                by: "uid 0".into(),
                reason: "it hangs".into(),
                outcome: "done".into(),
                actors: 3,
            }),
            Happening::Source(SourceSeen {
                sort: "breaker".into(),
                name: "bank".into(),
                state: "open".into(),
                serves: false,
                changes: 2,
            }),
        ]
    }

    #[test]
    fn how_long_somebody_blocks_his_thread_is_told_as_what_it_was_so_far() {
        let (callback, message, held) = (Callback::Handle, Some("Fault".into()), Duration::from_millis(15));
        let told = Happening::Blocks { callback, message, held }.to_string();
        assert_eq!(told, "blocks its thread: handle in Fault for 15ms so far");
    }

    #[test]
    fn every_event_survives_the_way_through_json_by_the_name_it_says_it_has() {
        assert_eq!(all().iter().map(Happening::name).collect::<Vec<_>>(), Happening::NAMES);
        for what in all() {
            let event = SystemEvent { seq: 5, at: Duration::from_millis(70), pid: None, path: "shop".into(), what };
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!((&json["event"], &json["at_ms"]), (&event.what.name().into(), &70.into()), "{json}");
            assert_eq!(serde_json::from_value::<SystemEvent>(json).unwrap(), event);
        }
        let future = serde_json::json!({ "seq": 1, "at_ms": 2, "pid": null, "path": "", "event": "sings", "song": 3 });
        assert_eq!(serde_json::from_value::<SystemEvent>(future).unwrap().what, Happening::Unknown);
    }

    #[test]
    fn every_event_is_a_line() {
        let lines: Vec<_> = all().iter().map(ToString::to_string).collect();
        assert_eq!(lines[0], "begins as shop::Till, below the system");
        assert_eq!(lines[5], "gives up: 4 of 3 restarts in 5s, 0 left");
        assert_eq!(lines[24], "given up: Sell from outside");
        assert_eq!(lines[26], "lacks db, as 2 others");
        assert_eq!(lines[7], "gate is open again: 7 refused in 1.5ms");
        let once = Happening::GateOpen { refused: 1, lasted: Duration::ZERO };
        assert_eq!(once.to_string(), "gate is open again: 1 refused");
        let long = Happening::Moved { last: Duration::from_nanos(169_549_497) };
        assert!(long.to_string().ends_with("the last time for 170ms"), "{long}");
        assert_eq!(lines[28], "kill, one of 3, by uid 0: it hangs; done");
        assert_eq!(lines[29], "breaker bank: open, and does not serve; 2 changes");
        assert!(lines.iter().all(|line| !line.contains('\n') && !line.is_empty()));
    }
}
