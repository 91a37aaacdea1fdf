//! Looking around: the catalogue.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::input::{Asked, ListQuery, Named, Patience};
use super::problem::{NotNow, Problem};
use crate::catalogue::{CatalogueMsg, Page};
use crate::inventory::InventoryMsg;
use crate::shop::Shop;

/// `GET /products?page=…&per_page=…`
pub(crate) async fn browse(
    State(shop): State<Shop>,
    Patience(patience): Patience,
    Asked(list): Asked<ListQuery>,
) -> Result<Json<Page>, Problem> {
    let window = list.window()?;
    let page = shop.catalogue.ask(|reply| CatalogueMsg::Browse { window, reply }).within(patience).await;
    Ok(Json(page.map_err(NotNow::by("catalogue"))?))
}

/// `GET /search?q=…&page=…&per_page=…`
pub(crate) async fn search(
    State(shop): State<Shop>,
    Patience(patience): Patience,
    Asked(list): Asked<ListQuery>,
) -> Result<Json<Page>, Problem> {
    let (query, window) = (list.words()?, list.window()?);
    let page = shop.catalogue.ask(|reply| CatalogueMsg::Search { query, window, reply }).within(patience).await;
    Ok(Json(page.map_err(NotNow::by("catalogue"))?))
}

/// `GET /products/{sku}`: the product, and how many are left if the inventory can say so now.
pub(crate) async fn product(
    State(shop): State<Shop>,
    Patience(patience): Patience,
    Named(sku): Named,
) -> Result<Json<Value>, Problem> {
    let (wanted, counted) = (sku.clone(), sku.clone());
    let (product, left) = tokio::join!(
        shop.catalogue.ask(|reply| CatalogueMsg::Product { sku: wanted, reply }).within(patience),
        shop.inventory.ask(|reply| InventoryMsg::Left { sku: counted, reply }).within(patience),
    );
    match product.map_err(NotNow::by("catalogue"))? {
        Some(product) => Ok(Json(json!({ "product": product, "left": left.ok() }))),
        None => Err(Problem::not_found(format!("there is no product {sku:?}"))),
    }
}
