//! What `derive(Message)` expands to, and what it says when it cannot.

use super::*;

/// The methods of the derived implementation are exactly `expected`.
#[track_caller]
fn check(input: DeriveInput, expected: TokenStream) {
    let name = &input.ident;
    let expected = quote! {
        #[automatically_derived]
        #[allow(deprecated, unused_qualifications)]
        impl ::crashworthy::Message for #name { #expected }
    };
    assert_eq!(expand(&input).to_string(), expected.to_string());
}

/// The derive refuses `input`, says `reason`, and still implements the trait.
#[track_caller]
fn check_refused(input: DeriveInput, reason: &str) {
    let expansion = expand(&input).to_string();
    assert!(expansion.contains("compile_error"), "{expansion}");
    assert!(expansion.contains(reason), "{expansion}");
    assert!(expansion.contains(":: Message for"), "{expansion}");
}

#[test]
fn kind_is_the_name_of_the_variant() {
    check(
        parse_quote!(
            enum Till {
                Sell { cents: u64 },
                Add(u64),
                Close,
                r#type,
            }
        ),
        quote! {
            fn kind(&self) -> &'static str {
                match *self {
                    Self::Sell { .. } => "Sell",
                    Self::Add { .. } => "Add",
                    Self::Close { .. } => "Close",
                    Self::r#type { .. } => "type",
                }
            }
        },
    );
}

#[test]
fn kind_of_a_struct_is_its_name() {
    check(
        parse_quote!(
            struct Tick;
        ),
        quote!(
            fn kind(&self) -> &'static str {
                "Tick"
            }
        ),
    );
}

#[test]
fn a_property_of_the_type_is_a_constant() {
    check(
        parse_quote!(
            #[message(criticality = Critical, sla = "1.5s")]
            #[message(cost = 2, idempotent, needs_nothing, forwards)]
            struct Tick;
        ),
        quote! {
            fn kind(&self) -> &'static str { "Tick" }
            fn criticality(&self) -> ::crashworthy::Criticality { ::crashworthy::Criticality::Critical }
            fn sla(&self) -> ::core::option::Option<::core::time::Duration> {
                ::core::option::Option::Some(::core::time::Duration::new(1u64, 500000000u32))
            }
            fn cost(&self) -> f32 { 2f32 }
            fn idempotent(&self) -> bool { true }
            fn needs_nothing(&self) -> bool { true }
            fn forwards(&self) -> bool { true }
        },
    );
}

#[test]
fn a_variant_overrides_the_type() {
    check(
        parse_quote!(
            #[message(sla = "1s", idempotent)]
            enum Till {
                #[message(sla = "none", idempotent = false)]
                Sell,
                Total,
            }
        ),
        quote! {
            fn kind(&self) -> &'static str {
                match *self {
                    Self::Sell { .. } => "Sell",
                    Self::Total { .. } => "Total",
                }
            }
            fn sla(&self) -> ::core::option::Option<::core::time::Duration> {
                match *self {
                    Self::Sell { .. } => ::core::option::Option::None,
                    _ => ::core::option::Option::Some(::core::time::Duration::new(1u64, 0u32)),
                }
            }
            fn idempotent(&self) -> bool {
                match *self {
                    Self::Sell { .. } => false,
                    _ => true,
                }
            }
        },
    );
}

#[test]
fn variants_that_all_say_it_leave_no_arm_unreachable() {
    check(
        parse_quote!(
            enum Till {
                #[message(criticality = shop::MINE)]
                Sell,
            }
        ),
        quote! {
            fn kind(&self) -> &'static str { match *self { Self::Sell { .. } => "Sell", } }
            fn criticality(&self) -> ::crashworthy::Criticality {
                match *self { Self::Sell { .. } => shop::MINE, }
            }
        },
    );
}

#[test]
fn an_enum_without_variants_is_a_message() {
    check(
        parse_quote!(
            enum Never {}
        ),
        quote!(
            fn kind(&self) -> &'static str {
                match *self {}
            }
        ),
    );
}

#[test]
fn a_generic_message_must_be_sendable() {
    let input: DeriveInput = parse_quote!(
        #[message(crate = crate::runtime)]
        struct Job<T: Clone>(T)
        where
            T: Ord;
    );
    let expected = quote! {
        #[automatically_derived]
        #[allow(deprecated, unused_qualifications)]
        impl<T: Clone> crate::runtime::Message for Job<T> where T: Ord, Self: ::core::marker::Send + 'static {
            fn kind(&self) -> &'static str { "Job" }
        }
    };
    assert_eq!(expand(&input).to_string(), expected.to_string());
}

#[test]
fn a_copy_is_made_of_the_fields_of_each_variant_that_is_kept() {
    check(
        parse_quote!(
            #[message(salvage)]
            enum Till {
                Sell {
                    cents: u64,
                    till: u8,
                },
                Add(u64),
                #[message(salvage = false)]
                Total(Reply<u64>),
            }
        ),
        quote! {
            fn kind(&self) -> &'static str {
                match *self {
                    Self::Sell { .. } => "Sell",
                    Self::Add { .. } => "Add",
                    Self::Total { .. } => "Total",
                }
            }
            fn salvage(
                &self
            ) -> ::core::option::Option<::std::boxed::Box<dyn ::core::any::Any + ::core::marker::Send>> {
                match self {
                    Self::Sell { cents: __0, till: __1 } => ::core::option::Option::Some(
                        ::std::boxed::Box::new(Self::Sell {
                            cents: ::core::clone::Clone::clone(__0),
                            till: ::core::clone::Clone::clone(__1)
                        })
                    ),
                    Self::Add { 0: __0 } => ::core::option::Option::Some(
                        ::std::boxed::Box::new(Self::Add { 0: ::core::clone::Clone::clone(__0) })
                    ),
                    _ => ::core::option::Option::None,
                }
            }
        },
    );
}

#[test]
fn a_mistake_is_refused_with_its_reason() {
    check_refused(parse_quote!(union U { a: u32, b: f32 }), "a union cannot be a message");
    check_refused(
        parse_quote!(
            #[message(speed = 3)]
            struct M;
        ),
        "unknown key: a struct may say",
    );
    check_refused(
        parse_quote!(
            enum M {
                #[message(crate = x)]
                A,
            }
        ),
        "`crate` belongs on the type",
    );
    check_refused(
        parse_quote!(
            #[message(from)]
            struct M(u32);
        ),
        "`from` belongs on a tuple variant",
    );
    check_refused(
        parse_quote!(
            #[message(sla = 50)]
            struct M;
        ),
        "a duration in quotes",
    );
    check_refused(
        parse_quote!(
            #[message(sla = "50")]
            struct M;
        ),
        "`50` has no unit",
    );
    check_refused(
        parse_quote!(
            #[message(cost = 0)]
            struct M;
        ),
        "a number above zero",
    );
    check_refused(
        parse_quote!(
            #[message(cost = -1.0)]
            struct M;
        ),
        "a number above zero",
    );
    check_refused(
        parse_quote!(
            #[message(cost = 1e99)]
            struct M;
        ),
        "a number above zero",
    );
    check_refused(
        parse_quote!(
            #[message(criticality = 3)]
            struct M;
        ),
        "a criticality is one of",
    );
    check_refused(
        parse_quote!(
            #[message(idempotent = "yes")]
            struct M;
        ),
        "expected boolean literal",
    );
    check_refused(
        parse_quote!(
            #[message(idempotent, idempotent)]
            struct M;
        ),
        "said twice",
    );
    check_refused(
        parse_quote!(
            struct M {
                #[message(cost = 2.0)]
                a: u32,
            }
        ),
        "a field has no message properties",
    );
    check_refused(
        parse_quote!(
            enum M {
                #[message(from)]
                A,
            }
        ),
        "`from` needs a tuple variant with one field",
    );
    check_refused(
        parse_quote!(
            enum M {
                #[message(from)]
                A(u8),
                #[message(from)]
                B(u8),
            }
        ),
        "which one would it become",
    );
}

#[test]
fn every_mistake_is_reported_at_once() {
    let input: DeriveInput = parse_quote!(
        #[message(sla = "soon")]
        enum M {
            #[message(cost = 0)]
            A,
            #[message(speed = 3)]
            B,
        }
    );
    let expansion = expand(&input).to_string();
    assert_eq!(expansion.matches("compile_error").count(), 3, "{expansion}");
}

#[test]
fn overflow_is_said_by_type_and_variant_and_a_key_is_a_field() {
    check(
        parse_quote!(
            #[message(overflow = DropOldest)]
            enum Feed {
                #[message(overflow = Conflate(symbol))]
                Price {
                    symbol: u32,
                    cents: u64,
                },
                #[message(overflow = Conflate(1))]
                Volume(u64, u64),
                #[message(overflow = Refuse)]
                Close,
                Sample(f64),
            }
        ),
        quote! {
            fn kind(&self) -> &'static str {
                match *self {
                    Self::Price { .. } => "Price",
                    Self::Volume { .. } => "Volume",
                    Self::Close { .. } => "Close",
                    Self::Sample { .. } => "Sample",
                }
            }
            fn overflow(&self) -> ::crashworthy::Overflow {
                match *self {
                    Self::Price { symbol: ref key, .. } => {
                        ::crashworthy::Overflow::Conflate(::core::convert::Into::<u64>::into(::core::clone::Clone::clone(key)))
                    }
                    Self::Volume { 1: ref key, .. } => {
                        ::crashworthy::Overflow::Conflate(::core::convert::Into::<u64>::into(::core::clone::Clone::clone(key)))
                    }
                    Self::Close { .. } => ::crashworthy::Overflow::Refuse,
                    _ => ::crashworthy::Overflow::DropOldest,
                }
            }
        },
    );
    check(
        parse_quote!(
            #[message(overflow = Conflate(0))]
            struct Price(u64);
        ),
        quote! {
            fn kind(&self) -> &'static str { "Price" }
            fn overflow(&self) -> ::crashworthy::Overflow {
                match *self {
                    Self { 0: ref key, .. } => {
                        ::crashworthy::Overflow::Conflate(::core::convert::Into::<u64>::into(::core::clone::Clone::clone(key)))
                    }
                }
            }
        },
    );
}

#[test]
fn an_overflow_that_is_none_is_refused() {
    let refused = |input, why| check_refused(input, why);
    refused(
        parse_quote!(
            #[message(overflow = Block)]
            struct Tick;
        ),
        "is one of Refuse, DropNew",
    );
    refused(
        parse_quote!(
            #[message(overflow = Conflate)]
            struct Tick(u64);
        ),
        "say by which field",
    );
    refused(
        parse_quote!(
            #[message(overflow = Conflate(a, b))]
            struct Tick;
        ),
        "is one of Refuse, DropNew",
    );
    refused(
        parse_quote!(
            #[message(overflow = Conflate(0))]
            enum Till {
                Tick(u64),
            }
        ),
        "belongs on a variant or a struct",
    );
}
