//! Catching panics of user code.
//!
//! The process's panic hook is chained once: a panic inside a contained call is recorded for the report instead of
//! printed; every other panic goes to the hook that was there before. If another library replaces the hook later, only
//! the panic's payload is known.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Once};

use crate::exit::{Callback, Crash, ExitReason};

/// A panic of user code, as far as it is known.
#[derive(Debug)]
pub(crate) struct Panic {
    pub(crate) message: String,
    pub(crate) location: Option<String>,
    /// Captured where `RUST_BACKTRACE` asks for it.
    pub(crate) backtrace: Option<Backtrace>,
}

impl Panic {
    /// The exit reason it becomes.
    pub(crate) fn reason(&self, callback: Callback, in_hand: Option<&'static str>) -> ExitReason {
        ExitReason::Crashed(Arc::new(Crash {
            message: self.message.clone(),
            panicked: true,
            location: self.location.clone(),
            callback,
            in_hand: in_hand.map(str::to_owned),
        }))
    }
}

thread_local! {
    /// How many contained calls this thread is in.
    static CONTAINED: Cell<u32> = const { Cell::new(0) };
    static CAUGHT: RefCell<Option<Panic>> = const { RefCell::new(None) };
    /// Contained panics of this thread so far: what backtraces are sampled by.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

struct Entered;

impl Entered {
    fn new() -> Self {
        CONTAINED.set(CONTAINED.get() + 1);
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CONTAINED.set(CONTAINED.get() - 1);
    }
}

/// Runs user code; a panic becomes a value.
///
/// What cannot be contained: a second panic while unwinding, stack overflow, allocation failure, foreign exceptions.
#[inline]
pub(crate) fn contain<R>(code: impl FnOnce() -> R) -> Result<R, Panic> {
    // Dropping what was thrown is part of it.
    let _entered = Entered::new();
    catch_unwind(AssertUnwindSafe(code)).map_err(recorded)
}

/// Drops user data; a panic of its destructor is a value, too.
pub(crate) fn contain_drop<T>(value: T) -> Result<(), Panic> {
    if std::mem::needs_drop::<T>() { contain(|| drop(value)) } else { Ok(()) }
}

/// Drops a value of somebody else's: a panic of its destructor is logged, as an error, and goes no further.
///
/// For whoever keeps others' values, as a supervisor keeps the arguments of its children.
///
/// # Examples
/// ```
/// struct Touchy;
/// impl Drop for Touchy {
///     fn drop(&mut self) { panic!("not like this") }
/// }
/// crashworthy_runtime::discard(Touchy);
/// ```
pub fn discard<T>(value: T) {
    if let Err(panic) = contain_drop(value) {
        report(&panic);
    }
}

/// Reports a panic of a destructor that ends nothing.
#[cold]
pub(crate) fn report(panic: &Panic) {
    tracing::error!(location = panic.location, "a destructor panicked: {}", panic.message);
}

/// Tells somebody who may be woken by it: what a foreign waker does is not ours to fail of.
pub(crate) fn tell<R>(telling: impl FnOnce() -> R) {
    if let Err(panic) = contain(|| drop(telling())) {
        tracing::error!(location = panic.location, "a foreign waker panicked: {}", panic.message);
    }
}

#[cold]
fn recorded(payload: Box<dyn Any + Send>) -> Panic {
    let recorded = CAUGHT.take();
    let panic = recorded.unwrap_or_else(|| Panic { message: text(&*payload), location: None, backtrace: None });
    // The payload is user data: its destructor may panic as well. What remains of it then is left alone.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
        CAUGHT.set(None);
    }
    panic
}

fn text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload is not text".to_owned()
    }
}

/// Chains the process's panic hook, once.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if CONTAINED.try_with(Cell::get).unwrap_or(0) > 0 {
                record(info);
            } else {
                before(info);
            }
        }));
    });
}

/// Backtraces captured in full by each thread before it begins to sample, and one in how many after that.
const FIRST: u32 = 4;
const SAMPLE: u32 = 64;

/// A backtrace, where `RUST_BACKTRACE` asks for them and this panic is one of the sample: reading one costs milliseconds,
/// and a crash loop shows the same one again and again.
fn sampled() -> Backtrace {
    let before = PANICS.try_with(|panics| panics.replace(panics.get().wrapping_add(1))).unwrap_or(0);
    if before < FIRST || before.is_multiple_of(SAMPLE) { Backtrace::capture() } else { Backtrace::disabled() }
}

fn record(info: &PanicHookInfo<'_>) {
    let backtrace = sampled();
    let panic = Panic {
        message: text(info.payload()),
        location: info.location().map(ToString::to_string),
        backtrace: (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace),
    };
    // The thread may be going down: then nobody will ask.
    let _ = CAUGHT.try_with(|caught| caught.replace(Some(panic)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contained_panic_is_a_value_with_message_and_place() {
        install_hook();
        let panic = contain(|| panic!("no {}", "stock")).unwrap_err();
        assert_eq!(panic.message, "no stock");
        assert!(panic.location.is_some_and(|at| at.contains("crash.rs")));
    }

    #[test]
    fn g1_a_panicking_drop_of_the_payload_is_contained() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        install_hook();
        assert!(contain(|| std::panic::panic_any(Bomb)).is_err());
        // The next panic is told apart from the payload's.
        assert_eq!(contain(|| panic!("next")).unwrap_err().message, "next");
    }
}
