//! The command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::Parser;

/// Drives a storefront from half its capacity to ten times as much, crashes its actors meanwhile, and checks that no
/// accepted order is lost.
///
/// Requests come when they come, whether or not earlier ones were answered, and a latency counts from when its request
/// should have been sent. Exit status: 0, or 1 if an accepted order is missing.
#[derive(Debug, Parser)]
#[command(name = "black_friday", version)]
pub(crate) struct Cli {
    /// A running storefront on this machine, such as http://127.0.0.1:8080. Without it one is started, with a database
    /// of its own.
    #[arg(long, value_name = "URL", value_parser = target)]
    pub(crate) url: Option<SocketAddr>,
    /// Length of each step.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds_per_step: u64,
    /// Connections, and so requests under way, at the most.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub(crate) connections: u16,
    /// Kills the process in the middle of the run (kill -9) and starts it again.
    #[arg(long, conflicts_with = "url")]
    pub(crate) kill: bool,
    /// Leaves the actors and the back ends alone.
    #[arg(long)]
    pub(crate) calm: bool,
}

impl Cli {
    pub(crate) fn step(&self) -> Duration {
        Duration::from_secs(self.seconds_per_step)
    }
}

/// A URL of this machine: the load is not for others.
fn target(url: &str) -> Result<SocketAddr, String> {
    let rest = url.strip_prefix("http://").ok_or("a URL that begins with http://")?;
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let address = host.to_socket_addrs().map_err(|error| error.to_string())?.next().ok_or("no such host")?;
    if address.ip().is_loopback() { Ok(address) } else { Err("only an address of this machine (loopback)".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_target() {
        assert_eq!(target("http://127.0.0.1:8080/"), Ok(SocketAddr::from(([127, 0, 0, 1], 8080))));
        assert!(target("http://192.0.2.1:80").is_err_and(|why| why.contains("loopback")));
        assert!(target("https://127.0.0.1:8080").is_err());
        assert!(target("127.0.0.1").is_err());
    }
}
