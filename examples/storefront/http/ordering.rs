//! Ordering: an order is accepted when it is on disk; what else there is to do may come later.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use crashworthy::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Asked, Input, Named, OrderForm, text};
use super::problem::{NotNow, Problem};
use crate::catalogue::CatalogueMsg;
use crate::errand::{self, Undone};
use crate::inventory::{HoldId, Inventory, InventoryMsg, Short};
use crate::ledger::{Placed, Record};
use crate::limits;
use crate::order::{Delivery, Draft, Errand, Line, Order, Payment, Progress};
use crate::orders::OrdersMsg;
use crate::shop::{Company, Shop};

/// `POST /orders`, with an optional `Idempotency-Key`.
pub(crate) async fn place(
    State(shop): State<Shop>,
    headers: HeaderMap,
    Input(form): Input<OrderForm>,
) -> Result<Response, Problem> {
    form.check()?;
    let key = idempotency_key(&headers)?;
    // Fail fast: an order that could not be written down is refused before any work is spent on it.
    let room = shop.orders.reserve(Offer::within(limits::PLACE)).map_err(|why| uncertain(AskError::Refused(why)))?;
    let draft = price(&shop, form, key).await?;
    let _hold = match reserve(&shop, &draft).await {
        Ok(hold) => Some(hold),
        // Sold out, perhaps to this very customer, who did not hear our answer.
        Err(_) if known(&shop, &draft).await? => None,
        Err(problem) => return Err(problem),
    };
    drop(room);
    let placed = shop.orders.ask(|reply| OrdersMsg::Place { draft, reply }).within(limits::PLACE).await;
    match placed.map_err(uncertain)? {
        Placed::Accepted(order) => {
            let order = run_errands(&shop, order).await;
            Ok((StatusCode::CREATED, Json(tell_customer(&order))).into_response())
        }
        Placed::Before(order) => Ok(Json(tell_customer(&order)).into_response()),
        Placed::KeyTaken => {
            Err(Problem::field("Idempotency-Key", "a key stands for one order; this one stands for another"))
        }
        Placed::SoldOut { sku, left } => Err(sold_out(Short { sku, left })),
    }
}

/// `GET /orders/{id}`
pub(crate) async fn status(State(shop): State<Shop>, Named(id): Named) -> Result<Json<Value>, Problem> {
    let id = id.parse().map_err(|_| Problem::field("id", "the number of an order"))?;
    let order = shop.orders.ask(|reply| OrdersMsg::Status { id, reply }).within(limits::PLACE).await;
    match order.map_err(NotNow::by("orders"))? {
        Some(order) => Ok(Json(tell_customer(&order))),
        None => Err(Problem::not_found(format!("there is no order {id}"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Where {
    postcode: Option<String>,
}

/// `GET /delivery/slots?postcode=…`
pub(crate) async fn slots(State(shop): State<Shop>, Asked(place): Asked<Where>) -> Result<Json<Value>, Problem> {
    let postcode = place.postcode.unwrap_or_default();
    text("postcode", &postcode)?;
    match errand::slots(&shop.delivery.gateway, &postcode, limits::CALL).await {
        Ok(slots) => Ok(Json(json!({ "slots": slots }))),
        Err(undone) => {
            tracing::debug!(%undone, "no slots");
            let not_now = match undone {
                Undone::Gateway(why) => Problem::from(NotNow { who: "delivery", why }),
                _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_now", "").retry(limits::LEFT_ALONE),
            };
            Err(not_now.about("delivery slots cannot be shown right now; you can order without one, and we choose it"))
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().map_err(|_| Problem::field("Idempotency-Key", "visible ASCII"))?;
    text("Idempotency-Key", key)?;
    Ok(Some(key.to_owned()))
}

/// Looks up what everything costs.
async fn price(shop: &Shop, form: OrderForm, key: Option<String>) -> Result<Draft, Problem> {
    let skus = form.lines.iter().map(|line| line.sku.clone()).collect();
    let prices = shop.catalogue.ask(|reply| CatalogueMsg::Prices { skus, reply }).within(limits::LOOK).await;
    let mut lines = Vec::with_capacity(form.lines.len());
    for ((at, line), price) in form.lines.into_iter().enumerate().zip(prices.map_err(NotNow::by("catalogue"))?) {
        let Some(unit_cents) = price else {
            return Err(Problem::field(format!("lines[{at}].sku"), format!("there is no product {:?}", line.sku)));
        };
        lines.push(Line { sku: line.sku, quantity: line.quantity, unit_cents });
    }
    Ok(Draft { customer: form.customer, postcode: form.postcode, wish: form.delivery_slot, lines, key })
}

/// Whether an order of this key was placed before.
async fn known(shop: &Shop, draft: &Draft) -> Result<bool, Problem> {
    let Some(key) = draft.key.clone() else {
        return Ok(false);
    };
    let before = shop.orders.ask(|reply| OrdersMsg::OfKey { key, reply }).within(limits::PLACE).await;
    Ok(before.map_err(NotNow::by("orders"))?.is_some())
}

/// Units held for an order. Dropping it lets them go, whatever became of the order and of the client.
struct Hold {
    inventory: ActorRef<Inventory>,
    id: HoldId,
}

impl Drop for Hold {
    fn drop(&mut self) {
        // If the inventory does not take it, the reservation runs out by itself.
        let _ = self.inventory.tell(InventoryMsg::Release(self.id));
    }
}

async fn reserve(shop: &Shop, draft: &Draft) -> Result<Hold, Problem> {
    let lines = draft.lines.iter().map(|line| (line.sku.clone(), line.quantity)).collect();
    let held = shop.inventory.ask(|reply| InventoryMsg::Reserve { lines, reply }).within(limits::LOOK).await;
    let id = held.map_err(NotNow::by("inventory"))?.map_err(sold_out)?;
    Ok(Hold { inventory: shop.inventory.address(), id })
}

fn sold_out(short: Short) -> Problem {
    let Short { sku, left } = short;
    Problem::new(StatusCode::CONFLICT, "sold_out", format!("{left} left of {sku}, and you asked for more"))
}

/// What to tell of an order that was not answered: was it refused at the door, or may it be on disk all the same?
fn uncertain(why: AskError) -> Problem {
    let at_the_door = matches!(&why, AskError::Refused(refused) if refused.reason != Reason::Downstream);
    let problem = Problem::from(NotNow { who: "orders", why });
    if at_the_door {
        return problem.about("we cannot take your order right now; nothing was ordered");
    }
    problem.about("we cannot say whether your order was taken; send it again with the same Idempotency-Key")
}

/// Tries to pay and to schedule at once, but not for long: the order stands, and a clerk tries again.
async fn run_errands(shop: &Shop, mut order: Order) -> Order {
    let (paid, scheduled) = tokio::join!(
        run_errand(Errand::Payment, &shop.payment, &order),
        run_errand(Errand::Delivery, &shop.delivery, &order),
    );
    let progress: Vec<Progress> = [paid, scheduled].into_iter().flatten().collect();
    for step in &progress {
        order.apply(step.clone());
    }
    if !progress.is_empty() {
        // If this is refused the errands are run again, with the same outcome.
        let _ = shop.orders.tell(OrdersMsg::Record(Record { id: order.id, progress }));
    }
    order
}

async fn run_errand(errand: Errand, company: &Company, order: &Order) -> Option<Progress> {
    errand::run(errand, &company.gateway, order, limits::EXTRAS)
        .await
        .inspect_err(|undone| tracing::debug!(?errand, order = order.id, %undone, "left to the clerk"))
        .ok()
}

/// An order as its customer sees it.
fn tell_customer(order: &Order) -> Value {
    let payment = match &order.payment {
        Payment::Paid { receipt } => json!({ "status": "paid", "receipt": receipt }),
        Payment::Pending => json!({
            "status": "pending",
            "message": "Your payment could not be taken right now. You need not do anything: we try again until it is.",
        }),
    };
    let delivery = match &order.delivery {
        Delivery::Scheduled { slot } => json!({ "status": "scheduled", "slot": slot }),
        Delivery::Pending => json!({
            "status": "pending",
            "message": "Delivery scheduling is not available right now, we are sorry. Your order is safe: we choose a \
                        slot as soon as scheduling is back, and you find it here.",
        }),
    };
    json!({
        "order": order.id,
        "status": "accepted",
        "customer": order.draft.customer,
        "lines": order.draft.lines,
        "total_cents": order.total_cents,
        "payment": payment,
        "delivery": delivery,
        "see": format!("/orders/{}", order.id),
    })
}
