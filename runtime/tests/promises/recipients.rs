//! An address that knows one kind of message and no actor type.

use crashworthy_runtime::{Actor, ActorRef, Context, Exit, Message, Reason, Recipient, Slot, System, Under};
use tokio::sync::mpsc;

use crate::stage::{bare, everywhere, lawful};

#[derive(Clone, Debug, PartialEq)]
struct Price(u64);

impl Message for Price {}

/// Takes prices among other things, and passes all on to the test.
struct Board(mpsc::UnboundedSender<Posted>);

#[derive(Debug, PartialEq)]
enum Posted {
    Price(Price),
    Notice(&'static str),
}

impl Message for Posted {}

impl From<Price> for Posted {
    fn from(price: Price) -> Self {
        Self::Price(price)
    }
}

impl TryFrom<Posted> for Price {
    type Error = Posted;

    fn try_from(posted: Posted) -> Result<Self, Posted> {
        match posted {
            Posted::Price(price) => Ok(price),
            other => Err(other),
        }
    }
}

impl Actor for Board {
    type Args = mpsc::UnboundedSender<Posted>;
    type Msg = Posted;

    async fn init(to: Self::Args, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(to))
    }

    async fn handle(&mut self, posted: Posted, _: &mut Context<Self>) -> Result<(), Exit> {
        self.0.send(posted)?;
        Ok(())
    }
}

/// Takes nothing but prices.
struct Ticker(mpsc::UnboundedSender<Price>);

impl Actor for Ticker {
    type Args = mpsc::UnboundedSender<Price>;
    type Msg = Price;

    async fn init(to: Self::Args, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(to))
    }

    async fn handle(&mut self, price: Price, _: &mut Context<Self>) -> Result<(), Exit> {
        self.0.send(price)?;
        Ok(())
    }
}

async fn board(system: &System) -> (ActorRef<Board>, mpsc::UnboundedReceiver<Posted>) {
    let (sender, posted) = mpsc::unbounded_channel();
    (system.spawn::<Board>(sender).await.unwrap(), posted)
}

#[test]
fn actors_of_different_types_take_the_same_message() {
    everywhere(async || {
        let system = bare();
        let (board, mut posted) = board(&system).await;
        let (sender, mut prices) = mpsc::unbounded_channel();
        let ticker = system.spawn::<Ticker>(sender).await.unwrap();
        let all: Vec<Recipient<Price>> = vec![board.recipient(), ticker.recipient()];
        for recipient in &all {
            recipient.tell(Price(5)).unwrap();
        }
        assert_eq!(posted.recv().await, Some(Posted::Price(Price(5))));
        assert_eq!(prices.recv().await, Some(Price(5)));
        assert_eq!((all[0].pid(), all[0].id()), (board.pid(), board.id()));
        assert_eq!(all[0].clone().load(), board.load());
        lawful(&system).await;
    });
}

#[test]
fn messages_through_a_recipient_and_an_address_keep_their_order() {
    everywhere(async || {
        let system = bare();
        let (board, mut posted) = board(&system).await;
        let prices: Recipient<Price> = board.recipient();
        for number in 0..100 {
            prices.tell(Price(number)).unwrap();
            board.tell(Posted::Notice("then")).unwrap();
        }
        for number in 0..100 {
            assert_eq!(posted.recv().await, Some(Posted::Price(Price(number))));
            assert_eq!(posted.recv().await, Some(Posted::Notice("then")));
        }
        lawful(&system).await;
    });
}

#[test]
fn a_refused_message_comes_back_as_what_it_was() {
    everywhere(async || {
        let slot = Slot::<Board>::anonymous();
        let prices: Recipient<Price> = slot.recipient();
        let rejected = prices.tell(Price(7)).unwrap_err();
        assert_eq!(rejected.why.reason, Reason::NotStarted);
        assert_eq!(rejected.into_message(), Price(7));
    });
}

#[test]
fn a_recipient_outlives_restarts_like_the_address_it_was_made_from() {
    everywhere(async || {
        let system = bare();
        let slot = Slot::<Board>::named("board");
        let prices: Recipient<Price> = slot.recipient();
        let (parent, _journal) = crate::stage::trapping(&system).await;
        for round in 1..=3 {
            let (sender, mut posted) = mpsc::unbounded_channel();
            let address = slot.address();
            let starting = crate::stage::does(&parent, move |cx| {
                cx.begin(&address, sender, Under { parent: true, link: false }).map(|starting| (starting, cx.pid()))
            });
            let (mut starting, _) = starting.await.unwrap();
            starting.ready().await.unwrap();
            prices.tell(Price(round)).unwrap();
            assert_eq!(posted.recv().await, Some(Posted::Price(Price(round))));
            assert_eq!(prices.pid().incarnation, round as u32);
            let down = slot.down();
            system.kill(slot.pid());
            down.await;
        }
        lawful(&system).await;
    });
}
