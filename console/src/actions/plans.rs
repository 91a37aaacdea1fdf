//! Plans that wait for their commit: a bounded table, and no clock of its own.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::protocol::Code;

/// The newest plans.
#[derive(Debug)]
pub(crate) struct Plans<P> {
    plans: VecDeque<Entry<P>>,
    most: usize,
    valid: Duration,
    made: u64,
    keys: [RandomState; 2],
}

#[derive(Debug)]
struct Entry<P> {
    nonce: String,
    made: Duration,
    /// None once it was committed.
    plan: Option<P>,
}

impl<P> Plans<P> {
    pub(crate) fn of(most: usize, valid: Duration) -> Self {
        Self { plans: VecDeque::new(), most, valid, made: 0, keys: [RandomState::new(), RandomState::new()] }
    }

    /// Keeps a plan, and says what it is called. One too many displaces the oldest.
    pub(crate) fn keep(&mut self, now: Duration, plan: P) -> String {
        self.made += 1;
        // Not a secret, who may connect may plan: no client comes upon it by mistake.
        let nonce = self.keys.iter().map(|key| format!("{:016x}", key.hash_one(self.made))).collect::<String>();
        if self.plans.len() >= self.most {
            self.plans.pop_front();
        }
        self.plans.push_back(Entry { nonce: nonce.clone(), made: now, plan: Some(plan) });
        nonce
    }

    /// The plan of that name, once, if it is this user's. What is taken too late is gone as well.
    pub(crate) fn take(&mut self, now: Duration, nonce: &str, is_theirs: impl Fn(&P) -> bool) -> Taken<P> {
        let Some(entry) = self.plans.iter_mut().find(|entry| entry.nonce == nonce) else {
            return Taken::Not(Code::NoPlan);
        };
        match entry.plan.take_if(|plan| is_theirs(plan)) {
            Some(plan) if now.saturating_sub(entry.made) < self.valid => Taken::Plan(plan),
            Some(plan) => Taken::Late(plan),
            None if entry.plan.is_some() => Taken::Not(Code::NoPlan),
            None => Taken::Not(Code::PlanUsed),
        }
    }
}

/// What is found under a nonce.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Taken<P> {
    /// The plan.
    Plan(P),
    /// The plan, which is too old.
    Late(P),
    /// Nothing that may be done.
    Not(Code),
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn table() -> Plans<u32> {
        Plans::of(3, s(30))
    }

    #[test]
    fn a_plan_is_taken_once() {
        let mut plans = table();
        let nonce = plans.keep(s(0), 7);
        assert_eq!(plans.take(s(29), &nonce, |_| true), Taken::Plan(7));
        assert_eq!(plans.take(s(29), &nonce, |_| true), Taken::Not(Code::PlanUsed));
        assert_eq!(plans.take(s(29), "made up", |_| true), Taken::Not(Code::NoPlan));
    }

    #[test]
    fn a_plan_that_is_too_old_is_gone_when_somebody_tries() {
        let mut plans = table();
        let nonce = plans.keep(s(0), 7);
        assert_eq!(plans.take(s(30), &nonce, |_| true), Taken::Late(7));
        assert_eq!(plans.take(s(30), &nonce, |_| true), Taken::Not(Code::PlanUsed));
    }

    #[test]
    fn a_plan_of_somebody_else_is_none_and_stays_theirs() {
        let mut plans = table();
        let nonce = plans.keep(s(0), 7);
        assert_eq!(plans.take(s(1), &nonce, |_| false), Taken::Not(Code::NoPlan));
        assert_eq!(plans.take(s(1), &nonce, |_| true), Taken::Plan(7));
    }

    #[test]
    fn however_many_plans_are_made_so_many_are_kept_and_no_two_have_one_name() {
        let mut plans = table();
        let nonces: Vec<_> = (0..1_000).map(|plan| plans.keep(s(0), plan)).collect();
        assert_eq!((plans.plans.len(), plans.plans.capacity() < 100), (3, true));
        assert_eq!(plans.take(s(0), &nonces[996], |_| true), Taken::Not(Code::NoPlan));
        assert_eq!(plans.take(s(0), &nonces[997], |_| true), Taken::Plan(997));
        let distinct: std::collections::HashSet<_> = nonces.iter().collect();
        assert_eq!((distinct.len(), nonces[0].len()), (1_000, 32));
    }
}
