//! `#[message(from)]`: the conversions between a variant's only field and its enum.

use std::collections::HashSet;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{DataEnum, DeriveInput, Fields, Type, Variant};

use crate::attributes::{Attributes, Errors};

/// The conversions of every variant that asks for them. `said` goes with `data.variants`, in order.
pub(crate) fn expand(input: &DeriveInput, data: &DataEnum, said: &[(&Ident, Attributes)]) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    let mut seen = HashSet::new();
    let mut conversions = TokenStream::new();
    for (variant, (_, said)) in data.variants.iter().zip(said) {
        let Some(word) = said.from else { continue };
        let Some(field) = only_field(variant) else {
            errors.push(syn::Error::new(word, "`from` needs a tuple variant with one field"));
            continue;
        };
        if !seen.insert(field.to_token_stream().to_string()) {
            errors.push(syn::Error::new_spanned(
                field,
                "another variant converts `from` this type already: which one would it become?",
            ));
            continue;
        }
        conversions.extend(both_ways(input, &variant.ident, field, data.variants.len() == 1));
    }
    errors.finish()?;
    Ok(conversions)
}

fn only_field(variant: &Variant) -> Option<&Type> {
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first().map(|field| &field.ty),
        _ => None,
    }
}

fn both_ways(input: &DeriveInput, variant: &Ident, field: &Type, is_only: bool) -> TokenStream {
    let name = &input.ident;
    let (parameters, arguments, bounds) = input.generics.split_for_impl();
    let other = (!is_only).then(|| quote!(other => ::core::result::Result::Err(other),));
    quote! {
        #[automatically_derived]
        #[allow(deprecated, unused_qualifications)]
        impl #parameters ::core::convert::From<#field> for #name #arguments #bounds {
            fn from(value: #field) -> Self { Self::#variant(value) }
        }

        #[automatically_derived]
        #[allow(deprecated, unused_qualifications)]
        impl #parameters ::core::convert::TryFrom<#name #arguments> for #field #bounds {
            type Error = #name #arguments;

            fn try_from(message: #name #arguments) -> ::core::result::Result<Self, Self::Error> {
                match message {
                    #name::#variant(value) => ::core::result::Result::Ok(value),
                    #other
                }
            }
        }
    }
}
