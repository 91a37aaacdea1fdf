//! Who looks for a pattern waits for others who do, so that all of them together leave most of the thread to whoever does not.

use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until};

/// After a search nobody begins another one for so many times as long as it took.
const APART: u32 = 4;

/// The searches of all clients, one at a time and first come, first served. Whoever has gone meanwhile is not noticed before his turn.
#[derive(Debug)]
pub(crate) struct Queue(Mutex<Instant>);

impl Default for Queue {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Queue {
    /// Waits until a search may begin.
    ///
    /// # Cancel safety
    /// Whoever gives up has lost his place.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        let free = self.0.lock().await;
        sleep_until(*free).await;
        Turn { free, began: Instant::now() }
    }
}

/// A search, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'q> {
    free: MutexGuard<'q, Instant>,
    began: Instant,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        *self.free = now + (now - self.began) * APART;
    }
}

/// The verbs that look for a pattern where one is said. None of them waits for anything else.
const SEARCHES: [&str; 4] = ["actors", "tree", "watch", "plan"];

/// Whether something is looked for by a pattern, wherever in a question that is said.
pub(crate) fn looks_for(verb: &str, args: &Value) -> bool {
    SEARCHES.contains(&verb) && has_pattern(args)
}

fn has_pattern(args: &Value) -> bool {
    match args {
        // As deep as a line of JSON is read.
        Value::Object(args) => {
            args.iter().any(|(name, value)| (name == "pattern" && !value.is_null()) || has_pattern(value))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_is_found_wherever_it_is() {
        for args in [json!({ "pattern": "a" }), json!({ "of": { "tree": { "levels": 1, "pattern": "a" } } })] {
            assert!(looks_for("watch", &args), "{args}");
            assert!(!looks_for("state", &args), "that is no question for it");
        }
        for args in [json!({ "pattern": null }), json!({ "text": "pattern" }), json!("pattern"), Value::Null] {
            assert!(!looks_for("tree", &args), "{args}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn searches_take_a_fifth_of_the_time_however_many_there_are() {
        const TAKES: Duration = Duration::from_millis(100);
        let (queue, began) = (Arc::new(Queue::default()), Instant::now());
        let searches: Vec<_> = (0..10)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move {
                    let _turn = queue.turn().await;
                    tokio::time::sleep(TAKES).await;
                })
            })
            .collect();
        for search in searches {
            search.await.unwrap();
        }
        assert_eq!(began.elapsed(), TAKES * 10 + TAKES * APART * 9);
    }
}
