//! Is every accepted order still there? Asked of the service, then of its database.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper::StatusCode;
use redb::{ReadableDatabase, ReadableTableMetadata, TableDefinition};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Connection, Error, Question};
use crate::tally::Accepted;

/// Orders that are not there, or are somebody else's.
pub(crate) type Missing = Vec<Accepted>;

/// Asks the service for every order. One that the service is too busy to show is asked for again.
pub(crate) async fn ask_service(service: SocketAddr, accepted: &[Accepted]) -> Result<Missing, Error> {
    let accepted: Arc<[Accepted]> = accepted.into();
    let next = Arc::new(AtomicUsize::new(0));
    let mut clerks = JoinSet::new();
    for _ in 0..8 {
        let (accepted, next) = (accepted.clone(), next.clone());
        clerks.spawn(async move {
            let (mut connection, mut missing) = (Connection::new(service), Missing::new());
            while let Some(order) = accepted.get(next.fetch_add(1, Relaxed)) {
                if !is_there(&mut connection, order).await? {
                    missing.push(order.clone());
                }
            }
            Ok::<_, Error>(missing)
        });
    }
    let missing: Result<Vec<Missing>, Error> = clerks.join_all().await.into_iter().collect();
    Ok(missing?.concat())
}

async fn is_there(connection: &mut Connection, order: &Accepted) -> Result<bool, Error> {
    let patience = Instant::now() + Duration::from_secs(15);
    loop {
        let question = Question::get(format!("/orders/{}", order.id));
        match timeout(Duration::from_secs(5), connection.ask(question)).await {
            Ok(Ok(answer)) if answer.status == StatusCode::OK => {
                let found: Value = serde_json::from_slice(&answer.body)?;
                return Ok(found["customer"] == order.customer.as_str());
            }
            Ok(Ok(answer)) if answer.status == StatusCode::NOT_FOUND => return Ok(false),
            _ if Instant::now() > patience => {
                return Err(format!("the service does not show order {}", order.id).into());
            }
            _ => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Reads the database of a service that has stopped. Also says how many orders there are.
pub(crate) fn read_database(data: &Path, accepted: &[Accepted]) -> Result<(u64, Missing), Error> {
    const ORDERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("orders");
    let database = redb::Database::open(data.join("storefront.redb"))?;
    let orders = database.begin_read()?.open_table(ORDERS)?;
    let mut missing = Missing::new();
    for order in accepted {
        let found: Option<Value> = match orders.get(order.id)? {
            Some(row) => Some(serde_json::from_slice(row.value())?),
            None => None,
        };
        if found.is_none_or(|found| found["customer"] != order.customer.as_str()) {
            missing.push(order.clone());
        }
    }
    Ok((orders.len()?, missing))
}
