//! What an actor shows of its state: the one answer that is not made from what is known already.

use std::sync::Arc;

use crate::inspector::Inspector;
use crate::protocol::{ActorQuery, ActorState, Refusal, Seen};
use crate::whom::find;

impl Inspector {
    /// The answer to `state`. It waits for the actor, at most for [`Limits::state_within`](crate::Limits::state_within).
    ///
    /// # Errors
    /// [`Code::SystemEnded`](crate::protocol::Code::SystemEnded), [`Code::NotFound`](crate::protocol::Code::NotFound). That the actor is
    /// busy is an answer.
    pub async fn state(&self, query: &ActorQuery) -> Result<ActorState, Refusal> {
        let (system, picture) = self.look()?;
        let place = find(&picture, &query.actor)?;
        // Not the picture's incarnation: that may have ended meanwhile.
        let actor = picture.actor(place);
        let pid = system.inspect(actor.pid).map_or(actor.pid, |now| now.pid);
        let at = system.now();
        let seen = match system.view(pid, self.limits().state_within).await {
            Ok(view) => Seen::State(Arc::unwrap_or_clone(view)),
            Err(why) => Seen::Unseen(why),
        };
        Ok(ActorState { at, pid, path: picture.path(place), kind: actor.kind.to_owned(), seen })
    }
}
