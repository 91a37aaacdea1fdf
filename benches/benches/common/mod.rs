//! One work as a criterion group: ours beside the two actors written by hand.

use std::time::Duration;

use crashworthy_benches::peer::Peer;
use crashworthy_benches::peers::{Crashworthy, Kanal, TokioMpsc};
use crashworthy_benches::works::{Unit, Work};
use criterion::{BenchmarkId, Criterion};

/// The fewest repetitions that a work is asked for: the median of fewer means little.
const FEWEST: u64 = 256;

/// Measures a work for the peers it is worth watching from one change to the next. `versus` is for comparing.
pub(crate) fn watch(criterion: &mut Criterion, work: Work) {
    let mut group = criterion.benchmark_group(work.name());
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    one::<Crashworthy>(&mut group, work);
    one::<TokioMpsc>(&mut group, work);
    one::<Kanal>(&mut group, work);
    group.finish();
}

fn one<P: Peer>(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>, work: Work) {
    group.bench_function(BenchmarkId::from_parameter(P::NAME), |bencher| {
        bencher.iter_custom(|times| {
            let outcome = P::run(work.workers(), move |peer| work.perform(peer, times.max(FEWEST)));
            let figure = outcome.expect("what was sent is counted in the end");
            let nanoseconds = if work.unit() == Unit::Millions { 1_000.0 / figure } else { figure };
            Duration::from_secs_f64(nanoseconds * times as f64 / 1e9)
        });
    });
}
