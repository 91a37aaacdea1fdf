//! What the gate costs its callers: to be taken in, to be refused, to have a place at ten actors or at none.
//!
//! `counters` is the least that a bound costs, an addition and a subtraction that others may see. The rest is measured from outside
//! of the runtime, whose actors do nothing meanwhile.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering::AcqRel};
use std::time::{Duration, Instant};

use crashworthy::prelude::*;
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// Burns the CPU, or waits until somebody lets it go on.
struct Clerk;

enum Order {
    Burn(Duration, Reply<()>),
    Hold(Reply<()>, oneshot::Receiver<()>),
    Note,
}

impl Message for Order {}

impl Actor for Clerk {
    type Args = ();
    type Msg = Order;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Clerk)
    }

    async fn handle(&mut self, order: Order, _: &mut Context<Self>) -> Result<(), Exit> {
        match order {
            Order::Burn(time, reply) => {
                let until = Instant::now() + time;
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                reply.send(());
            }
            Order::Hold(reply, gate) => {
                reply.send(());
                let _ = gate.await;
            }
            Order::Note => {}
        }
        Ok(())
    }
}

/// Messages after which an actor's pace is known.
const KNOWN: u32 = 64;
/// A time in which any of the clerks would do what is asked.
const AMPLE: Duration = Duration::from_millis(50);

/// A clerk whose messages take so long.
async fn clerk(system: &System, each: Duration) -> ActorRef<Clerk> {
    let clerk = system.spawn::<Clerk>(()).await.expect("its init does not fail");
    for _ in 0..KNOWN {
        clerk.ask(|reply| Order::Burn(each, reply)).await.expect("it answers");
    }
    clerk
}

/// Has a clerk wait in a handler, with a message queued, until the sender goes.
async fn hold(clerk: &ActorRef<Clerk>) -> oneshot::Sender<()> {
    let (held, gate) = oneshot::channel();
    clerk.ask(|reply| Order::Hold(reply, gate)).await.expect("it answers");
    clerk.tell(Order::Note).expect("there is room");
    held
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime needs nothing but a thread")
}

fn bench(criterion: &mut Criterion) {
    let runtime = runtime();
    let system = runtime.block_on(async { System::bare() }).expect("the settings are in range");
    let mut group = criterion.benchmark_group("gate");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));

    let depth = AtomicU32::new(0);
    group.bench_function("counters", |bencher| {
        bencher.iter(|| {
            black_box(&depth).fetch_add(1, AcqRel);
            black_box(&depth).fetch_sub(1, AcqRel);
        });
    });

    // Whose full mailbox would be served in no time has no gate: the size of the mailbox says it all.
    for (name, each) in [("reserve, quick", Duration::ZERO), ("reserve, measured", Duration::from_micros(200))] {
        let clerk = runtime.block_on(clerk(&system, each));
        group.bench_function(name, |bencher| {
            bencher.iter(|| drop(black_box(&clerk).reserve(Offer::within(AMPLE)).expect("there is room and time")));
        });
    }

    let ten: Vec<_> = (0..10).map(|_| runtime.block_on(clerk(&system, Duration::from_micros(200)))).collect();
    group.bench_function("reserve all of ten", |bencher| {
        bencher.iter(|| drop(reserve_all(&black_box(&ten)[..], Offer::within(AMPLE)).expect("there is room and time")));
    });

    let busy = runtime.block_on(clerk(&system, Duration::from_micros(200)));
    let held = runtime.block_on(hold(&busy));
    group.bench_function("refuse, no time", |bencher| {
        let short = Offer::within(Duration::from_micros(50));
        bencher.iter(|| black_box(&busy).reserve(short).expect_err("it has no time"));
    });
    drop(held);

    let full = runtime.block_on(clerk(&system, Duration::ZERO));
    let held = runtime.block_on(hold(&full));
    while full.tell(Order::Note).is_ok() {}
    group.bench_function("refuse, full", |bencher| {
        bencher.iter(|| black_box(&full).tell(Order::Note).expect_err("it is full"));
    });
    drop(held);
    group.finish();
    runtime.block_on(system.stop());
}

criterion_group!(benches, bench);
criterion_main!(benches);
