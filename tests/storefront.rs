//! `examples/storefront` and `examples/black_friday` as processes, from outside: what customers and operators see of them.
//!
//! Nothing here waits for a while: it waits for an answer, a restart, a number of orders, the end of a process.

mod processes;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use crashworthy::console;
use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::{Value, json};

use crate::processes::{
    Answer, Dir, Question, Shop, Told, ask, black_friday, get, post, send, storefront, until, with,
};

/// Everyone that can be given a fault.
const ACTORS: [&str; 7] =
    ["catalogue", "inventory", "orders", "payment", "payment-clerk", "delivery", "delivery-clerk"];

fn order_form(customer: &str, sku: &str, quantity: i64) -> Value {
    json!({ "customer": customer, "postcode": "1010", "lines": [{ "sku": sku, "quantity": quantity }] })
}

/// Customers who order all the time, each order under a key of its own, until it is accepted.
struct Crowd {
    at: Mutex<SocketAddr>,
    /// What there is to order. One product alone would soon be sold out.
    skus: Vec<String>,
    customers: AtomicU64,
    goes_home: AtomicBool,
    /// Customer to order, as they were told.
    accepted: Mutex<BTreeMap<String, u64>>,
}

impl Crowd {
    fn orders(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }

    /// Waits until so many more orders have been accepted.
    fn orders_on(&self, more: usize) {
        let enough = self.orders() + more;
        until("orders are accepted", || (self.orders() >= enough).then_some(()));
    }

    fn shop_until_closing(&self) {
        while !self.goes_home.load(SeqCst) {
            let n = self.customers.fetch_add(1, SeqCst);
            let customer = format!("guest {n}");
            let mut order = post("/orders", order_form(&customer, &self.skus[n as usize % self.skus.len()], 1));
            order.head += &format!("Idempotency-Key: {customer}\r\n");
            // Refused, crashed, cut off: the same key makes it safe to try again.
            while !self.goes_home.load(SeqCst) {
                let at = *self.at.lock().unwrap();
                match ask(at, &order) {
                    Some(Answer { status: 200 | 201, body, .. }) => {
                        let id = body["order"].as_u64().expect("an accepted order has a number");
                        self.accepted.lock().unwrap().insert(customer, id);
                        break;
                    }
                    Some(answer) => {
                        assert!(matches!(answer.status, 429 | 503), "{answer:?}");
                        assert!(answer.header("retry-after").is_some(), "{answer:?}");
                    }
                    None => {}
                }
            }
        }
    }
}

#[test]
fn its_console_shows_what_everybody_does_and_goes_with_the_shop() {
    let dir = Dir::new("console");
    let shop = Shop::open(&dir);
    let places = console::list(&dir.sockets()).expect("it is private");
    assert_eq!(places.len(), 1, "{places:?}");
    let mut client =
        console::Client::connect(&places[0].socket, std::time::Duration::from_secs(60)).expect("it listens");
    let tree: console::protocol::TreeView = client.ask("tree", &json!({})).expect("it answers");
    assert!(ACTORS.iter().all(|actor| tree.nodes.iter().any(|node| node.row.path.ends_with(actor))), "{tree:?}");

    shop.strike("orders", json!({ "fault": "panic" }));
    until("the crash is told", || (shop.restarts("orders") > 0).then_some(()));
    let crashes: console::protocol::Crashes = client.ask("crashes", &json!({})).expect("it answers");
    assert!(crashes.reports[0].path.ends_with("/orders"), "{crashes:?}");

    let said = shop.stop_while(|| ());
    assert!(said.contains(&format!("--socket '{}'", places[0].socket.display())), "{said}");
    assert_eq!(console::list(&dir.sockets()).expect("it is private"), [], "nothing is left behind");
}

#[test]
fn its_inside_is_on_the_web_if_that_is_asked_for() {
    let dir = Dir::new("web");
    let mut shop = Shop::open_with(&dir, ([127, 0, 0, 1], 0).into(), &["--web"]);
    let (at, token) = shop.page();
    let look = |path| {
        let mut question = get(path);
        question.head += &format!("Authorization: Bearer {token}\r\n");
        ask(at, &question).expect("it answers")
    };
    assert_eq!(ask(at, &get("/readyz")).expect("it answers").status, 200);
    assert_eq!(ask(at, &get("/info")).expect("it answers").status, 401);
    assert_eq!(look("/info").body["application"]["name"], "storefront");

    // It answers while the shop does not.
    for actor in ACTORS {
        shop.strike(actor, json!({ "fault": "block", "ms": 2_000 }));
    }
    until("it says who is blocked", || (look("/actor?actor=orders").body["doing"]["on_thread"] == true).then_some(()));
    assert_eq!(ask(at, &get("/livez")).expect("it answers").status, 200);
    assert!(shop.stop_while(|| ()).contains("stopped in"));
}

#[test]
fn an_accepted_order_survives_a_crash_of_any_actor_and_of_the_process() {
    let dir = Dir::new("survives");
    let mut shop = Shop::open(&dir);
    let crowd = Arc::new(Crowd {
        at: Mutex::new(shop.at),
        skus: stock().into_keys().collect(),
        customers: AtomicU64::new(0),
        goes_home: AtomicBool::new(false),
        accepted: Mutex::default(),
    });
    let guests: Vec<_> = (0..4)
        .map(|_| {
            let crowd = crowd.clone();
            thread::spawn(move || crowd.shop_until_closing())
        })
        .collect();

    crowd.orders_on(10);
    for actor in ACTORS {
        let restarts = shop.restarts(actor);
        shop.strike(actor, json!({ "fault": "panic" }));
        until("it restarts", || (shop.restarts(actor) > restarts).then_some(()));
        crowd.orders_on(5);
    }

    shop.kill();
    shop = Shop::open(&dir);
    *crowd.at.lock().unwrap() = shop.at;
    crowd.orders_on(20);

    // A stop in the middle of traffic.
    let said = shop.stop_while(|| crowd.goes_home.store(true, SeqCst));
    for guest in guests {
        guest.join().expect("customers are told what to do");
    }
    assert!(said.contains("stopped in"), "{said}");
    audit(&dir, &crowd.accepted.lock().unwrap());
    let log = fs::read_to_string(dir.log()).expect("there is a log");
    assert_eq!(log.matches("actor crashed").count(), ACTORS.len(), "{log}");
    assert!(!log.contains("panicked at"), "the panic hook prints nothing: {log}");
}

/// Every accepted order is in the database, no key has two, and what was sold has left the shelf.
fn audit(dir: &Dir, accepted: &BTreeMap<String, u64>) {
    const ORDERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("orders");
    const STOCK: TableDefinition<'_, &str, u32> = TableDefinition::new("stock");
    let database = redb::Database::open(dir.database()).expect("the shop has closed it");
    let read = database.begin_read().expect("reads");
    let rows = read.open_table(ORDERS).expect("there are orders");
    let mut customers: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows.iter().expect("reads") {
        let (id, order) = row.expect("reads");
        let order: Value = serde_json::from_slice(order.value()).expect("an order is JSON");
        let twice = customers.insert(order["customer"].as_str().expect("a name").to_owned(), id.value());
        assert_eq!(twice, None, "{order}");
    }
    for (customer, id) in accepted {
        assert_eq!(customers.get(customer), Some(id), "{customer}");
    }
    let left = read.open_table(STOCK).expect("there is a stock");
    let left = left.iter().expect("reads").map(|row| u64::from(row.expect("reads").1.value()));
    assert_eq!(stock().values().sum::<u64>() - left.sum::<u64>(), customers.len() as u64);
}

/// Every product of the shop, and how many there were when it first opened.
fn stock() -> BTreeMap<String, u64> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/storefront/data/products.csv");
    let mut rows = csv::Reader::from_path(file).expect("the product file is there");
    let stock = |row: csv::StringRecord| (row[0].to_owned(), row[4].parse().expect("a number"));
    rows.records().map(|row| stock(row.expect("the product file is good"))).collect()
}

#[test]
fn people_order_while_delivery_cannot_be_scheduled_and_are_told_so_politely() {
    let dir = Dir::new("delivery");
    let shop = Shop::open(&dir);
    for (customer, mode) in [("Ada", "failing"), ("Bob", "hanging")] {
        shop.does(post("/admin/backends/delivery", json!({ "mode": mode })), 200);
        let order = shop.does(post("/orders", order_form(customer, "SPO-00004", 1)), 201);
        let delivery = &order.body["delivery"];
        assert_eq!(delivery["status"], "pending", "{order:?}");
        assert!(delivery["message"].as_str().is_some_and(|text| text.contains("not available right now")), "{order:?}");

        let slots = shop.does(get("/delivery/slots?postcode=1010"), 503);
        assert!(slots.header("retry-after").is_some(), "{slots:?}");

        shop.does(post("/admin/backends/delivery", json!({ "mode": "healthy" })), 200);
        let see = order.body["see"].as_str().expect("where to look").to_owned();
        until("it is scheduled after all", || {
            (shop.does(get(&see), 200).body["delivery"]["status"] == "scheduled").then_some(())
        });
    }
}

#[test]
fn an_actor_that_hangs_is_waited_for_no_longer_than_the_deadline() {
    let dir = Dir::new("hangs");
    let shop = Shop::open(&dir);
    for actor in ["catalogue", "inventory", "orders"] {
        shop.strike(actor, json!({ "fault": "hang", "ms": 60_000 }));
        let refused = shop.does(post("/orders", order_form("Ada", "SPO-00004", 1)), 503);
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        // Whoever hangs is killed by the operator, and the next incarnation does not.
        shop.does(with("DELETE", &format!("/admin/actors/{actor}")), 200);
        until("it answers again", || {
            shop.asks(post("/orders", order_form("Ada", "SPO-00004", 1))).filter(|answer| answer.status == 201)
        });
    }
}

#[test]
fn bad_input_is_told_what_is_wrong_and_disturbs_nobody() {
    let dir = Dir::new("input");
    let shop = Shop::open(&dir);
    let order = |body: &str| Question { body: body.into(), ..post("/orders", Value::Null) };
    let form = |sku: &str, quantity: i64| post("/orders", order_form("Ada", sku, quantity));
    let no_type = Question { head: String::new(), ..order("{}") };
    let cases = [
        (form("SPO-00004", 0), 422, "lines[0].quantity"),
        (form("SPO-00004", -1), 422, "lines[0].quantity"),
        (form("SPO-00004", i64::MAX), 422, "lines[0].quantity"),
        (form("NOPE", 1), 422, "lines[0].sku"),
        (order("{\"customer\":"), 400, "not_json"),
        (order("\u{0}\u{1}garbage"), 400, "not_json"),
        (order(""), 400, "not_json"),
        (order("{}"), 422, "customer"),
        (order(&" ".repeat(1 << 20)), 413, "at most 16384 bytes"),
        (no_type, 415, "application/json"),
        (get("/orders/1"), 404, "there is no order 1"),
        (get("/orders/-1"), 422, "id"),
        (get("/orders/99999999999999999999"), 422, "id"),
        (get("/products/NOPE"), 404, "there is no product"),
        (get("/products/%FF"), 400, "bad_path"),
        (get("/products?page=0"), 422, "page"),
        (get("/products?per_page=101"), 422, "per_page"),
        (get("/products?pages=1"), 400, "pages"),
        (get("/search"), 422, "words to look for"),
        (get("/delivery/slots"), 422, "postcode"),
        (get("/nothing"), 404, "try /products"),
        (with("PUT", "/products"), 405, "method"),
        (with("DELETE", "/orders"), 405, "method"),
        (post("/admin/actors/nobody", json!({ "fault": "panic" })), 404, "there are catalogue, inventory"),
        (post("/admin/actors/orders", json!({ "fault": "explode" })), 422, "`panic`"),
        (post("/admin/actors/orders", json!({ "fault": "hang" })), 422, "ms"),
        (post("/admin/actors/orders", json!({ "fault": "hang", "ms": 60_001 })), 422, "from 1 to 60000"),
        (post("/admin/backends/delivery", json!({ "mode": "rude" })), 422, "`hanging`"),
    ];
    for (question, status, names) in cases {
        let shown = format!("{question:.200?}");
        let answer = shop.does(question, status);
        assert!(answer.body["error"].to_string().contains(names), "{shown}: {answer:?}");
    }
    assert_eq!(send(shop.at, b"\x16\x03\x01garbage\r\n\r\n").map(|answer| answer.status), Some(400));
    let tree = shop.does(get("/admin/tree"), 200).text;
    assert!(tree.contains(", 0 crashes"), "{tree}");
    assert_eq!(shop.does(get("/health"), 200).body["status"], "ok");
}

#[test]
fn clients_that_are_slow_to_send_keep_nobody_out() {
    let dir = Dir::new("slow");
    let shop = Shop::open(&dir);
    // More than may order at a time; each has sent all of an order but its end.
    let slow: Vec<TcpStream> = (0..400)
        .map(|_| {
            let mut client = TcpStream::connect(shop.at).expect("connects");
            let head =
                "POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
            client.write_all(head.as_bytes()).expect("sends");
            client
        })
        .collect();
    shop.does(post("/orders", order_form("Ada", "SPO-00004", 1)), 201);
    drop(slow);
}

#[test]
fn what_keeps_the_shop_from_opening_is_named_and_where() {
    let dir = Dir::new("opening");
    let open = Shop::open(&dir);
    let (here, data) = (open.at.to_string(), dir.path().display().to_string());

    let other = Dir::new("opening-other");
    let path = |name: &str| other.path().join(name).display().to_string();
    fs::write(other.path().join("a-file"), "").expect("writes");
    fs::create_dir(other.path().join("garbage")).expect("makes");
    fs::write(other.path().join("garbage/storefront.redb"), "no database".repeat(1_000)).expect("writes");
    fs::create_dir(other.path().join("cut")).expect("makes");
    fs::write(other.path().join("cut/storefront.redb"), first_bytes(&dir.database(), 5_000)).expect("writes");
    fs::write(other.path().join("cut.csv"), "sku,name,category,price_cents,stock\nA,one,x,1,1\nB,tw").expect("writes");
    fs::write(other.path().join("binary.csv"), [0xFF; 100]).expect("writes");

    let fresh = path("fresh");
    fails_to_open(&["--addr", &here, "--data", &fresh], &[&here, "in use"]);
    fails_to_open(&["--data", &data], &[&data, "another process has it open"]);
    fails_to_open(&["--data", &path("a-file")], &["a-file"]);
    fails_to_open(&["--data", &path("garbage")], &["garbage/storefront.redb"]);
    fails_to_open(&["--data", &path("cut")], &["cut/storefront.redb", "truncated"]);
    fails_to_open(&["--data", &fresh, "--products", &path("cut.csv")], &["cut.csv", "line 3"]);
    fails_to_open(&["--data", &fresh, "--products", &path("binary.csv")], &["binary.csv"]);
    fails_to_open(&["--data", &fresh, "--products", &path("none.csv")], &["none.csv", "No such file"]);
    assert_eq!(open.does(get("/health"), 200).body["status"], "ok");
}

/// One line on standard error, with these words in it, and exit status 1.
fn fails_to_open(arguments: &[&str], names: &[&str]) {
    let anywhere: &[&str] = if arguments.contains(&"--addr") { &[] } else { &["--addr", "127.0.0.1:0"] };
    let ended = storefront().args(anywhere).args(arguments).output().expect("it starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {said}");
    assert!(said.starts_with("storefront: ") && said.trim_end().lines().count() == 1, "{arguments:?}: {said}");
    for name in names {
        assert!(said.to_lowercase().contains(&name.to_lowercase()), "{arguments:?}: no {name:?} in {said}");
    }
}

fn first_bytes(path: &Path, count: usize) -> Vec<u8> {
    fs::read(path).expect("it is there")[..count].to_vec()
}

#[test]
fn two_shops_are_open_beside_each_other() {
    let (north, south) = (Dir::new("north"), Dir::new("south"));
    let (north, south) = (Shop::open(&north), Shop::open(&south));
    north.does(post("/orders", order_form("Ada", "SPO-00004", 1)), 201);
    north.does(get("/orders/1"), 200);
    south.does(get("/orders/1"), 404);
}

#[test]
fn black_friday_finds_every_order_though_actors_crash_and_the_process_is_killed() {
    let ended = black_friday().args(["--seconds-per-step", "1", "--kill"]).output().expect("it starts");
    let (table, log) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{}\n{table}\n{log}", ended.status);
    for load in ["0.5x", "1x", "2x", "5x", "10x"] {
        assert!(table.lines().any(|line| line.trim_start().starts_with(load)), "{table}");
    }
    assert_eq!(table.matches(", 0 are missing").count(), 2, "{table}");
}

#[test]
fn black_friday_finds_out_that_orders_were_lost() {
    let (dir, empty) = (Dir::new("honest"), Dir::new("forgetful"));
    let shop = Shop::open(&dir);
    let at = shop.at;
    let mut driver = black_friday();
    driver.args(["--seconds-per-step", "1", "--calm", "--url", &format!("http://{at}")]);
    let mut driver = Told::spawn(driver);
    // Orders were accepted while it measured. The shop that opens instead has never heard of them.
    driver.wait_for("is capable of");
    drop(shop);
    let _forgetful = Shop::open_at(&empty, at);
    let (status, said) = driver.end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("missing: order "), "{said}");
}
