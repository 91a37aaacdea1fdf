//! Signals that end the screens: the terminal is given back, and a recording is whole.

use std::io;
use std::sync::mpsc::SyncSender;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::event::Event;

/// Tells of the first signal that is to end them.
pub(super) fn listen(events: &SyncSender<Event>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let [mut terminate, mut hang_up] = registered()?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        Ok::<(), io::Error>(())
    })?;
    // Nobody hears it if the screens ended first.
    let _ = events.send(Event::Ended);
    Ok(())
}

fn registered() -> io::Result<[Signal; 2]> {
    Ok([signal(SignalKind::terminate())?, signal(SignalKind::hangup())?])
}
