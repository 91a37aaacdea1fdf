//! # Testing your actor
//!
//! An actor can be tried alone: [`Solo`] runs it in a small system of its own, [`Probe`] stands in for the actors it
//! talks to, and `Reply::pair` makes the two ends of a question for whoever calls a handler's helpers directly. No test
//! sleeps: it waits for what it wants to see.
//!
//! In a project the functions below are tests: put `#[crashworthy::test]` above each of them.
//!
//! ```sh
//! cargo run --example testing
//! ```
//!
//! Expected output:
//!
//! ```text
//! an order is sent to the kitchen: ok
//! an empty order is answered at once: ok
//! a table without a number crashes the waiter: ok
//! a dish that is passed on keeps its question: ok
//! ```
//!
//! Next: `shutdown`.

use crashworthy::prelude::*;

/// Under test: takes orders, and passes them to the kitchen.
struct Waiter {
    kitchen: ActorRef<Kitchen>,
    cooking: u32,
}

#[derive(Message)]
enum Table {
    Order { number: u32, dish: &'static str, reply: Reply<String> },
    Cooking { reply: Reply<u32> },
}

impl Actor for Waiter {
    type Args = ActorRef<Kitchen>;
    type Msg = Table;

    async fn init(kitchen: ActorRef<Kitchen>, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Waiter { kitchen, cooking: 0 })
    }

    async fn handle(&mut self, msg: Table, _: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            Table::Order { number: 0, .. } => return Err("there is no table 0".into()),
            Table::Order { dish: "", reply, .. } => reply.send("nothing, then".to_owned()),
            Table::Order { dish, reply, .. } => self.pass_on(dish, reply)?,
            Table::Cooking { reply } => reply.send(self.cooking),
        }
        Ok(())
    }
}

impl Waiter {
    /// The kitchen answers the table: the question travels with the dish.
    fn pass_on(&mut self, dish: &'static str, reply: Reply<String>) -> Result<(), Exit> {
        self.kitchen.tell(Dish { dish, reply })?;
        self.cooking += 1;
        Ok(())
    }
}

/// Not under test: a probe stands in for it.
struct Kitchen;

#[derive(Message)]
struct Dish {
    dish: &'static str,
    reply: Reply<String>,
}

impl Actor for Kitchen {
    type Args = ();
    type Msg = Dish;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Kitchen)
    }

    async fn handle(&mut self, msg: Dish, _: &mut Context<Self>) -> Result<(), Exit> {
        msg.reply.send(format!("{}, well done", msg.dish));
        Ok(())
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

async fn an_order_is_sent_to_the_kitchen() -> Outcome {
    let mut kitchen = Probe::<Kitchen>::start()?;
    let waiter = Solo::<Waiter>::start(kitchen.address()).await?;
    // The test is guest and kitchen at once. Polled in this order, the question is there before it is looked for.
    let (served, cooked) =
        tokio::join!(waiter.ask(|reply| Table::Order { number: 7, dish: "soup", reply }).within(secs(1)), async {
            let order = kitchen.next().await.ok_or("nobody killed the kitchen")?;
            assert_eq!(order.dish, "soup");
            order.reply.send("hot soup".to_owned());
            Ok::<_, &str>(())
        });
    cooked?;
    assert_eq!(served?, "hot soup");
    assert_eq!(waiter.ask(|reply| Table::Cooking { reply }).await?, 1);
    Ok(())
}

async fn an_empty_order_is_answered_at_once() -> Outcome {
    let mut kitchen = Probe::<Kitchen>::start()?;
    let waiter = Solo::<Waiter>::start(kitchen.address()).await?;
    let answer = waiter.ask(|reply| Table::Order { number: 7, dish: "", reply }).await?;
    assert_eq!(answer, "nothing, then");
    // Before concluding from an absence, wait until everything that was sent has arrived.
    waiter.settled().await;
    kitchen.address().settled().await;
    assert!(kitchen.try_next().is_none());
    Ok(())
}

async fn a_table_without_a_number_crashes_the_waiter() -> Outcome {
    let kitchen = Probe::<Kitchen>::start()?;
    let waiter = Solo::<Waiter>::start(kitchen.address()).await?;
    let down = waiter.down();
    let answer = waiter.ask(|reply| Table::Order { number: 0, dish: "soup", reply }).await;
    assert_eq!(answer, Err(AskError::Died));
    let reason = down.await.reason;
    assert_eq!(reason.crash().map(|crash| crash.message.as_str()), Some("there is no table 0"));
    Ok(())
}

async fn a_dish_that_is_passed_on_keeps_its_question() -> Outcome {
    let mut kitchen = Probe::<Kitchen>::start()?;
    // No actor at all: the state is a value like any other.
    let mut waiter = Waiter { kitchen: kitchen.address(), cooking: 0 };
    let (reply, answer) = Reply::pair();
    assert!(waiter.pass_on("fish", reply).is_ok());
    let order = kitchen.next().await.ok_or("nobody killed the kitchen")?;
    order.reply.send(order.dish.to_uppercase());
    assert_eq!(answer.await?, "FISH");
    assert_eq!(waiter.cooking, 1);
    Ok(())
}

#[crashworthy::main]
async fn main() -> Outcome {
    an_order_is_sent_to_the_kitchen().await?;
    println!("an order is sent to the kitchen: ok");
    an_empty_order_is_answered_at_once().await?;
    println!("an empty order is answered at once: ok");
    a_table_without_a_number_crashes_the_waiter().await?;
    println!("a table without a number crashes the waiter: ok");
    a_dish_that_is_passed_on_keeps_its_question().await?;
    println!("a dish that is passed on keeps its question: ok");
    Ok(())
}
