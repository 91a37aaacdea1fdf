//! # Many of a kind
//!
//! A partition supervisor runs copies of one actor, and a key decides which copy is told: what belongs together stays
//! together, and no single mailbox takes it all. A task supervisor runs futures that are done once: what they come to is
//! awaited, how they fail is an error, and there are never too many.
//!
//! ```sh
//! cargo run --example many
//! ```
//!
//! Expected output:
//!
//! ```text
//! shop: supervisor, one_for_one, 1 restart in 5s
//!   counters: partition supervisor, 3 restarts in 5s, back-off 5ms to 50ms, permanent, shutdown without limit
//!     0 to 3: worker, permanent, shutdown within 5s
//!   tasks: dynamic supervisor, 1 restart in 5s, at most 100 children, permanent, shutdown without limit
//!     tasks (any number): worker, temporary, shutdown within 5s
//! 4 partitions: 3 apples, 2 pears, 1 plum
//! the counter of apples crashes and is back: 1 apple, still 1 plum
//! 2 partitions: 0 to 1
//! a task: 1 + 2 + .. + 100 = 5050
//! a stream of tasks, two at a time:
//!   7
//!   the task has ended: panic in handle: two is too much (examples/many.rs:[..])
//!   the task took longer than 200ms
//!   28
//! ```
//!
//! Next: `bulkhead`.

use std::collections::BTreeMap;
use std::future::pending;

use crashworthy::prelude::*;

/// Counts its share of the words.
#[derive(Default)]
struct Counter {
    counts: BTreeMap<String, u32>,
}

#[derive(Message)]
enum Say {
    Word { word: String },
    Count { word: String, reply: Reply<u32> },
    Crash,
}

impl Actor for Counter {
    type Args = ();
    type Msg = Say;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Counter::default())
    }

    async fn handle(&mut self, say: Say, _: &mut Context<Self>) -> Result<(), Exit> {
        match say {
            Say::Word { word } => *self.counts.entry(word).or_default() += 1,
            Say::Count { word, reply } => reply.send(self.counts.get(&word).copied().unwrap_or(0)),
            Say::Crash => Err("told to crash")?,
        }
        Ok(())
    }
}

fn say(counters: &Partition<Counter>, word: &str) -> Result<(), Rejected<Say>> {
    counters.route(word).tell(Say::Word { word: word.to_owned() })
}

async fn count(counters: &Partition<Counter>, word: &str) -> Result<u32, AskError> {
    counters.route(word).ask(|reply| Say::Count { word: word.to_owned(), reply }).await
}

#[crashworthy::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let counters = Partition::<Counter>::named("counters", 4, |_number| ());
    let counters = counters.intensity(3, secs(5)).backoff(Backoff::new(ms(5), ms(50)));
    let tasks = Tasks::named("tasks").max_children(100);
    let shop = Supervisor::one_for_one("shop").child(counters.clone()).child(tasks.clone());
    print!("{shop}");
    let system = System::start(shop).await?;

    for word in ["apple", "pear", "apple", "plum", "pear", "apple"] {
        say(&counters, word)?;
    }
    let [apples, pears] = [count(&counters, "apple").await?, count(&counters, "pear").await?];
    println!(
        "{} partitions: {apples} apples, {pears} pears, {} plum",
        counters.partitions(),
        count(&counters, "plum").await?
    );

    // Its mailbox is kept while it is restarted; the others do not notice.
    counters.route("apple").tell(Say::Crash)?;
    say(&counters, "apple")?;
    let [apples, plums] = [count(&counters, "apple").await?, count(&counters, "plum").await?];
    println!("the counter of apples crashes and is back: {apples} apple, still {plums} plum");

    counters.resize(2).await?;
    let names: Vec<&str> = counters.iter().filter_map(|counter| counter.name()).collect();
    println!("{} partitions: {}", counters.partitions(), names.join(" to "));

    let sum = tasks.run(async { (1..=100).sum::<u32>() }).await?;
    println!("a task: 1 + 2 + .. + 100 = {}", sum.await?);

    println!("a stream of tasks, two at a time:");
    let work = |number: u32| async move {
        match number {
            2 => panic!("two is too much"),
            3 => pending().await,
            _ => 7 * number,
        }
    };
    let mut results = tasks.stream(1..=4, 2, work).within(ms(200));
    while let Some(result) = results.next().await {
        match result {
            Ok(number) => println!("  {number}"),
            Err(error) => println!("  {error}"),
        }
    }
    system.stop().await;
    Ok(())
}
