//! The tree of the shop: who is there, who supervises whom, and in which order they start.
//!
//! ```text
//! storefront
//! ├── shop          catalogue · inventory · orders
//! ├── payment       payment-backend · payment · payment-clerk        a bulkhead: its trouble stays here
//! ├── delivery      delivery-backend · delivery · delivery-clerk     so does this one's
//! └── http          the server: the last to start, the first to stop
//! ```

use std::pin::Pin;
use std::sync::Arc;

use crashworthy::prelude::*;

use crate::backend::Backend;
use crate::catalogue::{Catalogue, CatalogueMsg};
use crate::clerk::{Clerk, ClerkMsg, Desk};
use crate::fault::Fault;
use crate::gateway::{Gateway, GatewayMsg};
use crate::insight::{BreakerOf, CacheTally, Lamp, Searches};
use crate::inventory::{Inventory, InventoryMsg};
use crate::ledger::Ledger;
use crate::limits;
use crate::order::Errand;
use crate::orders::{Orders, OrdersMsg};

/// The ledger, and the addresses of everyone. They are the same before the start, and after any restart.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) ledger: Ledger,
    pub(crate) catalogue: Slot<Catalogue>,
    searches: Arc<CacheTally>,
    pub(crate) inventory: Slot<Inventory>,
    pub(crate) orders: Slot<Orders>,
    pub(crate) payment: Company,
    pub(crate) delivery: Company,
}

/// A company outside, and those who deal with it.
#[derive(Clone)]
pub(crate) struct Company {
    pub(crate) backend: Backend,
    pub(crate) gateway: Slot<Gateway>,
    clerk: Slot<Clerk>,
    lamp: Arc<Lamp>,
}

impl Shop {
    pub(crate) fn new(ledger: Ledger) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self {
            ledger,
            searches: Arc::default(),
            catalogue: Slot::named("catalogue").mailbox(limits::MAILBOX)?,
            inventory: Slot::named("inventory").mailbox(limits::MAILBOX)?,
            orders: Slot::named("orders").mailbox(limits::MAILBOX)?,
            payment: Company::new("payment")?,
            delivery: Company::new("delivery")?,
        })
    }

    /// Everyone, in their places. `http` comes last.
    pub(crate) fn tree(&self, products: Arc<str>, http: Task) -> Supervisor {
        let shop = Supervisor::one_for_one("shop")
            .intensity(10, secs(5))
            .child(self.catalogue.child((products, self.searches.clone())))
            .child(self.inventory.child(self.ledger.clone()))
            .child(self.orders.child(self.ledger.clone()));
        Supervisor::one_for_one("storefront")
            .intensity(3, secs(10))
            .child(shop)
            .child(self.payment.tree("payment", Errand::Payment, &self.orders))
            .child(self.delivery.tree("delivery", Errand::Delivery, &self.orders))
            .child(http)
    }

    /// The cache of the catalogue, for whoever looks from outside.
    pub(crate) fn searches(&self) -> Searches {
        Searches(self.searches.clone())
    }

    /// Everyone that can be given a fault.
    pub(crate) fn members(&self) -> [&dyn Member; 7] {
        let Self { catalogue, inventory, orders, payment, delivery, .. } = self;
        [catalogue, inventory, orders, &payment.gateway, &payment.clerk, &delivery.gateway, &delivery.clerk]
    }
}

impl Company {
    fn new(name: &'static str) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self {
            backend: Backend::bind(name)?,
            gateway: Slot::named(name).mailbox(limits::MAILBOX)?,
            clerk: Slot::named(format!("{name}-clerk")),
            lamp: Arc::default(),
        })
    }

    /// What keeps the shop from calling a company that does not answer, for whoever looks from outside.
    pub(crate) fn breaker(&self) -> BreakerOf {
        BreakerOf { company: self.backend.name, lamp: self.lamp.clone() }
    }

    fn tree(&self, name: &str, errand: Errand, orders: &Slot<Orders>) -> Supervisor {
        let desk = Desk { errand, orders: orders.address(), gateway: self.gateway.address() };
        let simulated = Task::named(format!("{name}-backend"), self.backend.clone(), |backend, cx| async move {
            Ok(backend.serve(cx.stopping()).await?)
        });
        Supervisor::one_for_one(name)
            .intensity(10, secs(5))
            .child(simulated)
            .child(self.gateway.child((self.backend.clone(), self.lamp.clone())))
            .child(self.clerk.child(desk))
    }
}

/// An actor of the shop, whatever its type.
pub(crate) trait Member: Sync {
    fn name(&self) -> &str;
    fn pid(&self) -> Pid;
    fn is_alive(&self) -> bool;
    /// Puts a fault into its mailbox, as soon as there is room: an operator waits for that, as the actor may well be busy.
    fn strike(&self, fault: Fault) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + '_>>;
}

impl<A: Actor> Member for Slot<A>
where
    A::Msg: From<Fault>,
{
    fn name(&self) -> &str {
        ActorRef::name(self).unwrap_or_default()
    }

    fn pid(&self) -> Pid {
        ActorRef::pid(self)
    }

    fn is_alive(&self) -> bool {
        ActorRef::is_alive(self)
    }

    fn strike(&self, fault: Fault) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + '_>> {
        Box::pin(async move { self.admitted(limits::STRIKE).await?.send(fault).map_err(|rejected| rejected.why) })
    }
}

/// Every message enum of the shop has a variant for faults.
macro_rules! takes_faults {
    ($($msg:ident),+) => { $(impl From<Fault> for $msg {
        fn from(fault: Fault) -> Self {
            Self::Fault(fault)
        }
    })+ };
}
takes_faults!(CatalogueMsg, InventoryMsg, OrdersMsg, GatewayMsg, ClerkMsg);
