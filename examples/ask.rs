//! # Asking, and until when
//!
//! A question is a message that carries a [`Reply`]. The answer may come at once, later, or never; the asker does not
//! wait for ever in any case: every ask has a deadline (5 s unless it names one) and ends in exactly one way.
//!
//! ```sh
//! cargo run --example ask
//! ```
//!
//! Expected output:
//!
//! ```text
//! on the shelf: Ok(1)
//! first: Ok("bread")
//! second: Err(Expired)
//! the second asker has gone, the next one gets it
//! third: Ok("cake")
//! forgotten: Err(Unanswered)
//! ```
//!
//! Next: `crash`.

use std::collections::VecDeque;

use crashworthy::prelude::*;

#[derive(Message)]
enum Shelf {
    Count { reply: Reply<usize> },
    Take { reply: Reply<&'static str> },
    Put { article: &'static str },
    Forget { reply: Reply<()> },
}

/// Articles, and those who wait for one.
struct Baker {
    articles: VecDeque<&'static str>,
    waiting: VecDeque<Reply<&'static str>>,
}

impl Actor for Baker {
    type Args = ();
    type Msg = Shelf;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Baker { articles: VecDeque::from(["bread"]), waiting: VecDeque::new() })
    }

    async fn handle(&mut self, msg: Shelf, _: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            Shelf::Count { reply } => reply.send(self.articles.len()),
            // A reply is a value: it can be kept, and answered when there is something to say.
            Shelf::Take { reply } => match self.articles.pop_front() {
                Some(article) => reply.send(article),
                None => self.waiting.push_back(reply),
            },
            Shelf::Put { article } => self.put(article),
            Shelf::Forget { reply } => drop(reply),
        }
        Ok(())
    }
}

impl Baker {
    fn put(&mut self, article: &'static str) {
        while let Some(reply) = self.waiting.pop_front() {
            if !reply.is_cancelled() {
                return reply.send(article);
            }
            println!("the second asker has gone, the next one gets it");
        }
        self.articles.push_back(article);
    }
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let system = System::bare()?;
    let baker = system.spawn::<Baker>(()).await?;

    println!("on the shelf: {:?}", baker.ask(|reply| Shelf::Count { reply }).await);
    println!("first: {:?}", baker.ask(|reply| Shelf::Take { reply }).await);

    // Nothing is left, and nobody bakes within the deadline.
    println!("second: {:?}", baker.ask(|reply| Shelf::Take { reply }).within(ms(20)).await);

    // This one waits longer, and something is put on the shelf meanwhile. A question is asked when it is first polled:
    // `join!` polls it before it puts.
    let third = baker.ask(|reply| Shelf::Take { reply }).within(secs(2));
    let (third, put) = tokio::join!(biased; third, async { baker.tell(Shelf::Put { article: "cake" }) });
    put?;
    println!("third: {third:?}");

    // A handler that drops the reply leaves nobody waiting: the end of its turn is the end of the question.
    println!("forgotten: {:?}", baker.ask(|reply| Shelf::Forget { reply }).await);

    system.stop().await;
    Ok(())
}
