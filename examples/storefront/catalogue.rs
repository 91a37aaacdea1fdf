//! The catalogue: what there is to buy, in memory, read from the product file by every incarnation.

mod cache;
mod index;
mod product;
mod shelf;

use std::sync::Arc;

use crashworthy::prelude::*;

pub(crate) use self::product::{Product, SHIPPED, read};
use self::shelf::Shelf;
pub(crate) use self::shelf::{Page, Window};
use crate::fault::{Fault, Trouble};
use crate::insight::CacheTally;
use crate::limits;

#[derive(Message)]
pub(crate) enum CatalogueMsg {
    Browse {
        window: Window,
        reply: Reply<Page>,
    },
    Search {
        query: String,
        window: Window,
        reply: Reply<Page>,
    },
    Product {
        sku: String,
        reply: Reply<Option<Arc<Product>>>,
    },
    /// The price of each, in cents; `None` where there is no such product.
    Prices {
        skus: Vec<String>,
        reply: Reply<Vec<Option<u64>>>,
    },
    Fault(Fault),
}

pub(crate) struct Catalogue {
    shelf: Shelf,
    trouble: Trouble,
}

impl Actor for Catalogue {
    /// The text of the product file, and where the cache of searches is told of.
    type Args = (Arc<str>, Arc<CacheTally>);
    type Msg = CatalogueMsg;

    async fn init((file, searches): Self::Args, _: &mut Context<Self>) -> Result<Self, Exit> {
        let products = read(file.as_bytes())?;
        tracing::info!(products = products.len(), "the catalogue is open");
        Ok(Self { shelf: Shelf::new(products, limits::SEARCHES_KEPT, searches), trouble: Trouble::default() })
    }

    async fn handle(&mut self, msg: CatalogueMsg, _: &mut Context<Self>) -> Result<(), Exit> {
        self.trouble.drag().await;
        match msg {
            CatalogueMsg::Browse { window, reply } => reply.send(self.shelf.browse(window)),
            CatalogueMsg::Search { query, window, reply } => reply.send(self.shelf.search(&query, window)),
            CatalogueMsg::Product { sku, reply } => reply.send(self.shelf.product(&sku)),
            CatalogueMsg::Prices { skus, reply } => {
                let price = |sku: &String| self.shelf.product(sku).map(|product| product.price_cents);
                reply.send(skus.iter().map(price).collect());
            }
            CatalogueMsg::Fault(fault) => self.trouble.strike(fault).await?,
        }
        Ok(())
    }
}
