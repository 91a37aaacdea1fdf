//! What a supervisor does before its children start: OTP's `Module:init/1`, as far as it is no declaration.

use std::sync::Arc;

use crashworthy_runtime::{Exit, discard};

type Hook = dyn Fn() -> Result<(), Exit> + Send + Sync;

/// The hook that was declared, if one was: one for all incarnations. It keeps what the user's closure has captured: whatever
/// the destructors of that do, whoever drops it goes on.
#[derive(Clone, Default)]
pub(crate) struct Init(Option<Arc<Hook>>);

impl Init {
    pub(crate) fn new(hook: impl Fn() -> Result<(), Exit> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// Whether this incarnation is to start its children.
    pub(crate) fn run(&self) -> Result<(), Exit> {
        self.0.as_ref().map_or(Ok(()), |hook| hook())
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}
