//! `#[message(salvage)]`: the copy of a message that outlives a crash of its handler.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Fields, Type};

/// One form that a message may have: a variant, or the only form of a struct.
pub(crate) struct Form<'a> {
    /// `Self`, or `Self::Variant`.
    pub(crate) path: TokenStream,
    pub(crate) fields: &'a Fields,
    /// Whether a copy is kept.
    pub(crate) kept: bool,
}

/// The method; nothing if no form is kept. The copy is made field by field, so that an enum of which some variants
/// cannot be cloned may keep the others. A field that cannot is underlined.
pub(crate) fn method(forms: &[Form<'_>]) -> Option<TokenStream> {
    if !forms.iter().any(|form| form.kept) {
        return None;
    }
    let arms = forms.iter().filter(|form| form.kept).map(copy);
    let rest = forms.iter().any(|form| !form.kept).then(|| quote!(_ => ::core::option::Option::None,));
    Some(quote! {
        fn salvage(&self) -> ::core::option::Option<::std::boxed::Box<dyn ::core::any::Any + ::core::marker::Send>> {
            match self { #(#arms)* #rest }
        }
    })
}

/// The types that must be `Clone` for the copies.
pub(crate) fn cloned<'a>(forms: &'a [Form<'_>]) -> impl Iterator<Item = &'a Type> {
    forms.iter().filter(|form| form.kept).flat_map(|form| form.fields).map(|field| &field.ty)
}

fn copy(form: &Form<'_>) -> TokenStream {
    let Form { path, fields, .. } = form;
    let members: Vec<_> = fields.members().collect();
    let names: Vec<_> = (0..members.len()).map(|index| quote::format_ident!("__{index}")).collect();
    let copies = fields
        .iter()
        .zip(&names)
        .map(|(field, name)| quote_spanned!(field.ty.span()=> ::core::clone::Clone::clone(#name)));
    quote! {
        #path { #(#members: #names),* } => ::core::option::Option::Some(
            ::std::boxed::Box::new(#path { #(#members: #copies),* })
        ),
    }
}
