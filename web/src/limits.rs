//! Every limit of the web server, in one place.

use std::time::Duration;

use crashworthy_runtime::millis;
use serde::{Deserialize, Serialize};

/// What clients may use up at most. Rows and bytes of an answer are limited by the [console](crashworthy_console::Limits).
///
/// No request has a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Connections at a time. For one more whoever has been silent for longest makes way, or whoever has been answered next; if all watch,
    /// it is told so and closed.
    pub connections: usize,
    /// Pages that are watched at a time. One more is told so.
    pub watchers: usize,
    /// Bytes of what comes before a request's body.
    pub head: usize,
    /// Requests in a second, of one connection, and of all together who show the token and ask for data. Those beyond wait until their
    /// time has come. What takes long counts for more: data has half of the server's thread once a burst is over.
    pub requests: u32,
    /// How much of the server's thread, in percent of its time, is spent on all who show no token, whatever they do, once a burst of a
    /// second's share is over. Then the thread rests for some milliseconds, and whoever comes meanwhile waits for that.
    pub strangers_percent: u32,
    /// How long the head of a request may take, and how long a connection may stay without one.
    #[serde(rename = "head_within_ms", with = "millis")]
    pub head_within: Duration,
    /// How long a client may read nothing of what it is sent.
    #[serde(rename = "read_within_ms", with = "millis")]
    pub read_within: Duration,
    /// How long a wrong token is answered later.
    #[serde(rename = "wrong_token_ms", with = "millis")]
    pub wrong_token: Duration,
    /// How often a page that is watched gets a new picture.
    #[serde(rename = "picture_every_ms", with = "millis")]
    pub picture_every: Duration,
    /// How long actors may wait for a turn while nobody takes any: after that the process is told to be not alive.
    #[serde(rename = "stuck_after_ms", with = "millis")]
    pub stuck_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            watchers: 8,
            head: 16 * 1024,
            requests: 200,
            strangers_percent: 20,
            head_within: Duration::from_secs(10),
            read_within: Duration::from_secs(10),
            wrong_token: Duration::from_secs(1),
            picture_every: Duration::from_secs(1),
            stuck_after: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// What is out of range, if something is: the text names it, its value and the range.
    pub(crate) fn fault(&self) -> Option<String> {
        let numbers = [
            ("connections", self.connections, 1..=1_024),
            ("watchers", self.watchers, 1..=64),
            ("bytes of a head", self.head, 8 * 1024..=64 * 1024),
            ("requests a second", self.requests as usize, 1..=10_000),
            ("percent for strangers", self.strangers_percent as usize, 1..=100),
        ];
        let number =
            numbers.into_iter().find(|(_, value, range)| !range.contains(value)).map(|(what, value, range)| {
                format!("web: {value} {what}, allowed are {} to {}", range.start(), range.end())
            });
        let (least, most) = (Duration::from_millis(10), Duration::from_secs(3600));
        let times = [
            ("a head", self.head_within),
            ("reading", self.read_within),
            ("a wrong token", self.wrong_token),
            ("a picture", self.picture_every),
            ("being stuck", self.stuck_after),
        ];
        let time = times.into_iter().find(|(_, value)| !(least..=most).contains(value));
        number.or(time.map(|(what, value)| format!("web: {value:?} for {what}, allowed are {least:?} to {most:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_out_of_range_is_named_with_its_value_and_range() {
        assert_eq!(Limits::default().fault(), None);
        let short = Limits { head: 10, ..Limits::default() };
        assert_eq!(short.fault().as_deref(), Some("web: 10 bytes of a head, allowed are 8192 to 65536"));
        let never = Limits { picture_every: Duration::ZERO, ..Limits::default() };
        assert_eq!(never.fault().as_deref(), Some("web: 0ns for a picture, allowed are 10ms to 3600s"));
    }
}
