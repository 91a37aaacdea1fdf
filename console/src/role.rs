//! What a client may do: that is told by the socket it came through, and here alone.

use std::io;

use tokio::net::UnixStream;

use crate::protocol::{ACTION_VERBS, Peer, VERBS};

/// What the clients of a socket may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Look.
    Looks,
    /// Look and act.
    Acts,
}

impl Role {
    /// Its name, as on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Looks => "read_only",
            Self::Acts => "read_write",
        }
    }

    /// What it may ask.
    pub(crate) fn verbs(self) -> Vec<String> {
        let more: &[&str] = if self == Self::Acts { &ACTION_VERBS } else { &[] };
        VERBS.iter().chain(more).map(|&verb| verb.to_owned()).collect()
    }

    /// The socket it is told by.
    pub(crate) fn socket(self) -> &'static str {
        match self {
            Self::Looks => "ro.sock",
            Self::Acts => "rw.sock",
        }
    }
}

/// Whether a peer may enter, at either socket: the user of this process, and root, who could anyway.
pub(crate) fn admits(own: u32, peer: u32) -> bool {
    peer == own || peer == 0
}

/// Who is at the other end, and what it may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    pub(crate) peer: Peer,
}

impl Caller {
    /// One who knows the token of this user, and may look.
    pub(crate) fn known(own: u32) -> Self {
        Self { role: Role::Looks, peer: Peer { uid: own, process: None } }
    }

    /// As the kernel says.
    pub(crate) fn of(stream: &UnixStream, role: Role) -> io::Result<Self> {
        let peer = stream.peer_cred()?;
        Ok(Self { role, peer: Peer { uid: peer.uid(), process: peer.pid() } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_the_process_and_root_may_enter_and_nobody_else() {
        assert!(admits(1000, 1000) && admits(1000, 0) && admits(0, 0));
        assert!(!admits(1000, 1001) && !admits(0, 1000));
    }

    #[test]
    fn who_may_act_may_ask_whatever_who_may_look_may() {
        let (looks, acts) = (Role::Looks.verbs(), Role::Acts.verbs());
        assert!(acts.starts_with(&looks) && !looks.iter().any(|verb| verb == "commit"));
        assert_eq!(acts[looks.len()..], ACTION_VERBS);
    }
}
