//! Why an incarnation ended: what a callback returns ([`Exit`]) and its record as data ([`ExitReason`]).

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{AskError, EndsMessage, Refused};

/// Why an incarnation ended, as data: what links, monitors, supervisors and reports see.
///
/// The words are OTP's. [`Normal`](Self::Normal), [`Shutdown`](Self::Shutdown) and
/// [`ShutdownWith`](Self::ShutdownWith) form the *normal class*: a transient child that ends with one of them is
/// not restarted.
///
/// # Differs from OTP
/// A reason is not an arbitrary term: what is not one of the field's words is a [`Crash`] with its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExitReason {
    /// The actor finished its work.
    Normal,
    /// It was asked to stop, or a supervisor gave up.
    Shutdown,
    /// Like [`Shutdown`](Self::Shutdown), with a word of explanation (`{shutdown, Term}` in OTP).
    ShutdownWith(String),
    /// It was killed: no callback ran.
    Killed,
    /// There was nobody to link to or to monitor.
    NoProc,
    /// A callback panicked or returned an error.
    Crashed(Arc<Crash>),
}

impl ExitReason {
    /// Whether this reason is of the normal class: `Normal`, `Shutdown` or `ShutdownWith`.
    pub fn is_normal_class(&self) -> bool {
        matches!(self, Self::Normal | Self::Shutdown | Self::ShutdownWith(_))
    }

    /// A crash with this message and nothing else known of it: in `handle`, unless [told otherwise](Self::crashed_in).
    pub fn crashed(message: impl Into<String>) -> Self {
        Self::Crashed(Arc::new(Crash { message: message.into(), ..Crash::default() }))
    }

    /// The same, in this callback.
    pub fn crashed_in(callback: Callback, message: impl Into<String>) -> Self {
        Self::Crashed(Arc::new(Crash { message: message.into(), callback, ..Crash::default() }))
    }

    /// The crash, if it was one.
    pub fn crash(&self) -> Option<&Crash> {
        match self {
            Self::Crashed(crash) => Some(crash),
            _ => None,
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::ShutdownWith(why) => write!(f, "shutdown: {why}"),
            Self::Killed => f.write_str("killed"),
            Self::NoProc => f.write_str("no such actor"),
            Self::Crashed(crash) => write!(f, "{crash}"),
        }
    }
}

/// Which callback an actor was in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum Callback {
    /// [`Actor::init`](crate::Actor::init).
    Init,
    /// [`Actor::handle`](crate::Actor::handle).
    #[default]
    Handle,
    /// [`Actor::on_signal`](crate::Actor::on_signal).
    OnSignal,
    /// [`Actor::terminate`](crate::Actor::terminate).
    Terminate,
    /// `Drop` of the actor's state or of a message.
    Drop,
    /// [`Actor::view`](crate::Actor::view).
    View,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::Handle => "handle",
            Self::OnSignal => "on_signal",
            Self::Terminate => "terminate",
            Self::Drop => "drop",
            Self::View => "view",
            Self::Unknown => "unknown",
        })
    }
}

/// What is known of a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// The panic's message, or the error and its sources in one line.
    pub message: String,
    /// Whether it was a panic; else a callback returned an error.
    pub panicked: bool,
    /// `file:line:column` of the panic, or of the `?` that let the error out.
    pub location: Option<String>,
    /// The callback in which it happened.
    pub callback: Callback,
    /// The kind of the message in hand, if there was one.
    pub in_hand: Option<String>,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {}", if self.panicked { "panic" } else { "error" }, self.callback, self.message)?;
        match &self.location {
            Some(at) => write!(f, " ({at})"),
            None => Ok(()),
        }
    }
}

/// What a callback returns to end the incarnation, or, when it carries a refusal, to give up the message in hand.
///
/// Any error turns into an `Exit` by `?`, and the line of the `?` is recorded. A [`Refused`],
/// [`Expired`](crate::AskError::Expired) or [`Cancelled`](crate::AskError::Cancelled) found anywhere in the chain of
/// sources ends the *message*, not the incarnation: overload never becomes restarts. (In `init` it fails the start.)
///
/// `Exit` is deliberately not itself an [`Error`], so that `?` can take every error.
///
/// # Examples
/// ```
/// use crashworthy_runtime::{Exit, ExitReason};
///
/// fn parse(text: &str) -> Result<u16, Exit> {
///     Ok(text.parse()?)
/// }
/// assert!(parse("77").is_ok());
/// assert!(parse("seven").unwrap_err().reason().crash().is_some());
/// assert_eq!(Exit::normal().reason(), ExitReason::Normal);
/// ```
pub struct Exit(Inner);

/// Two words, since every callback returns it by way of several others.
enum Inner {
    Normal,
    Ignore,
    Other(Box<Other>),
}

enum Other {
    Reason(ExitReason),
    Error { error: Box<dyn Error + Send + Sync>, at: &'static Location<'static> },
}

/// How the runtime reads an [`Exit`].
pub(crate) enum Verdict {
    /// Only the message in hand ends: a refusal, which is told, an expiry or a cancellation was passed on.
    Message(Option<Refused>),
    /// The incarnation ends.
    Incarnation(ExitReason),
}

impl Exit {
    /// Ends the incarnation: its work is done.
    pub fn normal() -> Self {
        Self(Inner::Normal)
    }

    /// Ends the incarnation as an orderly stop.
    pub fn shutdown() -> Self {
        Self::because(ExitReason::Shutdown)
    }

    /// In [`init`](crate::Actor::init): chooses not to run, which is not a failure (`ignore` in OTP).
    /// Elsewhere the same as [`normal`](Self::normal).
    pub fn ignore() -> Self {
        Self(Inner::Ignore)
    }

    /// Ends the incarnation with this reason.
    pub fn because(reason: ExitReason) -> Self {
        Self::other(Other::Reason(reason))
    }

    /// The reason as data, as links and monitors would see it.
    pub fn reason(&self) -> ExitReason {
        match &self.0 {
            Inner::Normal | Inner::Ignore => ExitReason::Normal,
            Inner::Other(other) => match &**other {
                Other::Reason(reason) => reason.clone(),
                Other::Error { error, at } => ExitReason::Crashed(Arc::new(Crash {
                    message: chain(error.as_ref()),
                    location: Some(at.to_string()),
                    ..Crash::default()
                })),
            },
        }
    }

    #[cold]
    fn other(other: Other) -> Self {
        Self(Inner::Other(Box::new(other)))
    }

    pub(crate) fn is_ignore(&self) -> bool {
        matches!(self.0, Inner::Ignore)
    }

    pub(crate) fn verdict(&self, callback: Callback, in_hand: Option<&'static str>) -> Verdict {
        if let Inner::Other(other) = &self.0
            && let Other::Error { error, .. } = &**other
            && ends_message(error.as_ref())
        {
            return Verdict::Message(sources(error.as_ref()).find_map(refusal).cloned());
        }
        Verdict::Incarnation(self.reason_in(callback, in_hand))
    }

    /// The reason of an incarnation that ends with this in a callback.
    pub(crate) fn reason_in(&self, callback: Callback, in_hand: Option<&'static str>) -> ExitReason {
        let mut reason = self.reason();
        if let ExitReason::Crashed(crash) = &mut reason {
            let crash = Arc::make_mut(crash);
            crash.callback = callback;
            crash.in_hand = in_hand.map(str::to_owned);
        }
        reason
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Exit {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::other(Other::Error { error: error.into(), at: Location::caller() })
    }
}

impl fmt::Debug for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exit").field(&self.reason()).finish()
    }
}

/// Longest chain of sources that is followed: an error that is its own source must not hang the crash path.
const SOURCES: usize = 32;

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source()).take(SOURCES)
}

fn ends_message(error: &(dyn Error + 'static)) -> bool {
    sources(error).any(|error| error.is::<EndsMessage>())
}

/// The refusal that an error is.
fn refusal<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Refused> {
    match error.downcast_ref::<AskError>() {
        Some(AskError::Refused(refused)) => Some(refused),
        Some(_) => None,
        None => error.downcast_ref::<Refused>(),
    }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut told: Vec<String> = Vec::new();
    for error in sources(error).filter(|error| !error.is::<EndsMessage>()) {
        let text = error.to_string();
        // A rejected message says what its refusal says.
        if told.last() != Some(&text) {
            told.push(text);
        }
    }
    told.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Reason, Rejected};

    fn verdict(exit: &Exit) -> Verdict {
        exit.verdict(Callback::Handle, Some("Sell"))
    }

    #[test]
    fn an_error_by_question_mark_records_the_callers_line() {
        fn fails() -> Result<(), Exit> {
            Err("till overflow")?;
            Ok(())
        }
        let reason = fails().unwrap_err().reason();
        let crash = reason.crash().expect("an error is a crash");
        assert_eq!(crash.message, "till overflow");
        assert!(crash.location.as_deref().is_some_and(|at| at.contains("exit.rs")));
    }

    #[test]
    fn what_an_error_and_its_source_both_say_is_told_once() {
        let exit = Exit::from(Rejected::new(Refused::because(Reason::Full), 7));
        let reason = exit.reason();
        let told = reason.crash().map(|crash| crash.message.clone()).expect("in `init` it fails the start");
        assert_eq!(told, Refused::because(Reason::Full).to_string());
    }

    #[test]
    fn an_expiry_below_other_errors_ends_the_message_only() {
        #[derive(Debug)]
        struct Wrapped(AskError);
        impl fmt::Display for Wrapped {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("could not price")
            }
        }
        impl Error for Wrapped {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        assert!(matches!(verdict(&Exit::from(Wrapped(AskError::Expired))), Verdict::Message(None)));
        assert!(matches!(verdict(&Exit::from(Wrapped(AskError::Died))), Verdict::Incarnation(_)));
        let refused = Refused { hops: 3, ..Refused::because(Reason::Full) };
        let all = [
            Exit::from(refused.clone()),
            Exit::from(Rejected::new(refused.clone(), 7)),
            Exit::from(AskError::Refused(refused.clone())),
            Exit::from(Wrapped(AskError::Refused(refused.clone()))),
        ];
        for exit in all {
            assert!(matches!(verdict(&exit), Verdict::Message(Some(found)) if found == refused), "{exit:?}");
        }
    }

    #[test]
    fn a_crash_carries_the_callback_and_the_message_in_hand() {
        let Verdict::Incarnation(reason) = verdict(&Exit::from("no")) else { panic!("an error ends the incarnation") };
        assert_eq!(reason.crash().and_then(|crash| crash.in_hand.as_deref()), Some("Sell"));
    }
}
