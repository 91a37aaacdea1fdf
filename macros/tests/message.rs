//! What the derived implementation answers, message by message.

use std::rc::Rc;
use std::time::Duration;

use crashworthy_macros::Message;
use crashworthy_runtime::{Criticality, Message};

#[derive(Message)]
#[message(crate = crashworthy_runtime, sla = "500ms")]
enum Till {
    #[message(criticality = Critical)]
    Sell { cents: u64 },
    #[message(sla = "50ms", idempotent)]
    Total,
    #[message(criticality = Criticality::SheddablePlus, sla = "none", cost = 20.0)]
    Report(&'static str),
}

#[test]
fn a_variant_says_what_it_is_and_inherits_the_rest() {
    let sell = Till::Sell { cents: 250 };
    assert!(matches!(sell, Till::Sell { cents: 250 }));
    assert_eq!(sell.kind(), "Sell");
    assert_eq!(sell.criticality(), Criticality::Critical);
    assert_eq!(sell.sla(), Some(Duration::from_millis(500)));
    assert_eq!((sell.cost(), sell.idempotent()), (1.0, false));
}

#[test]
fn a_variant_overrides_the_type() {
    assert_eq!(Till::Total.sla(), Some(Duration::from_millis(50)));
    assert_eq!(Till::Total.criticality(), Criticality::default());
    assert!(Till::Total.idempotent());

    let report = Till::Report("monthly");
    assert!(matches!(report, Till::Report("monthly")));
    assert_eq!((report.criticality(), report.sla()), (Criticality::SheddablePlus, None));
    assert_eq!(report.cost(), 20.0);
}

#[derive(Message, Debug, PartialEq)]
#[message(crate = crashworthy_runtime)]
struct Tick(u32);

#[derive(Message, Debug, PartialEq)]
#[message(crate = crashworthy_runtime)]
enum Clock {
    #[message(from)]
    Tick(Tick),
    #[message(from)]
    Label(String),
    Stop,
}

#[test]
fn a_converted_message_comes_back_whole() {
    assert_eq!(Clock::from(Tick(3)), Clock::Tick(Tick(3)));
    assert_eq!(Tick::try_from(Clock::from(Tick(3))), Ok(Tick(3)));
    assert_eq!(String::try_from(Clock::from("noon".to_owned())), Ok("noon".to_owned()));
}

#[test]
fn a_message_of_another_variant_is_given_back() {
    assert_eq!(Tick::try_from(Clock::Stop), Err(Clock::Stop));
}

#[derive(Message)]
#[message(crate = crashworthy_runtime)]
enum Only {
    #[message(from)]
    One(Tick),
}

#[test]
fn an_only_variant_converts_without_a_failing_arm() {
    assert!(matches!(Tick::try_from(Only::from(Tick(1))), Ok(Tick(1))));
}

#[derive(Message)]
#[message(crate = crashworthy_runtime)]
enum Job<T, const N: usize> {
    Run([T; N]),
}

#[test]
fn a_generic_message_needs_only_what_it_holds() {
    assert_eq!(Job::Run([1, 2]).kind(), "Run");
    // A parameter that cannot be sent makes a type that is no message; the type itself is fine.
    let Job::Run([shared]) = Job::Run([Rc::new(1)]);
    assert_eq!(*shared, 1);
}

#[derive(Message)]
#[message(crate = crashworthy_runtime)]
enum Never {}

#[test]
fn an_enum_without_variants_is_a_message() {
    fn is_message<M: Message>() {}
    is_message::<Never>();
}

#[derive(Message, Debug, PartialEq)]
#[message(crate = crashworthy_runtime, salvage)]
enum Parcel<T> {
    To(String, T),
    Empty,
    #[message(salvage = false)]
    Sealed(Box<Parcel<T>>),
}

#[test]
fn a_copy_is_kept_of_what_says_so() {
    let copy = |parcel: &Parcel<u32>| parcel.salvage().and_then(|copy| copy.downcast::<Parcel<u32>>().ok());
    let parcel = Parcel::To("Joe".to_owned(), 7);
    assert_eq!(copy(&parcel).as_deref(), Some(&parcel));
    assert_eq!(copy(&Parcel::Empty).as_deref(), Some(&Parcel::Empty));
    assert_eq!(copy(&Parcel::Sealed(Box::new(Parcel::Empty))), None);
    assert!(Tick(1).salvage().is_none());
}
