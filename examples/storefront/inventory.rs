//! The inventory: what is left of each product, and who has been promised some of it.
//!
//! What is left on the shelf is read from the ledger, which alone knows. The actor adds what must not be on disk: units
//! held for orders on their way there. A crash forgets the reservations, and that is safe: the ledger checks again.

mod holds;

use std::time::Instant;

use crashworthy::prelude::*;

pub(crate) use self::holds::HoldId;
use self::holds::Holds;
use crate::fault::{Fault, Trouble};
use crate::ledger::Ledger;
use crate::limits;

#[derive(Message)]
pub(crate) enum InventoryMsg {
    /// Units of a product that can still be ordered.
    Left {
        sku: String,
        reply: Reply<u32>,
    },
    /// Holds units of several products, all or none.
    Reserve {
        lines: Vec<(String, u32)>,
        reply: Reply<Result<HoldId, Short>>,
    },
    /// The reservation has become an order, or nothing.
    Release(HoldId),
    Sweep,
    Fault(Fault),
}

/// There is less of a product than was asked for.
#[derive(Debug)]
pub(crate) struct Short {
    pub(crate) sku: String,
    pub(crate) left: u32,
}

pub(crate) struct Inventory {
    ledger: Ledger,
    holds: Holds,
    trouble: Trouble,
}

impl Actor for Inventory {
    type Args = Ledger;
    type Msg = InventoryMsg;

    async fn init(ledger: Ledger, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.interval(limits::RESERVED / 10, || InventoryMsg::Sweep)?;
        let first = u64::from(cx.incarnation()) << 40;
        Ok(Self { ledger, holds: Holds::new(limits::RESERVATIONS, first), trouble: Trouble::default() })
    }

    async fn handle(&mut self, msg: InventoryMsg, _: &mut Context<Self>) -> Result<(), Exit> {
        self.trouble.drag().await;
        match msg {
            InventoryMsg::Left { sku, reply } => reply.send(self.left(&sku)?),
            InventoryMsg::Reserve { lines, reply } => self.reserve(lines, reply)?,
            InventoryMsg::Release(hold) => self.holds.end(hold),
            InventoryMsg::Sweep => {
                let late = self.holds.sweep(Instant::now());
                if late > 0 {
                    tracing::info!(late, "reservations that nobody ended");
                }
            }
            InventoryMsg::Fault(fault) => self.trouble.strike(fault).await?,
        }
        Ok(())
    }

    /// What is on the shelf is the ledger's to say, and takes a look at the disk.
    fn view(&self, view: &mut View<'_>) {
        view.value("reservations", self.holds.len());
        view.each("units held", self.holds.by_product(), |view, (sku, units)| view.value(sku, units));
    }
}

impl Inventory {
    fn left(&self, sku: &str) -> Result<u32, Exit> {
        let on_shelf = self.ledger.left([sku].into_iter())?[0];
        Ok(on_shelf.saturating_sub(self.holds.units(sku)))
    }

    fn reserve(&mut self, lines: Vec<(String, u32)>, reply: Reply<Result<HoldId, Short>>) -> Result<(), Exit> {
        for (sku, _) in &lines {
            let wanted: u32 = lines.iter().filter(|(other, _)| other == sku).map(|(_, units)| units).sum();
            let left = self.left(sku)?;
            if left < wanted {
                reply.send(Err(Short { sku: sku.clone(), left }));
                return Ok(());
            }
        }
        match self.holds.hold(lines, Instant::now() + limits::RESERVED) {
            Some(hold) => reply.send(Ok(hold)),
            None => reply.refuse(Refused::because(Reason::Full)),
        }
        Ok(())
    }
}
