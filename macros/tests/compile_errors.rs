//! What the compiler says to mistakes that everybody makes once.
//!
//! Each file in `compile_errors/` must not compile, and the message beside it must name what is wrong. After a change on
//! purpose: `TRYBUILD=overwrite cargo test -p crashworthy-macros --test compile_errors`, and read the result as a newcomer would.

#[test]
fn mistakes_are_named_by_the_compiler() {
    trybuild::TestCases::new().compile_fail("tests/compile_errors/*.rs");
}
