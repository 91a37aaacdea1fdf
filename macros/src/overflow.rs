//! `#[message(overflow = ..)]`: what becomes of a message that finds no room.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Expr, ExprCall, ExprLit, Index, Lit, Member, Path};

use crate::attributes::{Attributes, Place};

/// What is said of it.
#[derive(Clone)]
pub(crate) enum Overflow {
    /// A variant of `Overflow` that needs no more.
    Plain(Ident),
    /// The field that is the key.
    Conflate(Member),
}

impl Overflow {
    /// Reads what stands behind `overflow`.
    pub(crate) fn read(meta: &ParseNestedMeta<'_>, place: Place) -> syn::Result<Self> {
        let value: Expr = meta.value()?.parse()?;
        let wrong = |why| Err(syn::Error::new_spanned(&value, why));
        match &value {
            Expr::Path(path) => match path.path.get_ident() {
                Some(word) if ["Refuse", "DropNew", "DropOldest"].iter().any(|known| word == known) => {
                    Ok(Self::Plain(word.clone()))
                }
                Some(word) if word == "Conflate" => wrong("say by which field: `Conflate(field)`"),
                _ => wrong(KNOWN),
            },
            Expr::Call(call) => match conflated_by(call) {
                None => wrong(KNOWN),
                Some(_) if place == Place::Enum => {
                    wrong("`Conflate` belongs on a variant or a struct: its fields are not the enum's")
                }
                Some(field) => Ok(Self::Conflate(field)),
            },
            _ => wrong(KNOWN),
        }
    }
}

const KNOWN: &str = "an overflow is one of Refuse, DropNew, DropOldest, Conflate(field)";

fn conflated_by(call: &ExprCall) -> Option<Member> {
    let Expr::Path(name) = &*call.func else { return None };
    if !name.path.is_ident("Conflate") || call.args.len() != 1 {
        return None;
    }
    match &call.args[0] {
        Expr::Path(field) => field.path.get_ident().map(|field| Member::Named(field.clone())),
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
            let index = number.base10_parse().ok()?;
            Some(Member::Unnamed(Index { index, span: number.span() }))
        }
        _ => None,
    }
}

/// The method, if it is said anywhere.
pub(crate) fn method(krate: &Path, all: &Attributes, variants: &[(&Ident, Attributes)]) -> Option<TokenStream> {
    let arm = |path: TokenStream, said: &Overflow| match said {
        Overflow::Plain(word) => quote!(#path { .. } => #krate::Overflow::#word,),
        Overflow::Conflate(field) => quote! {
            #path { #field: ref key, .. } => {
                #krate::Overflow::Conflate(::core::convert::Into::<u64>::into(::core::clone::Clone::clone(key)))
            }
        },
    };
    let mut arms: Vec<_> = variants
        .iter()
        .filter_map(|(variant, said)| Some(arm(quote!(Self::#variant), said.overflow.as_ref()?)))
        .collect();
    match &all.overflow {
        Some(said) if variants.is_empty() => arms.push(arm(quote!(Self), said)),
        Some(Overflow::Plain(word)) if arms.len() < variants.len() => arms.push(quote!(_ => #krate::Overflow::#word,)),
        None if !arms.is_empty() && arms.len() < variants.len() => arms.push(quote!(_ => #krate::Overflow::Refuse,)),
        _ => {}
    }
    (!arms.is_empty()).then(|| quote!(fn overflow(&self) -> #krate::Overflow { match *self { #(#arms)* } }))
}
