//! Counts the instructions of the hot paths, and compares them with what was recorded. `instructions --help` says how.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use crashworthy_benches::instructions::{self, Compared, HotPath};
use crashworthy_benches::section;
use crashworthy_benches::wrong::Wrong;

/// Counts the instructions of the hot paths under valgrind's callgrind, on one thread, and shows them beside what was recorded.
///
/// Each path is run in two processes, four times as often in one as in the other; the difference is divided by how many more there were.
#[derive(Parser)]
#[command(after_help = "Examples:
  instructions                   all paths beside what was recorded, half a minute or so
  instructions --check           the same, and fails if one has become more than 3 % worse
  instructions tell --check --tolerance 1
  instructions --record          writes what was counted into the README")]
struct Options {
    /// What to count; everything when left out.
    #[arg(value_name = "PATH")]
    paths: Vec<HotPath>,
    /// Fails if a path takes more than what was recorded, and than the tolerance.
    #[arg(long, conflicts_with = "record")]
    check: bool,
    /// Writes the table into the document. Counts everything.
    #[arg(long, conflicts_with = "paths")]
    record: bool,
    /// What may be more, or less, in percent.
    #[arg(long, default_value_t = 3.0, value_parser = percent)]
    tolerance: f64,
    /// The document in which it is recorded.
    #[arg(long, default_value = "benches/README.md")]
    readme: PathBuf,
    /// Runs one path so often, in this process.
    #[arg(long, hide = true)]
    alone: Option<u64>,
}

/// The section of the document.
const SECTION: &str = "instructions";

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=1_000.0).contains(&percent) => Ok(percent),
        _ => Err("a number from 0 to 1000".to_owned()),
    }
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.paths.is_empty() {
        options.paths = HotPath::all().to_vec();
    }
    let outcome = match options.alone {
        Some(times) => options.paths.iter().try_for_each(|path| path.run(times)).map(|()| true),
        None => count(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("failed: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing has become worse, or nobody asked.
fn count(options: &Options) -> Result<bool, Wrong> {
    if cfg!(debug_assertions) {
        eprintln!("note: this is not the optimised program, of which the recorded counts are");
    }
    let table = if options.record { String::new() } else { section::read(&options.readme, SECTION)? };
    println!("path      instructions  recorded");
    let (mut counts, mut well) = (Vec::new(), true);
    for &path in &options.paths {
        let count = path.count()?;
        counts.push((path, count));
        if options.record {
            println!("{:<9} {count:>12.0}", path.name());
            continue;
        }
        let recorded = instructions::recorded(&table, path)?;
        let change = (count / recorded - 1.0) * 100.0;
        let verdict = match instructions::compare(count, recorded, options.tolerance) {
            Compared::Same => "",
            Compared::Better => ", better: record it",
            Compared::Worse => ", worse",
        };
        well &= verdict != ", worse";
        println!("{:<9} {count:>12.0} {recorded:>9.0}  {change:+.1} %{verdict}", path.name());
    }
    if options.record {
        section::write(&options.readme, SECTION, &instructions::table(&counts))?;
    }
    Ok(well || !options.check)
}
