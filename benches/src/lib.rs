//! Crashworthy beside its peers.
//!
//! A *work* ([`works::Work`]) is something that actors do together: count messages, pass a token round a ring, crash and come back. Each work is
//! written once, as [`Behaviour`](peer::Behaviour)s and a driver, over the small trait [`Peer`](peer::Peer). Each *peer* (a runtime, or an actor written by hand)
//! hosts the same behaviours in its own way, in one file of [`peers`]. So all of them do the same observable work, and the
//! compiler sees through the trait: it costs the peers nothing.
//!
//! [`versus`] lets the peers take turns and compares them; the binary of the same name is its command line. What each work counts is
//! defined in `README.md` and printed by `versus --list`.
//!
//! [`overload`] asks one actor for more than it can do, of ours and of the peers.
//!
//! [`crowd`] and [`console_cost`] have no peers: they show what a child of a dynamic supervisor costs among ten thousand and among a million,
//! and what the console costs. [`instructions`] counts what the hot paths execute, [`scaling`] looks whether a million actors cost each what a hundred do,
//! and [`io`] has actors serve sockets.
#![forbid(unsafe_code)]

pub mod blocked;
pub mod console_cost;
pub mod crowd;
pub mod dice;
pub mod faults;
pub mod instructions;
pub mod io;
pub mod overload;
pub mod peer;
pub mod peers;
pub mod program;
pub mod scaling;
pub mod section;
pub mod versus;
pub mod works;
pub mod wrong;
