//! What every kind of child can say of itself before it is started, in the same words.

/// The settings of a builder that has a `spec: ChildSpec`.
macro_rules! settings {
    () => {
        /// When it is restarted.
        pub fn restart(mut self, restart: $crate::child_spec::Restart) -> Self {
            self.spec.restart = restart;
            self
        }

        /// Restarted after a crash, not after a normal end.
        pub fn transient(self) -> Self {
            self.restart($crate::child_spec::Restart::Transient)
        }

        /// Never restarted.
        pub fn temporary(self) -> Self {
            self.restart($crate::child_spec::Restart::Temporary)
        }

        /// How it is stopped.
        pub fn shutdown(mut self, shutdown: $crate::child_spec::Shutdown) -> Self {
            self.spec.shutdown = shutdown;
            self
        }

        /// Asked to stop, and killed after this time.
        pub fn within(self, limit: std::time::Duration) -> Self {
            self.shutdown($crate::child_spec::Shutdown::Within(limit))
        }

        /// It runs on a thread of its own, which it may block for as long as it likes: whoever runs on the system's threads
        /// is none the slower. The thread is made when it starts, and is its own until its slot is gone; others that it
        /// starts run where it would have run otherwise. A system has room for 255
        /// ([`MAX_POOLS`](crashworthy_runtime::MAX_POOLS)) of these and bulkheads together.
        ///
        /// Questions to it are never run in place by an asker, but for a task on that very thread. What only tokio does on that thread, its timers and the
        /// tasks it spawns, waits while it blocks; deadlines and timers of actors do not.
        pub fn blocking(mut self) -> Self {
            self.spec.threads = crashworthy_runtime::Threads::Own;
            self
        }

        /// It runs on the threads of this bulkhead, with whoever else does.
        pub fn bulkhead(mut self, bulkhead: crashworthy_runtime::Bulkhead) -> Self {
            self.spec.threads = crashworthy_runtime::Threads::Bulkhead(bulkhead);
            self
        }

        /// Its end can end the supervisor ([`AutoShutdown`](crate::AutoShutdown)).
        pub fn significant(mut self) -> Self {
            self.spec.significant = true;
            self
        }
    };
}

pub(crate) use settings;
