//! The two errands an order needs: being paid, and being given a delivery slot.
//!
//! Both may be run again at any time: the back ends know an order by its number, and answer as they did before.

use std::fmt;
use std::time::Duration;

use crashworthy::prelude::*;
use serde_json::{Value, json};

use crate::gateway::{Answer, CallError, Gateway, GatewayMsg};
use crate::order::{Errand, Order, Progress};

/// Why an errand was not done.
#[derive(Debug)]
pub(crate) enum Undone {
    /// The gateway did not take the call, or did not answer it.
    Gateway(AskError),
    /// The back end failed.
    Backend(CallError),
    /// The back end answered something else.
    Nonsense(Value),
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(why) => write!(f, "gateway: {why}"),
            Self::Backend(why) => write!(f, "back end: {why}"),
            Self::Nonsense(answer) => write!(f, "back end: it answered {answer}"),
        }
    }
}

/// Runs an errand for an order.
pub(crate) async fn run(
    errand: Errand,
    gateway: &ActorRef<Gateway>,
    order: &Order,
    within: Duration,
) -> Result<Progress, Undone> {
    match errand {
        Errand::Payment => {
            let question = json!({ "order": order.id, "cents": order.total_cents });
            let receipt = text(call(gateway, "/authorise", question, within).await?, "receipt")?;
            Ok(Progress::Paid { receipt })
        }
        Errand::Delivery => {
            let question = json!({ "order": order.id, "postcode": order.draft.postcode, "wish": order.draft.wish });
            let slot = text(call(gateway, "/schedule", question, within).await?, "slot")?;
            Ok(Progress::Scheduled { slot })
        }
    }
}

/// The delivery slots that are free.
pub(crate) async fn slots(gateway: &ActorRef<Gateway>, postcode: &str, within: Duration) -> Result<Value, Undone> {
    let mut answer = call(gateway, "/slots", json!({ "postcode": postcode }), within).await?;
    Ok(answer["slots"].take())
}

async fn call(
    gateway: &ActorRef<Gateway>,
    path: &'static str,
    question: Value,
    within: Duration,
) -> Result<Value, Undone> {
    let answer: Result<Answer, AskError> =
        gateway.ask(|reply| GatewayMsg::Call { path, question, reply }).within(within).await;
    answer.map_err(Undone::Gateway)?.map_err(Undone::Backend)
}

fn text(mut answer: Value, field: &str) -> Result<String, Undone> {
    match answer[field].take() {
        Value::String(text) => Ok(text),
        other => Err(Undone::Nonsense(other)),
    }
}
