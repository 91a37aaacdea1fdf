//! Who is suspended by the console, and until when: nobody stays so because a client has gone, or the console has.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crashworthy_runtime::{ActorId, Pid, System, WeakSystem};

/// The suspensions that end with the console, if they do not end before: the runtime sees to that.
#[derive(Debug, Default)]
pub(crate) struct Suspensions(Mutex<HashMap<ActorId, (Pid, Duration)>>);

impl Suspensions {
    fn held(&self) -> MutexGuard<'_, HashMap<ActorId, (Pid, Duration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for these, too. Those who are suspended already have theirs.
    pub(crate) fn has_room(&self, system: &System, more: impl IntoIterator<Item = Pid>, most: usize) -> bool {
        let now = system.now();
        let mut held = self.held();
        held.retain(|_, (_, until)| *until > now);
        let is_new = |pid: &Pid| !held.contains_key(&pid.id);
        held.len() + more.into_iter().filter(is_new).count() <= most
    }

    /// Suspends an incarnation for so long, instead of as long as was said before.
    pub(crate) fn begin(&self, system: &System, pid: Pid, span: Duration) {
        // Noted first: whoever is suspended is resumed.
        self.held().insert(pid.id, (pid, system.now().saturating_add(span)));
        system.suspend_for(pid, span);
    }

    /// Resumes an incarnation now.
    pub(crate) fn end(&self, system: &System, pid: Pid) {
        let mut held = self.held();
        if held.get(&pid.id).is_some_and(|(suspended, _)| *suspended == pid) {
            held.remove(&pid.id);
        }
        drop(held);
        system.resume(pid);
    }

    /// Resumes everybody whose time has not come: nobody waits for somebody who cannot say so any more.
    pub(crate) fn end_all(&self, system: &WeakSystem) {
        let held: Vec<_> = self.held().drain().map(|(_, held)| held).collect();
        let Some(system) = system.upgrade() else { return };
        let now = system.now();
        for (pid, _) in held.into_iter().filter(|(_, until)| *until > now) {
            // Another incarnation is not resumed by it.
            system.resume(pid);
            tracing::info!(system = system.name(), %pid, "an actor is resumed: the console that suspended it has ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use crashworthy_runtime::{Actor, Context, Exit, State};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    struct Clerk;

    impl Actor for Clerk {
        type Args = ();
        type Msg = ();

        async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
            Ok(Self)
        }

        async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn when_the_console_ends_nobody_stays_suspended_by_it_but_those_whom_others_suspended_do() {
        let system = System::bare().unwrap();
        let [ours, theirs] = [system.spawn::<Clerk>(()).await.unwrap(), system.spawn::<Clerk>(()).await.unwrap()]
            .map(|clerk| clerk.pid());
        let state = |pid| system.inspect(pid).unwrap().state;
        let suspensions = Suspensions::default();
        suspensions.begin(&system, ours, HOUR);
        system.suspend(theirs);
        assert_eq!((state(ours), state(theirs)), (State::Suspended, State::Suspended));
        assert!(suspensions.has_room(&system, [theirs], 2) && !suspensions.has_room(&system, [theirs], 1));
        assert!(suspensions.has_room(&system, [ours], 1), "it has its place already");
        suspensions.end_all(&system.downgrade());
        assert_eq!((state(ours), state(theirs)), (State::Running, State::Suspended));
        assert!(suspensions.has_room(&system, [ours, theirs], 2));
    }

    #[tokio::test]
    async fn what_is_said_last_counts_and_who_is_resumed_leaves_room() {
        let system = System::bare().unwrap();
        let clerk = system.spawn::<Clerk>(()).await.unwrap();
        let suspensions = Suspensions::default();
        suspensions.begin(&system, clerk.pid(), HOUR);
        let other = system.spawn::<Clerk>(()).await.unwrap().pid();
        assert!(!suspensions.has_room(&system, [other], 1));
        suspensions.begin(&system, clerk.pid(), Duration::ZERO);
        clerk.tell(()).unwrap();
        clerk.settled().await;
        assert_eq!(clerk.law().handled, 1);
        assert!(suspensions.has_room(&system, [other], 1));
    }
}
