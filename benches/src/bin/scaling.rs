//! What a message, a question and an actor cost among a hundred actors and among a million. `scaling --help` says how it is measured.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use crashworthy_benches::scaling::{self, Amounts, Figures, Subject, chart};
use crashworthy_benches::section;
use crashworthy_benches::wrong::Wrong;

/// Starts crowds of 100 actors up to --largest, tenfold each time, each in a process of its own; passes messages from actor to actor and
/// asks them one after the other, in a random order. The chart has the medians of the rounds.
#[derive(Parser)]
#[command(after_help = "Examples:
  scaling                              ours and tokio tasks, up to a million, a minute or so
  scaling --rounds 1 --largest 10000   a quick look
  scaling --write benches/README.md    puts the chart there")]
struct Options {
    /// Who is measured; both when left out.
    #[arg(long = "peer", value_name = "NAME")]
    peers: Vec<Subject>,
    /// How many actors there are in the largest crowd.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    largest: u32,
    /// How often each size is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Prints JSON lines on stdout, and the chart on stderr.
    #[arg(long)]
    json: bool,
    /// Writes the chart into the section `scaling` of a document.
    #[arg(long, value_name = "DOCUMENT")]
    write: Option<PathBuf>,
    /// Measures one size in this process.
    #[arg(long, hide = true)]
    alone: bool,
    #[arg(long, hide = true, default_value_t = Amounts::default().messages)]
    messages: u64,
    #[arg(long, hide = true, default_value_t = Amounts::default().asks)]
    asks: u64,
}

/// The section of the document.
const SECTION: &str = "scaling";

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.peers.is_empty() {
        options.peers = Subject::ALL.to_vec();
    }
    let outcome = if options.alone { alone(&options) } else { measure(&options) };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("failed: {why}");
            ExitCode::FAILURE
        }
    }
}

fn alone(options: &Options) -> Result<(), Wrong> {
    let amounts = Amounts { messages: options.messages, asks: options.asks };
    let figures = scaling::measure_here(options.peers[0], options.largest as usize, amounts)?;
    println!("{}", serde_json::to_string(&figures).expect("numbers are JSON"));
    Ok(())
}

fn measure(options: &Options) -> Result<(), Wrong> {
    let sizes = scaling::sizes(options.largest as usize);
    let mut rounds: Vec<Vec<Vec<Figures>>> = vec![vec![Vec::new(); sizes.len()]; options.peers.len()];
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        for n in 0..sizes.len() {
            // Every other round goes from the largest to the smallest.
            let n = if round % 2 == 0 { n } else { sizes.len() - 1 - n };
            for (peer, subject) in options.peers.iter().enumerate() {
                rounds[peer][n].push(scaling::measure(*subject, sizes[n])?);
            }
        }
    }
    let medians = |sizes: Vec<Vec<Figures>>| sizes.iter().map(|rounds| scaling::medians(rounds)).collect();
    let all: Vec<(Subject, Vec<Figures>)> =
        options.peers.iter().copied().zip(rounds.into_iter().map(medians)).collect();
    if options.json {
        for (subject, sizes) in &all {
            sizes.iter().for_each(|figures| println!("{}", chart::json_line(*subject, options.rounds, *figures)));
        }
    }
    show(options, &chart::draw(&all))
}

fn show(options: &Options, chart: &str) -> Result<(), Wrong> {
    if options.json {
        eprint!("{chart}")
    } else {
        print!("{chart}")
    }
    match &options.write {
        Some(document) => section::write(document, SECTION, &format!("```text\n{chart}```")),
        None => Ok(()),
    }
}
