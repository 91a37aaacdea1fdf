//! The actor that everybody writes by hand: a tokio task around a bounded `tokio::sync::mpsc`, with a `oneshot` for each reply.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::on_tokio;
use crate::peer::{Behaviour, CAPACITY, Lane, Lost, Next, Peer, Unanswered, Workers};

/// The hand-written actor over `tokio::sync::mpsc`.
#[derive(Clone, Copy, Debug)]
pub struct TokioMpsc;

/// What goes through the channel.
pub enum Envelope<B: Behaviour> {
    /// A message.
    Tell(B::Tell),
    /// A question, and where its answer goes.
    Ask(B::Ask, oneshot::Sender<B::Answer>),
}

async fn live<B: Behaviour>(mut behaviour: B, mailbox: &mut mpsc::Receiver<Envelope<B>>) {
    behaviour.started();
    while let Some(envelope) = mailbox.recv().await {
        match envelope {
            Envelope::Tell(message) => {
                if behaviour.on_tell(message) == Next::Stop {
                    break;
                }
            }
            Envelope::Ask(question, reply) => drop(reply.send(behaviour.on_ask(question))),
        }
    }
}

impl Peer for TokioMpsc {
    const NAME: &'static str = "tokio-mpsc";
    const BOUNDED: bool = true;

    type Addr<B: Behaviour> = mpsc::Sender<Envelope<B>>;

    fn run<T, F, Fut>(workers: Workers, main: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        on_tokio::run(workers, async move { main(TokioMpsc).await })
    }

    fn launch(&self, _: Lane, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    async fn spawn<B: Behaviour>(&self, _: Lane, behaviour: B) -> Self::Addr<B> {
        let (sender, mut mailbox) = mpsc::channel(CAPACITY);
        tokio::spawn(async move { live(behaviour, &mut mailbox).await });
        sender
    }

    async fn send<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        to.send(Envelope::Tell(message)).await.map_err(|_| Lost)
    }

    fn post<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        to.try_send(Envelope::Tell(message)).map_err(|_| Lost)
    }

    async fn ask<B: Behaviour>(to: &Self::Addr<B>, question: B::Ask) -> Result<B::Answer, Lost> {
        let (reply, answer) = oneshot::channel();
        to.send(Envelope::Ask(question, reply)).await.map_err(|_| Lost)?;
        answer.await.map_err(|_| Lost)
    }

    async fn ask_within<B: Behaviour>(
        to: &Self::Addr<B>,
        question: B::Ask,
        within: Duration,
    ) -> Result<B::Answer, Unanswered> {
        let (reply, answer) = oneshot::channel();
        to.try_send(Envelope::Ask(question, reply)).map_err(|why| match why {
            mpsc::error::TrySendError::Full(_) => Unanswered::Refused,
            mpsc::error::TrySendError::Closed(_) => Unanswered::Lost,
        })?;
        on_tokio::answer_within(answer, within).await
    }

    type Supervised<B: Behaviour> = Self::Addr<B>;

    async fn supervise<B, F>(&self, make: F) -> Self::Supervised<B>
    where
        B: Behaviour,
        F: Fn() -> B + Clone + Send + Sync + 'static,
    {
        let (sender, mut mailbox) = mpsc::channel(CAPACITY);
        tokio::spawn(async move { while on_tokio::caught(live(make(), &mut mailbox)).await.is_err() {} });
        sender
    }

    async fn ask_supervised<B: Behaviour>(
        to: &Self::Supervised<B>,
        question: B::Ask,
        within: Duration,
    ) -> Result<B::Answer, Unanswered> {
        Self::ask_within::<B>(to, question, within).await
    }

    async fn crash<B>(supervised: &mut Self::Supervised<B>, fatal: B::Tell, question: B::Ask) -> Result<B::Answer, Lost>
    where
        B: Behaviour,
        B::Ask: Clone,
    {
        Self::send::<B>(supervised, fatal).await?;
        Self::ask::<B>(supervised, question).await
    }
}
