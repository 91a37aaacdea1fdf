//! The expansion of `derive(Message)`.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Data, DataEnum, DeriveInput, Fields, Generics, Path, parse_quote};

use crate::attributes::{Attributes, Errors, Place, Sla, refuse_on_fields};
use crate::convert;
use crate::overflow;
use crate::salvage::{self, Form};

/// The whole expansion. What is wrong becomes compile errors beside a bare implementation, so that the author sees the
/// mistakes and not their consequences.
pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    derive(input).unwrap_or_else(|error| {
        let bare = Derived { of: input, krate: facade(), methods: TokenStream::new(), forms: &[] };
        let errors = error.into_compile_error();
        quote!(#errors #bare)
    })
}

fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    match &input.data {
        Data::Struct(data) => derive_struct(input, &data.fields),
        Data::Enum(data) => derive_enum(input, data),
        Data::Union(data) => Err(syn::Error::new(
            data.union_token.span,
            "a union cannot be a message: nothing says which of its fields is there; use an enum",
        )),
    }
}

fn derive_struct(input: &DeriveInput, fields: &Fields) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    errors.note(refuse_on_fields(fields));
    let said = errors.note(Attributes::read(&input.attrs, Place::Struct)).unwrap_or_default();
    errors.finish()?;

    let krate = said.krate.clone().unwrap_or_else(facade);
    let name = input.ident.unraw().to_string();
    let properties = properties(&krate, &said, &[]);
    let forms = [Form { path: quote!(Self), fields, kept: said.salvage == Some(true) }];
    let salvage = salvage::method(&forms);
    let methods = quote! {
        fn kind(&self) -> &'static str { #name }
        #properties
        #salvage
    };
    Ok(Derived { of: input, krate, methods, forms: &forms }.into_token_stream())
}

fn derive_enum(input: &DeriveInput, data: &DataEnum) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    let said = errors.note(Attributes::read(&input.attrs, Place::Enum)).unwrap_or_default();
    let mut variants = Vec::new();
    for variant in &data.variants {
        errors.note(refuse_on_fields(&variant.fields));
        let said = errors.note(Attributes::read(&variant.attrs, Place::Variant)).unwrap_or_default();
        variants.push((&variant.ident, said));
    }
    let conversions = errors.note(convert::expand(input, data, &variants)).unwrap_or_default();
    errors.finish()?;

    let krate = said.krate.clone().unwrap_or_else(facade);
    let kinds = variants.iter().map(|(variant, _)| {
        let name = variant.unraw().to_string();
        quote!(Self::#variant { .. } => #name,)
    });
    let properties = properties(&krate, &said, &variants);
    let forms: Vec<_> = data
        .variants
        .iter()
        .zip(&variants)
        .map(|(variant, (name, own))| {
            let kept = own.salvage.or(said.salvage) == Some(true);
            Form { path: quote!(Self::#name), fields: &variant.fields, kept }
        })
        .collect();
    let salvage = salvage::method(&forms);
    let methods = quote! {
        fn kind(&self) -> &'static str { match *self { #(#kinds)* } }
        #properties
        #salvage
    };
    let message = Derived { of: input, krate, methods, forms: &forms };
    Ok(quote!(#message #conversions))
}

/// One method for each property that is said anywhere; the others keep the trait's default.
fn properties(krate: &Path, all: &Attributes, variants: &[(&Ident, Attributes)]) -> TokenStream {
    let criticality = method(
        &quote!(fn criticality(&self) -> #krate::Criticality),
        all.criticality.as_ref(),
        variants.iter().map(|(variant, said)| (*variant, said.criticality.as_ref())),
        |said| match said {
            Some(path) if path.get_ident().is_some() => quote!(#krate::Criticality::#path),
            Some(path) => quote!(#path),
            None => quote!(<#krate::Criticality as ::core::default::Default>::default()),
        },
    );
    let sla = method(
        &quote!(fn sla(&self) -> ::core::option::Option<::core::time::Duration>),
        all.sla,
        variants.iter().map(|(variant, said)| (*variant, said.sla)),
        |said| match said {
            Some(Sla::Within(limit)) => {
                let (secs, nanos) = (limit.as_secs(), limit.subsec_nanos());
                quote!(::core::option::Option::Some(::core::time::Duration::new(#secs, #nanos)))
            }
            Some(Sla::None) | None => quote!(::core::option::Option::None),
        },
    );
    let cost = method(
        &quote!(fn cost(&self) -> f32),
        all.cost,
        variants.iter().map(|(variant, said)| (*variant, said.cost)),
        |said| said.unwrap_or(1.0).into_token_stream(),
    );
    let idempotent = method(
        &quote!(fn idempotent(&self) -> bool),
        all.idempotent,
        variants.iter().map(|(variant, said)| (*variant, said.idempotent)),
        |said| said.unwrap_or(false).into_token_stream(),
    );
    let needs_nothing = method(
        &quote!(fn needs_nothing(&self) -> bool),
        all.needs_nothing,
        variants.iter().map(|(variant, said)| (*variant, said.needs_nothing)),
        |said| said.unwrap_or(false).into_token_stream(),
    );
    let forwards = method(
        &quote!(fn forwards(&self) -> bool),
        all.forwards,
        variants.iter().map(|(variant, said)| (*variant, said.forwards)),
        |said| said.unwrap_or(false).into_token_stream(),
    );
    let overflow = overflow::method(krate, all, variants);
    quote!(#criticality #sla #cost #idempotent #needs_nothing #forwards #overflow)
}

/// The method of one property: nothing if it is said nowhere, a constant if no variant differs, else a match in which
/// the variants that say nothing share the last arm.
fn method<'v, T: Copy>(
    signature: &TokenStream,
    all: Option<T>,
    variants: impl Iterator<Item = (&'v Ident, Option<T>)>,
    value: impl Fn(Option<T>) -> TokenStream,
) -> Option<TokenStream> {
    let (said, silent): (Vec<_>, Vec<_>) = variants.partition(|(_, said)| said.is_some());
    let rest = value(all);
    if said.is_empty() {
        return all.map(|_| quote!(#signature { #rest }));
    }
    let arms = said.into_iter().map(|(variant, said)| {
        let value = value(said);
        quote!(Self::#variant { .. } => #value,)
    });
    let rest = (!silent.is_empty()).then(|| quote!(_ => #rest,));
    Some(quote!(#signature { match *self { #(#arms)* #rest } }))
}

/// Where users find everything.
fn facade() -> Path {
    parse_quote!(::crashworthy)
}

/// `impl Message for` the type.
struct Derived<'a> {
    of: &'a DeriveInput,
    krate: Path,
    methods: TokenStream,
    forms: &'a [Form<'a>],
}

impl ToTokens for Derived<'_> {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { of, krate, methods, forms } = self;
        let name = &of.ident;
        let generics = bounded(&of.generics, forms);
        let (parameters, arguments, bounds) = generics.split_for_impl();
        tokens.extend(quote! {
            #[automatically_derived]
            #[allow(deprecated, unused_qualifications)]
            impl #parameters #krate::Message for #name #arguments #bounds { #methods }
        });
    }
}

/// A generic message is one where its parameters let it be sent, and let be cloned what is kept of it. Of a plain type the
/// traits themselves demand that, and rustc underlines the field that cannot.
fn bounded(generics: &Generics, forms: &[Form<'_>]) -> Generics {
    let mut generics = generics.clone();
    if generics.type_params().next().is_some() {
        let bounds = &mut generics.make_where_clause().predicates;
        bounds.push(parse_quote!(Self: ::core::marker::Send + 'static));
        bounds.extend::<Vec<syn::WherePredicate>>(
            salvage::cloned(forms).map(|field| parse_quote!(#field: ::core::clone::Clone)).collect(),
        );
    }
    generics
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
