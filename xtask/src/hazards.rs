//! What must not compile at all.

use std::process::Stdio;

use crate::workspace::Workspace;

/// Checks the runtime as a user would whose profile says `panic = "abort"`. A supervisor cannot catch what aborts the
/// process, so the build must fail, and say so in our words.
pub(crate) fn abort_is_refused(workspace: &Workspace) -> Result<(), String> {
    let mut check = workspace.cargo(["check", "--package", "crashworthy-runtime"]);
    check.env("CARGO_PROFILE_DEV_PANIC", "abort").env("CARGO_TERM_COLOR", "never").stdin(Stdio::null());
    let output = check.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Err("crashworthy-runtime compiles with `panic = \"abort\"`".to_owned());
    }
    match refusal(&said) {
        Some(line) => {
            eprintln!("  refused, as it must be: {line}");
            Ok(())
        }
        None => Err(format!("the build fails for another reason:\n{said}")),
    }
}

/// The error that is ours: it names the project and the setting. Cargo's own last line names the package alone.
fn refusal(said: &str) -> Option<&str> {
    said.lines()
        .filter_map(|line| line.strip_prefix("error: "))
        .find(|error| error.contains("crashworthy") && error.contains("panic") && error.contains("abort"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_error_is_the_refusal() {
        let ours = "error: crashworthy needs `panic = \"unwind\"`: nothing can be caught under `panic = \"abort\"`";
        let cargos = "error: could not compile `crashworthy-runtime` (lib) due to 1 previous error";
        assert_eq!(refusal(&format!("{ours}\n{cargos}\n")), ours.strip_prefix("error: "));
        assert_eq!(refusal(cargos), None);
        assert_eq!(refusal("error[E0425]: cannot find `abort`, says crashworthy, in a panic"), None);
    }
}
