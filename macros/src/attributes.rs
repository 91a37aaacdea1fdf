//! What `#[message(..)]` says, read and checked.

use std::time::Duration;

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Fields, Lit, LitBool, Path, Token};

use crate::duration;
use crate::overflow::Overflow;

/// Where an attribute stands: what may be said differs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Enum,
    Struct,
    Variant,
}

/// The properties said in one place. `None` is "not said here".
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) criticality: Option<Path>,
    pub(crate) sla: Option<Sla>,
    pub(crate) cost: Option<f32>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) needs_nothing: Option<bool>,
    pub(crate) forwards: Option<bool>,
    pub(crate) overflow: Option<Overflow>,
    pub(crate) salvage: Option<bool>,
    /// The word itself, so that a misuse can be underlined.
    pub(crate) from: Option<Span>,
    pub(crate) krate: Option<Path>,
}

/// A limit, or the word that undoes the one of the type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sla {
    None,
    Within(Duration),
}

impl Attributes {
    /// Reads every `#[message(..)]` among `attrs`.
    ///
    /// # Errors
    ///
    /// All that is wrong, each underlined where it is.
    pub(crate) fn read(attrs: &[Attribute], place: Place) -> syn::Result<Self> {
        let mut said = Self::default();
        let mut errors = Errors::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("message")) {
            errors.note(attr.parse_nested_meta(|meta| said.take(&meta, place)));
        }
        errors.finish()?;
        Ok(said)
    }

    /// Takes one `key` or `key = value`.
    fn take(&mut self, meta: &ParseNestedMeta<'_>, place: Place) -> syn::Result<()> {
        let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match key.as_str() {
            "criticality" => once(&mut self.criticality, meta, criticality(meta)?),
            "sla" => once(&mut self.sla, meta, sla(meta)?),
            "cost" => once(&mut self.cost, meta, cost(meta)?),
            "idempotent" => once(&mut self.idempotent, meta, flag(meta)?),
            "needs_nothing" => once(&mut self.needs_nothing, meta, flag(meta)?),
            "forwards" => once(&mut self.forwards, meta, flag(meta)?),
            "overflow" => once(&mut self.overflow, meta, Overflow::read(meta, place)?),
            "salvage" => once(&mut self.salvage, meta, flag(meta)?),
            "from" if place == Place::Variant => once(&mut self.from, meta, meta.path.span()),
            "from" => Err(meta.error("`from` belongs on a tuple variant with one field")),
            "crate" if place != Place::Variant => once(&mut self.krate, meta, meta.value()?.parse()?),
            "crate" => Err(meta.error("`crate` belongs on the type: all its variants share it")),
            _ => Err(meta.error(match place {
                Place::Enum => {
                    "unknown key: the enum may say `criticality`, `sla`, `cost`, `idempotent`, `needs_nothing`, `forwards`, `overflow`, `salvage` and `crate`"
                }
                Place::Struct => {
                    "unknown key: a struct may say `criticality`, `sla`, `cost`, `idempotent`, `needs_nothing`, `forwards`, `overflow`, `salvage` and `crate`"
                }
                Place::Variant => {
                    "unknown key: a variant may say `criticality`, `sla`, `cost`, `idempotent`, `needs_nothing`, `forwards`, `overflow`, `salvage` and `from`"
                }
            })),
        }
    }
}

/// Refuses `#[message(..)]` on fields: properties belong to the message.
pub(crate) fn refuse_on_fields(fields: &Fields) -> syn::Result<()> {
    let mut errors = Errors::default();
    for attr in fields.iter().flat_map(|field| &field.attrs).filter(|attr| attr.path().is_ident("message")) {
        errors.push(syn::Error::new_spanned(
            attr,
            "a field has no message properties: put this on the variant or the type",
        ));
    }
    errors.finish()
}

/// Everything that is wrong so far: the author sees it all at once.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// The value, or a note of why there is none.
    pub(crate) fn note<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.push(error);
                None
            }
        }
    }

    /// Notes one more mistake.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Fails if anything was noted.
    pub(crate) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Fills `place`, unless it has been filled before.
fn once<T>(place: &mut Option<T>, meta: &ParseNestedMeta<'_>, value: T) -> syn::Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(syn::Error::new_spanned(&meta.path, "said twice")),
    }
}

/// A variant of `Criticality`, by its bare name or by a path.
fn criticality(meta: &ParseNestedMeta<'_>) -> syn::Result<Path> {
    let value = meta.value()?;
    value.parse().map_err(|_| value.error("a criticality is one of CriticalPlus, Critical, Sheddable, SheddablePlus"))
}

fn sla(meta: &ParseNestedMeta<'_>) -> syn::Result<Sla> {
    let value = meta.value()?;
    let value: Expr = value.parse()?;
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &value else {
        return Err(syn::Error::new_spanned(value, "an SLA is a duration in quotes, such as \"50ms\""));
    };
    if text.value() == "none" {
        return Ok(Sla::None);
    }
    duration::parse(&text.value()).map(Sla::Within).map_err(|why| syn::Error::new(text.span(), why))
}

fn cost(meta: &ParseNestedMeta<'_>) -> syn::Result<f32> {
    let value: Expr = meta.value()?.parse()?;
    let number = match &value {
        Expr::Lit(ExprLit { lit: Lit::Float(lit), .. }) => lit.base10_parse::<f32>().ok(),
        Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) => lit.base10_parse::<f32>().ok(),
        _ => None,
    };
    number
        .filter(|cost| cost.is_finite() && *cost > 0.0)
        .ok_or_else(|| syn::Error::new_spanned(&value, "a cost is a number above zero, such as 2.0"))
}

/// `key` alone is yes; `key = false` is no.
fn flag(meta: &ParseNestedMeta<'_>) -> syn::Result<bool> {
    if meta.input.peek(Token![=]) { Ok(meta.value()?.parse::<LitBool>()?.value) } else { Ok(true) }
}
