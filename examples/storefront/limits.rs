//! Every limit of the service, in one place.

use std::time::Duration;

/// Open connections. More wait in the listener's own queue.
pub(crate) const CONNECTIONS: usize = 2_048;
/// Customers looking around at a time. More are told to come back.
pub(crate) const LOOKERS: usize = 256;
/// Customers ordering at a time. Rooms of their own: a crowd that looks does not keep out who buys.
pub(crate) const BUYERS: usize = 256;
/// Operators at a time. To see and steer a service matters most when it is full.
pub(crate) const OPERATORS: usize = 16;
/// Time for a client to send the head of a request, and for a connection to lie idle.
pub(crate) const HEAD: Duration = Duration::from_secs(15);
/// Time for a whole request, its body included.
pub(crate) const REQUEST: Duration = Duration::from_secs(5);
/// Time for requests under way to end once the service stops.
pub(crate) const LAST_REQUESTS: Duration = Duration::from_secs(6);
/// Bytes of a request's body.
pub(crate) const BODY: usize = 16 * 1024;

/// Deadline of everything that is read from memory, unless a client would wait for less.
pub(crate) const LOOK: Duration = Duration::from_millis(LOOK_MS);
/// The same as a number.
pub(crate) const LOOK_MS: u64 = 250;
/// Deadline of putting an order on disk.
pub(crate) const PLACE: Duration = Duration::from_millis(1_000);
/// What paying and scheduling may add to the answer to an order. They are tried again later.
pub(crate) const EXTRAS: Duration = Duration::from_millis(150);

/// How often a database that the disk failed is tried again.
pub(crate) const DISK: Duration = Duration::from_secs(1);

/// Messages that wait for the actors everyone needs. Few enough for who waits to be served in time: 256 searches, or two
/// transactions.
pub(crate) const MAILBOX: u32 = 256;
/// Orders and records that share a transaction.
pub(crate) const GATHERED: usize = 128;

/// Products on a page.
pub(crate) const PER_PAGE: u64 = 100;
/// Pages anyone can ask for.
pub(crate) const PAGES: u64 = 100_000;
/// Letters of a search.
pub(crate) const QUERY: usize = 64;
/// Searches whose results are kept.
pub(crate) const SEARCHES_KEPT: usize = 256;

/// Lines of an order.
pub(crate) const LINES: usize = 20;
/// Units of one line.
pub(crate) const UNITS: u32 = 99;
/// Letters of a name, a postcode, a SKU, a slot or an idempotency key.
pub(crate) const TEXT: usize = 80;

/// Reservations held at once.
pub(crate) const RESERVATIONS: usize = 10_000;
/// How long units are held for an order that does not come.
pub(crate) const RESERVED: Duration = Duration::from_secs(10);

/// Calls to one back end under way.
pub(crate) const CALLS: usize = 32;
/// Time for one call to a back end.
pub(crate) const CALL: Duration = Duration::from_millis(300);
/// Bytes of a back end's answer.
pub(crate) const ANSWER: usize = 64 * 1024;
/// Failures in a row after which a back end is left alone.
pub(crate) const FAILURES: u32 = 5;
/// For how long.
pub(crate) const LEFT_ALONE: Duration = Duration::from_secs(2);

/// How often a clerk looks for errands.
pub(crate) const ROUND: Duration = Duration::from_millis(500);
/// Errands of one round.
pub(crate) const ERRANDS: usize = 64;
/// Age at which an order's errands are the clerk's.
pub(crate) const FORGOTTEN: Duration = Duration::from_secs(2);

/// How long an operator's fault waits for room in a mailbox.
pub(crate) const STRIKE: Duration = Duration::from_secs(1);
/// The longest fault that can be ordered.
pub(crate) const FAULT: Duration = Duration::from_secs(60);
