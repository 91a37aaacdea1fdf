//! What touches the world for the screens: the terminal, the clock, the link, files.

use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ratatui::crossterm::event as input;

use super::event::{Effect, Event};
use super::link::{self, Order};
use super::model::{self, Model};
use super::player::Player;
use super::question::{Question, Round};
use super::recorder::{self, Recorder};
use super::reduce::{reduce, tell};
use super::screen::Screen;
use super::signals;
use super::view::{Theme, cursor, draw};
use crate::Trouble;
use crate::args::Which;
use crate::text::clean;

/// How long nothing happens at most: ages are counted, and recordings go on.
const TICK: Duration = Duration::from_millis(250);
/// Events that wait to be handled.
const WAITING: usize = 256;
/// What a shell adds to the number of a signal that ended a command.
const SIGNALS: u8 = 128;
/// Orders that the link has not followed yet.
const ORDERS: usize = 16;

/// Shows a system that runs.
pub(crate) fn run(which: Which, record: Option<&Path>) -> Result<ExitCode, Trouble> {
    let recorder = record.map(|file| create(file, Duration::ZERO)).transpose().map_err(Trouble::Told)?;
    let (events, happens) = sync_channel(WAITING);
    let (orders, ordered) = sync_channel(ORDERS);
    let link = match which.place() {
        Some(socket) => {
            let _ = orders.send(Order::Connect(socket));
            model::Link::Connecting
        }
        None => model::Link::Choosing(model::Found::default()),
    };
    let answers = events.clone();
    thread::Builder::new().name("link".into()).spawn(move || link::run(which, &ordered, &answers))?;
    let mut shell = Shell::open(link, recorder)?;
    shell.link = Some(orders);
    shell.work(&events, &happens)
}

/// Shows a recording.
pub(crate) fn play(file: &Path) -> Result<ExitCode, Trouble> {
    let player = Player::open(file)?;
    let (events, happens) = sync_channel(WAITING);
    let mut shell = Shell::open(model::Link::Recorded, None)?;
    shell.model.playback = Some(player.playback());
    if player.is_cut() {
        tell(&mut shell.model, "its last line is not whole, and left out");
    }
    shell.player = Some(player);
    shell.feed();
    shell.work(&events, &happens)
}

struct Shell {
    screen: Screen,
    theme: Theme,
    began: Instant,
    model: Model,
    /// The link to a system that runs.
    link: Option<SyncSender<Order>>,
    /// Or a recording.
    player: Option<Player>,
    /// Where to go, until the link knows it.
    goal: Option<Order>,
    /// What is traced is to end, until the link knows it.
    wants_no_trace: bool,
    /// What is being asked.
    questions: Vec<Question>,
    recorder: Option<Recorder>,
}

impl Shell {
    fn open(link: model::Link, recorder: Option<Recorder>) -> Result<Self, Trouble> {
        let screen = Screen::take()?;
        let size = screen.0.size()?;
        let mut model = Model::new(link, (size.width, size.height));
        if let Some(recorder) = &recorder {
            reduce(&mut model, Duration::ZERO, recorder.news());
        }
        let theme = Theme::of(|name| std::env::var(name).ok());
        let (began, questions) = (Instant::now(), Vec::new());
        let (link, player, goal, wants_no_trace) = (None, None, None, false);
        Ok(Self { screen, theme, began, model, link, player, goal, wants_no_trace, questions, recorder })
    }

    /// Until somebody has had enough. A signal that ended it is told as shells tell of it.
    fn work(mut self, events: &SyncSender<Event>, happens: &Receiver<Event>) -> Result<ExitCode, Trouble> {
        let inputs = events.clone();
        thread::Builder::new().name("input".into()).spawn(move || listen(&inputs))?;
        let signals = events.clone();
        thread::Builder::new().name("signals".into()).spawn(move || signals::listen(&signals))?;
        loop {
            let (model, theme) = (&self.model, self.theme);
            self.screen.0.draw(|frame| {
                draw(model, theme, frame.buffer_mut());
                if let Some(place) = cursor(model) {
                    frame.set_cursor_position(place);
                }
            })?;
            let event = match happens.recv_timeout(TICK) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => Event::Tick,
                Err(RecvTimeoutError::Disconnected) => return Ok(ExitCode::SUCCESS),
            };
            let waiting = std::iter::once(event).chain(happens.try_iter().take(WAITING));
            for event in waiting {
                if matches!(event, Event::LinkEnded) {
                    self.close();
                    return Err(Trouble::Told("what asks the system has failed".to_owned()));
                }
                let code = match event {
                    Event::Signal(number) => ExitCode::from(SIGNALS.saturating_add(number)),
                    _ => ExitCode::SUCCESS,
                };
                if self.handle(event) == Some(Effect::Quit) {
                    self.close();
                    return Ok(code);
                }
            }
        }
    }

    /// Gives the terminal back; what was recorded is told there, where it can be read.
    fn close(self) {
        let told = self.recorder.as_ref().map(Recorder::told);
        drop(self.screen);
        if let Some(told) = told {
            anstream::println!("recorded: {}", clean(&told));
        }
    }

    /// Takes in one event, and does what is to be done then.
    fn handle(&mut self, event: Event) -> Option<Effect> {
        if let Event::Round(round) = &event {
            self.record(round);
        }
        let effect = self.reduce(event);
        match effect.clone() {
            Some(Effect::Record) => self.begin(),
            Some(Effect::StopRecording) => {
                if let Some(recorder) = self.recorder.take() {
                    self.reduce(Event::RecordingEnded(format!("recorded: {}", recorder.told())));
                }
            }
            Some(Effect::Connect(system)) => self.goal = Some(Order::Connect(system)),
            Some(Effect::Search) => self.goal = Some(Order::Search),
            Some(Effect::Plan(query)) => self.ask(Order::Plan(query)),
            Some(Effect::Commit(query)) => self.ask(Order::Commit(query)),
            Some(Effect::Trace(query)) => {
                if !self.order(Order::Trace(query)) {
                    self.reduce(Event::TraceBegun(Err("the system is slow: try again".to_owned())));
                }
            }
            Some(Effect::Untrace) => self.wants_no_trace = true,
            Some(Effect::Quit) | None => {}
        }
        if let Some(goal) = self.goal.take()
            && !self.order(goal.clone())
        {
            self.goal = Some(goal);
        }
        if self.wants_no_trace && self.order(Order::Untrace) {
            self.wants_no_trace = false;
        }
        self.feed();
        effect
    }

    fn reduce(&mut self, event: Event) -> Option<Effect> {
        reduce(&mut self.model, self.began.elapsed(), event)
    }

    /// Has what is in view answered.
    fn feed(&mut self) {
        let questions = self.model.questions();
        let is_new = questions != self.questions;
        if self.player.is_some() {
            self.play(questions, is_new);
        } else if is_new && self.order(Order::Ask(questions.clone())) {
            // A link that is busy is told with the next event.
            self.questions = questions;
        }
    }

    /// Has a recording answer.
    fn play(&mut self, questions: Vec<Question>, is_new: bool) {
        let (Some(player), Some(playback)) = (&mut self.player, &self.model.playback) else { return };
        let index = playback.index();
        if !is_new && !player.is_new(index) {
            return;
        }
        let (hello, round) = player.tell(index, &questions);
        self.questions = questions;
        if let Some(hello) = hello.filter(|hello| self.model.hello.as_ref() != Some(hello)) {
            self.reduce(Event::Linked(Box::new(hello), None, false));
        }
        self.reduce(Event::Round(round));
    }

    /// Whether the link will follow an order. One that has ended has said why.
    fn order(&self, order: Order) -> bool {
        let is_busy = |link: &SyncSender<Order>| matches!(link.try_send(order), Err(TrySendError::Full(_)));
        !self.link.as_ref().is_some_and(is_busy)
    }

    /// Has the link ask for something once; one that is too busy is not asked later, when nobody expects it any more.
    fn ask(&mut self, order: Order) {
        let is_plan = matches!(order, Order::Plan(_));
        if !self.order(order) {
            let why = "the link is busy, nothing was asked: try again".to_owned();
            self.reduce(if is_plan { Event::Planned(Err(why)) } else { Event::Committed(Err(why)) });
        }
    }

    fn begin(&mut self) {
        let system = self.model.hello.as_ref().map_or("system", |hello| &hello.system);
        let file = recorder::name(system, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let event = match create(&file, self.began.elapsed()) {
            Ok(recorder) => {
                let news = recorder.news();
                self.recorder = Some(recorder);
                news
            }
            Err(why) => Event::RecordingFailed(why),
        };
        self.reduce(event);
    }

    fn record(&mut self, round: &Round) {
        let now = self.began.elapsed();
        let Some(recorder) = &mut self.recorder else { return };
        let event = match recorder.add(now, self.model.hello.as_ref(), round) {
            Ok(event) => event,
            Err(event) => {
                self.recorder = None;
                event
            }
        };
        self.reduce(event);
    }
}

fn create(file: &Path, now: Duration) -> Result<Recorder, String> {
    Recorder::create(file, now).map_err(|error| clean(&format!("{}: {error}", file.display())))
}

/// Reads what is typed and clicked, until nobody wants to know.
fn listen(events: &SyncSender<Event>) {
    while let Ok(event) = input::read() {
        let event = match event {
            input::Event::Key(key) => Event::Key(key),
            input::Event::Mouse(mouse) => Event::Mouse(mouse),
            input::Event::Resize(columns, lines) => Event::Resize(columns, lines),
            _ => continue,
        };
        if events.send(event).is_err() {
            return;
        }
    }
    // Nobody can type any more: the terminal is gone.
    let _ = events.send(Event::Ended);
}
