//! Where sockets are: a private directory for each system, below one directory of the user.
//!
//! ```text
//! $CRASHWORTHY_RUNTIME_DIR, or $XDG_RUNTIME_DIR/crashworthy, or <temporary files>/crashworthy-<uid>      mode 0700
//!   4711-shop/                                       process and system; `-2` and so on if that is taken  mode 0700
//!     ro.sock                                                                                             mode 0600
//!     rw.sock                                of a console through which something can be done             mode 0600
//!     web.token                              of who serves a web page, if somebody does                   mode 0600
//!     tcp.token                              of a console that listens on TCP, too                        mode 0600
//!   audit/shop.jsonl                         what was done to systems of that name; it outlives them      mode 0600
//!   dumps/shop-1764296185-4711.jsonl         what there was when one of them failed: name, time, process  mode 0600
//! ```

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};

/// The socket's name.
const SOCKET: &str = "ro.sock";
/// The name of the socket for actions.
const ACTIONS: &str = "rw.sock";
/// The directory of the audits, beside those of the systems.
const AUDIT: &str = "audit";
/// The directory of the dumps, beside those of the systems.
const DUMPS: &str = "dumps";
/// The name of a file that others of the user keep here: the token of a web page.
pub const TOKEN: &str = "web.token";
/// The name of the file with the token for TCP.
const TCP: &str = "tcp.token";
/// The socket's name before somebody listens.
const UNFINISHED: &str = "ro.new";
/// Entries of the common directory that are looked at.
const ENTRIES: usize = 1024;
/// Systems of one name in one process.
const NAMESAKES: usize = 256;
/// Bytes of a system's name that are a part of a path: the path of a socket is short.
const NAME: usize = 32;

/// The private directory of one system. It goes once: when the system ends, or with the last who holds it.
#[derive(Debug)]
pub(crate) struct Home {
    dir: PathBuf,
    gone: AtomicBool,
}

impl Home {
    /// Makes a directory below `base`, and listens in it. What processes that are no more have left behind goes.
    pub(crate) fn make(base: &Path, uid: u32, system: &str) -> io::Result<(Self, UnixListener)> {
        private(base, uid)?;
        for left in places(base)?.into_iter().filter(|place| place.is_stale()) {
            left.remove();
        }
        let home = Self { dir: fresh(base, system)?, gone: AtomicBool::new(false) };
        let listener = home.listen(&home.socket())?;
        Ok((home, listener))
    }

    /// Listens for those who want to do something, too.
    pub(crate) fn listen_for_actions(&self) -> io::Result<UnixListener> {
        self.listen(&self.actions())
    }

    fn listen(&self, socket: &Path) -> io::Result<UnixListener> {
        let made = self.dir.join(UNFINISHED);
        let listener = UnixListener::bind(&made)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", made.display())))?;
        fs::set_permissions(&made, Permissions::from_mode(0o600))?;
        // Whoever sees it under its own name can connect.
        fs::rename(&made, socket)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join(SOCKET)
    }

    /// The socket for actions.
    pub(crate) fn actions(&self) -> PathBuf {
        self.dir.join(ACTIONS)
    }

    /// The file of the token for TCP.
    pub(crate) fn token(&self) -> PathBuf {
        self.dir.join(TCP)
    }

    /// The file of the audit: not in the directory of the system, since it is wanted when the system has gone.
    pub(crate) fn audit(&self, system: &str) -> PathBuf {
        self.dir.with_file_name(AUDIT).join(format!("{}.jsonl", word(system)))
    }

    /// Removes socket and directory, unless that was done: another system may live there by now.
    pub(crate) fn leave(&self) {
        if !self.gone.swap(true, AcqRel) {
            remove(&self.dir);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The directory of the dumps below `base`, made unless it is there.
pub(crate) fn dumps(base: &Path) -> io::Result<PathBuf> {
    let (uid, dir) = (uid()?, base.join(DUMPS));
    private(base, uid)?;
    private(&dir, uid)?;
    Ok(dir)
}

/// The dump that was written last of any system that has failed, if it was left where such directories are.
pub fn newest_dump(base: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(base.join(DUMPS)).ok()?.take(ENTRIES);
    let written = |entry: fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
    entries.filter_map(|entry| written(entry.ok()?)).max().map(|(_, file)| file)
}

/// The user that this process acts as, asked of a socket of its own.
///
/// To be called where a runtime with I/O has been entered.
pub(crate) fn own_uid() -> io::Result<u32> {
    let (one, _other) = tokio::net::UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

/// The directory that the environment names.
///
/// # Errors
/// If the user of this process cannot be found out.
pub fn base() -> io::Result<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(chosen) = named("CRASHWORTHY_RUNTIME_DIR") {
        return Ok(chosen);
    }
    if let Some(runtime) = named("XDG_RUNTIME_DIR") {
        return Ok(runtime.join("crashworthy"));
    }
    Ok(std::env::temp_dir().join(format!("crashworthy-{}", uid()?)))
}

/// The user that this process acts as, wherever it is called.
fn uid() -> io::Result<u32> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let uid = {
        let _entered = runtime.enter();
        own_uid()
    };
    // Dropped it would wait for its threads, which a task must not; it has none.
    runtime.shutdown_background();
    uid
}

/// One system's place in the common directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The process.
    pub process: u32,
    /// The system's name, as far as a path can hold it.
    pub system: String,
    /// The socket.
    pub socket: PathBuf,
}

impl Place {
    fn of(dir: PathBuf) -> Option<Self> {
        let (process, system) = dir.file_name()?.to_str()?.split_once('-')?;
        Some(Self { process: process.parse().ok()?, system: system.to_owned(), socket: dir.join(SOCKET) })
    }

    /// The socket for actions, if there is one: beside the other.
    pub fn actions(&self) -> PathBuf {
        self.socket.with_file_name(ACTIONS)
    }

    /// Whether nobody is there any more. A socket without a listener is left behind, whoever has that process number now;
    /// a place without a socket may be one that is being made, unless no such process is seen.
    fn is_stale(&self) -> bool {
        let seen = Path::new("/proc").join(self.process.to_string()).exists() || !Path::new("/proc/self").exists();
        match UnixStream::connect(&self.socket).map_err(|error| error.kind()) {
            Err(ErrorKind::ConnectionRefused) => true,
            Err(ErrorKind::NotFound) => !seen,
            _ => false,
        }
    }

    fn remove(&self) {
        if let Some(dir) = self.socket.parent() {
            remove(dir);
        }
    }
}

/// The systems that have a place in this directory, by process and name; at most 1,024. Nobody may be there any more.
///
/// # Errors
/// If the directory is open to other users, who could pretend to be systems, or cannot be read. One that is not there is
/// empty.
pub fn list(base: &Path) -> io::Result<Vec<Place>> {
    match fs::symlink_metadata(base) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        _ => check(base, uid()?)?,
    }
    places(base)
}

fn places(base: &Path) -> io::Result<Vec<Place>> {
    let entries = fs::read_dir(base)?.take(ENTRIES);
    let mut places: Vec<_> = entries.filter_map(|entry| Place::of(entry.ok()?.path())).collect();
    places.sort();
    Ok(places)
}

/// Makes a directory that is the user's alone, unless it is there.
fn private(dir: &Path, uid: u32) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", dir.display()))),
    }
    check(dir, uid)
}

/// Makes sure that a directory is the user's alone.
fn check(dir: &Path, uid: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(dir)?;
    let wrong = if !found.is_dir() {
        "is not a directory"
    } else if found.uid() != uid {
        "belongs to another user"
    } else if found.mode() & 0o077 != 0 {
        "is open to other users: it must have the mode 0700"
    } else {
        return Ok(());
    };
    Err(io::Error::new(ErrorKind::PermissionDenied, format!("{} {wrong}", dir.display())))
}

/// A new directory for a system of this process.
fn fresh(base: &Path, system: &str) -> io::Result<PathBuf> {
    let stem = format!("{}-{}", std::process::id(), word(system));
    for number in 1..=NAMESAKES {
        let dir = base.join(if number == 1 { stem.clone() } else { format!("{stem}-{number}") });
        match DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", dir.display()))),
        }
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, format!("{NAMESAKES} systems of this process have that name")))
}

/// The name of a system as a part of a path.
pub(crate) fn word(system: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    system.chars().take(NAME).map(allowed).collect()
}

/// Removes what we make, and the directory if nothing else is in it.
fn remove(dir: &Path) {
    // What cannot be removed is found stale by the next who looks.
    let _ = fs::remove_file(dir.join(TOKEN));
    let _ = fs::remove_file(dir.join(TCP));
    let _ = fs::remove_file(dir.join(UNFINISHED));
    let _ = fs::remove_file(dir.join(ACTIONS));
    let _ = fs::remove_file(dir.join(SOCKET));
    let _ = fs::remove_dir(dir);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own for one test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("crashworthy-home-{}-{name}", std::process::id()));
            DirBuilder::new().mode(0o700).create(&dir).expect("nobody else has that name");
            Self(dir)
        }

        fn uid(&self) -> u32 {
            fs::metadata(&self.0).unwrap().uid()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn directory_and_socket_are_the_users_alone_and_go_with_the_system() {
        let scratch = Scratch::new("alone");
        let (base, uid) = (scratch.0.join("below"), scratch.uid());
        let (home, _listener) = Home::make(&base, uid, "shop").unwrap();
        let _actions = home.listen_for_actions().unwrap();
        fs::write(home.dir.join(TOKEN), "secret").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&base), mode(&home.dir)), (0o700, 0o700));
        assert_eq!((mode(&home.socket()), mode(&home.actions())), (0o600, 0o600));
        let place = Place { process: std::process::id(), system: "shop".into(), socket: home.socket() };
        assert_eq!(place.actions(), home.actions());
        assert_eq!(list(&base).unwrap(), [place]);
        let dir = home.dir.clone();
        drop(home);
        assert_eq!((list(&base).unwrap(), dir.exists()), (vec![], false));
    }

    #[tokio::test]
    async fn places_are_listed_from_a_task_as_from_anywhere() {
        let scratch = Scratch::new("task");
        let (home, _listener) = Home::make(&scratch.0, scratch.uid(), "shop").unwrap();
        assert_eq!(list(&scratch.0).unwrap().len(), 1);
        drop(home);
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused() {
        let scratch = Scratch::new("open");
        fs::set_permissions(&scratch.0, Permissions::from_mode(0o750)).unwrap();
        let error = Home::make(&scratch.0, scratch.uid(), "shop").unwrap_err();
        assert!(error.to_string().ends_with("is open to other users: it must have the mode 0700"), "{error}");
        assert_eq!(
            list(&scratch.0).unwrap_err().to_string(),
            error.to_string(),
            "nor is anybody believed who is there"
        );
        assert_eq!(list(&scratch.0.join("missing")).unwrap(), []);
        fs::set_permissions(&scratch.0, Permissions::from_mode(0o700)).unwrap();
        let error = Home::make(&scratch.0, scratch.uid() + 1, "shop").unwrap_err();
        assert!(error.to_string().ends_with("belongs to another user"), "{error}");
    }

    #[test]
    fn what_dead_systems_left_behind_goes_and_namesakes_live_side_by_side() {
        let scratch = Scratch::new("stale");
        let (first, listener) = Home::make(&scratch.0, scratch.uid(), "a/b").unwrap();
        let (second, _other) = Home::make(&scratch.0, scratch.uid(), "a/b").unwrap();
        let systems = || list(&scratch.0).unwrap().into_iter().map(|place| place.system).collect::<Vec<_>>();
        assert_eq!(systems(), ["a_b", "a_b-2"]);
        // As if the process had been killed.
        first.gone.store(true, std::sync::atomic::Ordering::SeqCst);
        drop((first, listener));
        drop(second);
        assert_eq!(systems(), ["a_b"]);
        let (_third, _listener) = Home::make(&scratch.0, scratch.uid(), "c").unwrap();
        assert_eq!(systems(), ["c"]);
    }

    #[test]
    fn a_name_of_any_length_fits_into_the_path_of_a_socket() {
        let scratch = Scratch::new("long");
        let (home, _listener) = Home::make(&scratch.0, scratch.uid(), &"é".repeat(1000)).unwrap();
        assert!(home.socket().is_absolute());
    }
}
