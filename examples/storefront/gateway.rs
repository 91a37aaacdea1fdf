//! A gateway: the only way to one back end.
//!
//! It makes a bounded number of calls at a time, each with a time limit, and stops calling when calls keep failing. What
//! it cannot do now it refuses at once, so nobody queues for a company that does not answer.

mod breaker;
mod client;

use std::sync::Arc;
use std::time::Instant;

use crashworthy::prelude::*;
use serde_json::Value;

use self::breaker::Breaker;
pub(crate) use self::client::CallError;
use self::client::Client;
use crate::backend::Backend;
use crate::fault::{Fault, Trouble};
use crate::insight::Lamp;
use crate::limits;

/// What a back end answered, or why it did not.
pub(crate) type Answer = Result<Value, CallError>;

#[derive(Message)]
pub(crate) enum GatewayMsg {
    Call {
        path: &'static str,
        question: Value,
        reply: Reply<Answer>,
    },
    /// A call has ended.
    Ended {
        answer: Answer,
        reply: Reply<Answer>,
    },
    Fault(Fault),
}

pub(crate) struct Gateway {
    name: &'static str,
    client: Client,
    breaker: Breaker,
    calls: usize,
    trouble: Trouble,
}

impl Actor for Gateway {
    /// Whom it calls, and where the breaker is told of.
    type Args = (Backend, Arc<Lamp>);
    type Msg = GatewayMsg;

    async fn init((backend, lamp): Self::Args, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self {
            name: backend.name,
            client: Client::new(backend.address),
            breaker: Breaker::new(limits::FAILURES, limits::LEFT_ALONE, lamp),
            calls: 0,
            trouble: Trouble::default(),
        })
    }

    async fn handle(&mut self, msg: GatewayMsg, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.trouble.drag().await;
        match msg {
            GatewayMsg::Call { path, question, reply } => match self.admit() {
                Ok(()) => self.begin(path, question, reply, cx)?,
                Err(refused) => reply.refuse(refused),
            },
            GatewayMsg::Ended { answer, reply } => self.end(answer, reply),
            GatewayMsg::Fault(fault) => self.trouble.strike(fault).await?,
        }
        Ok(())
    }
}

impl Gateway {
    fn admit(&mut self) -> Result<(), Refused> {
        if self.calls >= limits::CALLS {
            return Err(Refused { retry_after: Some(limits::CALL), ..Refused::because(Reason::Full) });
        }
        let refuse = |pause| Refused { retry_after: Some(pause), ..Refused::because(Reason::Downstream) };
        self.breaker.enter(Instant::now()).map_err(refuse)
    }

    /// Calls the back end beside the mailbox: the next message need not wait for the answer.
    fn begin(
        &mut self,
        path: &'static str,
        question: Value,
        reply: Reply<Answer>,
        cx: &mut Context<Self>,
    ) -> Result<(), Exit> {
        self.calls += 1;
        let client = self.client.clone();
        let call = async move { client.call(path, &question).await };
        Ok(cx.pipe(call, |answer| GatewayMsg::Ended { answer, reply })?)
    }

    fn end(&mut self, answer: Answer, reply: Reply<Answer>) {
        self.calls -= 1;
        let was_open = self.breaker.is_open();
        match &answer {
            Ok(_) => self.breaker.succeeded(),
            Err(error) => {
                tracing::debug!(backend = self.name, %error, "a call failed");
                self.breaker.failed(Instant::now());
            }
        }
        match (was_open, self.breaker.is_open()) {
            (false, true) => {
                tracing::warn!(backend = self.name, pause = ?limits::LEFT_ALONE, "left alone for a while")
            }
            (true, false) => tracing::info!(backend = self.name, "answers again"),
            _ => {}
        }
        reply.send(answer);
    }
}
