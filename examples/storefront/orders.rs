//! Orders: the one writer of the ledger.
//!
//! An order is answered as accepted when it is on disk, not before. So whatever crashes next, this actor or the whole
//! process, an accepted order is there; and an order whose asker heard of a crash may be there too, which is what
//! idempotency keys are for.
//!
//! A disk takes its time to say that something is safe, but no longer for fifty orders than for one. So what is queued is
//! gathered, and shares a transaction. While that is on its way to the disk the mailbox fills, and the next transaction
//! takes it all: the slower the disk, the more come together.

use std::mem::take;
use std::time::Duration;

use crashworthy::prelude::*;

use crate::fault::{Fault, Trouble};
use crate::ledger::{self, Ledger, Placed, Record};
use crate::limits;
use crate::order::{Draft, Errand, Order};

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
    Record(Record),
    /// To itself: writes down what was gathered.
    Commit,
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
    gathered: Gathered,
    trouble: Trouble,
}

/// What the next transaction will write.
#[derive(Default)]
struct Gathered {
    orders: Vec<(Draft, Reply<Placed>)>,
    records: Vec<Record>,
    /// A `Commit` is on its way.
    is_due: bool,
}

impl Actor for Orders {
    type Args = Ledger;
    type Msg = OrdersMsg;

    async fn init(ledger: Ledger, cx: &mut Context<Self>) -> Result<Self, Exit> {
        // It is asked to stop, and may bring to the disk what it has gathered.
        cx.trap_exit(true);
        cx.interval(limits::DISK, || OrdersMsg::LookAtDisk)?;
        tracing::info!(orders = ?ledger.orders().ok(), "the order book is open");
        Ok(Self { ledger, gathered: Gathered::default(), trouble: Trouble::default() })
    }

    async fn handle(&mut self, msg: OrdersMsg, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.trouble.drag().await;
        match msg {
            OrdersMsg::Place { draft, reply } => {
                self.gathered.orders.push((draft, reply));
                self.commit_soon(cx).await?;
            }
            OrdersMsg::Record(record) => {
                self.gathered.records.push(record);
                self.commit_soon(cx).await?;
            }
            OrdersMsg::Commit => self.commit(cx).await?,
            OrdersMsg::Status { id, reply } => reply.send(self.ledger.order(id)?),
            OrdersMsg::OfKey { key, reply } => reply.send(self.ledger.order_of_key(&key)?),
            OrdersMsg::Owed { errand, reply } => {
                let before = ledger::now_ms().saturating_sub(millis(limits::FORGOTTEN));
                reply.send(self.ledger.owed(errand, before, limits::ERRANDS)?);
            }
            OrdersMsg::LookAtDisk if self.ledger.is_closed() => {
                let ledger = self.ledger.clone();
                cx.run_blocking(move || ledger.reopen()).await??;
            }
            OrdersMsg::LookAtDisk => {}
            OrdersMsg::Fault(fault) => self.trouble.strike(fault).await?,
        }
        Ok(())
    }

    fn view(&self, view: &mut View<'_>) {
        let Gathered { orders, records, is_due } = &self.gathered;
        view.branch("next transaction", |view| {
            view.value("orders", orders.len());
            view.value("records", records.len());
            view.value("is due", *is_due);
        });
    }

    async fn terminate(&mut self, _: &ExitReason, cx: &mut Context<Self>) {
        let ledger = self.ledger.clone();
        let committed = self.commit(cx).await;
        let flushed = cx.run_blocking(move || ledger.flush()).await;
        if !matches!((committed, flushed), (Ok(()), Ok(Ok(())))) {
            tracing::warn!("the last records may be lost; their errands will be run again");
        }
    }
}

impl Orders {
    /// Commits when who is queued by now has been gathered as well, or when it is enough.
    async fn commit_soon(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        if self.gathered.orders.len() + self.gathered.records.len() >= limits::GATHERED {
            return self.commit(cx).await;
        }
        if !self.gathered.is_due {
            cx.pipe(tokio::task::yield_now(), |()| OrdersMsg::Commit)?;
            self.gathered.is_due = true;
        }
        Ok(())
    }

    /// Writes down what was gathered, and answers everybody. Waits for the disk on a thread that may wait.
    async fn commit(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        let Gathered { mut orders, records, .. } = take(&mut self.gathered);
        // Who has gone will order again, with the same key if at all: that one is not placed twice.
        orders.retain(|(_, reply)| !reply.is_cancelled());
        if orders.is_empty() && records.is_empty() {
            return Ok(());
        }
        tracing::debug!(orders = orders.len(), records = records.len(), "a transaction");
        let (drafts, replies): (Vec<_>, Vec<_>) = orders.into_iter().unzip();
        let ledger = self.ledger.clone();
        let placed = cx.run_blocking(move || ledger.write(drafts, records)).await??;
        for (reply, placed) in replies.into_iter().zip(placed) {
            reply.send(placed);
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
