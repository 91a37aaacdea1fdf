//! The program `console-cost` as it is called, with less of everything.

use std::process::Command;

use serde_json::Value;

fn modes(options: &[&str]) -> Vec<String> {
    let small = ["--actors", "20", "--rounds", "1", "--pairs", "1", "--passes", "2000", "--json"];
    let output = Command::new(env!("CARGO_BIN_EXE_console-cost")).args(small).args(options).output().unwrap();
    let (told, table) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{table}");
    assert!(table.lines().any(|row| row.starts_with("control ")), "{table}");
    let mode = |line: &str| {
        let told: Value = serde_json::from_str(line).unwrap();
        let (mode, ratio) = (told["mode"].as_str().unwrap(), told["ratio"].as_f64().unwrap());
        assert!(told["actors"] == 20 && ratio > 0.0 && told["bytes_per_actor"].is_f64(), "{told}");
        let is_asked = mode != "unattached";
        assert_eq!(told["snapshot_ms"].as_f64().is_some_and(|ms| ms > 0.0), is_asked, "{told}");
        mode.to_owned()
    };
    told.lines().map(mode).collect()
}

#[test]
fn a_console_is_let_alone_and_asked_and_each_has_a_line() {
    assert_eq!(modes(&[]), ["unattached", "attached"]);
}

#[test]
fn a_console_that_is_misused_still_answers_who_asks() {
    assert_eq!(modes(&["--hostile"]), ["unattached", "hostile"]);
}
