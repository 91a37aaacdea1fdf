//! `state`: what an actor shows of its state.

use crashworthy_console::protocol::{ActorQuery, ActorState, Seen};

use crate::args::{Show, Which};
use crate::text::{BOLD, DIM, YELLOW, clean, clean_lines, short_type};
use crate::{Said, Trouble, data, source};

/// The state, or why it is not seen.
pub(crate) fn say(which: &Which, show: &Show, actor: &str) -> Result<Said, Trouble> {
    let state: ActorState = source::choose(which)?.ask("state", &ActorQuery { actor: actor.to_owned() })?;
    let text = if show.json { data(&state)? } else { text(&state) };
    Ok(Said { text, well: matches!(state.seen, Seen::State(_)) })
}

fn text(state: &ActorState) -> String {
    let ActorState { pid, path, kind, seen, .. } = state;
    let head = format!("{BOLD}{}{BOLD:#} {DIM}{pid} {}{DIM:#}\n", clean(path), short_type(kind));
    head + &match seen {
        Seen::State(view) => clean_lines(&view.to_string(), "  "),
        Seen::Unseen(why) => format!("  {YELLOW}{}{YELLOW:#}\n", clean(&why.to_string())),
    }
}
