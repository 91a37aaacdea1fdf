//! The scenario format: a tree of scripted actors, and what is done to it. `otp-oracle/README.md` has it in words.

use std::time::Duration;

use crashworthy_supervisor as sup;
use serde::Deserialize;

/// One line of a scenario file.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Scenario {
    pub(crate) id: u64,
    pub(crate) tree: Tree,
    pub(crate) steps: Vec<Step>,
}

/// A supervisor, written down.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tree {
    #[serde(default)]
    pub(crate) flags: Flags,
    #[serde(default)]
    pub(crate) children: Vec<Child>,
    /// The outcome of its n-th start, `ok` after the end of the list.
    #[serde(default)]
    pub(crate) start: Vec<Start>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Flags {
    pub(crate) strategy: Strategy,
    pub(crate) intensity: u32,
    pub(crate) period: u64,
    pub(crate) auto_shutdown: sup::AutoShutdown,
}

impl Default for Flags {
    fn default() -> Self {
        Self { strategy: Strategy::OneForOne, intensity: 1, period: 5, auto_shutdown: sup::AutoShutdown::Never }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Strategy {
    OneForOne,
    OneForAll,
    RestForOne,
    SimpleOneForOne,
}

impl Strategy {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::OneForOne => "one_for_one",
            Self::OneForAll => "one_for_all",
            Self::RestForOne => "rest_for_one",
            Self::SimpleOneForOne => "simple_one_for_one",
        }
    }
}

impl Flags {
    pub(crate) fn is_dynamic(&self) -> bool {
        self.strategy == Strategy::SimpleOneForOne
    }

    /// The same flags in our words. A dynamic supervisor is one for one.
    pub(crate) fn ours(&self) -> sup::Flags {
        let strategy = match self.strategy {
            Strategy::OneForOne | Strategy::SimpleOneForOne => sup::Strategy::OneForOne,
            Strategy::OneForAll => sup::Strategy::OneForAll,
            Strategy::RestForOne => sup::Strategy::RestForOne,
        };
        sup::Flags::new(strategy)
            .intensity(self.intensity, Duration::from_secs(self.period))
            .auto_shutdown(self.auto_shutdown)
    }
}

/// A child specification with the script of the child.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Child {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) restart: sup::Restart,
    pub(crate) shutdown: Option<Shutdown>,
    #[serde(default)]
    pub(crate) significant: bool,
    #[serde(default, rename = "type")]
    pub(crate) kind: sup::Kind,
    #[serde(default)]
    pub(crate) behaviour: Behaviour,
    pub(crate) sup: Option<Tree>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Shutdown {
    Ms(u64),
    Word(ShutdownWord),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShutdownWord {
    Infinity,
    BrutalKill,
}

impl Child {
    /// The specification in our words.
    pub(crate) fn spec(&self) -> sup::ChildSpec {
        let spec = sup::ChildSpec::new(self.id.as_str(), self.kind).restart(self.restart);
        let spec = match self.shutdown {
            None => spec,
            Some(Shutdown::Ms(ms)) => spec.shutdown(sup::Shutdown::Within(Duration::from_millis(ms))),
            Some(Shutdown::Word(ShutdownWord::Infinity)) => spec.shutdown(sup::Shutdown::Unlimited),
            Some(Shutdown::Word(ShutdownWord::BrutalKill)) => spec.shutdown(sup::Shutdown::BrutalKill),
        };
        if self.significant { spec.significant() } else { spec }
    }
}

/// What a worker does when it is started and when it is stopped.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Behaviour {
    /// The outcome of its n-th start, `ok` after the end of the list.
    #[serde(default)]
    pub(crate) start: Vec<Start>,
    #[serde(default)]
    pub(crate) stop: Stop,
}

/// The outcome of one start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Start {
    Ok,
    OkInfo,
    Ignore,
    Timeout,
    Error(String),
    Exit(String),
    /// It blocks until the gate opens, and goes on like this.
    Gate(Box<Start>),
}

/// The outcome of start number `n`, counted from 1.
pub(crate) fn outcome(script: &[Start], n: u64) -> Start {
    let index = usize::try_from(n - 1).unwrap_or(usize::MAX);
    script.get(index).cloned().unwrap_or(Start::Ok)
}

/// How a worker takes being stopped from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    #[default]
    Die,
    Trap,
    /// `terminate` takes so many milliseconds.
    Linger(u64),
    /// `terminate` never returns.
    Ignore,
    Exit(String),
    /// Like `Die`, without a link to the supervisor.
    Unlink,
}

/// A lingering worker may outlive its parent if it takes longer than this, in milliseconds.
const MAY_OUTLIVE: u64 = 1000;

impl Stop {
    pub(crate) fn traps(&self) -> bool {
        !matches!(self, Self::Die | Self::Unlink)
    }

    /// Whether it answers a stop with a reason of its own, of the normal class.
    pub(crate) fn answers_well(&self) -> bool {
        let well = |reason: &str| matches!(reason, "normal" | "shutdown") || reason.starts_with("{shutdown,");
        matches!(self, Self::Exit(reason) if well(reason))
    }

    /// Whether it may be alive for good after its parent was killed and it has begun to stop.
    pub(crate) fn outlives(&self) -> bool {
        match self {
            Self::Ignore => true,
            Self::Linger(ms) => *ms > MAY_OUTLIVE,
            _ => false,
        }
    }
}

/// One step, and the operations that queue up behind the first start it blocks.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    #[serde(flatten)]
    pub(crate) op: Op,
    #[serde(default)]
    pub(crate) during: Vec<Op>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Op {
    /// The worker stops itself.
    Exit {
        target: String,
        reason: String,
    },
    /// A stranger sends an exit signal.
    Signal {
        target: String,
        reason: String,
    },
    /// The root's parent sends it an exit signal.
    ParentExit {
        reason: String,
    },
    StartChild {
        sup: String,
        spec: Option<Box<Child>>,
        #[serde(default)]
        key: String,
        #[serde(default)]
        behaviour: Behaviour,
        sup_spec: Option<Tree>,
    },
    TerminateChild(Which),
    RestartChild(Which),
    DeleteChild(Which),
    GetChildspec(Which),
    WhichChildren {
        sup: String,
    },
    CountChildren {
        sup: String,
    },
    CheckChildspecs {
        specs: Vec<Child>,
        auto_shutdown: Option<sup::AutoShutdown>,
    },
    /// Time passes, in milliseconds.
    Advance {
        ms: u64,
    },
}

/// Whom a request means.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Which {
    pub(crate) sup: String,
    pub(crate) child: String,
    #[serde(default)]
    pub(crate) by: By,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    #[default]
    Id,
    /// By the latest incarnation.
    Pid,
}

impl Op {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Exit { .. } => "exit",
            Self::Signal { .. } => "signal",
            Self::ParentExit { .. } => "parent_exit",
            Self::StartChild { .. } => "start_child",
            Self::TerminateChild(_) => "terminate_child",
            Self::RestartChild(_) => "restart_child",
            Self::DeleteChild(_) => "delete_child",
            Self::GetChildspec(_) => "get_childspec",
            Self::WhichChildren { .. } => "which_children",
            Self::CountChildren { .. } => "count_children",
            Self::CheckChildspecs { .. } => "check_childspecs",
            Self::Advance { .. } => "advance",
        }
    }
}

/// The path of a child.
pub(crate) fn below(path: &str, id: &str) -> String {
    format!("{path}/{id}")
}

/// The path of whoever is above.
pub(crate) fn above(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(above, _)| above)
}

/// The last part of a path.
pub(crate) fn last(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}
