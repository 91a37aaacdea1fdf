//! Whether another system may take the place of one that was lost.
//!
//! Whoever looks at one system, and may act there, must not find himself at another: so the heir of a system is one of its name
//! that began after the lost one had answered last, if there is exactly one. One that ran beside it all the time is a
//! replica, which somebody may choose, and which is never taken. Who has named a process, or a socket, has meant that one.

use std::time::Instant;

use crashworthy_console::protocol::Hello;

use crate::args::Which;

/// What was lost.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    name: String,
    process: u32,
    /// When it answered last.
    answered: Instant,
}

/// One of those that run.
#[derive(Clone, Debug)]
pub(crate) struct Heir<T> {
    pub(crate) name: String,
    /// When it began, or somewhat before; none if it does not say.
    pub(crate) began: Option<Instant>,
    pub(crate) place: T,
}

impl Lost {
    /// Of a system that somebody has meant by its name, or because it was alone.
    pub(super) fn new(which: &Which, hello: &Hello, answered: Instant) -> Option<Self> {
        let is_process = |word: &String| *word == hello.process.to_string() && *word != hello.system;
        let is_named = which.place().is_some() || which.system.as_ref().is_some_and(is_process);
        (!is_named).then(|| Self { name: hello.system.clone(), process: hello.process, answered })
    }

    /// It has answered again what was asked then.
    pub(super) fn answered(&mut self, asked: Instant) {
        self.answered = asked;
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The process that has gone.
    pub(super) fn process(&self) -> u32 {
        self.process
    }

    /// The only one that can be its heir.
    pub(super) fn heir<T>(&self, running: impl IntoIterator<Item = Heir<T>>) -> Option<T> {
        let is_heir = |one: &Heir<T>| one.name == self.name && one.began.is_some_and(|began| began > self.answered);
        let mut heirs = running.into_iter().filter(is_heir);
        match (heirs.next(), heirs.next()) {
            (Some(heir), None) => Some(heir.place),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::hello;
    use super::*;

    fn which(system: Option<&str>) -> Which {
        Which { system: system.map(str::to_owned), ..Which::default() }
    }

    /// A system of that name which began so many seconds after the other one had answered last.
    fn one(answered: Instant, name: &str, after: i64) -> Heir<String> {
        let by = Duration::from_secs(after.unsigned_abs());
        let began = if after < 0 { answered.checked_sub(by) } else { Some(answered + by) };
        Heir { name: name.into(), began, place: format!("{name} {after}") }
    }

    #[test]
    fn the_heir_is_the_only_one_of_its_name_that_began_after_the_loss() {
        let answered = Instant::now() + Duration::from_secs(60);
        let lost = Lost::new(&which(None), &hello(4711), answered).unwrap();
        let heir = |others: &[(&str, i64)]| lost.heir(others.iter().map(|(name, after)| one(answered, name, *after)));
        assert_eq!(heir(&[]), None);
        assert_eq!(heir(&[("shop", 1)]), Some("shop 1".into()));
        assert_eq!(heir(&[("shop", -1)]), None, "it ran beside it");
        assert_eq!(heir(&[("shop", -1), ("shop", 2), ("mall", 3)]), Some("shop 2".into()));
        assert_eq!(heir(&[("shop", 1), ("shop", 2)]), None, "nobody knows which");
        assert_eq!(heir(&[("mall", 1)]), None);
        let silent = Heir { began: None, ..one(answered, "shop", 1) };
        assert_eq!(lost.heir([silent]), None, "it may have run all the time");
    }

    #[test]
    fn whoever_has_named_a_process_or_a_socket_has_meant_no_other() {
        let lost = |which: &Which| Lost::new(which, &hello(4711), Instant::now()).is_some();
        assert!(lost(&which(None)) && lost(&which(Some("shop"))));
        assert!(!lost(&which(Some("4711"))));
        assert!(!lost(&Which { socket: Some("/run/ro.sock".into()), ..Which::default() }));
        assert!(!lost(&Which { connect: Some(([127, 0, 0, 1], 1).into()), ..Which::default() }));
        // A name can look like a process.
        let mut named = hello(4711);
        named.system = "4711".into();
        assert!(Lost::new(&which(Some("4711")), &named, Instant::now()).is_some());
    }
}
