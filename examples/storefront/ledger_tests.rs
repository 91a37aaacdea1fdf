use super::*;
use crate::order::{Delivery, Line, Payment};

/// A ledger in a directory of its own, which goes with it.
struct Shop {
    ledger: Ledger,
    dir: PathBuf,
}

impl Shop {
    fn open(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("storefront-test-{}-{name}", std::process::id()));
        let ledger = Ledger::open(&dir).expect("a ledger opens in an empty directory");
        ledger.stock_up([("mug", 10), ("pot", 1)].into_iter()).expect("stocks");
        Self { ledger, dir }
    }

    fn place(&self, draft: Draft) -> Placed {
        self.place_all(vec![draft]).remove(0)
    }

    fn place_all(&self, drafts: Vec<Draft>) -> Vec<Placed> {
        self.ledger.write(drafts, Vec::new()).expect("writes")
    }

    fn record(&self, id: u64, progress: Progress) {
        self.ledger.write(Vec::new(), vec![Record { id, progress: vec![progress] }]).expect("writes");
    }

    fn left(&self) -> Vec<u32> {
        self.ledger.left(["mug", "pot", "unknown"].into_iter()).expect("reads")
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn draft(key: Option<&str>, lines: &[(&str, u32)]) -> Draft {
    let line = |&(sku, quantity): &(&str, u32)| Line { sku: sku.to_owned(), quantity, unit_cents: 250 };
    Draft {
        customer: "Ada".to_owned(),
        postcode: "1010".to_owned(),
        wish: None,
        lines: lines.iter().map(line).collect(),
        key: key.map(str::to_owned),
    }
}

fn accepted(placed: Placed) -> Order {
    match placed {
        Placed::Accepted(order) => order,
        other => panic!("not accepted: {other:?}"),
    }
}

#[test]
fn an_accepted_order_is_found_and_its_stock_is_gone() {
    let shop = Shop::open("accepted");
    let order = accepted(shop.place(draft(None, &[("mug", 3)])));
    assert_eq!((order.id, order.total_cents), (1, 750));
    assert_eq!(shop.ledger.order(1).expect("reads"), Some(order));
    assert_eq!(shop.left(), [7, 1, 0]);
}

#[test]
fn an_order_that_cannot_be_filled_changes_nothing() {
    let shop = Shop::open("sold-out");
    let placed = shop.place(draft(None, &[("mug", 3), ("pot", 2)]));
    assert_eq!(placed, Placed::SoldOut { sku: "pot".to_owned(), left: 1 });
    assert_eq!(shop.left(), [10, 1, 0]);
    assert_eq!(shop.ledger.orders().expect("reads"), 0);
}

#[test]
fn orders_of_one_transaction_see_each_other() {
    let shop = Shop::open("together");
    let drafts = [(None, 6), (None, 5), (Some("k"), 4), (Some("k"), 4)];
    let placed = shop.place_all(drafts.map(|(key, mugs)| draft(key, &[("mug", mugs)])).into());
    let [Placed::Accepted(first), sold_out, Placed::Accepted(last), again] = &placed[..] else {
        panic!("{placed:?}");
    };
    assert_eq!((first.id, last.id), (1, 2));
    assert_eq!(*sold_out, Placed::SoldOut { sku: "mug".to_owned(), left: 4 });
    assert_eq!(*again, Placed::Before(last.clone()));
    assert_eq!(shop.left(), [0, 1, 0]);
}

#[test]
fn lines_of_the_same_product_count_together() {
    let shop = Shop::open("twice-the-same");
    let placed = shop.place(draft(None, &[("mug", 6), ("mug", 5)]));
    assert_eq!(placed, Placed::SoldOut { sku: "mug".to_owned(), left: 4 });
    accepted(shop.place(draft(None, &[("mug", 6), ("mug", 4)])));
    assert_eq!(shop.left(), [0, 1, 0]);
}

#[test]
fn the_same_key_is_the_same_order() {
    let shop = Shop::open("key");
    let order = accepted(shop.place(draft(Some("k"), &[("mug", 1)])));
    let again = shop.place(draft(Some("k"), &[("mug", 1)]));
    assert_eq!(again, Placed::Before(order.clone()));
    assert_eq!(shop.place(draft(Some("k"), &[("mug", 2)])), Placed::KeyTaken);
    assert_eq!(shop.ledger.order_of_key("k").expect("reads"), Some(order));
    assert_eq!(shop.left(), [9, 1, 0]);
}

#[test]
fn stocking_up_again_keeps_the_count() {
    let shop = Shop::open("stock");
    accepted(shop.place(draft(None, &[("mug", 4)])));
    shop.ledger.stock_up([("mug", 10), ("new", 5)].into_iter()).expect("stocks");
    assert_eq!(shop.left(), [6, 1, 0]);
}

#[test]
fn an_order_is_owed_payment_and_delivery_until_each_is_recorded() {
    let shop = Shop::open("owed");
    let id = accepted(shop.place(draft(None, &[("mug", 1)]))).id;
    let owed = |errand| shop.ledger.owed(errand, u64::MAX, 10).expect("reads").len();
    assert_eq!((owed(Errand::Payment), owed(Errand::Delivery)), (1, 1));

    shop.record(id, Progress::Paid { receipt: "r".to_owned() });
    assert_eq!((owed(Errand::Payment), owed(Errand::Delivery)), (0, 1));

    shop.record(id, Progress::Scheduled { slot: "noon".to_owned() });
    assert_eq!((owed(Errand::Payment), owed(Errand::Delivery)), (0, 0));
    let order = shop.ledger.order(id).expect("reads").expect("is there");
    assert_eq!(order.payment, Payment::Paid { receipt: "r".to_owned() });
    assert_eq!(order.delivery, Delivery::Scheduled { slot: "noon".to_owned() });
}

#[test]
fn an_order_placed_just_now_is_left_to_whoever_placed_it() {
    let shop = Shop::open("young");
    let order = accepted(shop.place(draft(None, &[("mug", 1)])));
    assert!(shop.ledger.owed(Errand::Payment, order.placed_ms, 10).expect("reads").is_empty());
}

#[test]
fn everything_is_there_after_opening_again() {
    let mut shop = Shop::open("reopen");
    let order = accepted(shop.place(draft(Some("k"), &[("pot", 1)])));
    let elsewhere = Ledger::open(&shop.dir.join("elsewhere")).expect("opens");
    drop(std::mem::replace(&mut shop.ledger, elsewhere));
    shop.ledger = Ledger::open(&shop.dir).expect("opens again");
    assert_eq!(shop.ledger.order_of_key("k").expect("reads"), Some(order));
    assert_eq!(shop.left(), [10, 0, 0]);
}

#[test]
fn a_second_process_is_told_that_the_database_is_open() {
    let shop = Shop::open("twice");
    let error = Ledger::open(&shop.dir).err().expect("the file is locked").to_string();
    assert!(error.contains("another process has it open"), "{error}");
}

#[test]
fn a_disk_error_ends_the_message_and_not_the_actor() {
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let error = LedgerError::from(redb::StorageError::Io(full));
    let source = std::error::Error::source(&error).expect("a disk error has a source");
    assert!(source.is::<Refused>());
    assert!(std::error::Error::source(&LedgerError::broken("a row")).is_none());
}
