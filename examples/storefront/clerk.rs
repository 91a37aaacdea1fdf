//! A clerk: goes after the errands that could not be run when the order was placed.
//!
//! This is what makes "we will do it as soon as we can" true, after an outage and after a restart of the process alike:
//! what is owed is read from the ledger, not remembered.

use crashworthy::prelude::*;

use crate::errand;
use crate::fault::{Fault, Trouble};
use crate::gateway::Gateway;
use crate::ledger::Record;
use crate::limits;
use crate::order::{Errand, Order};
use crate::orders::{Orders, OrdersMsg};

#[derive(Message)]
pub(crate) enum ClerkMsg {
    Round,
    Fault(Fault),
}

/// What a clerk works with.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) errand: Errand,
    pub(crate) orders: ActorRef<Orders>,
    pub(crate) gateway: ActorRef<Gateway>,
}

pub(crate) struct Clerk {
    desk: Desk,
    trouble: Trouble,
}

impl Actor for Clerk {
    type Args = Desk;
    type Msg = ClerkMsg;

    async fn init(desk: Desk, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.interval(limits::ROUND, || ClerkMsg::Round)?;
        Ok(Self { desk, trouble: Trouble::default() })
    }

    async fn handle(&mut self, msg: ClerkMsg, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.trouble.drag().await;
        match msg {
            ClerkMsg::Round => {
                if self.round().await == limits::ERRANDS {
                    cx.send_after(limits::ROUND / 50, ClerkMsg::Round);
                }
            }
            ClerkMsg::Fault(fault) => self.trouble.strike(fault).await?,
        }
        Ok(())
    }
}

impl Clerk {
    /// Runs errands until one fails: then the next would fail as well. Returns how many were run.
    async fn round(&self) -> usize {
        let Desk { errand, orders, .. } = &self.desk;
        let owed = orders.ask(|reply| OrdersMsg::Owed { errand: *errand, reply }).within(limits::PLACE).await;
        let owed: Vec<Order> = match owed {
            Ok(owed) => owed,
            Err(why) => {
                tracing::debug!(?errand, %why, "a round is skipped");
                return 0;
            }
        };
        let mut run = 0;
        for order in &owed {
            if let Err(why) = self.run(order).await {
                tracing::debug!(?errand, order = order.id, why, left = owed.len() - run, "an errand has to wait");
                break;
            }
            run += 1;
        }
        if run > 0 {
            tracing::info!(?errand, run, "errands run that had been left");
        }
        run
    }

    async fn run(&self, order: &Order) -> Result<(), String> {
        let Desk { errand, orders, gateway } = &self.desk;
        let progress = errand::run(*errand, gateway, order, limits::CALL).await.map_err(|why| why.to_string())?;
        orders
            .tell(OrdersMsg::Record(Record { id: order.id, progress: vec![progress] }))
            .map_err(|rejected| rejected.to_string())
    }
}
