//! A dynamic supervisor with a million children: start, crash and restart, remove, stop; what each costs in a small crowd and in
//! a large one.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use clap::Parser;
use crashworthy_benches::crowd::{self, Figures};
use crashworthy_benches::versus::silence_crashes_on_demand;
use crashworthy_benches::wrong::Wrong;

/// Starts, crashes, removes and stops the children of a dynamic supervisor, from 10,000 up to `--count`, tenfold each time.
#[derive(Parser)]
struct Options {
    /// How many children there are in the largest crowd.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    count: u32,
    /// Prints JSON lines on stdout, and the table on stderr.
    #[arg(long)]
    json: bool,
    /// Measures this one size, in this process.
    #[arg(long, hide = true)]
    alone: bool,
}

/// The smallest crowd.
const SMALLEST: usize = 10_000;

fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    let count = options.count as usize;
    silence_crashes_on_demand();
    if options.alone {
        return match crowd::measure_here(count) {
            Ok(figures) => {
                println!("{}", serde_json::to_string(&figures)?);
                Ok(ExitCode::SUCCESS)
            }
            Err(wrong) => failed(&wrong),
        };
    }
    let mut table = String::from(HEAD);
    for children in sizes(count) {
        let figures = match crowd::measure(children) {
            Ok(figures) => figures,
            Err(wrong) => return failed(&wrong),
        };
        table += &row(&figures);
        if options.json {
            println!("{}", serde_json::to_string(&figures)?);
        }
    }
    if options.json {
        eprint!("{table}");
    } else {
        print!("{table}");
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(wrong: &Wrong) -> io::Result<ExitCode> {
    eprintln!("failed: {wrong}");
    Ok(ExitCode::FAILURE)
}

/// Tenfold each time, the largest last.
fn sizes(largest: usize) -> Vec<usize> {
    let smaller = std::iter::successors(Some(SMALLEST), |size| size.checked_mul(10));
    smaller.take_while(|size| *size < largest).chain([largest]).collect()
}

const HEAD: &str = "\
  children   start s  cpu s  ns each   crash+restart   remove    stop s  cpu s  ns each   memory
                                             ns each  ns each                             bytes\n";

fn row(figures: &Figures) -> String {
    let Figures { children, restart_ns, remove_ns, bytes, .. } = figures;
    let Figures { start_s, start_cpu_s, start_ns, stop_s, stop_cpu_s, stop_ns, .. } = figures;
    format!(
        "{children:>10} {start_s:>9.3} {start_cpu_s:>6.2} {start_ns:>8.0} {restart_ns:>15.0} {remove_ns:>8.0} \
         {stop_s:>9.3} {stop_cpu_s:>6.2} {stop_ns:>8.0} {bytes:>8.0}\n"
    )
}
