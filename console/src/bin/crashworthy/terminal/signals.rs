//! Signals that end the screens: the terminal is given back, and a recording is whole.

use std::io;
use std::sync::mpsc::SyncSender;

use tokio::signal::unix::{SignalKind, signal};

use super::event::Event;

/// Tells of the first signal that is to end them.
pub(super) fn listen(events: &SyncSender<Event>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let number = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let kind = tokio::select! {
            _ = terminate.recv() => SignalKind::terminate(),
            _ = hang_up.recv() => SignalKind::hangup(),
            _ = interrupt.recv() => SignalKind::interrupt(),
        };
        Ok::<_, io::Error>(kind.as_raw_value())
    })?;
    // Nobody hears it if the screens ended first.
    let _ = events.send(Event::Signal(u8::try_from(number).unwrap_or_default()));
    Ok(())
}
