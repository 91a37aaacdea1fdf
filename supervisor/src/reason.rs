//! The runtime's exit reasons, as the core reads them.

use crashworthy_runtime::ExitReason;

use crate::core::{Reason, ReasonClass};

impl Reason for ExitReason {
    fn class(&self) -> ReasonClass {
        match self {
            Self::Shutdown => ReasonClass::Shutdown,
            Self::Killed => ReasonClass::Killed,
            other if other.is_normal_class() => ReasonClass::OtherNormal,
            _ => ReasonClass::Abnormal,
        }
    }

    fn shutdown() -> Self {
        Self::Shutdown
    }

    fn failed_to_start(child: &str, why: &Self) -> Self {
        Self::ShutdownWith(format!("child {child} failed to start: {why}"))
    }
}
