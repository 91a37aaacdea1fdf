//! What an order is, on disk and on the wire.

use serde::{Deserialize, Serialize};

/// An order that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) placed_ms: u64,
    pub(crate) total_cents: u64,
    #[serde(flatten)]
    pub(crate) draft: Draft,
    pub(crate) payment: Payment,
    pub(crate) delivery: Delivery,
}

/// An order that is not accepted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(crate) customer: String,
    pub(crate) postcode: String,
    /// The delivery slot the customer would like best.
    pub(crate) wish: Option<String>,
    pub(crate) lines: Vec<Line>,
    /// The same key means the same order, however often it is sent.
    pub(crate) key: Option<String>,
}

/// Some units of one product, at the price of the day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
    pub(crate) unit_cents: u64,
}

impl Draft {
    pub(crate) fn total_cents(&self) -> u64 {
        self.lines.iter().map(|line| line.unit_cents.saturating_mul(line.quantity.into())).sum()
    }

    /// The order that this draft becomes.
    pub(crate) fn accepted(self, id: u64, placed_ms: u64) -> Order {
        let total_cents = self.total_cents();
        Order { id, placed_ms, total_cents, draft: self, payment: Payment::Pending, delivery: Delivery::Pending }
    }
}

/// Whether an order is paid. Paying comes after accepting, and may come much later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum Payment {
    Pending,
    Paid { receipt: String },
}

/// Whether an order has a delivery slot. So too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum Delivery {
    Pending,
    Scheduled { slot: String },
}

/// Something that happened to an order after it was accepted.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    Paid { receipt: String },
    Scheduled { slot: String },
}

/// What may still be owed to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    Payment,
    Delivery,
}

impl Order {
    pub(crate) fn apply(&mut self, progress: Progress) {
        match progress {
            Progress::Paid { receipt } => self.payment = Payment::Paid { receipt },
            Progress::Scheduled { slot } => self.delivery = Delivery::Scheduled { slot },
        }
    }
}

impl Progress {
    pub(crate) fn settles(&self) -> Errand {
        match self {
            Self::Paid { .. } => Errand::Payment,
            Self::Scheduled { .. } => Errand::Delivery,
        }
    }
}
