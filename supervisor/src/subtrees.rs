//! Whole subtrees that are started on request: all alike to their supervisor, or each as it says itself.

use std::sync::Arc;

use crashworthy_runtime::{Pid, StartError};

use crate::child::{AnyChild, IntoChild};
use crate::child_spec::ChildSpec;
use crate::dynamic::Dynamic;
use crate::supervisor::Supervisor;

/// Of subtrees that are all alike to it: OTP's `simple_one_for_one` of type `supervisor`.
impl Dynamic<Supervisor> {
    /// A dynamic supervisor of supervisors, with this name: 1 restart in 5 s, no limit to the number of children. They are
    /// permanent, and stopped without a time limit, unless that is told otherwise here: what a supervisor says of itself as a
    /// child ([`restart`](Supervisor::restart), [`shutdown`](Supervisor::shutdown), [`significant`](Supervisor::significant))
    /// does not count. Where each is to be as it says itself: [`any`](Dynamic::any).
    ///
    /// # Examples
    /// A subtree a tenant, none of which takes the others with it:
    /// ```
    /// # use crashworthy_runtime::{Actor, Context, Exit, Slot, System};
    /// # use crashworthy_supervisor::{Dynamic, Restart, SlotExt, Supervisor};
    /// # struct Ledger;
    /// # impl Actor for Ledger {
    /// #     type Args = u32; type Msg = ();
    /// #     async fn init(_: u32, _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Ledger) }
    /// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tenants = Dynamic::supervisors("tenants").restart(Restart::Temporary).max_children(1_000);
    /// let system = System::start(Supervisor::one_for_one("service").child(tenants.clone())).await?;
    ///
    /// let ledger = Slot::<Ledger>::named("ledger");
    /// tenants.start(Supervisor::one_for_all("acme").child(ledger.child(7))).await?;
    /// ledger.tell(())?;
    /// assert_eq!(tenants.management().which_children().await?[0].restart, Restart::Temporary);
    /// # system.stop().await;
    /// # Ok(()) }
    /// ```
    pub fn supervisors(name: impl Into<Arc<str>>) -> Self {
        Self::with(ChildSpec::supervisor(name))
    }

    /// Starts a subtree, a supervisor of any kind, and waits for it. Its name is a part of its path, and need not be unique. Names
    /// do not address it; its pid does, that of its first life until it is restarted.
    ///
    /// # Errors
    /// As [`start`](Dynamic::start) of actors; [`StartError::InvalidTree`] if the subtree breaks a rule, also that trees are only
    /// so deep.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop a start that has begun: the child lives on under its supervisor.
    pub async fn start(&self, subtree: impl IntoChild) -> Result<Pid, StartError> {
        let ChildSpec { restart, shutdown, significant, .. } = *self.template();
        let like_all = |own: &mut ChildSpec| *own = ChildSpec { restart, shutdown, significant, ..own.clone() };
        self.bring_any(subtree.into_child().change(like_all)).await
    }
}

/// Of children of any kind, which bring their own settings.
impl Dynamic<AnyChild> {
    /// A dynamic supervisor of whatever a supervisor can have, with this name: 1 restart in 5 s, no limit to the number of
    /// children.
    ///
    /// # Examples
    /// A subtree a tenant:
    /// ```
    /// # use crashworthy_runtime::{Actor, Context, Exit, Slot, System};
    /// # use crashworthy_supervisor::{Dynamic, Restart, SlotExt, Supervisor};
    /// # struct Ledger;
    /// # impl Actor for Ledger {
    /// #     type Args = u32; type Msg = ();
    /// #     async fn init(_: u32, _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Ledger) }
    /// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tenants = Dynamic::any("tenants").max_children(1_000);
    /// let system = System::start(Supervisor::one_for_one("service").child(tenants.clone())).await?;
    ///
    /// let ledger = Slot::<Ledger>::named("ledger");
    /// let acme = Supervisor::one_for_all("acme").restart(Restart::Transient).child(ledger.child(7));
    /// let acme = tenants.start(acme).await?;
    /// ledger.tell(())?;
    /// assert!(tenants.stop(acme).await?);
    /// # system.stop().await;
    /// # Ok(()) }
    /// ```
    pub fn any(name: impl Into<Arc<str>>) -> Self {
        Self::with(ChildSpec::supervisor(name))
    }

    /// Starts a child, with everything below it. It is restarted and stopped as it says itself: a
    /// [`Supervisor`] is permanent, and stopped without a time limit, unless told otherwise. Its name is a
    /// part of its path, and need not be unique. Names do not address it; its pid does, that of its first life until it is
    /// restarted.
    ///
    /// # Errors
    /// As [`start`](Dynamic::start) of actors; [`StartError::InvalidTree`] if the child or what is below it breaks a rule, also
    /// that trees are only so deep.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop a start that has begun: the child lives on under its supervisor.
    pub async fn start(&self, child: impl IntoChild) -> Result<Pid, StartError> {
        self.bring_any(child.into_child()).await
    }
}
