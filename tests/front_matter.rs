//! What the pages at the root name must be there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const PAGES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// Text and target of every link of a page that leads into the repository.
fn links(page: &str) -> Vec<(&str, &str)> {
    let ends = page.match_indices("](");
    let link = |(middle, _)| {
        let (before, after): (&str, &str) = (&page[..middle], &page[middle + 2..]);
        let text = &before[before.rfind('[')? + 1..];
        let target = &after[..after.find(')')?];
        (!target.contains("://")).then_some((text, target))
    };
    ends.filter_map(link).collect()
}

#[test]
fn links_lead_somewhere_and_tests_that_are_named_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for name in PAGES {
        let page = std::fs::read_to_string(root.join(name)).expect("every page is there");
        for (text, target) in links(&page) {
            let path = root.join(target);
            let name_of_test = text.trim_matches('`');
            let is_test = text.starts_with('`') && name_of_test.contains('_') && !name_of_test.contains(['.', '/']);
            let holds = if is_test {
                std::fs::read_to_string(&path).is_ok_and(|code| code.contains(&format!("fn {name_of_test}(")))
            } else {
                path.exists()
            };
            if !holds {
                missing.push(format!("{name}: [{text}]({target})"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_lesson_is_in_the_readme_and_leads_to_the_next() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("every page is there");
    let lessons: Vec<_> = links(&readme)
        .into_iter()
        .filter(|(_, target)| target.starts_with("examples/") && target.ends_with(".rs"))
        .collect();
    let there = std::fs::read_dir(root.join("examples")).expect("there are examples");
    let files = there.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_file())).count();
    assert_eq!(lessons.len(), files, "{lessons:?}");
    for pair in lessons.windows(2) {
        let source = std::fs::read_to_string(root.join(pair[0].1)).expect("a link leads somewhere");
        assert!(source.contains(&format!("//! Next: `{}`.", pair[1].0)), "{} does not name {}", pair[0].1, pair[1].0);
    }
}

#[test]
fn the_facade_without_the_console_has_fewer_than_forty_crates_in_its_tree() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args([
        "tree",
        "--offline",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--no-dedupe",
        "--no-default-features",
        "--package",
        "crashworthy",
    ]);
    let output = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("names of crates are text");
    let name_and_version = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let crates: BTreeSet<_> = tree.lines().filter(|line| !line.is_empty()).map(name_and_version).collect();
    assert!(crates.len() > 5, "the facade depends on something: {crates:?}");
    assert!(crates.len() < 40, "{} crates: {crates:?}", crates.len());
}

#[test]
fn the_first_example_of_the_readme_has_fewer_than_forty_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("every page is there");
    let (_, code) =
        readme.split_once("```rust\n").expect("it is run with the doc tests, as it has no other word there");
    let lines = code.lines().take_while(|line| *line != "```").count();
    assert!((10..40).contains(&lines), "{lines} lines");
}

#[test]
fn the_readme_says_how_to_depend_on_it_with_which_features_and_which_rust() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).expect("every page is there");
    let (readme, manifest) = (read("README.md"), read("Cargo.toml"));
    let (_, section) = readme.split_once("\n## Use it\n").expect("there is such a section");
    let section = section.split("\n## ").next().expect("it ends somewhere");
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(readme.matches(&format!("{version} or later")).count() >= 2, "Rust {version}");
    // Whoever publishes it has something to tell.
    assert!(section.contains("not on crates.io yet") && manifest.contains("\npublish = false\n"), "{section}");
    for dependency in ["crashworthy = {", "tokio = {", "tracing-subscriber = "] {
        assert!(section.contains(&format!("\n{dependency}")), "`{dependency}` in {section}");
    }
    let (_, features) = manifest.split_once("\n[features]\n").expect("there are features");
    let features = features.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with('#'));
    let names =
        features.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).filter(|name| *name != "default");
    let missing: Vec<_> = names.filter(|name| !section.contains(&format!("\n| `{name}` |"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(manifest.contains("[package.metadata.docs.rs]\nall-features = true\n"), "what docs.rs shows");
}
