//! Who looks for a pattern takes turns with others who do: whoever has looked for least lately comes first, and all of them
//! together leave most of the thread to whoever does not.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::limits::{SEARCH_WITHIN, SEARCHES};
use crate::protocol::{Code, Refusal};

/// After a slice of a search nobody has another one for so many times as long as it took.
const APART: u32 = 4;
/// So much of that rest need not be waited for, where nobody has looked for a while: what most look for is found by then.
const AHEAD: Duration = Duration::from_millis(500);
/// How long it takes until half of what somebody has used up is forgotten.
const HALF: Duration = Duration::from_secs(5);

/// The searches of all clients, a slice at a time.
#[derive(Debug)]
pub(crate) struct Queue {
    line: Mutex<Line>,
    changed: Notify,
}

/// Who waits. Time is an argument.
#[derive(Debug)]
struct Line {
    /// When the next slice would begin if they came evenly.
    due: Instant,
    /// Somebody has his turn.
    is_busy: bool,
    next: u64,
    waiting: Vec<(u64, Account)>,
}

/// How long somebody has looked for something, lately.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    used: Duration,
    at: Instant,
}

impl Default for Account {
    fn default() -> Self {
        Self { used: Duration::ZERO, at: Instant::now() }
    }
}

impl Account {
    fn used(&self, now: Instant) -> Duration {
        let halves = (now - self.at).as_secs_f64() / HALF.as_secs_f64();
        self.used.mul_f64(0.5f64.powf(halves))
    }

    fn charge(&mut self, took: Duration, now: Instant) {
        *self = Self { used: self.used(now) + took, at: now };
    }
}

impl Default for Queue {
    fn default() -> Self {
        let line = Line { due: Instant::now(), is_busy: false, next: 0, waiting: Vec::new() };
        Self { line: Mutex::new(line), changed: Notify::new() }
    }
}

impl Queue {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a slice of a search may begin, and no longer than that.
    ///
    /// # Errors
    /// [`Code::Busy`] if it is not his turn by then, or there are too many who have used less.
    ///
    /// # Cancel safety
    /// Whoever gives up has lost his place, and nothing else.
    pub(crate) async fn turn(&self, account: Account, by: Instant) -> Result<Turn<'_>, Refusal> {
        let place = Place { queue: self, number: self.line().enter(account) };
        self.changed.notify_waiters();
        let is_turn = async {
            // Also where there is no need to rest somebody else is heard between two slices.
            yield_now().await;
            loop {
                let changed = self.changed.notified();
                let wait = match self.line().may(place.number, Instant::now()) {
                    May::Begin => return true,
                    May::Leave => return false,
                    May::Wait(until) => until,
                };
                tokio::select! {
                    () = changed => {}
                    () = sleep_until(wait.unwrap_or(by)) => {}
                }
            }
        };
        if timeout_at(by, is_turn).await.unwrap_or(false) {
            return Ok(Turn { queue: self });
        }
        let others = self.line().waiting.len().saturating_sub(1);
        let why = format!(
            "{others} others look for patterns, too, and this search was not done within {SEARCH_WITHIN:?}: again in {HALF:?}"
        );
        Err(Refusal::new(Code::Busy, why))
    }
}

/// Until when a search that begins now is to be done.
pub(crate) fn deadline() -> Instant {
    Instant::now() + SEARCH_WITHIN
}

/// What somebody may do who waits.
enum May {
    Begin,
    /// Until then, or until something changes.
    Wait(Option<Instant>),
    Leave,
}

impl Line {
    fn enter(&mut self, account: Account) -> u64 {
        self.next += 1;
        if self.waiting.len() >= SEARCHES {
            // He who has used most makes way, and is told so.
            self.waiting.push((self.next, account));
            let now = Instant::now();
            let most = (0..self.waiting.len()).max_by_key(|&at| (self.waiting[at].1.used(now), self.waiting[at].0));
            self.waiting.remove(most.expect("somebody is there"));
        } else {
            self.waiting.push((self.next, account));
        }
        self.next
    }

    /// What this one may do. If he begins he waits no longer.
    fn may(&mut self, number: u64, now: Instant) -> May {
        let key = |(number, account): &(u64, Account)| (account.used(now), *number);
        let Some(place) = self.waiting.iter().position(|waits| waits.0 == number) else { return May::Leave };
        let is_first = self.waiting.iter().map(key).min() == Some(key(&self.waiting[place]));
        if !is_first || self.is_busy {
            return May::Wait(None);
        }
        if self.due > now + AHEAD {
            return May::Wait(Some(self.due - AHEAD));
        }
        self.is_busy = true;
        May::Begin
    }

    fn took(&mut self, took: Duration, now: Instant) {
        self.is_busy = false;
        self.due = self.due.max(now - took) + took * (1 + APART);
    }
}

/// Somebody who waits, until it is dropped.
struct Place<'q> {
    queue: &'q Queue,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.queue.line().waiting.retain(|waits| waits.0 != self.number);
        self.queue.changed.notify_waiters();
    }
}

/// A slice of a search, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'q> {
    queue: &'q Queue,
}

impl Turn<'_> {
    /// It is over, and took so long of the thread.
    pub(crate) fn took(self, took: Duration, account: &mut Account) {
        let now = Instant::now();
        account.charge(took, now);
        self.queue.line().took(took, now);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.queue.line().is_busy = false;
        self.queue.changed.notify_waiters();
    }
}

/// The verbs that look for a pattern where one is said. None of them waits for anything else.
const VERBS: [&str; 3] = ["actors", "tree", "plan"];

/// Whether something is looked for by a pattern, wherever in a question that is said.
pub(crate) fn looks_for(verb: &str, args: &Value) -> bool {
    VERBS.contains(&verb) && has_pattern(args)
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
    use std::future::pending;
    use std::sync::Arc;

    use serde_json::json;
    use tokio::task::JoinHandle;
    use tokio::time::{advance, timeout};

    use super::*;

    const SLICE: Duration = Duration::from_millis(10);

    #[test]
    fn a_pattern_is_found_wherever_it_is() {
        for args in [json!({ "pattern": "a" }), json!({ "of": { "tree": { "levels": 1, "pattern": "a" } } })] {
            assert!(looks_for("tree", &args), "{args}");
            assert!(!looks_for("state", &args), "that is no question for it");
        }
        for args in [json!({ "pattern": null }), json!({ "text": "pattern" }), json!("pattern"), Value::Null] {
            assert!(!looks_for("tree", &args), "{args}");
        }
    }

    /// Looks for so many slices: when it was done, or refused.
    async fn look(queue: &Queue, account: &mut Account, slices: u32) -> Result<Instant, Refusal> {
        let by = deadline();
        for _ in 0..slices {
            let turn = queue.turn(*account, by).await?;
            advance(SLICE).await;
            turn.took(SLICE, account);
        }
        Ok(Instant::now())
    }

    fn looks(queue: &Arc<Queue>, slices: u32) -> JoinHandle<Result<Instant, Refusal>> {
        let queue = queue.clone();
        tokio::spawn(async move { look(&queue, &mut Account::default(), slices).await })
    }

    /// One who looks for ever for what takes long.
    fn looks_again_and_again(queue: &Arc<Queue>) {
        let queue = queue.clone();
        tokio::spawn(async move {
            let mut account = Account::default();
            loop {
                let _ = look(&queue, &mut account, 50).await;
            }
        });
    }

    #[tokio::test(start_paused = true)]
    async fn searches_take_a_fifth_of_the_time_however_many_there_are_but_for_what_is_ahead() {
        let (queue, began) = (Arc::new(Queue::default()), Instant::now());
        let searches: Vec<_> = (0..5).map(|_| looks(&queue, 10)).collect();
        let mut ends = began;
        for search in searches {
            ends = ends.max(search.await.unwrap().unwrap());
        }
        // No rest after the last.
        let (work, most) = (SLICE * 50, SLICE * (50 + 49 * APART));
        let took = ends - began;
        assert!((most - AHEAD - SLICE..=most).contains(&took), "{took:?} for {work:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn equals_come_in_turns() {
        let (queue, began) = (Arc::new(Queue::default()), Instant::now());
        let short = looks(&queue, 2);
        let long = looks(&queue, 20);
        let last = looks(&queue, 2);
        let (short, long, last) = (short.await, long.await, last.await);
        let took = |end: Result<Result<Instant, Refusal>, _>| end.unwrap().unwrap() - began;
        let (short, long, last) = (took(short), took(long), took(last));
        assert!(short < last && last < long / 4, "{short:?} {last:?} {long:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_looked_for_little_is_done_soon_whatever_others_look_for() {
        let queue = Arc::new(Queue::default());
        (0..8).for_each(|_| looks_again_and_again(&queue));
        advance_for(Duration::from_secs(20)).await;
        let began = Instant::now();
        let little = look(&queue, &mut Account::default(), 1).await.unwrap() - began;
        assert!(little <= SLICE * (2 + 2 * APART), "{little:?}");
        let began = Instant::now();
        let tenth = look(&queue, &mut Account::default(), 10).await.unwrap() - began;
        assert!(tenth <= SLICE * 12 * (1 + APART), "{tenth:?}");
    }

    /// Lets the time pass in which others do what they do.
    async fn advance_for(span: Duration) {
        let ends = Instant::now() + span;
        while Instant::now() < ends {
            tokio::time::sleep(SLICE).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_gone_is_not_waited_for() {
        let queue = Arc::new(Queue::default());
        let turn = queue.turn(Account::default(), deadline()).await.unwrap();
        let gone: Vec<_> = (0..20).map(|_| looks(&queue, 50)).collect();
        let stays = looks(&queue, 1);
        yield_now().await;
        gone.iter().for_each(JoinHandle::abort);
        let began = Instant::now();
        drop(turn);
        assert_eq!(stays.await.unwrap().unwrap() - began, SLICE);
        assert!(queue.line().waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_while_he_has_his_turn_leaves_it_to_the_next() {
        let queue = Arc::new(Queue::default());
        let other = queue.clone();
        let goes = tokio::spawn(async move {
            let _turn = other.turn(Account::default(), deadline()).await;
            pending::<()>().await;
        });
        yield_now().await;
        let mut next = looks(&queue, 1);
        timeout(SLICE, &mut next).await.expect_err("somebody looks");
        goes.abort();
        next.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_not_done_in_time_is_told_why() {
        let queue = Arc::new(Queue::default());
        let _turn = queue.turn(Account::default(), deadline()).await.unwrap();
        let others = [looks(&queue, 1), looks(&queue, 1)];
        let began = Instant::now();
        yield_now().await;
        let why = look(&queue, &mut Account::default(), 1).await.unwrap_err();
        assert_eq!((began.elapsed(), why.code), (SEARCH_WITHIN, Code::Busy));
        assert!(why.message.contains("others look for patterns, too"), "{why}");
        for other in others {
            assert_eq!(other.await.unwrap().unwrap_err().code, Code::Busy);
        }
        assert!(queue.line().waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_whoever_has_used_most_makes_way_and_is_told_at_once() {
        let queue = Arc::new(Queue::default());
        let turn = queue.turn(Account::default(), deadline()).await.unwrap();
        let other = queue.clone();
        let most = tokio::spawn(async move {
            let mut account = Account::default();
            account.charge(SLICE, Instant::now());
            look(&other, &mut account, 1).await
        });
        yield_now().await;
        let all: Vec<_> = (1..SEARCHES).map(|_| looks(&queue, 1)).collect();
        yield_now().await;
        assert!(!most.is_finished());
        let (began, one_more) = (Instant::now(), looks(&queue, 1));
        assert_eq!(most.await.unwrap().unwrap_err().code, Code::Busy);
        assert_eq!(began.elapsed(), Duration::ZERO);
        drop(turn);
        for waits in all.into_iter().chain([one_more]) {
            waits.await.unwrap().unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_has_used_is_forgotten_by_halves() {
        let mut account = Account::default();
        account.charge(SLICE * 8, Instant::now());
        advance(HALF * 2).await;
        let used = account.used(Instant::now());
        assert!(used.abs_diff(SLICE * 2) < Duration::from_micros(1), "{used:?}");
    }
}
