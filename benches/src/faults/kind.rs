//! The kinds of faults, and how often each has struck.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! kinds {
    ($($kind:ident, $name:literal, $what:literal;)*) => {
        /// What goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $(#[doc = $what] $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name),* }
            }

            /// What happens, in a few words.
            pub fn what(self) -> &'static str {
                match self { $(Kind::$kind => $what),* }
            }
        }
    };
}

kinds! {
    InitPanic, "init-panic", "`init` panics";
    InitPanicTied, "init-panic-tied", "`init` panics while it holds a name, a group, a timer, a link, a monitor and a piped future";
    InitError, "init-error", "`init` returns an error";
    InitIgnore, "init-ignore", "`init` chooses not to run";
    InitHang, "init-hang", "`init` awaits past its start timeout";
    InitBlock, "init-block", "`init` blocks its thread";
    HandlePanic, "handle-panic", "`handle` panics before its first await";
    HandlePanicAwaited, "handle-panic-awaited", "`handle` panics after an await";
    HandlePanicReply, "handle-panic-reply", "`handle` panics with a reply in hand";
    HandlePanicPermit, "handle-panic-permit", "`handle` panics while it holds a permit";
    HandlePanicTimer, "handle-panic-timer", "`handle` panics with timers armed";
    HandlePanicName, "handle-panic-name", "`handle` panics with a name and a group";
    HandlePanicLink, "handle-panic-link", "`handle` panics with a link and a monitor";
    HandleError, "handle-error", "`handle` returns an error";
    HandleExit, "handle-exit", "`handle` ends the incarnation as done or as an orderly stop";
    HandleRefusal, "handle-refusal", "`handle` passes a refusal on: the message ends, not the actor";
    HandleHang, "handle-hang", "`handle` awaits what does not come";
    HandleBlock, "handle-block", "`handle` blocks its thread";
    ReplyDropped, "reply-dropped", "a reply is dropped unsent";
    SignalPanic, "signal-panic", "`on_signal` panics";
    SignalError, "signal-error", "`on_signal` returns an error";
    TerminatePanic, "terminate-panic", "`terminate` panics";
    TerminateHang, "terminate-hang", "`terminate` awaits what does not come";
    StateDropPanic, "state-drop-panic", "`Drop` of the state panics";
    MessageDropPanic, "message-drop-panic", "`Drop` of a message panics, wherever it is dropped";
    TimerDropPanic, "timer-drop-panic", "`Drop` of the message of a timer panics";
    PipeDropPanic, "pipe-drop-panic", "`Drop` of a piped future panics";
    MessageKindPanic, "message-kind-panic", "`Message::kind` panics";
    SalvagePanic, "salvage-panic", "`Message::salvage` panics";
    LetterHookPanic, "letter-hook-panic", "the dead-letter hook panics";
    PipePanic, "pipe-panic", "a piped future panics";
    StreamPanic, "stream-panic", "a piped stream panics";
    IntervalPanic, "interval-panic", "what makes the messages of an interval panics";
    BlockingPanic, "blocking-panic", "code on a thread for blocking code panics";
    TaskPanic, "task-panic", "a supervised future panics";
    TaskError, "task-error", "a supervised future returns an error";
    LinkBroken, "link-broken", "a linked actor crashes";
    Kill, "kill", "a living actor is killed";
    ExitSignal, "exit-signal", "a stranger sends a living actor an exit signal";
    Abandon, "abandon", "an incarnation whose turn blocks loses its slot";
    SupervisorKill, "supervisor-kill", "a living supervisor is killed";
    SupervisorExit, "supervisor-exit", "a stranger sends a living supervisor an exit signal";
    GaveUp, "gave-up", "a supervisor gives up after too many restarts";
    SubtreeStop, "subtree-stop", "a child or a subtree is stopped by its supervisor on request";
    ChildStart, "child-start", "a child is started or started again on request";
    ChildDelete, "child-delete", "a stopped child is deleted";
    DynamicStop, "dynamic-stop", "a dynamic child is stopped on request";
    DynamicStart, "dynamic-start", "a dynamic child is started on request";
    SystemStop, "system-stop", "the system is stopped half-way";
    Suspend, "suspend", "a living actor is suspended for a while";
    MailboxFull, "mailbox-full", "a mailbox is filled until it refuses";
    PermitDropped, "permit-dropped", "a permit is dropped unused";
    PermitOutlived, "permit-outlived", "a permit outlives the incarnation it was given by";
    PermitLate, "permit-late", "no room before the deadline";
    AskCancelled, "ask-cancelled", "a question is dropped while it waits";
    AskExpired, "ask-expired", "a question ends at its deadline";
    AskDied, "ask-died", "a question ends with the incarnation that had it";
    TimerRace, "timer-race", "an actor is killed just as its timers are due";
    MonitorDead, "monitor-dead", "an incarnation that has ended is monitored";
    Fenced, "fenced", "an abandoned turn returns and tries to send";
}

/// How often each kind has struck.
#[derive(Debug)]
pub struct Tally([AtomicU64; Kind::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Tally {
    /// A fault has struck.
    pub fn strike(&self, kind: Kind) {
        self.0[kind as usize].fetch_add(1, Relaxed);
    }

    /// How often this one has.
    pub fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize].load(Relaxed)
    }

    /// Faults of all kinds.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|count| count.load(Relaxed)).sum()
    }
}
