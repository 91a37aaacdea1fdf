//! What is shown while it runs, and the table at the end.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::load::Load;
use crate::tally::Tally;

/// One line of the table.
pub(crate) struct Row {
    pub(crate) step: f64,
    pub(crate) offered: u64,
    pub(crate) length: Duration,
    /// Orders accepted.
    pub(crate) orders: usize,
    pub(crate) tally: Tally,
    pub(crate) restarts: u64,
}

/// Shows how a step is going, until it is dropped.
pub(crate) async fn show_progress(label: &str, load: &Load) {
    let live = stderr().is_terminal();
    let pause = Duration::from_millis(if live { 200 } else { 2_000 });
    let begin = Instant::now();
    loop {
        sleep(pause).await;
        let line = {
            let tally = load.tally();
            format!(
                "{label}  {:>4.1} s  ended {:>7}  good {:>7}  refused {:>7}  failed {:>5}  late {:>5}  p99 {:>7.1} ms",
                begin.elapsed().as_secs_f64(),
                tally.ended(),
                tally.good,
                tally.refused,
                tally.failed,
                tally.late,
                tally.quantile_ms(0.99),
            )
        };
        let _ = if live { write!(stderr(), "\r\x1b[2K{line}") } else { writeln!(stderr(), "{line}") };
    }
}

/// Ends the line that [`show_progress`] writes over.
pub(crate) fn end_progress() {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\x1b[2K");
    }
}

pub(crate) fn print_table(rows: &[Row]) {
    println!();
    println!("   load  offered/s  goodput/s  orders/s   p50 ms   p99 ms  refused  failed    late  restarts");
    for Row { step, offered, length, orders, tally, restarts } in rows {
        println!(
            "{:>6}x {:>10.0} {:>10.0} {:>9.0} {:>8.1} {:>8.1} {:>8} {:>7} {:>7} {:>9}",
            step,
            *offered as f64 / length.as_secs_f64(),
            tally.good as f64 / length.as_secs_f64(),
            *orders as f64 / length.as_secs_f64(),
            tally.quantile_ms(0.5),
            tally.quantile_ms(0.99),
            tally.refused,
            tally.failed,
            tally.late,
            restarts,
        );
    }
    println!();
    println!("goodput: answered within 1 s of when it should have been sent; the latencies are theirs (to 1 ms).");
    println!(
        "refused: told to come back (429, 503). failed: any other error, or no answer. late: answered later than that, or \
         not\nsent at all, because every connection was taken for 250 ms."
    );
}
