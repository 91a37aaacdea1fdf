//! xtra: bounded mailboxes that are heaps ordered by priority alone, so equal messages have no order among themselves. No supervision of its own.

use std::time::Duration;

use tokio::time::timeout;
use xtra::{Actor, Address, Context, Handler, Mailbox};

use super::on_tokio;
use crate::peer::{Behaviour, CAPACITY, Lane, Lost, Next, Peer, Unanswered, Workers};

/// The xtra runtime.
#[derive(Clone, Copy, Debug)]
pub struct Xtra;

/// An actor of xtra.
pub struct Host<B>(B);

struct Tell<M>(M);
struct Ask<Q>(Q);

impl<B: Behaviour> Actor for Host<B> {
    type Stop = ();

    async fn started(&mut self, _: &Mailbox<Self>) -> Result<(), ()> {
        self.0.started();
        Ok(())
    }

    async fn stopped(self) {}
}

impl<B: Behaviour> Handler<Tell<B::Tell>> for Host<B> {
    type Return = ();

    async fn handle(&mut self, Tell(message): Tell<B::Tell>, cx: &mut Context<Self>) {
        if self.0.on_tell(message) == Next::Stop {
            cx.stop_self();
        }
    }
}

impl<B: Behaviour> Handler<Ask<B::Ask>> for Host<B> {
    type Return = B::Answer;

    async fn handle(&mut self, Ask(question): Ask<B::Ask>, _: &mut Context<Self>) -> B::Answer {
        self.0.on_ask(question)
    }
}

impl Peer for Xtra {
    const NAME: &'static str = "xtra";
    const BOUNDED: bool = true;

    type Addr<B: Behaviour> = Address<Host<B>>;

    fn run<T, F, Fut>(workers: Workers, main: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        on_tokio::run(workers, async move { main(Xtra).await })
    }

    fn launch(&self, _: Lane, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    async fn spawn<B: Behaviour>(&self, _: Lane, behaviour: B) -> Self::Addr<B> {
        xtra::spawn_tokio(Host(behaviour), Mailbox::bounded(CAPACITY))
    }

    async fn send<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        to.send(Tell(message)).detach().await.map(drop).map_err(|_| Lost)
    }

    fn post<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        match on_tokio::at_once(to.send(Tell(message)).detach()) {
            Some(Ok(_)) => Ok(()),
            _ => Err(Lost),
        }
    }

    async fn ask<B: Behaviour>(to: &Self::Addr<B>, question: B::Ask) -> Result<B::Answer, Lost> {
        to.send(Ask(question)).await.map_err(|_| Lost)
    }

    async fn ask_within<B: Behaviour>(
        to: &Self::Addr<B>,
        question: B::Ask,
        within: Duration,
    ) -> Result<B::Answer, Unanswered> {
        match timeout(within, to.send(Ask(question))).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Unanswered::Lost),
            Err(_) => Err(Unanswered::TimedOut),
        }
    }

    type Supervised<B: Behaviour> = Self::Addr<B>;

    async fn supervise<B, F>(&self, make: F) -> Self::Supervised<B>
    where
        B: Behaviour,
        F: Fn() -> B + Clone + Send + Sync + 'static,
    {
        let (address, mailbox) = Mailbox::bounded(CAPACITY);
        tokio::spawn(async move { while on_tokio::caught(xtra::run(mailbox.clone(), Host(make()))).await.is_err() {} });
        address
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
        // The priority keeps the question from overtaking.
        drop(supervised.send(Tell(fatal)).priority(1).detach().await.map_err(|_| Lost)?);
        Self::ask::<B>(supervised, question).await
    }
}
