//! A browser without a window, driven through two pipes: the protocol of its developer tools, a message up to each NUL.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Dir, PATIENCE, until};

/// What a browser may be called.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The browser that `CHROMIUM` names, or one that is found. Without one the test is skipped, and says so; one that was named
/// must be there.
fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let dirs: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let found = NAMES.iter().flat_map(|name| dirs.iter().map(move |dir| dir.join(name))).find(|file| file.is_file());
    if found.is_none() {
        eprintln!("skipped: there is no browser, neither {} nor one that CHROMIUM names", NAMES.join(" nor "));
    }
    found
}

/// What a page has come to when so much time has passed for it, as a script makes a browser believe; none if there is no browser.
pub(crate) fn page_after(time: Duration, url: &str) -> Option<String> {
    let profile = Dir::new();
    let mut command = Command::new(find()?);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--dump-dom",
    ]);
    command.arg(format!("--virtual-time-budget={}", time.as_millis()));
    command.arg(format!("--user-data-dir={}", profile.path().display())).arg(url);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().expect("it runs");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A browser with one tab.
pub(crate) struct Browser {
    process: Child,
    says: RefCell<ChildStdin>,
    heard: Receiver<Value>,
    asked: RefCell<u64>,
    tab: String,
    /// What the browser complained of: errors of the script, violations of the policy.
    complaints: RefCell<Vec<String>>,
    profile: Dir,
}

impl Browser {
    /// Starts one; none if there is none.
    pub(crate) fn open() -> Option<Self> {
        Some(Self::start(&find()?))
    }

    fn start(program: &Path) -> Self {
        let profile = Dir::new();
        let flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
                     --disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars \
                     --remote-debugging-pipe";
        // It hears at descriptor 3 and answers at 4.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1"#, "sh"]).arg(program);
        command.args(flags.split_whitespace()).arg(format!("--user-data-dir={}", profile.path().display()));
        let mut process =
            command.arg("about:blank").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let says = process.stdin.take().expect("it is piped").into();
        let (told, heard) = channel();
        let mut answers = BufReader::new(process.stdout.take().expect("it is piped"));
        thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let message = serde_json::from_slice(&std::mem::take(&mut message)).expect("it speaks JSON");
                if told.send(message).is_err() {
                    return;
                }
            }
        });
        let (asked, complaints) = (RefCell::default(), RefCell::default());
        let mut browser = Self { process, says, heard, asked, tab: String::new(), complaints, profile };
        let tab = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let session = browser.call("Target.attachToTarget", json!({ "targetId": tab, "flatten": true }));
        browser.tab = session["sessionId"].as_str().expect("it has a session").to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Has it do something, and waits for what comes of it.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        let id = self.asked.replace_with(|asked| *asked + 1) + 1;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.tab.is_empty() {
            message["sessionId"] = json!(self.tab);
        }
        let mut says = self.says.borrow_mut();
        says.write_all(format!("{message}\0").as_bytes()).expect("it listens");
        loop {
            let heard = self.heard.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no answer to {method}"));
            if heard["id"] == id {
                assert!(heard["error"].is_null(), "{method}: {heard}");
                return heard["result"].clone();
            }
            if ["Runtime.exceptionThrown", "Log.entryAdded"].iter().any(|complaint| heard["method"] == *complaint) {
                self.complaints.borrow_mut().push(heard["params"].to_string());
            }
        }
    }

    pub(crate) fn visit(&self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// What an expression is worth on the page.
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let said = self.call("Runtime.evaluate", params);
        assert!(said["exceptionDetails"].is_null(), "{expression}: {said}");
        said["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) {
        until(expression, || (self.value(expression) == true).then_some(()));
    }

    /// The text of the first element that a selector finds.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector({})?.innerText", json!(selector)));
        text.as_str().unwrap_or_else(|| panic!("there is no {selector}")).to_owned()
    }

    /// Gives the page so many pixels, and a colour scheme.
    pub(crate) fn look(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 640 });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", scheme);
    }

    /// What it has complained of so far.
    pub(crate) fn complaints(&self) -> Vec<String> {
        // What comes before this answer came before.
        self.call("Runtime.evaluate", json!({ "expression": "0" }));
        self.complaints.take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let close = b"{\"id\":0,\"method\":\"Browser.close\"}\0";
        if self.says.borrow_mut().write_all(close).is_ok() && !thread::panicking() {
            until("it closes", || self.process.try_wait().is_ok_and(|ended| ended.is_some()).then_some(()));
            // Its other processes end later, and write until then.
            let profile = self.profile.path();
            until("its files go", || (std::fs::remove_dir_all(profile).is_ok() || !profile.exists()).then_some(()));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
