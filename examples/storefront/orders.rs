//! Orders: the one writer of the ledger.
//!
//! An order is answered as accepted when it is on disk, not before. So whatever crashes next, this actor or the whole
//! process, an accepted order is there; and an order whose asker heard of a crash may be there too, which is what
//! idempotency keys are for.

use std::time::Duration;

use crashworthy::prelude::*;

use crate::fault::{Fault, Trouble};
use crate::ledger::{self, Ledger, LedgerError, Placed};
use crate::limits;
use crate::order::{Draft, Errand, Order, Progress};

#[derive(Message)]
pub(crate) enum OrdersMsg {
    Place {
        draft: Draft,
        reply: Reply<Placed>,
    },
    Status {
        id: u64,
        reply: Reply<Option<Order>>,
    },
    OfKey {
        key: String,
        reply: Reply<Option<Order>>,
    },
    /// Something happened to an order.
    Record {
        id: u64,
        progress: Vec<Progress>,
    },
    /// Orders that are owed this, and that nobody else is looking after.
    Owed {
        errand: Errand,
        reply: Reply<Vec<Order>>,
    },
    LookAtDisk,
    Fault(Fault),
}

pub(crate) struct Orders {
    ledger: Ledger,
    trouble: Trouble,
}

impl Actor for Orders {
    type Args = Ledger;
    type Msg = OrdersMsg;

    async fn init(ledger: Ledger, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.interval(limits::DISK, || OrdersMsg::LookAtDisk)?;
        tracing::info!(orders = ?ledger.orders().ok(), "the order book is open");
        Ok(Self { ledger, trouble: Trouble::default() })
    }

    async fn handle(&mut self, msg: OrdersMsg, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.trouble.drag().await;
        match msg {
            OrdersMsg::Place { draft, reply } => reply.send(self.on_disk(cx, |ledger| ledger.place(draft)).await?),
            OrdersMsg::Status { id, reply } => reply.send(self.ledger.order(id)?),
            OrdersMsg::OfKey { key, reply } => reply.send(self.ledger.order_of_key(&key)?),
            OrdersMsg::Record { id, progress } => self.on_disk(cx, move |ledger| ledger.record(id, progress)).await?,
            OrdersMsg::Owed { errand, reply } => {
                let before = ledger::now_ms().saturating_sub(millis(limits::FORGOTTEN));
                reply.send(self.ledger.owed(errand, before, limits::ERRANDS)?);
            }
            OrdersMsg::LookAtDisk if self.ledger.is_closed() => self.on_disk(cx, Ledger::reopen).await?,
            OrdersMsg::LookAtDisk => {}
            OrdersMsg::Fault(fault) => self.trouble.strike(fault).await?,
        }
        Ok(())
    }

    async fn terminate(&mut self, _: &ExitReason, cx: &mut Context<Self>) {
        if self.on_disk(cx, Ledger::flush).await.is_err() {
            tracing::warn!("the last records may be lost; their errands will be run again");
        }
    }
}

impl Orders {
    /// Waits for the disk on a thread that may wait.
    async fn on_disk<R: Send + 'static>(
        &self,
        cx: &Context<Self>,
        work: impl FnOnce(&Ledger) -> Result<R, LedgerError> + Send + 'static,
    ) -> Result<R, Exit> {
        let ledger = self.ledger.clone();
        Ok(cx.run_blocking(move || work(&ledger)).await??)
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
