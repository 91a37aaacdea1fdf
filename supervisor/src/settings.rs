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

        /// Its end can end the supervisor ([`AutoShutdown`](crate::AutoShutdown)).
        pub fn significant(mut self) -> Self {
            self.spec.significant = true;
            self
        }
    };
}

pub(crate) use settings;
