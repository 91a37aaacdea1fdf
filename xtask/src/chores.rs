//! Which steps a chore has.

use std::num::NonZero;

use crate::step::Step;
use crate::workspace::Workspace;
use crate::{Chore, hazards, lessons, mutants, otp, screens};

/// How deep the models go unless LOOM_MAX_PREEMPTIONS says otherwise.
const PREEMPTIONS: &str = "2";

/// How many tests run at a time, for each core.
const TESTS_A_CORE: usize = 2;

/// Faults of the campaign that belongs to the check.
const FAULTS: &str = "10000";

/// The steps of `chore`, in order. Cheap ones come first: most mistakes end a check within a minute.
pub(crate) fn steps(workspace: &Workspace, chore: Chore) -> Vec<Step> {
    match chore {
        Chore::Check => vec![
            format(workspace, Mode::Look),
            lint(workspace),
            lean(workspace),
            docs(workspace),
            tests(workspace, &[]),
            doc_tests(workspace, &[]),
            examples(workspace, Vec::new()),
            faults(workspace),
            abort(workspace),
            loom(workspace, &[]),
        ],
        Chore::Fmt { check: true } => vec![format(workspace, Mode::Look)],
        Chore::Fmt { check: false } => vec![format(workspace, Mode::Write)],
        Chore::Lint => vec![lint(workspace), lean(workspace)],
        Chore::Docs => vec![docs(workspace)],
        Chore::Test { filters } => vec![tests(workspace, &filters), doc_tests(workspace, &filters)],
        Chore::Loom { primitives } => vec![loom(workspace, &primitives)],
        Chore::Examples { names } => vec![examples(workspace, names)],
        Chore::Faults => vec![faults(workspace)],
        Chore::Hazards => vec![abort(workspace)],
        Chore::Screens => vec![shown(workspace)],
        Chore::Otp { mutants: true, .. } => vec![seeded_faults(workspace)],
        Chore::Otp { count, seed, mutants: false } => vec![differential(workspace, count, seed)],
    }
}

/// What the formatter does with what it finds.
#[derive(Clone, Copy)]
enum Mode {
    Look,
    Write,
}

fn format(workspace: &Workspace, mode: Mode) -> Step {
    match mode {
        Mode::Look => Step::cargo("format", "cargo xtask fmt", workspace.cargo(["fmt", "--all", "--check"])),
        Mode::Write => Step::cargo("format", "cargo xtask fmt", workspace.cargo(["fmt", "--all"])),
    }
}

fn lint(workspace: &Workspace) -> Step {
    let clippy = workspace.cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    Step::cargo("clippy", "cargo xtask lint", clippy)
}

/// The facade without what is on by default.
fn lean(workspace: &Workspace) -> Step {
    let lean = ["clippy", "--package", "crashworthy", "--no-default-features", "--lib", "--examples"];
    let mut clippy = workspace.cargo(lean);
    clippy.args(["--", "-D", "warnings"]);
    Step::cargo("without features", "cargo xtask lint", clippy)
}

fn docs(workspace: &Workspace) -> Step {
    let mut doc = workspace.cargo(["doc", "--workspace", "--no-deps", "--all-features", "--document-private-items"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    Step::cargo("docs", "cargo xtask docs", doc)
}

/// More at a time than there are cores: most of them wait most of the time.
fn tests(workspace: &Workspace, filters: &[String]) -> Step {
    let mut test = workspace.cargo(["test", "--workspace", "--tests"]);
    test.args(filters);
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        test.env("RUST_TEST_THREADS", (cores * TESTS_A_CORE).to_string());
    }
    Step::cargo("tests", "cargo xtask test", test)
}

fn doc_tests(workspace: &Workspace, filters: &[String]) -> Step {
    let mut test = workspace.cargo(["test", "--workspace", "--doc"]);
    test.args(filters);
    Step::cargo("doc tests", "cargo xtask test", test)
}

/// The models are built with optimisations and with assertions, in a target directory of their own: the flag changes every
/// crate. Link-time optimisation would cost more time than the models take.
///
/// Primitives are picked by the names of the files in `loom-tests/tests/`: cargo knows whether there is such a one, where a
/// filter that fits nothing would pass.
fn loom(workspace: &Workspace, primitives: &[String]) -> Step {
    let mut test = workspace.cargo(["test", "--release", "--package", "crashworthy-loom-tests"]);
    if primitives.is_empty() {
        test.arg("--tests");
    }
    test.args(primitives.iter().flat_map(|primitive| ["--test", primitive]));
    test.arg("--target-dir").arg(workspace.target.join("loom"));
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    test.env("RUSTFLAGS", format!("{flags} --cfg loom").trim_start());
    test.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    test.env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
    if std::env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
        test.env("LOOM_MAX_PREEMPTIONS", PREEMPTIONS);
    }
    Step::cargo("loom", "cargo xtask loom", test)
}

fn examples(workspace: &Workspace, names: Vec<String>) -> Step {
    let workspace = workspace.clone();
    Step::new("examples", "cargo xtask examples", "every lesson against its expected output", move || {
        lessons::run(&workspace, &names)
    })
}

/// A short campaign, always the same. Without optimisations: with assertions, and built for the tests already.
fn faults(workspace: &Workspace) -> Step {
    let run = ["run", "--package", "crashworthy-benches", "--bin", "faults", "--", "--count", FAULTS, "--seed", "1"];
    Step::cargo("faults", "cargo xtask faults", workspace.cargo(run))
}

fn abort(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    Step::new("hazards", "cargo xtask hazards", "`panic = \"abort\"` does not compile", move || {
        hazards::abort_is_refused(&workspace)
    })
}

fn differential(workspace: &Workspace, count: u64, seed: u64) -> Step {
    let workspace = workspace.clone();
    let what = format!("{count} scenarios of seed {seed} on Erlang's supervisor and on ours");
    Step::new("otp", "cargo xtask otp", what, move || otp::run(&workspace, count, seed))
}

fn shown(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    let what = "the README shows what the console shows";
    Step::new("screens", "cargo xtask screens", what, move || screens::run(&workspace))
}

fn seeded_faults(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    let what = "the recorded scenarios catch every fault of `supervisor/otp-oracle/mutants.md`";
    Step::new("mutants", "cargo xtask otp --mutants", what, move || mutants::run(&workspace))
}
