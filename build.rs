//! Tells the example `storefront` of which commit it is, where there is a repository: `STOREFRONT_COMMIT` while it is compiled. Whoever
//! sets `GIT_COMMIT` is believed.
//!
//! The names differ: cargo passes what is told here to the tests that it runs, and so to each cargo that one of them runs. If that
//! were what is asked for here, it would build everything anew.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=GIT_COMMIT");
    if let Ok(commit) = std::env::var("GIT_COMMIT") {
        return tell(&commit);
    }
    // Unpacked below some other repository it is of none.
    if git(&["rev-parse", "--show-prefix"]).is_none_or(|below| !below.is_empty()) {
        return;
    }
    // What changes with each commit, and with each checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    if let Some(commit) = git(&["rev-parse", "HEAD"]) {
        tell(&commit);
    }
}

fn tell(commit: &str) {
    println!("cargo::rustc-env=STOREFRONT_COMMIT={commit}");
}

/// What it says, if there is one and it knows.
fn git(args: &[&str]) -> Option<String> {
    let told = Command::new("git").args(args).output().ok().filter(|told| told.status.success())?;
    Some(String::from_utf8(told.stdout).ok()?.trim().to_owned())
}
