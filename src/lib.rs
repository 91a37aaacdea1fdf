//! An Erlang-style let-it-crash runtime: isolated actors behind bounded mailboxes, under supervisors that restart what
//! crashes, within limits.
//!
//! ```
//! use crashworthy::prelude::*;
//!
//! #[derive(Message)]
//! enum Till { Sell { cents: u64 }, Total { reply: Reply<u64> } }
//!
//! struct Cashier { total: u64 }
//!
//! impl Actor for Cashier {
//!     type Args = u64; // what every incarnation starts from
//!     type Msg = Till;
//!
//!     async fn init(float: u64, _: &mut Context<Self>) -> Result<Self, Exit> {
//!         Ok(Cashier { total: float })
//!     }
//!
//!     async fn handle(&mut self, msg: Till, _: &mut Context<Self>) -> Result<(), Exit> {
//!         match msg { // any error is an exit: `?` is how you let it crash
//!             Till::Sell { cents } => self.total = self.total.checked_add(cents).ok_or("till overflow")?,
//!             Till::Total { reply } => reply.send(self.total),
//!         }
//!         Ok(())
//!     }
//! }
//!
//! #[crashworthy::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let till = Slot::<Cashier>::named("till"); // an address first: wire actors before any of them runs
//!     let shop = Supervisor::one_for_one("shop").intensity(3, secs(5)).child(till.child(100));
//!     let system = System::start(shop).await?;
//!     till.tell(Till::Sell { cents: 250 })?;
//!     assert_eq!(till.ask(|reply| Till::Total { reply }).within(ms(50)).await?, 350);
//!     system.stop().await;
//!     Ok(())
//! }
//! ```
//!
//! New here? Three guides: [Designing a supervision tree](guide::supervision_trees),
//! [Back pressure and refusing work](guide::back_pressure), and [Coming from Erlang/OTP or Elixir](guide::from_erlang).
//!
//! Features:
//! * `console`, on by default: the command `crashworthy` looks into a running system (`Console`);
//! * `web`: the same over HTTP, with health, metrics and a live page (`Web`);
//! * `tower`: actors as services of tower ([`ActorRef`]`::service`), whose readiness is a reserved place;
//! * `axum`: refusals as responses with 429 or 503 and `Retry-After`, and the deadline of a request (`edge`).
#![forbid(unsafe_code)]

use std::time::Duration;

#[cfg(feature = "console")]
pub use crashworthy_console as console;
#[cfg(feature = "console")]
pub use crashworthy_console::{Console, ConsoleExt};
pub use crashworthy_macros::{Message, main, test};
pub use crashworthy_runtime::*;
pub use crashworthy_supervisor as supervisor;
pub use crashworthy_supervisor::{
    AnyChild, AutoShutdown, Backoff, Child, Dynamic, Intensity, IntoChild, InvalidTree, Newcomer, Partition,
    ResizeError, Restart, RestartArgs, Shutdown, SlotExt, Strategy, Supervisor, SupervisorReport, SupervisorReports,
    SystemExt, Task, TaskContext, TaskError, TaskHandle, TaskStream, Tasks,
};
#[cfg(feature = "web")]
pub use crashworthy_web as web;
#[cfg(feature = "web")]
pub use crashworthy_web::{Web, WebExt};

pub mod guide;

/// So many seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many milliseconds.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What almost every program needs.
pub mod prelude {
    pub use crate::{
        Actor, ActorRef, Answer, Ask, AskError, Balancer, Bulkhead, CallScope, Context, Criticality, Dependency, Down,
        Exit, ExitReason, Message, Offer, Overflow, Part, Permit, Pid, Probe, Readiness, Reason, Recipient, Refused,
        Rejected, Reply, RetryPolicy, Signal, Slot, Solo, StartError, System, View, ms, reserve_all, reserve_some,
        secs,
    };
    pub use crate::{
        Backoff, Child, Dynamic, IntoChild, Partition, Restart, Shutdown, SlotExt, Supervisor, SystemExt, Task,
        TaskContext, TaskError, TaskHandle, Tasks,
    };
    #[cfg(feature = "console")]
    pub use crate::{Console, ConsoleExt};
    #[cfg(feature = "web")]
    pub use crate::{Web, WebExt};
}

/// What the macros expand to.
#[doc(hidden)]
pub mod __private {
    pub use crashworthy_runtime::block_on_main;
}

/// The README's example, run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
