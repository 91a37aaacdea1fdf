//! What is known of a crash, as data.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lazy_backtrace::LazyBacktrace;
use super::millis;
use super::verdict::Judgement;
use crate::exit::{Crash, ExitReason};
use crate::pid::{ActorId, Pid};

/// What happened to an incarnation that crashed, as data; its text is its `Display`.
///
/// In its serialised form every duration is in milliseconds and its name ends in `_ms`. Ages are told to a millisecond or so.
///
/// # Guarantees
/// One report a crash: what the parent decided about it is a part of it. It is recorded when the parent has decided, before
/// it acts; at once if there is no parent who judges; unjudged, if the parent ends first or has not decided within a second.
///
/// It is bounded: at most 1 KiB of the reason, 512 bytes of the location, 128 of a kind, 16 KiB of the text of a backtrace. What is
/// longer is cut, and says so.
///
/// # Differs from OTP
/// OTP logs a crash report of the process and an error report of its supervisor, and who reads them matches them by pid. Here
/// they are one. There is no dump of state and mailbox: what of them may be shown is the author's to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashReport {
    /// Which incarnation.
    pub pid: Pid,
    /// The place in the tree: the names from the top, with `/` between.
    pub path: Arc<str>,
    /// The slot's name, if it has one.
    pub name: Option<Arc<str>>,
    /// The actor's type.
    pub kind: Cow<'static, str>,
    /// When it was, by the [clock of the system](crate::System::now).
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How often the slot had been restarted before.
    pub restarts: u32,
    /// Reason, location, callback.
    pub crash: Arc<Crash>,
    /// The message in hand, if there was one.
    pub in_hand: Option<InHand>,
    /// Kinds of the last messages, at most 16, oldest first; the one in hand is the last.
    pub recent: Vec<Handled>,
    /// Where the panic came from, when `RUST_BACKTRACE` is set: for the first four panics of a thread, then for one in
    /// 64. The calls between the panic and the runtime's turn; all of them with `RUST_BACKTRACE=full`.
    pub backtrace: Option<LazyBacktrace>,
    /// What was decided about it.
    pub judgement: Judgement,
    /// Whether it was logged, or withheld by the [rate limit](crate::RateLimit).
    pub logged: bool,
    /// How many reports of the same source had been withheld since the last that was logged; this one included, if it was.
    pub withheld: u64,
}

/// A message that an actor had in hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InHand {
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// Who sent it.
    pub from: Sender,
    /// Whether the sender had asked, and waited for an answer.
    pub asked: bool,
    /// How long ago it was sent.
    #[serde(rename = "sent_ago_ms", with = "millis")]
    pub sent_ago: Duration,
    /// How long ago it was taken in hand, or rather the turn began in which it was.
    #[serde(rename = "taken_ago_ms", with = "millis")]
    pub taken_ago: Duration,
}

/// Who sent a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sender {
    /// Whoever is not an actor: a task, a test, `main`.
    Outside,
    /// The actor itself: a timer, a piped future, a message to itself.
    Itself,
    /// Another actor.
    Another {
        /// Who.
        id: ActorId,
        /// Where in its tree it is, if it is still there.
        path: Option<Arc<str>>,
    },
}

/// A message that was in hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// How long before the crash it was taken in hand.
    #[serde(rename = "age_ms", with = "millis")]
    pub age: Duration,
}

/// Bytes of a reason, at most.
const REASON: usize = 1024;
/// Of a location.
const LOCATION: usize = 512;
/// Of a kind of message.
const KIND: usize = 128;

/// What a crash is known by, within bounds.
pub(crate) fn bounded(crash: &Arc<Crash>) -> Arc<Crash> {
    let fits = |text: &Option<String>, limit| text.as_ref().is_none_or(|text| text.len() <= limit);
    if crash.message.len() <= REASON && fits(&crash.location, LOCATION) && fits(&crash.in_hand, KIND) {
        return crash.clone();
    }
    let cut = |text: &String, limit| shortened(text, limit).into_owned();
    Arc::new(Crash {
        message: cut(&crash.message, REASON),
        location: crash.location.as_ref().map(|at| cut(at, LOCATION)),
        in_hand: crash.in_hand.as_ref().map(|kind| cut(kind, KIND)),
        ..**crash
    })
}

impl ExitReason {
    /// The same within the bounds of a report: at most 1 KiB of text, 512 bytes of a location, 128 of a kind.
    #[must_use]
    pub fn bounded(&self) -> Self {
        match self {
            Self::Crashed(crash) => Self::Crashed(bounded(crash)),
            Self::ShutdownWith(why) => Self::ShutdownWith(shortened(why, REASON).into_owned()),
            Self::Normal | Self::Shutdown | Self::Killed | Self::NoProc => self.clone(),
        }
    }
}

/// A kind within bounds.
pub(crate) fn kind(kind: &'static str) -> Cow<'static, str> {
    shortened(kind, KIND)
}

/// The text, or its beginning and how much is missing.
pub(crate) fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let kept = text.floor_char_boundary(limit);
    Cow::Owned(format!("{}… ({} bytes more)", &text[..kept], text.len() - kept))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::exit::Callback;
    use crate::report::verdict::{Budget, Decision, Ruling, Siblings, Verdict};

    pub(crate) fn sample() -> CrashReport {
        let ms = Duration::from_millis;
        let handled = |kind, age| Handled { kind: Cow::Borrowed(kind), age: ms(age) };
        CrashReport {
            pid: Pid { id: ActorId::new(5), incarnation: 2 },
            path: "shop/front/till".into(),
            name: Some("till".into()),
            kind: "shop::Cashier".into(),
            at: ms(73_001),
            restarts: 1,
            crash: Arc::new(Crash {
                message: "attempt to divide by zero".into(),
                panicked: true,
                location: Some("src/till.rs:52:47".into()),
                callback: Callback::Handle,
                in_hand: Some("Split".into()),
            }),
            in_hand: Some(InHand {
                kind: "Split".into(),
                from: Sender::Another { id: ActorId::new(3), path: Some("shop/desk".into()) },
                asked: true,
                sent_ago: ms(4),
                taken_ago: ms(1),
            }),
            recent: vec![
                handled("Open", 950),
                handled("Sell", 30),
                handled("Sell", 8),
                handled("Sell", 4),
                handled("Split", 1),
            ],
            backtrace: Some("   0: shop::split\n             at ./src/till.rs:52:47\n   1: shop::main\n".into()),
            judgement: Judgement::Judged(Box::new(Verdict {
                by: "shop/front".into(),
                child: "till".into(),
                ruling: Ruling {
                    decision: Decision::Restart { with: Siblings::Later, wait: ms(150) },
                    budget: Budget { restarts: 2, allowed: 3, period: ms(5_000) },
                },
            })),
            logged: true,
            withheld: 41,
        }
    }

    #[test]
    fn what_fits_is_shared_and_what_does_not_is_cut_and_says_so() {
        let crash = |message: String| Arc::new(Crash { message, ..Crash::default() });
        let short = crash("till overflow".into());
        assert!(Arc::ptr_eq(&bounded(&short), &short));
        let long = bounded(&crash("é".repeat(1_000_000)));
        assert_eq!(long.message.chars().filter(|c| *c == 'é').count(), REASON / 2);
        assert!(long.message.ends_with("… (1998976 bytes more)"), "{}", long.message);
    }

    #[test]
    fn a_report_is_json_with_the_units_in_the_names() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "pid": { "id": 5, "incarnation": 2 },
                "path": "shop/front/till",
                "name": "till",
                "kind": "shop::Cashier",
                "at_ms": 73001,
                "restarts": 1,
                "crash": {
                    "message": "attempt to divide by zero",
                    "panicked": true,
                    "location": "src/till.rs:52:47",
                    "callback": "handle",
                    "in_hand": "Split",
                },
                "in_hand": {
                    "kind": "Split",
                    "from": { "another": { "id": 3, "path": "shop/desk" } },
                    "asked": true,
                    "sent_ago_ms": 4,
                    "taken_ago_ms": 1,
                },
                "recent": [
                    { "kind": "Open", "age_ms": 950 },
                    { "kind": "Sell", "age_ms": 30 },
                    { "kind": "Sell", "age_ms": 8 },
                    { "kind": "Sell", "age_ms": 4 },
                    { "kind": "Split", "age_ms": 1 },
                ],
                "backtrace": "   0: shop::split\n             at ./src/till.rs:52:47\n   1: shop::main\n",
                "judgement": {
                    "judged": {
                        "by": "shop/front",
                        "child": "till",
                        "decision": { "restart": { "with": "later", "wait_ms": 150 } },
                        "budget": { "restarts": 2, "allowed": 3, "period_ms": 5000 },
                    },
                },
                "logged": true,
                "withheld": 41,
            })
        );
    }

    #[test]
    fn a_report_survives_the_way_through_json() {
        let mut report = sample();
        let there_and_back = |report: &CrashReport| -> CrashReport {
            serde_json::from_str(&serde_json::to_string(report).unwrap()).unwrap()
        };
        assert_eq!(there_and_back(&report), report);
        for judgement in [Judgement::Nobodys, Judgement::ParentEnded, Judgement::DeskFull, Judgement::Late] {
            report = CrashReport { judgement, in_hand: None, name: None, backtrace: None, ..report };
            report.recent.clear();
            assert_eq!(there_and_back(&report), report);
        }
        // A part of a millisecond is not lost.
        report.at = Duration::from_micros(1_500);
        assert_eq!(there_and_back(&report).at, report.at);
    }
}
