//! The expansion of `#[crashworthy::main]` and `#[crashworthy::test]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{ItemFn, LitInt, Path, parse_quote};

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Main,
    Test,
}

/// Worker threads of a test that does not say.
const TEST_WORKERS: usize = 2;

/// The whole expansion. A wrong option becomes a compile error and its default; a wrong function stays as it is beside
/// its error. Either way there is a function of that name, and no second error about its absence.
pub(crate) fn expand(kind: Kind, options: TokenStream, item: TokenStream) -> TokenStream {
    let function = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#error #item);
        }
    };
    if let Err(error) = check(kind, &function) {
        let error = error.into_compile_error();
        return quote!(#error #function);
    }
    let mut chosen = Options::default();
    let error = syn::meta::parser(|meta| chosen.take(&meta)).parse2(options).err().map(syn::Error::into_compile_error);
    let function = enter(kind, &chosen, &function);
    quote!(#error #function)
}

/// What `#[crashworthy::main(..)]` says.
#[derive(Default)]
struct Options {
    workers: Option<usize>,
    krate: Option<Path>,
}

impl Options {
    /// Takes one `key = value`.
    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("workers") {
            let number: LitInt = meta.value()?.parse()?;
            let workers = number.base10_parse::<usize>().ok().filter(|workers| *workers > 0);
            self.workers = Some(
                workers.ok_or_else(|| syn::Error::new(number.span(), "a runtime has at least one worker thread"))?,
            );
            Ok(())
        } else if meta.path.is_ident("crate") {
            self.krate = Some(meta.value()?.parse()?);
            Ok(())
        } else {
            Err(meta.error("unknown option: there are `workers = n` and `crate = path`"))
        }
    }
}

/// Fails unless `function` can be run from nowhere.
fn check(kind: Kind, function: &ItemFn) -> syn::Result<()> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(syn::Error::new(signature.fn_token.span, "this must be an `async fn`"));
    }
    if let Some(argument) = signature.inputs.first() {
        return Err(syn::Error::new_spanned(argument, "nobody calls this with arguments: it takes none"));
    }
    if let Some(parameter) = signature.generics.params.first() {
        return Err(syn::Error::new_spanned(parameter, "nobody chooses its parameters: it cannot be generic"));
    }
    let is_test = |attr: &&syn::Attribute| attr.path().segments.last().is_some_and(|last| last.ident == "test");
    match function.attrs.iter().find(is_test) {
        Some(second) if kind == Kind::Test => {
            Err(syn::Error::new_spanned(second, "it is a test already: it would run twice"))
        }
        _ => Ok(()),
    }
}

/// A plain function that runs the author's, which stays whole inside it: errors point at what was written.
fn enter(kind: Kind, options: &Options, function: &ItemFn) -> TokenStream {
    let ItemFn { attrs, vis, sig, block } = function;
    let test = (kind == Kind::Test).then(|| quote!(#[::core::prelude::v1::test]));
    let krate = options.krate.clone().unwrap_or_else(|| parse_quote!(::crashworthy));
    let workers = match options.workers.or((kind == Kind::Test).then_some(TEST_WORKERS)) {
        Some(workers) => quote!(::core::option::Option::Some(#workers)),
        None => quote!(::core::option::Option::None),
    };
    let mut outer = sig.clone();
    outer.asyncness = None;
    let name = &sig.ident;
    let inner = sig.to_token_stream();
    quote! {
        #test
        #(#attrs)*
        #vis #outer {
            #inner #block
            #krate::__private::block_on_main(#workers, #name())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, options: TokenStream, item: TokenStream, expected: TokenStream) {
        assert_eq!(expand(kind, options, item).to_string(), expected.to_string());
    }

    #[test]
    fn main_runs_the_function_on_a_worker_a_core() {
        check(
            Kind::Main,
            quote!(),
            quote! {
                /// Sells.
                async fn main() -> Result<(), Error> { sell().await?; Ok(()) }
            },
            quote! {
                /// Sells.
                fn main() -> Result<(), Error> {
                    async fn main() -> Result<(), Error> { sell().await?; Ok(()) }
                    ::crashworthy::__private::block_on_main(::core::option::Option::None, main())
                }
            },
        );
    }

    #[test]
    fn options_choose_the_workers_and_the_crate() {
        check(
            Kind::Main,
            quote!(workers = 4, crate = shop::runtime),
            quote!(
                pub(crate) async fn main() {}
            ),
            quote! {
                pub(crate) fn main() {
                    async fn main() {}
                    shop::runtime::__private::block_on_main(::core::option::Option::Some(4usize), main())
                }
            },
        );
    }

    #[test]
    fn a_test_runs_on_two_workers_and_keeps_its_attributes() {
        check(
            Kind::Test,
            quote!(),
            quote!(
                #[should_panic]
                async fn it_fails() {
                    panic!()
                }
            ),
            quote! {
                #[::core::prelude::v1::test]
                #[should_panic]
                fn it_fails() {
                    async fn it_fails() { panic!() }
                    ::crashworthy::__private::block_on_main(::core::option::Option::Some(2usize), it_fails())
                }
            },
        );
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_its_reason() {
        for (kind, options, item, reason) in [
            (
                Kind::Main,
                quote!(),
                quote!(
                    fn main() {}
                ),
                "this must be an `async fn`",
            ),
            (
                Kind::Main,
                quote!(),
                quote!(
                    async fn main(args: Args) {}
                ),
                "it takes none",
            ),
            (
                Kind::Main,
                quote!(),
                quote!(
                    async fn main<T>() {}
                ),
                "it cannot be generic",
            ),
            (
                Kind::Main,
                quote!(),
                quote!(
                    struct Main;
                ),
                "expected `fn`",
            ),
            (
                Kind::Main,
                quote!(workers = 0),
                quote!(
                    async fn main() {}
                ),
                "at least one worker",
            ),
            (
                Kind::Main,
                quote!(workers = "four"),
                quote!(
                    async fn main() {}
                ),
                "expected integer literal",
            ),
            (
                Kind::Main,
                quote!(flavour = 1),
                quote!(
                    async fn main() {}
                ),
                "unknown option",
            ),
            (
                Kind::Test,
                quote!(),
                quote!(
                    #[test]
                    async fn it_runs() {}
                ),
                "it would run twice",
            ),
        ] {
            let expansion = expand(kind, options, item.clone()).to_string();
            assert!(expansion.contains("compile_error"), "{item}");
            assert!(expansion.contains(reason), "{item}: {expansion}");
        }
    }

    #[test]
    fn a_wrong_option_leaves_the_function_in_place() {
        let expansion = expand(
            Kind::Main,
            quote!(workers = 0),
            quote!(
                async fn main() {}
            ),
        )
        .to_string();
        assert!(expansion.contains("block_on_main"), "{expansion}");
    }
}
