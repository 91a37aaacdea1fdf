//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// A shop that stays open: a supervised HTTP service with a database on disk.
///
/// Starts without arguments. Stop it with Ctrl-C, or try `kill -9`: no accepted order is lost.
#[derive(Debug, Parser)]
#[command(name = "storefront", version)]
pub(crate) struct Cli {
    /// Where the service listens.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) addr: SocketAddr,
    /// Where the database is kept. [default: the directory `crashworthy-storefront` among the system's temporary files]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Another product file: sku,name,category,price_cents,stock.
    #[arg(long, value_name = "CSV")]
    pub(crate) products: Option<PathBuf>,
    /// Logs as JSON, a line an event. What is logged is chosen by RUST_LOG, for example `RUST_LOG=debug`.
    #[arg(long)]
    pub(crate) json_logs: bool,
    /// Without a console: the command `crashworthy` cannot look into it.
    #[arg(long)]
    pub(crate) no_console: bool,
    /// With the console on TCP, too: at this address of 127.0.0.1, or on any free port, for whoever has the token.
    #[arg(long, value_name = "IP:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:0", conflicts_with = "no_console")]
    pub(crate) console_tcp: Option<SocketAddr>,
    /// With health, metrics and a page that shows the inside, over HTTP: at this address, or on any free port of 127.0.0.1.
    #[arg(long, value_name = "IP:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:0", conflicts_with = "no_console")]
    pub(crate) web: Option<SocketAddr>,
}

impl Cli {
    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| std::env::temp_dir().join("crashworthy-storefront"))
    }
}
