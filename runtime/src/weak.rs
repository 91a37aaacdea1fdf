//! A handle that keeps nothing: for whoever looks at a system from a thread of its own.

use std::fmt;
use std::sync::Weak;

use tokio::sync::watch;

use crate::outcome::Ended;
use crate::shared::Shared;
use crate::system::System;

/// A [`System`] as long as somebody else holds it: parts that watch one from outside keep this, so that a system which
/// everybody has forgotten still goes.
#[derive(Clone)]
pub struct WeakSystem {
    shared: Weak<Shared>,
    ended: watch::Receiver<Option<Ended>>,
}

impl System {
    /// A handle that does not keep the system.
    pub fn downgrade(&self) -> WeakSystem {
        WeakSystem { shared: self.shared.weak(), ended: self.shared.stop.ended.subscribe() }
    }
}

impl WeakSystem {
    /// The system, unless everybody has forgotten it. One that has ended is still there for whoever holds it.
    pub fn upgrade(&self) -> Option<System> {
        self.shared.upgrade().map(|shared| System { shared })
    }

    /// Resolves when the system has ended, or everybody has forgotten it. Any runtime may wait for it.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ended(&self) {
        // An error says that the system is gone.
        let _ = self.ended.clone().wait_for(Option::is_some).await;
    }
}

impl fmt::Debug for WeakSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSystem").field("gone", &(self.shared.strong_count() == 0)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_keeps_no_system_and_is_told_when_one_is_stopped_or_forgotten() {
        let stopped = System::bare().unwrap();
        let weak = stopped.downgrade();
        assert!(weak.upgrade().is_some());
        stopped.stop().await;
        weak.ended().await;
        assert!(weak.upgrade().is_some(), "somebody holds it");

        let forgotten = System::bare().unwrap();
        let weak = forgotten.downgrade();
        drop(forgotten);
        weak.ended().await;
        assert!(weak.upgrade().is_none());
    }
}
