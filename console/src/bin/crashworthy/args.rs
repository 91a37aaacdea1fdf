//! The command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use crashworthy_console::protocol;

use crate::act::Act;
use crate::completions::Shell;
use crate::events::{DeadLettersArgs, EventsArgs};
use crate::remote;
use crate::trace::TraceArgs;
use crate::watching::{TopArgs, TreeArgs};

const EXAMPLES: &str = "\
Without a command, in a terminal, it opens the screens: ? tells the keys.

Examples:
  crashworthy                               screens of the system that runs, or a choice of those that do
  crashworthy ps                            which systems run on this machine, as this user
  crashworthy tree                          everybody, parents before their children
  crashworthy tree shop/front --levels 2    one branch, not too deep
  crashworthy top --sort in-hand -n 5       who has been busy with one message for longest
  crashworthy top --busy --watch 1          who is busy, once a second, and how much it handles
  crashworthy top --sort rate --watch 1     who handles most messages in a second; with --reverse who handles least
  crashworthy actor shop/front/till         one actor: what it does, its mailbox, its links
  crashworthy state shop/front/till         what it shows of its state
  crashworthy crashes --under shop/front    the newest crashes there, and what was decided about them
  crashworthy events --watch 1              what happens, as it happens
  crashworthy dead-letters                  what nobody handled, and why
  crashworthy trace shop/front -n 100 --rate 10 --for 30s    messages there as they are handled
  crashworthy health                        a readiness probe: is somebody down, or without what it needs?
  crashworthy sources                       its caches, circuit breakers and pools: which of them serve
  crashworthy metrics                       sums over all actors of a type, for whoever scrapes
  crashworthy --connect 127.0.0.1:7070 --token-file F top    of a console that listens on TCP, too
  ssh -fN -L /tmp/x.sock:/run/user/1000/crashworthy/4711-shop/ro.sock HOST    of another machine, then:
  crashworthy --socket /tmp/x.sock
  crashworthy dump before.jsonl             one picture of everything
  crashworthy --replay before.jsonl         the same screens of that, or of what R has recorded in them
  crashworthy top --replay before.jsonl     and the same commands
  crashworthy crashes --json | jq '.reports[].crash.message'

  crashworthy suspend shop/till --for 5m --reason 'bank is down'
  crashworthy kill shop/till --reason 'it hangs'    what would come of it, and whether to do it
  crashworthy trip shop/till --reason 'wrong prices'    nothing new gets in, until: untrip
  crashworthy drain shop/front --within 1m --reason 'new tills'    finish, then stop
  crashworthy drain shop --within 1m --reason 'a new version'    the top of the tree: the system ends, as on SIGTERM
  crashworthy log-level debug --reason 'what happens there?'
  crashworthy top --shut                    whose gate is not open, and what it is
  crashworthy stop --under shop/front --match Cashier --reason 'tills are closed' --yes
  crashworthy audit                         what was done, by whom, and why

Systems are found by their sockets, below $CRASHWORTHY_RUNTIME_DIR, or $XDG_RUNTIME_DIR/crashworthy, or a directory of
the user among the temporary files. If several run, --system chooses.

Exit codes: 0 done; 1 there is no such system or actor, or nobody matches, or it does not answer, or it is not healthy, or nothing was traced,
or it refuses an action; 2 the command line is wrong; 3 an action was not confirmed, and nothing was done; 143 and the
like, as shells tell it: a signal ended the screens (SIGTERM), after the terminal was given back.";

const COMPLETIONS: &str = "\
Examples:
  crashworthy completions bash > ~/.local/share/bash-completion/completions/crashworthy
  crashworthy completions zsh > ~/.zfunc/_crashworthy            where ~/.zfunc is in $fpath
  crashworthy completions fish > ~/.config/fish/completions/crashworthy.fish";

/// Looks into running crashworthy systems: whom they have, what everybody does, what has crashed.
///
/// A system that is stuck answers all the same. What changes something says what would come of it, and asks.
#[derive(Debug, Parser)]
#[command(name = "crashworthy", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Without a command: records what the screens are told to this new file, from the beginning.
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub(crate) record: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

impl Cli {
    /// The command line as it is told: the help of a command has no options of all the others that it does not take. Whoever
    /// gives one all the same is told [why](Self::misuse) it is not taken.
    pub(crate) fn told() -> Command {
        let none = ["socket", "system", "connect", "token_file", "replay"];
        let acts = Act::augment_subcommands(Command::new("acts"));
        let acts = acts.get_subcommands().map(|act| (act.get_name().to_owned(), &none[2..]));
        let others = [("ps", &none[..]), ("completions", &none), ("dump", &none[4..]), ("trace", &none[4..])];
        let others = others.map(|(name, untaken)| (name.to_owned(), untaken));
        acts.chain(others).fold(Self::command(), |command, (name, untaken)| {
            let hidden = |id: &&str| command.get_arguments().find(|option| option.get_id() == id).cloned();
            let hidden: Vec<_> = untaken.iter().filter_map(hidden).map(|option| option.hide(true)).collect();
            command.mut_subcommand(name, |one| one.args(hidden))
        })
    }

    /// What was said on the command line.
    pub(crate) fn said() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&Self::told().try_get_matches()?)
    }

    /// What goes together for clap, and not for us.
    pub(crate) fn misuse(&self) -> Option<clap::Error> {
        let Which { socket, system, connect, replay, .. } = &self.which;
        let is_one = socket.is_some() || system.is_some() || connect.is_some();
        let is_recording = replay.is_some();
        let named = [socket.as_deref().and_then(Path::to_str), system.as_deref()];
        if let Some(way) = named.into_iter().flatten().find_map(remote::way) {
            return Some(Self::command().error(ErrorKind::InvalidValue, way));
        }
        let why = match &self.action {
            Some(_) if self.record.is_some() => "--record is for the screens: it goes without a command",
            Some(Action::Show(What::Ps { .. })) if is_recording => "ps tells of systems that run, not of recordings",
            Some(Action::Show(What::Ps { .. })) if is_one => {
                "ps tells of all systems of this user: of one tells `tree` or `top`"
            }
            Some(Action::Show(What::Top(of))) if of.wants_rates() && of.show.watch.is_none() && !is_recording => {
                "one look says nothing of a second: --sort rate and --sort busy go with --watch"
            }
            Some(Action::Completions { .. }) if is_one || is_recording => "completions asks no system",
            Some(Action::Dump { .. }) if is_recording => "a recording is not dumped: it is a file already",
            Some(Action::Trace(_)) if is_recording => "a recording is not traced: nothing happens in it",
            Some(Action::Act(_)) if is_recording => "a recording cannot be acted upon",
            Some(Action::Act(_)) if connect.is_some() => {
                "over TCP one can look and do nothing else: actions go to a socket"
            }
            _ => return None,
        };
        Some(Self::command().error(ErrorKind::ArgumentConflict, why))
    }
}

/// Which system.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Which {
    /// The system that listens there.
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "system")]
    pub(crate) socket: Option<PathBuf>,
    /// The system of that name, or of that process.
    #[arg(long, global = true, value_name = "NAME|PID")]
    pub(crate) system: Option<String>,
    /// The system that listens on TCP there, for whoever has its token: to look, not to act.
    #[arg(long, global = true, value_name = "ADDR:PORT", requires = "token_file", conflicts_with_all = ["socket", "system"])]
    pub(crate) connect: Option<SocketAddr>,
    /// With --connect: the file with its token, which nobody else may read.
    #[arg(long, global = true, value_name = "FILE", requires = "connect")]
    pub(crate) token_file: Option<PathBuf>,
    /// None that runs: a recording or a dump. Commands tell how it was at its end.
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["socket", "system", "connect"])]
    pub(crate) replay: Option<PathBuf>,
}

impl Which {
    /// Where it listens, if that was said; an address on TCP as one would write it.
    pub(crate) fn place(&self) -> Option<PathBuf> {
        self.socket.clone().or_else(|| self.connect.map(|addr| addr.to_string().into()))
    }

    /// The address on TCP and the file with its token, if that is the place.
    pub(crate) fn tcp(&self, place: &Path) -> Option<(SocketAddr, &Path)> {
        let addr = self.connect.filter(|_| self.place().is_some_and(|named| named == place))?;
        Some((addr, self.token_file.as_deref()?))
    }
}

/// How it is shown.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// As JSON, one line each time.
    #[arg(long)]
    pub(crate) json: bool,
    /// Again and again, with so many seconds between: 0.1 to 3600.
    #[arg(long, value_name = "SECS")]
    pub(crate) watch: Option<Every>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    #[command(flatten)]
    Show(What),
    #[command(flatten)]
    Act(Act),
    /// Which messages actors take, from whom, how they end and how long that takes; not what they say. Exit code 1 if there were none.
    #[command(after_help = crate::trace::WHY)]
    Trace(TraceArgs),
    /// Writes one picture of everything to a new file, or with - to standard output. --replay opens it.
    Dump {
        /// The file. One that is there stays as it is.
        file: PathBuf,
        /// Says as JSON, too, how much is in the file, which is lines of JSON in any case. Standard output gets nothing but those.
        #[arg(long)]
        json: bool,
    },
    /// Writes a script with which a shell completes this command.
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Which systems run, as this user.
    Ps {
        #[command(flatten)]
        show: Show,
    },
    /// The tree: who is below whom, and how they are.
    Tree(TreeArgs),
    /// The actors that have most of something.
    Top(TopArgs),
    /// One actor: what it does, how its messages ended, whom it is tied to.
    Actor {
        /// A path, a name that only one has or has registered, or an id.
        actor: String,
        #[command(flatten)]
        show: Show,
    },
    /// What an actor shows of its state: as much as its author has said. Exit code 1 if it is busy.
    State {
        /// A path, a name that only one has or has registered, or an id.
        actor: String,
        #[command(flatten)]
        show: Show,
    },
    /// The newest crashes: reason, message in hand, what the supervisor decided.
    Crashes {
        /// Of this actor and those below it, by path, name or id.
        #[arg(long, value_name = "PATH")]
        under: Option<String>,
        /// How many at most. [default: 20]
        #[arg(short = 'n', long = "limit", value_name = "N")]
        limit: Option<usize>,
        /// With backtraces, where there are any.
        #[arg(long)]
        backtrace: bool,
        #[command(flatten)]
        show: Show,
    },
    /// What has happened: the newest, or those after a number. With --watch what comes, as it comes.
    Events(EventsArgs),
    /// Messages that nobody handled: how many, why, whose, and the newest.
    ///
    /// Given up are those that were in hand when their incarnation ended, undelivered those that were queued when their slot
    /// was emptied. What an actor had for itself (ticks, results of pipes) ends with its incarnation: it is counted apart, and
    /// kept by nobody. LOST in tree and top is all three.
    DeadLetters(DeadLettersArgs),
    /// Whether everybody takes new work, and else who does not, for want of what. Exit code 1 if somebody does not.
    Health {
        #[command(flatten)]
        show: Show,
    },
    /// Figures in the text format of OpenMetrics, which Prometheus reads: sums over all actors of a type.
    Metrics {
        #[command(flatten)]
        show: Show,
    },
    /// What the service has besides actors, and tells of itself: caches, circuit breakers, pools of connections. Exit code 1 if one that is
    /// critical does not serve.
    Sources {
        #[command(flatten)]
        show: Show,
    },
    /// What was done through the console, by whom, and why.
    Audit {
        /// How many entries at most. [default: 20]
        #[arg(short = 'n', long = "limit", value_name = "N")]
        limit: Option<usize>,
        #[command(flatten)]
        show: Show,
    },
    /// The newest reports of supervisors.
    Reports {
        /// Of this supervisor and those below it, by path, name or id.
        #[arg(long, value_name = "PATH")]
        under: Option<String>,
        /// Children that were started, instead of what went wrong.
        #[arg(long)]
        progress: bool,
        /// How many at most. [default: 20]
        #[arg(short = 'n', long = "limit", value_name = "N")]
        limit: Option<usize>,
        #[command(flatten)]
        show: Show,
    },
}

impl What {
    pub(crate) fn show(&self) -> &Show {
        match self {
            Self::Ps { show }
            | Self::Actor { show, .. }
            | Self::State { show, .. }
            | Self::Crashes { show, .. }
            | Self::Health { show }
            | Self::Metrics { show }
            | Self::Sources { show }
            | Self::Audit { show, .. }
            | Self::Reports { show, .. } => show,
            Self::Tree(of) => &of.show,
            Self::Top(of) => &of.show,
            Self::Events(of) => &of.show,
            Self::DeadLetters(of) => &of.show,
        }
    }
}

/// What the top is sorted by.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Sort {
    /// Messages queued.
    Depth,
    /// How long the callback that runs has run.
    InHand,
    /// Messages handled.
    Handled,
    /// Restarts.
    Restarts,
    /// Messages that nobody handled.
    Lost,
    /// By path.
    Path,
    /// How old the oldest message is.
    Oldest,
    /// With --watch, or of what was recorded by the screens: messages handled in a second.
    Rate,
    /// The same: how much of a second it is busy.
    Busy,
}

impl From<Sort> for protocol::Sort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Depth => Self::Depth,
            Sort::InHand => Self::InHand,
            Sort::Handled => Self::Handled,
            Sort::Restarts => Self::Restarts,
            Sort::Lost => Self::Lost,
            Sort::Path => Self::Path,
            Sort::Oldest => Self::Oldest,
            Sort::Rate => Self::Rate,
            Sort::Busy => Self::Busy,
        }
    }
}

/// Where an actor is in its life.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum State {
    NotStarted,
    Starting,
    Running,
    Suspended,
    Restarting,
    Stopped,
    Gone,
}

impl From<State> for crashworthy_runtime::State {
    fn from(state: State) -> Self {
        match state {
            State::NotStarted => Self::NotStarted,
            State::Starting => Self::Starting,
            State::Running => Self::Running,
            State::Suspended => Self::Suspended,
            State::Restarting => Self::Restarting,
            State::Stopped => Self::Stopped,
            State::Gone => Self::Gone,
        }
    }
}

/// How often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Every(pub(crate) Duration);

impl FromStr for Every {
    type Err = String;

    fn from_str(seconds: &str) -> Result<Self, String> {
        let every = seconds.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
        every.map(|seconds| Self(Duration::from_secs_f64(seconds))).ok_or("0.1 to 3600 seconds".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::told().debug_assert();
    }

    #[test]
    fn an_interval_is_neither_nothing_nor_for_ever() {
        assert_eq!("0.5".parse::<Every>().unwrap().0, Duration::from_millis(500));
        for wrong in ["0", "-1", "NaN", "inf", "1e9", "soon"] {
            assert!(wrong.parse::<Every>().is_err(), "{wrong}");
        }
    }
}
