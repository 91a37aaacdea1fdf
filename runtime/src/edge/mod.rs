//! Where a service meets programs that know no actors: how a refusal is told there.

#[cfg(feature = "axum")]
mod deadline;
#[cfg(feature = "axum")]
mod refusal;
#[cfg(feature = "tower")]
mod service;
#[cfg(all(test, feature = "tower"))]
mod service_tests;

#[cfg(feature = "axum")]
pub use self::deadline::{BadDeadline, DEADLINE_HEADER, Within};
#[cfg(feature = "axum")]
pub use self::refusal::HttpRefusal;
#[cfg(feature = "tower")]
pub use self::service::ActorService;
