//! The screens and answers of the console that the README shows: those of a storefront that runs, with a crash and a handler that
//! blocks its thread. A block of the README follows a comment with its name.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::workspace::{self, Workspace};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long there is some traffic before something goes wrong, so that there is something to see.
const TRAFFIC: Duration = Duration::from_secs(36);
/// What stands in the README for the directory of the sockets.
const SOCKETS: &str = "/run/user/1000/crashworthy";
/// What goes wrong, and what was asked for before.
const ORDER: &str = r#"{"customer":"Ada","postcode":"1010","lines":[{"sku":"SPO-00004","quantity":2}]}"#;
const FAULT: &str = r#"{"fault":"panic"}"#;
const BLOCK: &str = r#"{"fault":"block","ms":60000}"#;

/// Writes what there is to see into the README.
pub(crate) fn run(workspace: &Workspace) -> Result<(), String> {
    let packages = ["build", "--package", "crashworthy", "--package", "crashworthy-console"];
    workspace::run(workspace.cargo(packages).args(["--example", "storefront", "--bin", "crashworthy"]))?;
    let stage = Stage::set(workspace)?;
    let pulse = stage.terminal("pulse", 80, "");
    pulse.see("MOST QUEUED")?;
    let end = Instant::now() + TRAFFIC;
    while Instant::now() < end {
        stage.ask("GET", "/search?q=kettle", "")?;
        sleep(Duration::from_millis(200));
    }
    stage.ask("POST", "/orders", ORDER)?;
    stage.ask("POST", "/admin/actors/orders", FAULT)?;
    stage.ask("POST", "/admin/actors/inventory", BLOCK)?;
    pulse.see("/shop/inventory 3.")?;
    let answers = ["ps", "tree", "crashes"].map(|word| Ok(format!("$ crashworthy {word}\n{}", stage.said(word)?)));
    let answers = answers.into_iter().collect::<Result<Vec<_>, String>>()?.concat();
    let attach = "$ cargo install --path console\n\
        $ crashworthy completions bash > ~/.local/share/bash-completion/completions/crashworthy      # or zsh, or fish\n";
    let mut blocks = vec![("attach", format!("{attach}{answers}")), ("pulse", pulse.see("/shop/inventory")?)];
    pulse.press(&["2"])?;
    blocks.push(("tree", pulse.see("blocks: ")?));
    let words = "kill storefront/shop/inventory --reason \"blocks its thread\"";
    let kill = stage.terminal("kill", 160, words);
    kill.see("[y/N]")?;
    kill.press(&["y", "Enter"])?;
    blocks.push(("kill", format!("$ crashworthy {words}\n{}\n", kill.see("\nnow: ")?.trim_end())));
    write(&workspace.root.join("README.md"), &blocks, &stage)
}

/// A storefront that runs, and goes with this.
struct Stage {
    dir: PathBuf,
    program: PathBuf,
    addr: String,
    storefront: Child,
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Who has ended already needs neither.
        let _ = Command::new("tmux").arg("-S").arg(self.dir.join("tmux")).arg("kill-server").output();
        let _ = self.storefront.kill();
        let _ = self.storefront.wait();
    }
}

impl Stage {
    fn set(workspace: &Workspace) -> Result<Self, String> {
        let dir = workspace.target.join("screens");
        let _ = fs::remove_dir_all(&dir);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(told)?;
        let printed = dir.join("printed");
        let file = fs::File::create(&printed).map_err(told)?;
        let mut storefront = Command::new(workspace.example("storefront"));
        storefront.args(["--addr", "127.0.0.1:0", "--data"]).arg(dir.join("data")).current_dir(&workspace.root);
        let storefront = storefront.env("CRASHWORTHY_RUNTIME_DIR", &dir).stdout(file).stderr(Stdio::null());
        let storefront = storefront.env_remove("RUST_BACKTRACE").spawn().map_err(told)?;
        let mut stage =
            Self { program: workspace.target.join("debug/crashworthy"), dir, addr: String::new(), storefront };
        stage.addr = until("the shop opens", || {
            let text = fs::read_to_string(&printed).ok()?;
            let (_, rest) = text.split_once("The shop is open on http://")?;
            rest.split_once(',').map(|(addr, _)| addr.to_owned())
        })?;
        Ok(stage)
    }

    /// One request, and no more than that it was answered.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<(), String> {
        let mut stream = TcpStream::connect(&self.addr).map_err(told)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(told)?;
        let (addr, length) = (&self.addr, body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
        let head = format!(
            "{head}Idempotency-Key: readme-1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).map_err(told)?;
        let mut answer = Vec::new();
        stream.take(1 << 20).read_to_end(&mut answer).map_err(told)?;
        let line = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
        if line.contains(" 2") { Ok(()) } else { Err(format!("{method} {path}: {line}")) }
    }

    /// What the command says.
    fn said(&self, word: &str) -> Result<String, String> {
        let output = Command::new(&self.program).arg(word).env("CRASHWORTHY_RUNTIME_DIR", &self.dir).output();
        String::from_utf8(output.map_err(told)?.stdout).map_err(told)
    }

    /// The command in a terminal of so many columns.
    fn terminal(&self, name: &'static str, columns: u16, words: &str) -> Terminal<'_> {
        let command = format!("'{}' {words}; exec cat", self.program.display());
        let mut tmux = self.tmux();
        tmux.args(["-f", "/dev/null", "new-session", "-d", "-s", name, "-x", &columns.to_string(), "-y", "24"]);
        // What is wrong with it is seen when it shows nothing.
        let _ = tmux.arg(command).output();
        Terminal { stage: self, name }
    }

    fn tmux(&self) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.dir.join("tmux")).env("CRASHWORTHY_RUNTIME_DIR", &self.dir);
        tmux.env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        tmux
    }
}

struct Terminal<'a> {
    stage: &'a Stage,
    name: &'static str,
}

impl Terminal<'_> {
    fn press(&self, keys: &[&str]) -> Result<(), String> {
        self.stage.tmux().args(["send-keys", "-t", self.name]).args(keys).output().map(drop).map_err(told)
    }

    /// The screen, once it has that text.
    fn see(&self, text: &str) -> Result<String, String> {
        until(text, || {
            let shown = self.stage.tmux().args(["capture-pane", "-p", "-t", self.name]).output().ok()?;
            String::from_utf8(shown.stdout).ok().filter(|screen| screen.contains(text))
        })
    }
}

/// Puts each block in the place of the one that was there.
fn write(page: &Path, blocks: &[(&str, String)], stage: &Stage) -> Result<(), String> {
    let mut text = fs::read_to_string(page).map_err(told)?;
    for (name, block) in blocks {
        let block = block.replace(&stage.dir.display().to_string(), SOCKETS);
        let block: String = block.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        text = replaced(&text, name, &block).ok_or(format!("{}: no block {name}", page.display()))?;
    }
    fs::write(page, text).map_err(told)
}

/// The page with another block after the comment with that name.
fn replaced(page: &str, name: &str, block: &str) -> Option<String> {
    let comment = format!("<!-- `cargo xtask screens` writes this: {name} -->\n");
    let start = page.find(&comment)? + comment.len();
    let start = start + page[start..].find('\n')? + 1;
    let end = start + page[start..].find("```")?;
    Some(format!("{}{block}{}", &page[..start], &page[end..]))
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() > end {
            return Err(format!("waited in vain for {what:?}"));
        }
        sleep(Duration::from_millis(50));
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_takes_the_place_of_the_one_before_and_of_nothing_else() {
        let page = "a\n<!-- `cargo xtask screens` writes this: pulse -->\n```text\nold\nlines\n```\nb\n";
        let new = replaced(page, "pulse", "new\n").unwrap();
        assert_eq!(new, page.replace("old\nlines\n", "new\n"));
        assert_eq!(replaced(page, "tree", "new\n"), None);
    }
}
