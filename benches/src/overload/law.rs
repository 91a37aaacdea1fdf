//! How long a request takes: the law, and the deck that deals from it.

use clap::ValueEnum;

use crate::dice::Dice;

/// What a request takes on average.
pub const MEAN_NS: f64 = 100_000.0;
/// What the actor does in a second, if it does nothing else: by definition of [`MEAN_NS`].
pub const CAPACITY_PER_S: f64 = 1e9 / MEAN_NS;

/// How the times that requests take are spread about their mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Law {
    /// All the same.
    Const,
    /// Exponential.
    Exp,
    /// One in fifty takes fifty times as long as the others.
    Bimodal,
    /// A tail like x to the -2.2.
    Pareto,
}

impl Law {
    /// Its name on the command line and in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Law::Const => "const",
            Law::Exp => "exp",
            Law::Bimodal => "bimodal",
            Law::Pareto => "pareto",
        }
    }

    /// The time below which this share of the requests lies, as a multiple of the mean.
    fn quantile(self, share: f64) -> f64 {
        const LONG: f64 = 0.02;
        const TAIL: f64 = 2.2;
        match self {
            Law::Const => 1.0,
            Law::Exp => -(1.0 - share).ln(),
            Law::Bimodal if share < 1.0 - LONG => 1.0 / (1.0 + 49.0 * LONG),
            Law::Bimodal => 50.0 / (1.0 + 49.0 * LONG),
            Law::Pareto => (TAIL - 1.0) / TAIL * (1.0 - share).powf(-1.0 / TAIL),
        }
    }
}

/// Deals service times without putting any back until all have been dealt: the mean of a whole deck is [`MEAN_NS`], whatever the
/// law's tail. So chance in the service times does not move the capacity, and everybody is dealt the same.
#[derive(Clone, Debug)]
pub struct Deck {
    cards: Vec<u64>,
    dealt: usize,
    dice: Dice,
}

impl Deck {
    /// Half a second of work.
    const CARDS: usize = 5_000;

    /// A deck, shuffled as the seed says.
    pub fn new(law: Law, seed: u64) -> Self {
        let shares = (0..Self::CARDS).map(|n| (n as f64 + 0.5) / Self::CARDS as f64);
        let times: Vec<f64> = shares.map(|share| law.quantile(share)).collect();
        let scale = MEAN_NS * Self::CARDS as f64 / times.iter().sum::<f64>();
        let cards = times.into_iter().map(|time| (time * scale).round() as u64).collect();
        Deck { cards, dealt: Self::CARDS, dice: Dice::of(seed, 1) }
    }

    /// The same deck for somebody who does this share of each request.
    #[must_use]
    pub fn scaled(mut self, share: f64) -> Self {
        self.cards.iter_mut().for_each(|card| *card = (*card as f64 * share).round() as u64);
        self
    }

    /// The next request's time, in nanoseconds.
    pub fn deal(&mut self) -> u64 {
        if self.dealt == self.cards.len() {
            self.shuffle();
            self.dealt = 0;
        }
        self.dealt += 1;
        self.cards[self.dealt - 1]
    }

    fn shuffle(&mut self) {
        for n in (1..self.cards.len()).rev() {
            self.cards.swap(n, self.dice.below(n as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(law: Law, seed: u64) -> Vec<u64> {
        let mut deck = Deck::new(law, seed);
        (0..Deck::CARDS).map(|_| deck.deal()).collect()
    }

    fn mean(times: &[u64]) -> f64 {
        times.iter().sum::<u64>() as f64 / times.len() as f64
    }

    #[test]
    fn every_law_has_the_same_mean() {
        for &law in Law::value_variants() {
            let mean = mean(&dealt(law, 1));
            assert!((mean - MEAN_NS).abs() < 1.0, "{law:?}: {mean}");
        }
    }

    #[test]
    fn the_quantiles_themselves_have_the_mean_of_the_law() {
        // Before they are scaled: what is cut off the tail is little.
        for &law in Law::value_variants() {
            let shares = (0..1_000_000).map(|n| (f64::from(n) + 0.5) / 1e6);
            let mean = shares.map(|share| law.quantile(share)).sum::<f64>() / 1e6;
            assert!((mean - 1.0).abs() < 0.005, "{law:?}: {mean}");
        }
    }

    #[test]
    fn an_exponential_law_has_a_deviation_of_its_mean_and_a_constant_one_has_none() {
        let deviation = |law| {
            let times = dealt(law, 1);
            let mean = mean(&times);
            (times.iter().map(|&time| (time as f64 - mean).powi(2)).sum::<f64>() / times.len() as f64).sqrt() / mean
        };
        assert!((deviation(Law::Exp) - 1.0).abs() < 0.02);
        assert!(deviation(Law::Const) < 1e-9);
    }

    #[test]
    fn one_in_fifty_takes_fifty_times_as_long() {
        let times = dealt(Law::Bimodal, 1);
        let shortest = times.iter().min().copied().unwrap_or_default();
        let long = times.iter().filter(|&&time| time > 40 * shortest).count();
        assert_eq!(long, times.len() / 50);
    }

    #[test]
    fn the_same_seed_deals_the_same_and_another_does_not() {
        assert_eq!(dealt(Law::Exp, 7), dealt(Law::Exp, 7));
        assert_ne!(dealt(Law::Exp, 7), dealt(Law::Exp, 8));
    }
}
