//! Scenarios with the traces that Erlang's own supervisor left of them, recorded once and compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use lzma_rust2::LzmaReader;
use serde::Deserialize;

use super::scenario::Scenario;
use super::trace::Outcome;

/// One line of the archive.
#[derive(Deserialize)]
pub(crate) struct Recorded {
    pub(crate) scenario: Scenario,
    pub(crate) trace: Outcome,
}

/// Where the recorded pairs are.
pub(crate) fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("otp-oracle/cases.jsonl.lzma")
}

/// The decompressor takes no more memory than this, in KiB.
const MEMORY: u32 = 128 * 1024;

/// Reads an archive line by line.
pub(crate) fn read(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Recorded>> + use<>> {
    let lines = BufReader::new(LzmaReader::new_mem_limit(BufReader::new(File::open(path)?), MEMORY, None)?).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
}
