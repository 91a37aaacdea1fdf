//! The database: what survives a crash of any actor, and of the process.
//!
//! ```text
//! orders  id → order as JSON        keys   idempotency key → id
//! stock   sku → units left          owed   (errand, id) → ()      orders still to pay or to deliver
//! ```
//!
//! Stock goes down in the transaction that accepts the order, and never below zero: whatever the actors above believe
//! to be left, nothing is sold twice.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crashworthy::prelude::*;
use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table, TableDefinition, TableError,
    WriteTransaction,
};

use crate::limits;
use crate::order::{Draft, Errand, Line, Order, Progress};

const ORDERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("orders");
const KEYS: TableDefinition<'_, &str, u64> = TableDefinition::new("keys");
const STOCK: TableDefinition<'_, &str, u32> = TableDefinition::new("stock");
const OWED: TableDefinition<'_, (u8, u64), ()> = TableDefinition::new("owed");

/// What became of an order that was handed in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It is on disk.
    Accepted(Order),
    /// The order of that idempotency key was on disk before.
    Before(Order),
    /// That idempotency key belongs to an order that asks for something else.
    KeyTaken,
    /// There are not enough units of this product.
    SoldOut { sku: String, left: u32 },
}

/// What happened to an order after it was accepted.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) progress: Vec<Progress>,
}

/// A handle to the database, cheap to clone.
///
/// Its methods block: reads for microseconds, as everything read lately is in memory; writes for as long as the disk
/// takes to say that the order is safe.
#[derive(Clone)]
pub(crate) struct Ledger {
    path: Arc<PathBuf>,
    /// Empty after a disk error, until [`reopen`](Ledger::reopen).
    db: Arc<RwLock<Option<Database>>>,
}

impl Ledger {
    /// Opens the database in this directory, or makes both.
    pub(crate) fn open(dir: &Path) -> Result<Self, LedgerError> {
        std::fs::create_dir_all(dir)?;
        let path = Self::file(dir);
        let db = open_file(&path)?;
        Ok(Self { path: Arc::new(path), db: Arc::new(RwLock::new(Some(db))) })
    }

    /// The database file in this directory.
    pub(crate) fn file(dir: &Path) -> PathBuf {
        dir.join("storefront.redb")
    }

    /// Whether the database was given up after a disk error.
    pub(crate) fn is_closed(&self) -> bool {
        self.db.read().unwrap_or_else(|poisoned| poisoned.into_inner()).is_none()
    }

    /// Opens the database again if it was given up.
    pub(crate) fn reopen(&self) -> Result<(), LedgerError> {
        let mut db = self.db.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if db.is_none() {
            *db = Some(open_file(&self.path)?);
            tracing::info!("the database is open again");
        }
        Ok(())
    }

    /// Puts products on the shelf that were never there before. Those that were keep their count.
    pub(crate) fn stock_up<'a>(&self, products: impl Iterator<Item = (&'a str, u32)>) -> Result<(), LedgerError> {
        self.with(|db| {
            let write = db.begin_write()?;
            {
                let mut stock = write.open_table(STOCK)?;
                for (sku, units) in products {
                    if stock.get(sku)?.is_none() {
                        stock.insert(sku, units)?;
                    }
                }
            }
            Ok(write.commit()?)
        })
    }

    /// Writes down all of this in one transaction, and says what became of each order, in their order. When this returns,
    /// what is `Accepted` is on disk.
    ///
    /// Where nothing is, it does not wait for the disk. What was recorded reaches it with the next order that is accepted:
    /// if the process is killed before, the errand is run again, and the back ends know the order by its number.
    pub(crate) fn write(&self, drafts: Vec<Draft>, records: Vec<Record>) -> Result<Vec<Placed>, LedgerError> {
        self.with(|db| {
            let mut write = db.begin_write()?;
            let mut tables = Tables::open(&write)?;
            let placed: Vec<Placed> = drafts.into_iter().map(|draft| tables.place(draft)).collect::<Result<_, _>>()?;
            for record in records {
                tables.record(record)?;
            }
            drop(tables);
            if !placed.iter().any(|placed| matches!(placed, Placed::Accepted(_))) {
                write.set_durability(Durability::None)?;
            }
            write.commit()?;
            Ok(placed)
        })
    }

    /// Brings everything recorded to the disk.
    pub(crate) fn flush(&self) -> Result<(), LedgerError> {
        self.with(|db| Ok(db.begin_write()?.commit()?))
    }

    pub(crate) fn order(&self, id: u64) -> Result<Option<Order>, LedgerError> {
        self.with(|db| read_order(&db.begin_read()?.open_table(ORDERS)?, id))
    }

    /// The order of this idempotency key.
    pub(crate) fn order_of_key(&self, key: &str) -> Result<Option<Order>, LedgerError> {
        self.with(|db| {
            let read = db.begin_read()?;
            let Some(id) = read.open_table(KEYS)?.get(key)? else {
                return Ok(None);
            };
            read_order(&read.open_table(ORDERS)?, id.value())
        })
    }

    /// How many orders were accepted.
    pub(crate) fn orders(&self) -> Result<u64, LedgerError> {
        self.with(|db| Ok(db.begin_read()?.open_table(ORDERS)?.len()?))
    }

    /// The oldest orders that are still owed this, and were placed before the given time.
    pub(crate) fn owed(&self, errand: Errand, before_ms: u64, most: usize) -> Result<Vec<Order>, LedgerError> {
        self.with(|db| {
            let read = db.begin_read()?;
            let orders = read.open_table(ORDERS)?;
            let owed = read.open_table(OWED)?;
            let mut found = Vec::new();
            for entry in owed.range((errand as u8, 0)..=(errand as u8, u64::MAX))?.take(most) {
                let (_, id) = entry?.0.value();
                match read_order(&orders, id)? {
                    Some(order) if order.placed_ms < before_ms => found.push(order),
                    _ => break,
                }
            }
            Ok(found)
        })
    }

    /// Units left of each of these products; none of a product that was never stocked.
    pub(crate) fn left<'a>(&self, skus: impl Iterator<Item = &'a str>) -> Result<Vec<u32>, LedgerError> {
        self.with(|db| {
            let stock = db.begin_read()?.open_table(STOCK)?;
            skus.map(|sku| Ok(stock.get(sku)?.map_or(0, |units| units.value()))).collect()
        })
    }

    /// Runs `f` on the open database, and gives the database up if the disk failed.
    fn with<R>(&self, f: impl FnOnce(&Database) -> Result<R, LedgerError>) -> Result<R, LedgerError> {
        let result = match &*self.db.read().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            Some(db) => f(db),
            None => return Err(LedgerError::disk("closed after a disk error")),
        };
        if let Err(LedgerError { what, disk: Some(_) }) = &result {
            tracing::error!(what, "the database is closed until the disk works again");
            *self.db.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
        }
        result
    }
}

fn open_file(path: &Path) -> Result<Database, LedgerError> {
    let db = redb::Builder::new().set_cache_size(CACHE_BYTES).create(path)?;
    let write = db.begin_write()?;
    // Opening a table makes it, so that readers find it.
    drop(Tables::open(&write)?);
    write.commit()?;
    Ok(db)
}

/// A transaction under way.
struct Tables<'txn> {
    orders: Table<'txn, u64, &'static [u8]>,
    keys: Table<'txn, &'static str, u64>,
    stock: Table<'txn, &'static str, u32>,
    owed: Table<'txn, (u8, u64), ()>,
}

impl<'txn> Tables<'txn> {
    fn open(write: &'txn WriteTransaction) -> Result<Self, LedgerError> {
        Ok(Self {
            orders: write.open_table(ORDERS)?,
            keys: write.open_table(KEYS)?,
            stock: write.open_table(STOCK)?,
            owed: write.open_table(OWED)?,
        })
    }

    /// Accepts an order, or says why not; then nothing is changed.
    fn place(&mut self, draft: Draft) -> Result<Placed, LedgerError> {
        if let Some(id) = self.id_of_key(&draft)? {
            let order = read_order(&self.orders, id)?
                .ok_or_else(|| LedgerError::broken(format!("order {id} has a key but no row")))?;
            return Ok(if order.draft == draft { Placed::Before(order) } else { Placed::KeyTaken });
        }
        let rests = match self.rests(&draft)? {
            Ok(rests) => rests,
            Err(sold_out) => return Ok(sold_out),
        };
        for (sku, rest) in rests {
            self.stock.insert(sku, rest)?;
        }
        let id = self.orders.last()?.map_or(1, |(id, _)| id.value() + 1);
        if let Some(key) = &draft.key {
            self.keys.insert(key.as_str(), id)?;
        }
        for errand in [Errand::Payment, Errand::Delivery] {
            self.owed.insert((errand as u8, id), ())?;
        }
        let order = draft.accepted(id, now_ms());
        self.put(&order)?;
        Ok(Placed::Accepted(order))
    }

    /// What would be left of each product of an order, or of which there is not enough.
    fn rests<'a>(&self, draft: &'a Draft) -> Result<Result<BTreeMap<&'a str, u32>, Placed>, LedgerError> {
        let mut rests = BTreeMap::new();
        for Line { sku, quantity, .. } in &draft.lines {
            let left = match rests.get(sku.as_str()) {
                Some(&rest) => rest,
                None => self.stock.get(sku.as_str())?.map_or(0, |units| units.value()),
            };
            let Some(rest) = left.checked_sub(*quantity) else {
                return Ok(Err(Placed::SoldOut { sku: sku.clone(), left }));
            };
            rests.insert(sku.as_str(), rest);
        }
        Ok(Ok(rests))
    }

    fn id_of_key(&self, draft: &Draft) -> Result<Option<u64>, LedgerError> {
        let Some(key) = &draft.key else {
            return Ok(None);
        };
        Ok(self.keys.get(key.as_str())?.map(|id| id.value()))
    }

    /// Nothing happens to an order that is not there.
    fn record(&mut self, Record { id, progress }: Record) -> Result<(), LedgerError> {
        let Some(mut order) = read_order(&self.orders, id)? else {
            return Ok(());
        };
        for step in progress {
            self.owed.remove((step.settles() as u8, id))?;
            order.apply(step);
        }
        self.put(&order)
    }

    fn put(&mut self, order: &Order) -> Result<(), LedgerError> {
        self.orders.insert(order.id, serde_json::to_vec(order)?.as_slice())?;
        Ok(())
    }
}

/// Memory for pages read or about to be written.
const CACHE_BYTES: usize = 64 << 20;

fn read_order(orders: &impl ReadableTable<u64, &'static [u8]>, id: u64) -> Result<Option<Order>, LedgerError> {
    Ok(orders.get(id)?.map(|bytes| serde_json::from_slice(bytes.value())).transpose()?)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// What the database said.
///
/// A disk that fails is no reason to crash: no restart makes it work, and what is in memory can still be served. So that
/// error has a refusal as its source, and by `?` ends the message in hand, not the actor.
#[derive(Debug)]
pub(crate) struct LedgerError {
    what: String,
    disk: Option<Refused>,
}

impl LedgerError {
    fn broken(what: impl Into<String>) -> Self {
        Self { what: what.into(), disk: None }
    }

    /// The same in words, for who knows that it is about the database.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    fn disk(what: impl Into<String>) -> Self {
        let refused = Refused { retry_after: Some(limits::DISK), ..Refused::because(Reason::Downstream) };
        Self { what: what.into(), disk: Some(refused) }
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database: {}", self.what)
    }
}

impl std::error::Error for LedgerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.disk.as_ref().map(|refused| refused as _)
    }
}

impl From<redb::Error> for LedgerError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(_) | redb::Error::PreviousIo => Self::disk(error.to_string()),
            redb::Error::DatabaseAlreadyOpen => Self::broken("another process has it open"),
            _ => Self::broken(error.to_string()),
        }
    }
}

/// redb has an error for each operation; all of them are cases of [`redb::Error`].
macro_rules! from_redb {
    ($($error:ty),+) => { $(impl From<$error> for LedgerError {
        fn from(error: $error) -> Self {
            redb::Error::from(error).into()
        }
    })+ };
}
from_redb!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::CommitError,
    redb::StorageError,
    redb::SetDurabilityError,
    TableError
);

impl From<std::io::Error> for LedgerError {
    fn from(error: std::io::Error) -> Self {
        Self::broken(error.to_string())
    }
}

impl From<serde_json::Error> for LedgerError {
    fn from(error: serde_json::Error) -> Self {
        Self::broken(error.to_string())
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
