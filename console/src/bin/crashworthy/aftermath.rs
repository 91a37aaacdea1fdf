//! What became of an actor that was to end: the console waits for nobody, so the command looks.

use std::thread;
use std::time::{Duration, Instant};

use crashworthy_console::protocol::{ActorQuery, ActorView, Code};
use crashworthy_console::{Client, ClientError};
use crashworthy_runtime::{Pid, State};

use crate::Trouble;
use crate::show;

/// How long it looks, and how often. Who stops in order may take longer.
const PATIENCE: Duration = Duration::from_secs(2);
const OFTEN: Duration = Duration::from_millis(50);

/// Whether nobody answers any more, since the system has ended with the actor.
fn has_ended(error: &ClientError) -> bool {
    match error {
        ClientError::Closed => true,
        ClientError::Refused(why) => why.code == Code::SystemEnded,
        _ => false,
    }
}

/// What is to be seen of an incarnation after its end, or that it has not come yet.
pub(crate) fn of(client: &mut Client, was: Pid) -> Result<String, Trouble> {
    let patience = Instant::now() + PATIENCE;
    loop {
        let query = ActorQuery { actor: was.id.to_string() };
        let now = match client.ask::<ActorView>("actor", &query) {
            Ok(now) => now.row,
            Err(ClientError::Refused(why)) if why.code == Code::NotFound => return Ok("now: it is gone\n".to_owned()),
            Err(error) if has_ended(&error) => return Ok("now: the system has ended\n".to_owned()),
            Err(error) => return Err(error.into()),
        };
        let ended = now.pid != was || matches!(now.state, State::Stopped | State::Gone);
        if ended && now.state != State::Starting {
            return Ok(format!("now: {} as {}\n", show::condition(&now), now.pid));
        }
        if Instant::now() >= patience {
            let doing = now.doing.as_ref().map_or_else(|| "nothing is in hand".to_owned(), show::doing);
            return Ok(format!("now: {} as {}, {doing}; look again\n", show::condition(&now), now.pid));
        }
        thread::sleep(OFTEN);
    }
}
