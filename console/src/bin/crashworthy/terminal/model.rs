//! All that the screens are made of: what is known, and where somebody is looking.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crashworthy_console::protocol::{Hello, Sort, SystemView};
use crashworthy_runtime::{ActorId, Pid};

use super::acting::Planned;
use super::happened::Kinds;
use super::list::List;
use super::picture::Picture;
use super::playback::Playback;
use super::question::{MEASURES, Question};
use super::tracing::{Stage, Tracing};
use super::typed::Typed;
use crate::filter;

/// The state of the terminal UI. Times are since it was opened.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) now: Duration,
    /// Columns and lines of the terminal.
    pub(crate) size: (u16, u16),
    pub(crate) link: Link,
    /// Where the system was that was chosen last.
    pub(crate) socket: Option<PathBuf>,
    /// Another process answers than the one in the picture.
    pub(crate) is_succeeded: bool,
    pub(crate) hello: Option<Hello>,
    /// Something can be done to it.
    pub(crate) acts: bool,
    pub(crate) picture: Picture,
    /// When the picture came.
    pub(crate) taken: Option<Duration>,
    pub(crate) is_paused: bool,
    pub(crate) tab: Tab,
    pub(crate) spots: [Spot; TABS.len()],
    /// The same in the list of systems.
    pub(crate) choice: Spot,
    /// What was opened from there, the last on top.
    pub(crate) opened: Vec<Opened>,
    pub(crate) sort: Sort,
    /// Those that have least of it come first.
    pub(crate) reversed: bool,
    /// Which events are shown.
    pub(crate) kinds: Kinds,
    /// Reports of progress instead of errors.
    pub(crate) progress: bool,
    /// Branches of the tree that are folded, by their tops.
    pub(crate) folded: BTreeSet<ActorId>,
    /// The branch of the tree that is shown alone: the id of its top, and its path.
    pub(crate) branch: Option<(String, String)>,
    /// Levels of the tree that are shown, if not all.
    pub(crate) levels: Option<usize>,
    /// The trace whose screen is open.
    pub(crate) tracing: Option<Tracing>,
    /// A filter that is being typed.
    pub(crate) prompt: Option<String>,
    /// Something else that is.
    pub(crate) typed: Option<Typed>,
    /// What would come of an action, while that is in view.
    pub(crate) planned: Option<Planned>,
    /// What was told last, and when.
    pub(crate) notice: Option<(String, Duration)>,
    /// What could not be answered or understood in the last round, and was told.
    pub(crate) complaint: Option<&'static str>,
    pub(crate) recorder: Recorder,
    /// Of a recording.
    pub(crate) playback: Option<Playback>,
}

/// How the system is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// It has not been chosen yet, of these.
    Choosing(Found),
    /// It was chosen.
    Connecting,
    Up,
    /// Why, since when, and when it is tried again.
    Lost {
        why: String,
        since: Duration,
        again: Duration,
    },
    /// What is shown comes from a file.
    Recorded,
}

/// The systems that run, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) systems: Vec<Candidate>,
    /// Why there are none.
    pub(crate) trouble: Option<String>,
}

/// A system that could be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) system: String,
    pub(crate) process: u32,
    pub(crate) socket: PathBuf,
    /// How long it has run, how many actors it has, how many have crashed; or why that is not known.
    pub(crate) view: Result<(Duration, usize, u64), String>,
}

/// Whether answers are written to a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Recorder {
    #[default]
    Idle,
    /// So many bytes have been written.
    Running { bytes: u64 },
    /// Nobody ended it: there was no room, or an error.
    Failed,
}

/// The screens that are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Pulse,
    Tree,
    Top,
    Crashes,
    Reports,
    Health,
    Limits,
    Audit,
    Events,
}

/// In their order.
pub(crate) const TABS: [Tab; 9] =
    [Tab::Pulse, Tab::Tree, Tab::Top, Tab::Crashes, Tab::Reports, Tab::Health, Tab::Limits, Tab::Audit, Tab::Events];

impl Tab {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pulse => "Pulse",
            Self::Tree => "Tree",
            Self::Top => "Top",
            Self::Crashes => "Crashes",
            Self::Reports => "Reports",
            Self::Health => "Health",
            Self::Limits => "Limits",
            Self::Audit => "Audit",
            Self::Events => "Events",
        }
    }
}

/// Where somebody is on one screen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spot {
    pub(crate) list: List,
    pub(crate) filter: String,
}

/// A screen that was opened from another.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) what: What,
    pub(crate) spot: Spot,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The actor with that id.
    Actor(String),
    /// What the actor with that id shows of its state.
    State(String),
    /// The crash of that incarnation.
    Crash(Pid),
    /// The report with that key.
    Report(String),
    /// The entry of the audit with that number.
    Audit(u64),
    /// The event with that number.
    Event(u64),
    /// A value as JSON: of what, and its lines.
    Json(String, Vec<String>),
    /// By what the top is sorted.
    Sorts,
    /// Which events are shown.
    Kinds,
    /// The trace.
    Trace,
    Help,
    /// What can be done to an actor, by its id and path; without one, what is done to none.
    Menu(Option<String>, Option<String>),
    /// What would come of it.
    Plan,
}

/// Screens that are open at a time.
pub(crate) const OPENED: usize = 16;

impl Model {
    pub(crate) fn new(link: Link, size: (u16, u16)) -> Self {
        Self {
            now: Duration::ZERO,
            size,
            link,
            socket: None,
            is_succeeded: false,
            hello: None,
            acts: false,
            picture: Picture::default(),
            taken: None,
            is_paused: false,
            tab: Tab::Pulse,
            spots: Default::default(),
            choice: Spot::default(),
            opened: Vec::new(),
            sort: Sort::Depth,
            reversed: false,
            kinds: Kinds::All,
            progress: false,
            folded: BTreeSet::new(),
            branch: None,
            levels: None,
            tracing: None,
            prompt: None,
            typed: None,
            planned: None,
            notice: None,
            complaint: None,
            recorder: Recorder::Idle,
            playback: None,
        }
    }

    /// What is in view stays as it is until somebody goes on.
    pub(crate) fn is_held(&self) -> bool {
        self.is_paused && self.taken.is_some()
    }

    pub(crate) fn is_choosing(&self) -> bool {
        matches!(self.link, Link::Choosing(_))
    }

    pub(crate) fn spot(&self) -> &Spot {
        match self.opened.last() {
            Some(opened) => &opened.spot,
            None if self.is_choosing() => &self.choice,
            None => &self.spots[self.tab as usize],
        }
    }

    pub(crate) fn spot_mut(&mut self) -> &mut Spot {
        let is_choosing = self.is_choosing();
        match self.opened.last_mut() {
            Some(opened) => &mut opened.spot,
            None if is_choosing => &mut self.choice,
            None => &mut self.spots[self.tab as usize],
        }
    }

    /// The actor that is looked at.
    pub(crate) fn actor(&self) -> Option<&String> {
        self.opened.iter().rev().find_map(|opened| match &opened.what {
            What::Actor(id) => Some(id),
            _ => None,
        })
    }

    /// The actor whose state is in view. It is asked for no longer: that costs the actor a little.
    fn shown(&self) -> Option<&String> {
        match &self.opened.last()?.what {
            What::State(id) => Some(id),
            _ => None,
        }
    }

    /// The crash that is looked at.
    fn crash(&self) -> Option<Pid> {
        self.opened.iter().rev().find_map(|opened| match opened.what {
            What::Crash(pid) => Some(pid),
            _ => None,
        })
    }

    /// Columns of a page, and its lines, the head of a list among them.
    pub(crate) fn body(&self) -> (u16, u16) {
        let (columns, lines) = self.size;
        (columns, lines.saturating_sub(3))
    }

    pub(crate) fn system(&self) -> Option<&SystemView> {
        self.picture.system.as_ref()
    }

    /// Whether the system heeds that argument. What was recorded is looked through here.
    fn knows(&self, argument: &str) -> bool {
        self.link == Link::Recorded || self.hello.as_ref().is_some_and(|hello| hello.knows(argument))
    }

    /// What the system is to look for in a list of actors: none if that is nothing, or it does not know how.
    pub(crate) fn looks_for(&self, tab: Tab) -> Option<String> {
        let text = &self.spots[tab as usize].filter;
        let pattern = filter::read(text)?;
        let is_understood = self.knows("pattern") || (tab == Tab::Top && pattern.part().is_some());
        is_understood.then(|| text.clone())
    }

    /// The tree that is to be seen. Who looks for somebody looks everywhere below its top.
    fn tree(&self) -> Question {
        let top = self.branch.as_ref().map(|(id, _)| id.clone());
        let filter = self.looks_for(Tab::Tree);
        let is_all = filter.is_some();
        let levels = self.levels.filter(|_| !is_all);
        let folds = !is_all && self.knows("folded");
        let folded = self.folded.iter().copied().filter(|_| folds).collect();
        Question::Tree { top, levels, filter, folded }
    }

    /// What has to be asked for what is in view. A recording has everything in it.
    pub(crate) fn questions(&self) -> Vec<Question> {
        if self.is_choosing() {
            return Vec::new();
        }
        let is_recording = matches!(self.recorder, Recorder::Running { .. });
        let shows = |tab| is_recording || self.tab == tab;
        let mut questions = vec![Question::System, Question::Health, Question::Crashes];
        if shows(Tab::Pulse) {
            questions.extend(MEASURES.map(Question::Worst));
        }
        let branch = self.tree();
        let is_drawn = self.tab == Tab::Tree && branch == Question::TREE;
        if shows(Tab::Limits) && !is_drawn {
            questions.push(Question::TREE);
        }
        if self.tab == Tab::Tree {
            questions.push(branch);
        }
        if self.tab == Tab::Top {
            let filter = self.looks_for(Tab::Top);
            questions.push(Question::Top { sort: self.sort, reversed: self.reversed, filter });
        }
        if shows(Tab::Reports) {
            questions.push(Question::Reports { progress: self.progress });
        }
        if shows(Tab::Health) {
            questions.push(Question::Metrics);
        }
        if shows(Tab::Limits) {
            questions.push(Question::Shut);
        }
        if shows(Tab::Audit) {
            questions.push(Question::Audit);
        }
        questions.extend(is_recording.then_some(Question::DeadLetters));
        // A recording is of what was answered: each picture in it has the newest.
        if is_recording || (self.tab == Tab::Events && self.link == Link::Recorded) {
            questions.push(Question::Events);
        } else if self.tab == Tab::Events && !self.is_held() {
            // While it is paused they wait in the system.
            questions.push(Question::News);
        }
        questions.extend(self.actor().map(|id| Question::Actor(id.clone())));
        questions.extend(self.shown().map(|id| Question::State(id.clone())));
        questions.extend(self.crash().map(Question::Crash));
        let is_traced = self.tracing.as_ref().is_some_and(|tracing| matches!(tracing.stage, Stage::Runs { .. }));
        questions.extend(is_traced.then_some(Question::Traced));
        questions
    }
}
