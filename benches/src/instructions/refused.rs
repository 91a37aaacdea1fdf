//! A mailbox that is full and stays so.

use crashworthy::prelude::*;
use tokio::sync::oneshot;

use crate::peer::{Peer, Workers};
use crate::peers::Crashworthy;
use crate::wrong::{Wrong, wrong};

/// Waits in a handler until it is let go.
struct Held;

enum Order {
    Hold(Reply<()>, oneshot::Receiver<()>),
    Note,
}

impl Message for Order {}

impl Actor for Held {
    type Args = ();
    type Msg = Order;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Held)
    }

    async fn handle(&mut self, order: Order, _: &mut Context<Self>) -> Result<(), Exit> {
        if let Order::Hold(reply, gate) = order {
            reply.send(());
            let _ = gate.await;
        }
        Ok(())
    }
}

/// So many messages, all of which must be refused.
pub(super) fn run(times: u64) -> Result<(), Wrong> {
    Crashworthy::run(Workers::One, move |peer| async move {
        let held = peer.system().spawn::<Held>(()).await.map_err(wrong)?;
        let (release, gate) = oneshot::channel();
        held.ask(|reply| Order::Hold(reply, gate)).await.map_err(wrong)?;
        while held.tell(Order::Note).is_ok() {}
        for refused in 0..times {
            match held.tell(Order::Note) {
                Err(Rejected { why, .. }) if why.reason == Reason::Full => {}
                other => {
                    return Err(wrong(format_args!("message {refused} is not refused as it should be: {other:?}")));
                }
            }
        }
        drop(release);
        Ok(())
    })
}
