//! Is every accepted order still there? Asked of the service, then of its database.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hyper::StatusCode;
use redb::{ReadableDatabase, ReadableTableMetadata, TableDefinition};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::client::{Connection, Error, Question};
use crate::tally::Accepted;

/// Where the storefront keeps its orders: number to JSON.
const FILE: &str = "storefront.redb";
const ORDERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("orders");

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
    let answer = connection.insist(&Question::get(format!("/orders/{}", order.id))).await?;
    match answer.status {
        StatusCode::OK => Ok(is_of(order, &serde_json::from_slice(&answer.body)?)),
        StatusCode::NOT_FOUND => Ok(false),
        status => Err(format!("the service does not show order {}: it answers {status}", order.id).into()),
    }
}

/// Whether what was found under its number is this order, and not somebody else's.
fn is_of(order: &Accepted, found: &Value) -> bool {
    found["customer"] == order.customer.as_str()
}

/// Reads the database of a service that has stopped. Also says how many orders there are.
pub(crate) fn read_database(data: &Path, accepted: &[Accepted]) -> Result<(u64, Missing), Error> {
    let database = redb::Database::open(data.join(FILE))?;
    let orders = database.begin_read()?.open_table(ORDERS)?;
    let mut missing = Missing::new();
    for order in accepted {
        let found: Option<Value> = match orders.get(order.id)? {
            Some(row) => Some(serde_json::from_slice(row.value())?),
            None => None,
        };
        if !found.is_some_and(|found| is_of(order, &found)) {
            missing.push(order.clone());
        }
    }
    Ok((orders.len()?, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(id: u64, customer: &str) -> Accepted {
        Accepted { id, customer: customer.to_owned() }
    }

    #[test]
    fn an_order_that_is_not_in_the_database_is_missing_and_so_is_one_that_is_somebody_elses() {
        let data = std::env::temp_dir().join(format!("black-friday-test-{}", std::process::id()));
        std::fs::create_dir(&data).expect("a new directory");
        let database = redb::Database::create(data.join(FILE)).expect("a new database");
        let write = database.begin_write().expect("begins");
        for (id, customer) in [(1, "Ada"), (2, "Bob"), (3, "Eve")] {
            let row = serde_json::to_vec(&serde_json::json!({ "customer": customer })).expect("serializes");
            write.open_table(ORDERS).expect("opens").insert(id, row.as_slice()).expect("inserts");
        }
        write.commit().expect("commits");
        drop(database);

        let all = [accepted(1, "Ada"), accepted(2, "Ada"), accepted(4, "Ada")];
        let (orders, missing) = read_database(&data, &all).expect("reads");
        std::fs::remove_dir_all(&data).expect("removes");
        assert_eq!((orders, missing), (3, vec![accepted(2, "Ada"), accepted(4, "Ada")]));
    }
}
