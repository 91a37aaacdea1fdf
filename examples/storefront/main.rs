//! # storefront: a shop on Black Friday
//!
//! A whole service: HTTP, a database on disk, two companies it depends on. *Release It!* tells of a shop whose pages all
//! hung because one call, to the delivery scheduler, was slow. Here trouble stays where it is: delivery scheduling can be
//! slow, failing, hanging or dead, and people still order.
//!
//! ```text
//! cargo run --release --example storefront
//! ```
//!
//! It prints what to try. Where to read: `shop.rs` is the tree, `orders.rs` an actor, `gateway.rs` an actor that guards
//! a dependency, `http/ordering.rs` the path of an order, `http/problem.rs` how a refusal becomes a 429, `limits.rs`
//! every limit there is.

#![forbid(unsafe_code)]

mod backend;
mod catalogue;
mod clerk;
mod cli;
mod errand;
mod fault;
mod gateway;
mod http;
mod insight;
mod inventory;
mod ledger;
mod limits;
mod log;
mod order;
mod orders;
mod shop;

use std::error::Error;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use crashworthy::console::{Application, Tcp};
use crashworthy::prelude::*;
use crashworthy_web::{Web, WebExt};

use crate::cli::Cli;
use crate::ledger::Ledger;
use crate::shop::Shop;

#[crashworthy::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storefront: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let console = log::begin(cli.json_logs);
    let listener = listen(cli)?;
    let products = product_file(cli)?;
    let ledger = open_ledger(cli, &products)?;

    let shop = Shop::new(ledger)?;
    let tree = shop.tree(products, http_server(listener.clone(), shop.clone()));
    println!("{}", tree.tree());
    let mut builder = System::builder().name("storefront");
    if !cli.no_console {
        let console = tells(console, &shop);
        builder = builder.with(match cli.console_tcp {
            Some(addr) => console.tcp(Tcp::default().at(addr)),
            None => console,
        });
    }
    if let Some(addr) = cli.web {
        builder = builder.with(Web::default().at(addr));
    }
    let system = builder.start(tree).await?;
    println!("{}", welcome(cli, &listener, &system)?);

    let ended = system.run_until_signal().await;
    println!("{}", ended.report);
    Ok(ended.into_result()?)
}

/// The console, with what the shop has besides actors.
fn tells(console: Console, shop: &Shop) -> Console {
    let console = console.application(application()).source(shop.searches());
    [&shop.payment, &shop.delivery].into_iter().fold(console, |console, company| console.source(company.breaker()))
}

/// What the shop says it is.
fn application() -> Application {
    Application {
        name: "storefront".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("STOREFRONT_COMMIT").map(str::to_owned),
    }
}

/// The HTTP server as a child of the tree: restarted if it crashes, told when to stop.
fn http_server(listener: Arc<TcpListener>, shop: Shop) -> Task {
    Task::named("http", (listener, shop), |(listener, shop), cx| async move {
        // The port stays taken while the server restarts: clients wait for a moment instead of being turned away.
        let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
        let routes = http::routes(shop, cx.system().clone());
        http::serve(listener, routes, cx.stopping()).await;
        Ok(())
    })
}

fn listen(cli: &Cli) -> Result<Arc<TcpListener>, String> {
    let addr = cli.addr;
    let listener = TcpListener::bind(addr).map_err(|error| {
        format!("cannot listen on {addr}: {error}. Another address can be given: --addr 127.0.0.1:8081")
    })?;
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    Ok(Arc::new(listener))
}

fn product_file(cli: &Cli) -> Result<Arc<str>, String> {
    match &cli.products {
        None => Ok(catalogue::SHIPPED.into()),
        Some(path) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.into()),
            Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        },
    }
}

fn open_ledger(cli: &Cli, products: &str) -> Result<Ledger, Box<dyn Error>> {
    let products = catalogue::read(products.as_bytes()).map_err(|error| match &cli.products {
        Some(path) => format!("{}: {error}", path.display()),
        None => error.to_string(),
    })?;
    let data = cli.data();
    let ledger = Ledger::open(&data).map_err(|error| {
        let file = Ledger::file(&data);
        format!("cannot open {}: {}. Another directory can be given: --data DIR", file.display(), error.what())
    })?;
    ledger.stock_up(products.iter().map(|product| (product.sku.as_str(), product.stock)))?;
    Ok(ledger)
}

fn welcome(cli: &Cli, listener: &TcpListener, system: &System) -> Result<String, std::io::Error> {
    let shop = format!("http://{}", listener.local_addr()?);
    let json = "-H 'Content-Type: application/json'";
    let page = match system.web() {
        Some(web) => format!(
            "\nOr in a browser (the end of this address is a secret; `curl http://{}/readyz` needs none):\n\n  {}\n",
            web.addr(),
            web.url()
        ),
        None => String::new(),
    };
    let look_inside = match system.console() {
        Some(socket) => format!(
            "\nLook inside, from another terminal (screens; before --socket also `tree`, `actor orders`, `crashes` and so on; it answers when the shop does not):\n\n  \
             cargo run --release -p crashworthy-console -- --socket '{}'\n",
            socket.display()
        ),
        None => String::new(),
    };
    let on_tcp = match system.console_on_tcp() {
        Some(tcp) => format!(
            "\nOr from afar, through a forwarded port:\n\n  crashworthy --connect {} --token-file '{}'\n",
            tcp.addr(),
            tcp.token_file().display()
        ),
        None => String::new(),
    };
    Ok(format!(
        r#"
The shop is open on {shop}, its database is in {data}. Try:

  curl '{shop}/products?page=2&per_page=3'
  curl '{shop}/search?q=blue+kettle'
  curl '{shop}/delivery/slots?postcode=1010'
  curl {shop}/orders {json} -H 'Idempotency-Key: mine-1' \
       -d '{{"customer":"Ada","postcode":"1010","lines":[{{"sku":"SPO-00004","quantity":2}}]}}'
  curl {shop}/orders/1

Break it, and order again:

  curl {shop}/admin/backends/delivery {json} -d '{{"mode":"hanging"}}'       # healthy, slow (with "ms"), failing
  curl {shop}/admin/actors/orders {json} -d '{{"fault":"panic"}}'             # error, heal; hang, block or slow with "ms"
  curl -X DELETE {shop}/admin/actors/orders                                 # kill
  curl {shop}/admin/tree                                                    # restarts and counters; data: /admin/actors
  curl {shop}/health
{look_inside}{on_tcp}{page}
Black Friday, from another terminal:  cargo run --release --example black_friday -- --url {shop}
Stop with Ctrl-C.
"#,
        data = cli.data().display(),
    ))
}
