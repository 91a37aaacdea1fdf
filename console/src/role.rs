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

    /// Whether a peer may enter: the user of this process, and to act also root, who could anyway.
    pub(crate) fn admits(self, own: u32, peer: u32) -> bool {
        peer == own || (self == Self::Acts && peer == 0)
    }
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
    fn the_same_user_may_enter_and_nobody_else_but_root_to_act() {
        for role in [Role::Looks, Role::Acts] {
            assert!(role.admits(1000, 1000) && !role.admits(1000, 1001) && !role.admits(0, 1000));
        }
        assert!(Role::Acts.admits(1000, 0) && !Role::Looks.admits(1000, 0));
    }

    #[test]
    fn who_may_act_may_ask_whatever_who_may_look_may() {
        let (looks, acts) = (Role::Looks.verbs(), Role::Acts.verbs());
        assert!(acts.starts_with(&looks) && !looks.iter().any(|verb| verb == "commit"));
        assert_eq!(acts[looks.len()..], ACTION_VERBS);
    }
}
