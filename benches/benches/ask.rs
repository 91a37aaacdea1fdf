//! The work `ask`, from one change to the next.
#![forbid(unsafe_code)]

mod common;

use crashworthy_benches::works::Work;
use criterion::{Criterion, criterion_group, criterion_main};

fn bench(criterion: &mut Criterion) {
    common::watch(criterion, Work::Ask);
}

criterion_group!(benches, bench);
criterion_main!(benches);
