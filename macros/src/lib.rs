//! The macros of crashworthy: [`derive(Message)`](macro@Message), [`main`](macro@main) and [`test`](macro@test).
//!
//! Use them through the facade: it re-exports all three, and what they expand to names it as `::crashworthy`. Crates
//! below the facade say `crate = path` instead.
//!
//! `derive(Message)` reads its attributes (`attributes`), resolves them per variant (`message`, `overflow`) and adds
//! the conversions (`convert`) and copies (`salvage`) that were asked for. The two function attributes share one expansion (`entry`).
#![forbid(unsafe_code)]

mod attributes;
mod convert;
mod duration;
mod entry;
mod message;
mod overflow;
mod salvage;

use proc_macro::TokenStream;

/// Implements `crashworthy::Message` for an enum or a struct.
///
/// An actor has one message enum whose variants differ in how much they matter, how soon they are wanted and what they
/// cost. Attributes on the type are the default for all of its variants; those on a variant win.
///
/// ```
/// use crashworthy::prelude::*;
///
/// #[derive(Message)]
/// #[message(sla = "500ms")]
/// enum Till {
///     #[message(criticality = Critical)]
///     Sell { cents: u64 },
///     #[message(sla = "50ms", idempotent)]
///     Total { reply: Reply<u64> },
///     #[message(criticality = SheddablePlus, sla = "none", cost = 20.0)]
///     Report,
/// }
///
/// let sell = Till::Sell { cents: 250 };
/// assert_eq!(sell.kind(), "Sell");
/// assert_eq!(sell.criticality(), Criticality::Critical);
/// assert_eq!(sell.sla(), Some(ms(500)));
/// assert_eq!(Till::Report.sla(), None);
/// ```
///
/// # Attributes
///
/// | `#[message(..)]` | on | says |
/// |---|---|---|
/// | `criticality = Critical` | type, variant | how much it matters under overload: a variant of `Criticality` |
/// | `sla = "50ms"` | type, variant | when it should be handled if its sender names no deadline: a number and `ns`, `us`, `ms`, `s`, `m` or `h`; `"none"` undoes the type's |
/// | `cost = 2.0` | type, variant | its work as a multiple of the actor's usual message; above zero |
/// | `idempotent` | type, variant | handling it twice is as good as once; `idempotent = false` undoes the type's |
/// | `needs_nothing` | type, variant | it is taken in while what the actor depends on is down, too; `needs_nothing = false` undoes the type's |
/// | `forwards` | type, variant | handling it takes answers of those whom the actor forwards to: a question holds a place at each; `forwards = false` undoes the type's |
/// | `overflow = DropOldest` | type, variant | what becomes of it when there is no room: `Refuse`, `DropNew`, `DropOldest`; on a variant or a struct also `Conflate(field)`: with others of the same variant, by a field that is `Clone` and `Into<u64>` (of a tuple: its number) |
/// | `salvage` | type, variant | a copy is kept while it is handled, for the dead-letter hook if the handler crashes: its fields are `Clone`; `salvage = false` undoes the type's |
/// | `from` | tuple variant with one field | also `From<Field> for Type` and `TryFrom<Type> for Field`, so that the actor can be addressed as a `Recipient<Field>` |
/// | `crate = path` | type | where `Message` is found, if not at `::crashworthy` |
///
/// What is not said keeps the trait's default. `kind` is the variant's name; for a struct, the type's.
///
/// # Copies for the dead-letter hook
///
/// A crash destroys the message in hand. What is worth looking at afterwards is copied before it is handled:
///
/// ```
/// use crashworthy::prelude::*;
///
/// #[derive(Message)]
/// enum Orders {
///     #[message(salvage)]
///     Place { article: u32, pieces: u32 },
///     Count { reply: Reply<usize> },
/// }
///
/// let copy = Orders::Place { article: 7, pieces: 2 }.salvage().and_then(|copy| copy.downcast().ok());
/// assert!(matches!(copy.as_deref(), Some(Orders::Place { article: 7, pieces: 2 })));
/// ```
///
/// # Conversions
///
/// `TryFrom` gives the message back when it is another variant: its error is the message itself.
///
/// ```
/// use crashworthy::prelude::*;
///
/// #[derive(Message)]
/// struct Tick;
///
/// #[derive(Message)]
/// enum Clock {
///     #[message(from)]
///     Tick(Tick),
///     Stop,
/// }
///
/// assert!(matches!(Clock::from(Tick), Clock::Tick(_)));
/// assert!(matches!(Tick::try_from(Clock::Stop), Err(Clock::Stop)));
/// ```
#[proc_macro_derive(Message, attributes(message))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    message::expand(&syn::parse_macro_input!(input)).into()
}

/// Runs an `async fn main` on a runtime that the service owns, with one worker thread a core and one in reserve.
///
/// This is the documented default for services: on a runtime of their own the actors get all of its workers rather than
/// their share of somebody else's; and when handlers block one a core, the one in reserve keeps sockets, timers and plain
/// tasks going.
///
/// ```
/// use crashworthy::prelude::*;
///
/// #[crashworthy::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let system = System::start(Supervisor::one_for_one("shop")).await?;
///     # system.stop().await;
///     Ok(system.run_until_signal().await.into_result()?)
/// }
/// ```
///
/// # Options
///
/// - `workers = 4`: so many worker threads in all; at least one. Actors run on one a core at the most, so that what is more is the
///   reserve.
/// - `crate = path`: where the runtime is found, if not at `::crashworthy`.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Main, options.into(), item.into()).into()
}

/// Runs an `async fn` as a test, on a runtime of its own.
///
/// As [`main`](macro@main), with two worker threads unless `workers` says otherwise: enough for things to happen at the
/// same time, and few enough for many tests at once. Other attributes, such as `#[should_panic]` and `#[ignore]`, keep
/// their meaning.
///
/// ```
/// use crashworthy::prelude::*;
///
/// #[crashworthy::test]
/// async fn a_system_starts_and_stops() -> Result<(), StartError> {
///     let system = System::start(Supervisor::one_for_one("shop")).await?;
///     system.stop().await;
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Test, options.into(), item.into()).into()
}
