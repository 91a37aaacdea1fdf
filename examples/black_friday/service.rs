//! A storefront of our own: built, started, killed and stopped by the driver.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{Connection, Error, Question};

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) data: PathBuf,
    program: PathBuf,
    process: Child,
}

impl Service {
    /// Starts a storefront on a free port, with a new database.
    pub(crate) async fn start(run: u64) -> Result<Self, Error> {
        let program = program()?;
        let data = std::env::temp_dir().join(format!("crashworthy-black-friday-{run:x}"));
        std::fs::create_dir(&data)?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let process = spawn(&program, address, &data)?;
        let mut service = Self { address, data, program, process };
        service.wait_until_open().await?;
        Ok(service)
    }

    /// Kills the process, as a power cut would, and starts it again on the same database.
    pub(crate) async fn kill_and_restart(&mut self) -> Result<(), Error> {
        self.process.kill()?;
        self.process.wait()?;
        self.process = spawn(&self.program, self.address, &self.data)?;
        self.wait_until_open().await
    }

    /// Asks the process to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status()?;
        let patience = Instant::now() + Duration::from_secs(20);
        while self.process.try_wait()?.is_none() {
            if Instant::now() > patience {
                return Err("the service does not stop".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn wait_until_open(&mut self) -> Result<(), Error> {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(answer) = Connection::new(self.address).ask(Question::get("/health")).await
                && answer.status.is_success()
            {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                let log = std::fs::read_to_string(self.data.join(LOG)).unwrap_or_default();
                return Err(format!("the service ended with {status}:\n{log}").into());
            }
            if Instant::now() > patience {
                return Err("the service does not open".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the service logs goes here, in its data directory.
pub(crate) const LOG: &str = "storefront.log";

fn spawn(program: &Path, address: SocketAddr, data: &Path) -> Result<Child, Error> {
    let log = File::options().create(true).append(true).open(data.join(LOG))?;
    let level = std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned());
    let mut command = Command::new(program);
    command.arg("--addr").arg(address.to_string()).arg("--data").arg(data).env("RUST_LOG", level);
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    spawned.map_err(|error| format!("cannot start {}: {error}", program.display()).into())
}

/// The storefront beside this program, brought up to date if cargo is at hand.
fn program() -> Result<PathBuf, Error> {
    let beside = std::env::current_exe()?.with_file_name("storefront");
    if let (Some(cargo), Some(manifest)) = (std::env::var_os("CARGO"), std::env::var_os("CARGO_MANIFEST_DIR")) {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--example", "storefront"]).current_dir(manifest);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        if !build.status()?.success() {
            return Err("the storefront does not build".into());
        }
    }
    if beside.exists() {
        return Ok(beside);
    }
    Err(format!("there is no {}; build it: cargo build --release --example storefront", beside.display()).into())
}
