//! Who is suspended by the console, and until when: nobody stays so because a client has gone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crashworthy_runtime::{ActorId, Pid, System, WeakSystem};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The suspensions that the console is to end.
#[derive(Debug, Default)]
pub(crate) struct Suspensions {
    held: Mutex<HashMap<ActorId, (Pid, Instant)>>,
    changed: Notify,
}

impl Suspensions {
    fn held(&self) -> MutexGuard<'_, HashMap<ActorId, (Pid, Instant)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for so many more.
    pub(crate) fn has_room(&self, more: usize, most: usize) -> bool {
        self.held().len() + more <= most
    }

    /// Suspends an incarnation for so long, instead of as long as was said before.
    pub(crate) fn begin(&self, system: &System, pid: Pid, span: Duration) {
        // Noted first: whoever is suspended is resumed.
        self.held().insert(pid.id, (pid, Instant::now() + span));
        system.suspend(pid);
        self.changed.notify_one();
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

    /// Resumes whoever's time has come, again and again. While nobody is suspended it sleeps.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn watch(&self, system: &WeakSystem) {
        loop {
            let next = self.held().values().map(|(_, until)| *until).min();
            match next {
                None => self.changed.notified().await,
                Some(until) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = sleep_until(until) => self.resume_until(system, Some(until)),
                },
            }
        }
    }

    /// Resumes everybody: nobody will do it later.
    pub(crate) fn end_all(&self, system: &WeakSystem) {
        self.resume_until(system, None);
    }

    fn resume_until(&self, system: &WeakSystem, now: Option<Instant>) {
        let due: Vec<Pid> = {
            let mut held = self.held();
            let due = held.extract_if(|_, (_, until)| now.is_none_or(|now| *until <= now));
            due.map(|(_, (pid, _))| pid).collect()
        };
        let Some(system) = system.upgrade() else { return };
        for pid in due {
            // Another incarnation is not resumed by it.
            system.resume(pid);
            tracing::info!(system = system.name(), %pid, "the console has resumed an actor: its time is over");
        }
    }
}

#[cfg(test)]
mod tests {
    use crashworthy_runtime::{Actor, Context, Exit, State};

    use super::*;

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
        suspensions.begin(&system, ours, Duration::from_secs(3600));
        system.suspend(theirs);
        assert_eq!((state(ours), state(theirs)), (State::Suspended, State::Suspended));
        assert!(suspensions.has_room(1, 2) && !suspensions.has_room(2, 2));
        suspensions.end_all(&system.downgrade());
        assert_eq!((state(ours), state(theirs)), (State::Running, State::Suspended));
        assert!(suspensions.has_room(2, 2));
    }

    #[tokio::test]
    async fn what_is_said_last_counts() {
        let system = System::bare().unwrap();
        let clerk = system.spawn::<Clerk>(()).await.unwrap();
        let suspensions = Suspensions::default();
        suspensions.begin(&system, clerk.pid(), Duration::from_secs(3600));
        suspensions.begin(&system, clerk.pid(), Duration::ZERO);
        let weak = system.downgrade();
        let watch = suspensions.watch(&weak);
        // It goes on until it is dropped; a message is handled once the time is over.
        let handled = async {
            clerk.tell(()).unwrap();
            clerk.settled().await;
        };
        tokio::select! {
            () = watch => unreachable!("it watches for ever"),
            () = handled => {}
        }
        assert_eq!(clerk.law().handled, 1);
    }
}
