//! Which systems run, and which of them is meant.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crashworthy_console::protocol::{Hello, SystemView};
use crashworthy_console::{Application, Client, ClientError, Place, Token, base, list, newest_dump};
use serde_json::{Value, json};

use crate::Trouble;
use crate::args::Which;
use crate::terminal::{Candidate, Heir};
use crate::text::{self, clean, span};

/// How long a system may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A system that listens, and what it says of itself.
pub(crate) struct Found {
    place: Place,
    hello: Option<Hello>,
    /// When it was asked.
    asked: Instant,
    view: Result<SystemView, ClientError>,
}

impl Found {
    fn of(place: Place) -> Self {
        let asked = Instant::now();
        match Client::connect(&place.socket, PATIENCE) {
            Ok(mut client) => {
                let (view, hello) = (client.ask("system", &()), Some(client.hello().clone()));
                Self { place, hello, asked, view }
            }
            Err(error) => Self { place, hello: None, asked, view: Err(error) },
        }
    }

    /// What the service says it is: its version, and of what commit.
    fn version(&self) -> Option<String> {
        let Application { version, commit, .. } = self.hello.as_ref()?.application.as_ref()?;
        let commit = commit.iter().map(|commit| format!(" {commit:.12}"));
        Some(clean(&std::iter::once(version.clone()).chain(commit).collect::<String>()))
    }
}

/// The systems that listen. Places that were left behind are not among them.
pub(crate) fn running() -> Result<Vec<Found>, Trouble> {
    let places = list(&base()?)?.into_iter();
    Ok(places.map(Found::of).filter(|found| !found.view.as_ref().is_err_and(is_absent)).collect())
}

/// Nobody listens there, or not any more.
pub(crate) fn is_absent(error: &ClientError) -> bool {
    match error {
        ClientError::Io(error) => matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound),
        _ => false,
    }
}

impl From<Found> for Candidate {
    fn from(Found { place, view, .. }: Found) -> Self {
        let Place { process, system, socket } = place;
        let (system, view) = match view {
            Ok(view) => (view.name, Ok((view.at, view.actors, view.crashes))),
            Err(error) => (system, Err(error.to_string())),
        };
        Self { system, process, socket, view }
    }
}

impl From<Found> for Heir<PathBuf> {
    /// One that takes its time to answer has begun later than this says: that shows when it is asked again.
    fn from(Found { place, asked, view, .. }: Found) -> Self {
        match view {
            Ok(view) => Self { began: asked.checked_sub(view.at), name: view.name, place: place.socket },
            Err(_) => Self { began: None, name: place.system, place: place.socket },
        }
    }
}

pub(crate) fn table(systems: &[Found]) -> String {
    if systems.is_empty() {
        return format!("{}\n", none());
    }
    // Where no service says what it is there is no column for that.
    let has_version = systems.iter().any(|found| found.version().is_some());
    let rows = systems.iter().map(|found| {
        let Place { process, system, socket } = &found.place;
        let (name, up, actors, crashes) = match &found.view {
            Ok(view) => (&view.name, span(view.at), view.actors.to_string(), view.crashes.to_string()),
            Err(error) => (system, clean(&error.to_string()), String::new(), String::new()),
        };
        let version = has_version.then(|| found.version().unwrap_or_default());
        let cells = [clean(name), process.to_string(), up, actors, crashes].into_iter().chain(version);
        (None, cells.chain([clean(&socket.display().to_string())]).collect())
    });
    let version = has_version.then_some("VERSION");
    let head = ["SYSTEM", ">PROCESS", ">UP", ">ACTORS", ">CRASHES"].into_iter().chain(version).chain(["SOCKET"]);
    text::table(&head.collect::<Vec<_>>(), rows)
}

pub(crate) fn data(systems: &[Found]) -> Value {
    let system = |found: &Found| {
        let Place { process, system, socket } = &found.place;
        let (view, error) = match &found.view {
            Ok(view) => (Some(view), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let name = view.map_or(system, |view| &view.name);
        json!({
            "system": name, "process": process, "socket": socket, "hello": found.hello, "view": view, "error": error,
        })
    };
    systems.iter().map(system).collect()
}

/// That none runs; and what there is of one that has failed, since that may be why.
fn none() -> String {
    let dump = base().ok().and_then(|base| newest_dump(&base));
    let dump = dump.map(|file| format!("; one that failed has left --replay {}", file.display()));
    clean(&format!("no system runs{}", dump.unwrap_or_default()))
}

/// A connection to the system that is meant.
pub(crate) fn choose(which: &Which) -> Result<Client, Trouble> {
    choose_place(which).map(|(_, client)| client)
}

/// The same, and where it listens.
pub(crate) fn choose_place(which: &Which) -> Result<(PathBuf, Client), Trouble> {
    match which.place() {
        Some(place) => {
            let client = open(which, &place).map_err(|error| trouble(&place, &error))?;
            Ok((place, client))
        }
        None => pick(which).map(|(place, client)| (place.socket, client)),
    }
}

/// A connection to the system that listens at a place: at a socket, or on TCP if that was said.
pub(crate) fn open(which: &Which, place: &Path) -> Result<Client, ClientError> {
    match which.tcp(place) {
        Some((addr, file)) => {
            // That there is no such file does not mean that nobody listens.
            let wrong = |error: std::io::Error| std::io::Error::new(ErrorKind::InvalidInput, error.to_string());
            Client::connect_tcp(addr, &*Token::read(file).map_err(wrong)?, PATIENCE)
        }
        None => Client::connect(place, PATIENCE),
    }
}

/// The same to its socket for actions: `--socket` may name either.
pub(crate) fn to_act(which: &Which) -> Result<Client, Trouble> {
    if which.replay.is_some() {
        return Err(Trouble::Told("a recording cannot be acted upon".to_owned()));
    }
    if which.connect.is_some() {
        return Err(Trouble::Told("over TCP one can look and do nothing else: actions go to a socket".to_owned()));
    }
    let socket = match &which.socket {
        Some(socket) if socket.file_name().is_some_and(|name| name == "ro.sock") => socket.with_file_name("rw.sock"),
        Some(socket) => socket.clone(),
        None => pick(which)?.0.actions(),
    };
    match Client::connect(&socket, PATIENCE) {
        Err(ClientError::Io(error)) if error.kind() == ErrorKind::NotFound => {
            let why = format!("{}: there is no such socket: the console is read-only", socket.display());
            Err(Trouble::Told(clean(&why)))
        }
        client => client.map_err(|error| trouble(&socket, &error)),
    }
}

/// Whether something can be done to the system that greets like this there: through that socket, which may be relayed and have
/// any name, or through the one for actions beside it.
pub(crate) fn can_act(which: &Which, place: &Path, hello: &Hello) -> bool {
    let acts = hello.verbs.iter().any(|verb| verb == "plan");
    let is_beside = || place.file_name() == Some("ro.sock".as_ref()) && place.with_file_name("rw.sock").exists();
    which.connect.is_none() && (acts || is_beside())
}

/// The system that is meant, and a connection to it.
fn pick(which: &Which) -> Result<(Place, Client), Trouble> {
    let listen = |place: Place| {
        let client = Client::connect(&place.socket, PATIENCE);
        let is_there = !client.as_ref().is_err_and(is_absent);
        (is_there && is_meant(which, &place, &client)).then_some((place, client))
    };
    let mut there: Vec<_> = list(&base()?)?.into_iter().filter_map(listen).collect();
    match (there.len(), &which.system) {
        (1, _) => {
            let (place, client) = there.remove(0);
            let client = client.map_err(|error| trouble(&place.socket, &error))?;
            Ok((place, client))
        }
        (0, Some(word)) => Err(Trouble::Told(format!("no system {word:?} runs; `crashworthy ps` lists those that do"))),
        (0, None) => Err(Trouble::Told(none())),
        _ => Err(Trouble::Told(several(there.iter().map(|(place, client)| (name(place, client), place))))),
    }
}

/// How to say which of several is meant: by its name, or by its process if it shares that.
fn several<'a>(there: impl Iterator<Item = (&'a str, &'a Place)> + Clone) -> String {
    let mut text = "several systems run, choose one:".to_owned();
    for (name, place) in there.clone() {
        let is_alone = there.clone().filter(|(other, _)| *other == name).count() == 1;
        let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let in_process = there.clone().filter(|(_, other)| other.process == place.process).count();
        let choice = match (is_alone && is_word, in_process) {
            (true, _) => format!("--system {name}"),
            (false, 1) => format!("--system {}", place.process),
            // Several in one process are told apart by their sockets.
            (false, _) => format!("--socket {}", place.socket.display()),
        };
        text += &format!("\n  {}: {}", clean(name), clean(&choice));
    }
    text
}

/// The name of a system: one that does not say it has that of its place.
fn name<'a>(place: &'a Place, client: &'a Result<Client, ClientError>) -> &'a str {
    client.as_ref().map_or(&place.system, |client| &client.hello().system)
}

/// Whether a system has the name or the process that was asked for.
fn is_meant(which: &Which, place: &Place, client: &Result<Client, ClientError>) -> bool {
    let name = name(place, client);
    which.system.as_ref().is_none_or(|word| word == name || *word == place.process.to_string())
}

fn trouble(socket: &Path, error: &ClientError) -> Trouble {
    Trouble::Told(clean(&format!("{}: {error}", socket.display())))
}

#[cfg(test)]
mod tests {
    use crashworthy_console::protocol::ACTION_VERBS;

    use super::*;

    #[test]
    fn a_token_file_that_is_not_there_is_told_and_not_taken_for_a_system_that_does_not_run() {
        let which = Which {
            connect: Some(([127, 0, 0, 1], 1).into()),
            token_file: Some("/nowhere/tcp.token".into()),
            ..Which::default()
        };
        let error = open(&which, &which.place().unwrap()).unwrap_err();
        assert!(!is_absent(&error) && error.to_string().contains("/nowhere/tcp.token"), "{error}");
    }

    #[test]
    fn whether_something_can_be_done_is_for_the_greeting_to_say_whatever_a_socket_is_called() {
        let dir = std::env::temp_dir().join(format!("crashworthy-can-act-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let looks = crate::terminal::hello(4711);
        let mut acts = looks.clone();
        acts.verbs.extend(ACTION_VERBS.map(str::to_owned));
        let can = |name: &str, hello: &Hello| can_act(&Which::default(), &dir.join(name), hello);
        assert!(!can("relayed.sock", &looks) && can("relayed.sock", &acts));
        assert!(!can("ro.sock", &looks), "there is none beside it");
        std::fs::write(dir.join("rw.sock"), "").unwrap();
        assert!(can("ro.sock", &looks) && !can("relayed.sock", &looks));
        let tcp = Which { connect: Some(([127, 0, 0, 1], 1).into()), ..Which::default() };
        assert!(!can_act(&tcp, &dir.join("ro.sock"), &looks));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
