//! What was done through the console: lines of JSON in a file that is the user's alone, and the newest in memory.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::protocol::AuditEntry;

/// Entries that are kept in memory.
const KEPT: usize = 256;

/// The record of one system's console.
#[derive(Debug)]
pub(crate) struct Audit {
    file: PathBuf,
    most: u64,
    book: Mutex<Book>,
}

/// What is in memory.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) total: u64,
    pub(crate) unwritten: u64,
    pub(crate) forged: u64,
    pub(crate) entries: VecDeque<AuditEntry>,
}

impl Audit {
    /// One that appends to this file once there is something to be said.
    pub(crate) fn to(file: PathBuf, most: u64) -> Self {
        Self { file, most, book: Mutex::default() }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a commit that named no plan.
    pub(crate) fn count_forged(&self) {
        self.book().forged += 1;
    }

    /// Enters what was done. Whether the file has it: what was done is done, and the log says so in any case.
    pub(crate) fn enter(&self, entry: AuditEntry) -> bool {
        // Under the lock, so that lines stay whole.
        let mut book = self.book();
        let written = append(&self.file, self.most, &entry);
        let error = written.as_ref().err().map(ToString::to_string);
        tell(&entry, error.as_deref());
        book.total += 1;
        book.unwritten += u64::from(written.is_err());
        if book.entries.len() == KEPT {
            book.entries.pop_front();
        }
        book.entries.push_back(entry);
        written.is_ok()
    }
}

/// Tells the log.
fn tell(entry: &AuditEntry, unwritten: Option<&str>) {
    let AuditEntry { system, peer, plan, reason, result, .. } = entry;
    let deed = plan.as_ref().map_or("connect", |plan| plan.deed.name());
    let paths = plan.as_ref().map(|plan| plan.targets.iter().map(|target| target.path.as_str()).collect::<Vec<_>>());
    let paths = paths.unwrap_or_default().join(" ");
    tracing::warn!(system, %peer, deed, targets = paths, reason, ?result, "an action through the console");
    if let Some(error) = unwritten {
        tracing::error!(system, file_error = error, "the console cannot write its audit");
    }
}

/// Appends a line. The file is opened each time: another system of that name may have rotated it.
fn append(file: &Path, most: u64, entry: &AuditEntry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    if let Some(dir) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let length = fs::metadata(file).map_or(0, |found| found.len());
    if length > 0 && length.saturating_add(line.len() as u64) > most {
        fs::rename(file, rotated(file))?;
    }
    // One write: whoever else appends does not come in between.
    OpenOptions::new().append(true).create(true).mode(0o600).open(file)?.write_all(&line)
}

/// What the file before this one is called.
fn rotated(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::protocol::{AuditResult, Code, Peer};

    fn entry(reason: &str) -> AuditEntry {
        AuditEntry {
            unix_ms: 1,
            system: "shop".into(),
            process: 1,
            peer: Peer { uid: 1, process: None },
            plan: None,
            reason: reason.into(),
            result: AuditResult::Refused(Code::ReadOnly),
        }
    }

    #[test]
    fn the_file_is_the_users_alone_and_is_rotated_once_and_no_more_than_that_is_kept() {
        let base = std::env::temp_dir().join(format!("crashworthy-audit-{}", std::process::id()));
        let audit = Audit::to(base.join("audit/shop.jsonl"), 1_000);
        let length = serde_json::to_vec(&entry("000")).unwrap().len() + 1;
        let in_a_file = 1_000 / length;
        for number in 0..1_000 {
            assert!(audit.enter(entry(&format!("{number:03}"))));
        }
        let lines = |file: &Path| -> Vec<AuditEntry> {
            let text = fs::read_to_string(file).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let (now, before) = (lines(audit.file()), lines(&rotated(audit.file())));
        assert_eq!(before.len(), in_a_file);
        assert_eq!(now.last().unwrap().reason, "999");
        assert_eq!(before.len() + now.len(), 1_000 - (1_000 - 1) / in_a_file * in_a_file + in_a_file);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(audit.file()), mode(audit.file().parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(audit.file().parent().unwrap()).unwrap().count(), 2);
        let book = audit.book();
        assert_eq!((book.total, book.unwritten, book.entries.len()), (1_000, 0, KEPT));
        fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_kept_in_memory() {
        let audit = Audit::to(PathBuf::from("/dev/null/audit/shop.jsonl"), 4096);
        assert!(!audit.enter(entry("why")));
        let book = audit.book();
        assert_eq!((book.unwritten, book.entries[0].reason.as_str()), (1, "why"));
    }
}
