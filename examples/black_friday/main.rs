//! # black_friday: more customers than anyone can serve
//!
//! Measures what a storefront is capable of, then sends from half of that to ten times as much, while actors crash, back
//! ends hang and, with `--kill`, the whole process is killed. Two things should hold: the goodput stays where it was, and
//! no order that was accepted is ever missing.
//!
//! ```text
//! cargo run --release --example black_friday            # starts a storefront of its own
//! cargo run --release --example black_friday -- --kill  # and kills it half-way
//! cargo run --release --example black_friday -- --url http://127.0.0.1:8080
//! ```

#![forbid(unsafe_code)]

mod audit;
mod chaos;
mod cli;
mod client;
mod load;
mod mix;
mod report;
mod service;
mod tally;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;

use crate::audit::Missing;
use crate::cli::Cli;
use crate::client::{Connection, Error};
use crate::load::Load;
use crate::mix::Customers;
use crate::report::Row;
use crate::service::Service;
use crate::tally::Accepted;

/// Multiples of the measured capacity.
const STEPS: [f64; 5] = [0.5, 1.0, 2.0, 5.0, 10.0];
/// The capacity is the most good answers a second that one of these numbers of connections gets, whoever is refused.
const MEASURE_OVER: [u16; 4] = [8, 24, 72, 216];
/// How long it is measured with each.
const MEASURE: Duration = Duration::from_millis(1_500);
/// The most that is offered in one step: the schedule is kept in memory.
const MOST: usize = 2_000_000;

/// One thread for the driver leaves the others to the service.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            report::end_progress();
            eprintln!("black_friday: {error}");
            ExitCode::from(2)
        }
    }
}

/// True if no accepted order is missing.
async fn run(cli: &Cli) -> Result<bool, Error> {
    let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let mut own = match cli.url {
        Some(_) => None,
        None => Some(Service::start(run).await?),
    };
    let service = cli.url.or(own.as_ref().map(|own| own.address)).ok_or("no service")?;
    let customers = Arc::new(Customers::of(&mut Connection::new(service), run).await?);

    let mut friday = Friday { service, customers, connections: cli.connections, arrived: 0, accepted: Vec::new() };
    let capacity = friday.capacity().await?;
    println!("the service at {service} is capable of {capacity:.0} requests a second");

    let mut rows = Vec::new();
    for step in STEPS {
        let kill = if cli.kill && step == 2.0 { own.as_mut() } else { None };
        // The first step is calm, to compare the others with.
        let trouble = !cli.calm && step >= 1.0;
        rows.push(friday.step(step, capacity, cli.step(), trouble, kill).await?);
    }
    report::print_table(&rows);
    audit(own, service, &friday.accepted).await
}

/// A run under way.
struct Friday {
    service: SocketAddr,
    customers: Arc<Customers>,
    connections: u16,
    /// Customers so far.
    arrived: u64,
    accepted: Vec<Accepted>,
}

impl Friday {
    /// Good answers a second, when some connections ask as fast as they are answered.
    async fn capacity(&mut self) -> Result<f64, Error> {
        let mut best: f64 = 0.0;
        for connections in MEASURE_OVER {
            let load = Load::closed(self.service, self.customers.clone(), MOST, self.arrived);
            tokio::select! {
                () = load.run_closed(connections, MEASURE) => {}
                () = report::show_progress("capacity", &load) => {}
            }
            report::end_progress();
            let mut tally = load.tally();
            self.arrived += tally.ended();
            self.accepted.append(&mut tally.accepted);
            best = best.max(tally.good as f64 / MEASURE.as_secs_f64());
        }
        if best > 0.0 { Ok(best) } else { Err("the service answers nobody".into()) }
    }

    async fn step(
        &mut self,
        step: f64,
        capacity: f64,
        length: Duration,
        trouble: bool,
        kill: Option<&mut Service>,
    ) -> Result<Row, Error> {
        let mut operator = Connection::new(self.service);
        let before = chaos::restarts(&mut operator).await?;
        let killed = kill.is_some();
        let rate = (step * capacity).min(MOST as f64 / length.as_secs_f64());
        let load = Load::open(self.service, self.customers.clone(), rate, length, self.arrived);
        let label = format!("{step:>4}x    ");
        {
            let chaos = async {
                if trouble {
                    chaos::make_trouble(self.service).await;
                }
                std::future::pending::<()>().await;
            };
            let mut running = std::pin::pin!(async {
                tokio::select! {
                    () = load.run(self.connections) => {}
                    () = chaos => {}
                    () = report::show_progress(&label, &load) => {}
                }
            });
            if let Some(service) = kill {
                let power_cut = async {
                    tokio::time::sleep(length / 2).await;
                    service.kill_and_restart().await
                };
                let (done, ()) = tokio::join!(power_cut, &mut running);
                done?;
            } else {
                running.await;
            }
        }
        report::end_progress();
        let mut operator = Connection::new(self.service);
        chaos::make_peace(&mut operator).await?;
        let after = chaos::restarts(&mut operator).await?;
        // A killed process has forgotten how often it restarted whom.
        let restarts = if killed { after } else { after.saturating_sub(before) };

        self.arrived += load.arrivals();
        let mut tally = std::mem::replace(&mut *load.tally(), tally::Tally::new());
        let orders = tally.accepted.len();
        self.accepted.append(&mut tally.accepted);
        Ok(Row { step, offered: load.arrivals(), length, orders, tally, restarts })
    }
}

/// Looks for every accepted order; stops our own service and looks into its database as well.
async fn audit(own: Option<Service>, service: SocketAddr, accepted: &[Accepted]) -> Result<bool, Error> {
    println!();
    let mut all_there = tell("of the service", accepted, &audit::ask_service(service, accepted).await?);
    if let Some(mut own) = own {
        own.stop().await?;
        let (orders, missing) = audit::read_database(&own.data, accepted)?;
        all_there &= tell("of the database", accepted, &missing);
        println!(
            "the database holds {orders} orders: {} were taken without the customer hearing of it",
            orders.saturating_sub(accepted.len() as u64)
        );
        if all_there {
            std::fs::remove_dir_all(&own.data)?;
        } else {
            println!("database and log are kept in {}", own.data.display());
        }
    }
    Ok(all_there)
}

fn tell(whom: &str, accepted: &[Accepted], missing: &Missing) -> bool {
    println!("asked {whom}: {} orders were accepted, {} are missing", accepted.len(), missing.len());
    for order in missing.iter().take(20) {
        println!("  missing: order {} of {}", order.id, order.customer);
    }
    missing.is_empty()
}
