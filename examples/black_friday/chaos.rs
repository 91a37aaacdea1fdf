//! Trouble, about once a second: actors crash, hang and block, and back ends stop answering.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Connection, Error, Question};

/// Makes trouble until it is dropped.
pub(crate) async fn make_trouble(service: SocketAddr) {
    let mut operator = Connection::new(service);
    for (path, body) in TROUBLE.iter().cycle() {
        tokio::time::sleep(Duration::from_millis(700)).await;
        // A service that is too busy to take trouble has enough of it.
        let _ = operator.ask(Question::post(*path, (*body).to_owned())).await;
    }
}

const TROUBLE: [(&str, &str); 10] = [
    ("/admin/actors/orders", r#"{"fault":"panic"}"#),
    ("/admin/actors/catalogue", r#"{"fault":"panic"}"#),
    ("/admin/backends/delivery", r#"{"mode":"hanging"}"#),
    ("/admin/actors/payment", r#"{"fault":"error"}"#),
    ("/admin/actors/inventory", r#"{"fault":"panic"}"#),
    ("/admin/actors/orders", r#"{"fault":"hang","ms":200}"#),
    ("/admin/backends/delivery", r#"{"mode":"healthy"}"#),
    ("/admin/backends/payment", r#"{"mode":"failing"}"#),
    ("/admin/actors/catalogue", r#"{"fault":"block","ms":100}"#),
    ("/admin/backends/payment", r#"{"mode":"healthy"}"#),
];

/// Ends the trouble that does not end by itself.
pub(crate) async fn make_peace(operator: &mut Connection) -> Result<(), Error> {
    for backend in ["payment", "delivery"] {
        let healthy = json!({ "mode": "healthy" }).to_string();
        operator.insist(&Question::post(format!("/admin/backends/{backend}"), healthy)).await?;
    }
    Ok(())
}

/// How often actors were restarted since the service started.
pub(crate) async fn restarts(operator: &mut Connection) -> Result<u64, Error> {
    let answer = operator.insist(&Question::get("/admin/actors")).await?;
    let seen: Value = serde_json::from_slice(&answer.body)?;
    let actors = seen["actors"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(actors.iter().filter_map(|actor| actor["restarts"].as_u64()).sum())
}
