//! The actors of the simulated world.

use std::collections::BTreeMap;
use std::rc::Rc;

use crashworthy_supervisor::ChildSpec;
use crashworthy_supervisor::core::{CallId, ChildKey, Core, Reason, ReasonClass};

use super::super::scenario::{Behaviour, Stop, Tree};
use super::calls::Call;

/// An incarnation: an index into the world's actors.
pub(super) type Pid = u32;

/// Whoever sends signals and is neither parent nor child of anybody.
pub(super) const STRANGER: Pid = Pid::MAX;

/// An exit reason, in Erlang's notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Why(pub(super) Rc<str>);

impl Why {
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }
}

impl Reason for Why {
    fn class(&self) -> ReasonClass {
        match &*self.0 {
            "shutdown" => ReasonClass::Shutdown,
            "normal" => ReasonClass::OtherNormal,
            "killed" => ReasonClass::Killed,
            other if other.starts_with("{shutdown,") => ReasonClass::OtherNormal,
            _ => ReasonClass::Abnormal,
        }
    }

    fn shutdown() -> Self {
        Self::new("shutdown")
    }

    fn failed_to_start(child: &str, why: &Self) -> Self {
        Self(format!("{{shutdown,{{failed_to_start_child,{child},{}}}}}", why.0).into())
    }
}

/// One incarnation, alive or dead.
pub(super) struct Actor {
    pub(super) path: String,
    pub(super) n: u64,
    /// `None` for the root.
    pub(super) parent: Option<Pid>,
    pub(super) alive: bool,
    /// To its parent.
    pub(super) linked: bool,
    /// Who is to be told of its end.
    pub(super) monitors: Vec<Pid>,
    pub(super) role: Role,
}

pub(super) enum Role {
    Worker {
        stop: Stop,
        /// It has begun to stop.
        terminating: bool,
        /// Its start function returned something besides.
        info: bool,
    },
    Supervisor(Box<Supervisor>),
}

pub(super) struct Supervisor {
    pub(super) core: Core<Pid, Why>,
    pub(super) scripts: BTreeMap<ChildKey, Script>,
    /// What its children look like, if it is a dynamic one.
    pub(super) template: Option<ChildSpec>,
    pub(super) calls: BTreeMap<CallId, Call>,
    /// A start is under way.
    pub(super) starting: bool,
    /// How many ends are awaited.
    pub(super) stopping: usize,
    /// As which child its parent awaits its start; `None` afterwards and for the root.
    pub(super) awaited_as: Option<ChildKey>,
    pub(super) ready: bool,
}

/// How to start a child.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) id: String,
    pub(super) body: Body,
}

#[derive(Clone)]
pub(super) enum Body {
    Worker(Rc<Behaviour>),
    Supervisor(Rc<Tree>),
}
