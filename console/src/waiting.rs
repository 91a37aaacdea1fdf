//! Whose messages wait while nobody handles them, and since when that was seen.
//!
//! The age of what is in hand is told by its actor. What is queued tells nobody: reading it would take the actor. But whoever has
//! seen that there were so many messages knows of each of them that it was there then.

use std::collections::HashMap;
use std::time::Duration;

use crashworthy_runtime::{ActorId, Glance};

/// Of those who have messages queued and none in hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting(HashMap<ActorId, Mark>);

/// So many messages had come by this time.
#[derive(Clone, Copy, Debug)]
struct Mark {
    came: u64,
    at: Duration,
}

impl Waiting {
    /// What is known after another look.
    pub(crate) fn look(&mut self, actors: &[Glance], at: Duration) {
        let mut before = std::mem::take(&mut self.0);
        for actor in actors.iter().filter(|actor| waits(actor)) {
            let law = actor.law();
            let gone = law.accepted.saturating_sub(law.queued);
            // The first of those that are queued now had come then.
            let known = before.remove(&actor.pid.id).filter(|mark| mark.came > gone);
            self.0.insert(actor.pid.id, known.unwrap_or(Mark { came: law.accepted, at }));
        }
    }

    /// How long the oldest message of an actor has been there at the least, by this time.
    pub(crate) fn at_least(&self, actor: ActorId, at: Duration) -> Option<Duration> {
        self.0.get(&actor).map(|mark| at.saturating_sub(mark.at))
    }
}

fn waits(actor: &Glance) -> bool {
    actor.message.is_none() && actor.law().queued > 0
}

#[cfg(test)]
mod tests {
    use crashworthy_runtime::{Actor, Context, Exit, System};

    use super::*;

    /// Does nothing with what it is told.
    struct Desk;

    impl Actor for Desk {
        type Args = ();
        type Msg = ();

        async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
            Ok(Self)
        }

        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), Exit> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_was_seen_to_wait_is_as_old_as_that_until_all_of_it_has_gone() {
        const fn s(seconds: u64) -> Duration {
            Duration::from_secs(seconds)
        }
        let system = System::bare().unwrap();
        let desk = system.spawn::<Desk>(()).await.unwrap();
        let (mut waiting, mut actors) = (Waiting::default(), Vec::new());
        let mut age = |at| {
            system.glance(&mut actors);
            waiting.look(&actors, at);
            waiting.at_least(desk.id(), at)
        };
        assert_eq!(age(s(1)), None, "it has nothing");
        // There is one thread, and it is ours.
        desk.tell(()).unwrap();
        assert_eq!((age(s(2)), age(s(5))), (Some(s(0)), Some(s(3))));
        desk.tell(()).unwrap();
        assert_eq!(age(s(6)), Some(s(4)), "the first of them is as old as before");
        desk.settled().await;
        desk.tell(()).unwrap();
        assert_eq!(age(s(9)), Some(s(0)), "this one is new");
    }
}
