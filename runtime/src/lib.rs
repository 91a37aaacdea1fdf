//! The runtime: actors, mailboxes, signals, scheduling, time. It knows no supervisor: a supervisor is built from what
//! any actor can do.
#![forbid(unsafe_code)]

#[cfg(panic = "abort")]
compile_error!(
    "crashworthy needs `panic = \"unwind\"`: a supervisor restarts what panics, and with `panic = \"abort\"` the first \
     panic would end the process. Remove `panic = \"abort\"` from this profile."
);

mod actor;
mod actor_ref;
mod ask;
mod asked;
mod balancer;
mod between;
mod brief;
mod builder;
mod burial;
mod cell;
mod children;
mod context;
mod counters;
mod crash;
mod dead_letter;
mod dep;
mod dependency;
mod drain;
#[cfg(test)]
mod ear;
#[cfg(any(feature = "tower", feature = "axum"))]
pub mod edge;
mod end;
mod entry;
mod envelope;
mod error;
mod event;
mod exit;
mod gate;
mod glance;
mod guard;
mod hold;
mod in_place;
mod inbox;
mod inspect;
mod intake;
mod kept;
mod kinds;
mod lane;
mod letters;
mod life;
mod links;
mod message;
mod names;
mod offender;
mod outcome;
mod pace;
mod pending;
mod permit;
mod pid;
mod pipe;
mod places;
mod pools;
pub mod port;
mod process;
mod readiness;
mod recipient;
mod reply;
mod report;
mod reserve;
mod rests;
mod retry;
mod route;
pub mod scheduler;
#[cfg(test)]
mod scripted;
mod serve;
mod settle;
mod shared;
mod shelf;
mod shutdown;
mod signal;
#[cfg(test)]
mod sizes_tests;
mod slot;
mod solo;
mod start;
mod system;
mod target;
mod ties;
pub mod time;
mod timers;
mod trace;
mod turn;
mod untie;
mod view;
mod waits;
mod weak;

// The public interface is:
pub use actor::Actor;
pub use actor_ref::{ActorRef, Offer};
pub use ask::Ask;
pub use asked::Asked;
pub use balancer::{Balancer, MAX_MEMBERS};
pub use builder::{Builder, Part};
pub use context::{Context, StopWatch};
pub use counters::Law;
pub use crash::discard;
pub use dead_letter::{DeadLetter, Fallen};
pub use dep::Dep;
pub use dependency::{AsDependency, Dependency, DependencyError};
pub use drain::Drained;
pub use entry::block_on_main;
pub use error::{AskError, Load, Reason, Refused, Rejected, StartError};
pub use event::{Acted, Attending, Happening, SourceSeen, SystemEvent, SystemEvents};
pub use exit::{Callback, Crash, Exit, ExitReason};
pub use gate::{GateState, RefusalCount, Refusals};
pub use glance::Glance;
pub use inspect::{ActorSnapshot, State, SystemSnapshot, WaitsFor};
pub use letters::{Letter, Letters};
pub use message::{Criticality, Message, Overflow};
pub use outcome::{Ended, Failure, LastCrash, ShutdownReport, SystemFailed};
pub use permit::{Admission, Permit};
pub use pid::{ActorId, Pid};
pub use pools::{Bulkhead, Kept, MAX_POOLS, MAX_THREADS, Threads};
pub use readiness::{Lack, Readiness, Unready};
pub use recipient::Recipient;
pub use reply::{Answer, Reply};
pub use report::{
    Budget, CrashReport, Decision, Handled, Importance, InHand, Judgement, LazyBacktrace, RateLimit, Ring, Ruling,
    Sender, Siblings, Unjudged, Verdict, millis, print_if_unheard,
};
pub use reserve::{ReserveAll, reserve_all, reserve_some};
pub use retry::{Asking, RetryPolicy, Telling};
pub use scheduler::{PoolKind, PoolStats, PumpState, PumpStats};
pub use shutdown::{Straggler, Whereabouts};
pub use signal::{Down, MonitorRef, Signal};
pub use slot::{LARGEST_MAILBOX, Slot};
pub use solo::{Probe, Solo};
pub use start::{Starting, Under};
pub use system::{Abandoned, Root, System};
pub use target::Target;
pub use timers::TimerRef;
pub use trace::{Outcome, Trace, TraceEnd, TraceError, TraceRead, TraceRecord, TraceSpec};
pub use turn::{CallScope, LONGEST_DEADLINE, Scoped};
pub use view::{Cut, Entry, Shown, StateView, View, ViewError};
pub use waits::Cycle;
pub use weak::WeakSystem;
