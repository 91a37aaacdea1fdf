//! The hand-written actor once more, over a kanal channel instead of tokio's: the fastest channel that a tokio task can wait for.

use std::time::Duration;

use kanal::{AsyncReceiver, AsyncSender};
use tokio::sync::oneshot;

use super::on_tokio;
use super::tokio_mpsc::Envelope;
use crate::peer::{Behaviour, CAPACITY, Lane, Lost, Next, Peer, Unanswered, Workers};

/// The hand-written actor over `kanal`.
#[derive(Clone, Copy, Debug)]
pub struct Kanal;

async fn live<B: Behaviour>(mut behaviour: B, mailbox: &AsyncReceiver<Envelope<B>>) {
    behaviour.started();
    while let Ok(envelope) = mailbox.recv().await {
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

impl Peer for Kanal {
    const NAME: &'static str = "kanal";
    const BOUNDED: bool = true;

    type Addr<B: Behaviour> = AsyncSender<Envelope<B>>;

    fn run<T, F, Fut>(workers: Workers, main: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        on_tokio::run(workers, async move { main(Kanal).await })
    }

    fn launch(&self, _: Lane, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    async fn spawn<B: Behaviour>(&self, _: Lane, behaviour: B) -> Self::Addr<B> {
        let (sender, mailbox) = kanal::bounded_async(CAPACITY);
        tokio::spawn(async move { live(behaviour, &mailbox).await });
        sender
    }

    async fn send<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        to.send(Envelope::Tell(message)).await.map_err(|_| Lost)
    }

    fn post<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        match to.try_send(Envelope::Tell(message)) {
            Ok(true) => Ok(()),
            _ => Err(Lost),
        }
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
        match to.try_send(Envelope::Ask(question, reply)) {
            Ok(true) => on_tokio::answer_within(answer, within).await,
            Ok(false) => Err(Unanswered::Refused),
            Err(_) => Err(Unanswered::Lost),
        }
    }

    type Supervised<B: Behaviour> = Self::Addr<B>;

    async fn supervise<B, F>(&self, make: F) -> Self::Supervised<B>
    where
        B: Behaviour,
        F: Fn() -> B + Clone + Send + Sync + 'static,
    {
        let (sender, mailbox) = kanal::bounded_async(CAPACITY);
        tokio::spawn(async move { while on_tokio::caught(live(make(), &mailbox)).await.is_err() {} });
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
