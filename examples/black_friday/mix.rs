//! What customers do: some look around, most order something.

use serde_json::{Value, json};

use crate::client::{Connection, Error, Question};

/// A small, fast, repeatable source of numbers (SplitMix64).
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    /// The time to the next of arrivals that come by chance, one a second on average.
    pub(crate) fn gap(&mut self) -> f64 {
        let share = (self.roll() >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - share).ln()
    }
}

/// Customers of one run. The n-th customer of a run always does the same.
pub(crate) struct Customers {
    /// Tells this run's orders from those of any other.
    run: u64,
    skus: Vec<String>,
}

/// What a customer does, and the name on the order, if it is one.
pub(crate) struct Visit {
    pub(crate) question: Question,
    pub(crate) customer: Option<String>,
}

impl Customers {
    /// Reads the catalogue, so that customers know what there is.
    pub(crate) async fn of(service: &mut Connection, run: u64) -> Result<Self, Error> {
        let mut skus = Vec::new();
        for page in 1.. {
            let answer = service.ask(Question::get(format!("/products?per_page=100&page={page}"))).await?;
            let list: Value = serde_json::from_slice(&answer.body)?;
            let products = list["products"].as_array().map(Vec::as_slice).unwrap_or_default();
            skus.extend(products.iter().filter_map(|product| product["sku"].as_str()).map(str::to_owned));
            if page >= list["pages"].as_u64().unwrap_or(0) {
                break;
            }
        }
        if skus.is_empty() { Err("the service sells nothing".into()) } else { Ok(Self { run, skus }) }
    }

    pub(crate) fn visit(&self, n: u64) -> Visit {
        let mut dice = Dice::new(self.run ^ n.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let question = match dice.below(10) {
            0..6 => return self.order(n, &mut dice),
            6..8 => Question::get(format!("/products?page={}", 1 + dice.below(self.skus.len() as u64 / 20))),
            8 => Question::get(format!("/search?q={}", WORDS[dice.below(WORDS.len() as u64) as usize])),
            _ => Question::get(format!("/products/{}", self.sku(&mut dice))),
        };
        Visit { question, customer: None }
    }

    fn order(&self, n: u64, dice: &mut Dice) -> Visit {
        let lines: Vec<Value> =
            (0..=dice.below(3)).map(|_| json!({ "sku": self.sku(dice), "quantity": 1 + dice.below(2) })).collect();
        let customer = format!("guest {:x}-{n}", self.run);
        let body = json!({ "customer": customer, "postcode": "1010", "lines": lines });
        let question = Question { key: Some(customer.clone()), ..Question::post("/orders", body.to_string()) };
        Visit { question, customer: Some(customer) }
    }

    fn sku(&self, dice: &mut Dice) -> &str {
        &self.skus[dice.below(self.skus.len() as u64) as usize]
    }
}

const WORDS: [&str; 10] =
    ["kettle", "blue", "garden+hose", "wool", "lamp", "classic", "moss+green", "speaker", "travel", "history"];
