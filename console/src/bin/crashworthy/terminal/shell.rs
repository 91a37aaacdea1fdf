//! What touches the world for the screens: the terminal, the clock, the link, files.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ratatui::crossterm::event as input;

use super::event::{Effect, Event};
use super::link::{self, Order};
use super::model::{self, Model};
use super::playback::Playback;
use super::question::{Question, Round, Sample};
use super::recorder::{self, Recorder};
use super::reduce::reduce;
use super::screen::Screen;
use super::view::{Theme, cursor, draw};
use crate::args::Which;
use crate::recording::Recording;
use crate::text::clean;
use crate::{Trouble, source};

/// How long nothing happens at most: ages are counted, and recordings go on.
const TICK: Duration = Duration::from_millis(250);
/// Events that wait to be handled.
const WAITING: usize = 256;
/// Samples of a recording's past.
const PAST: usize = 256;

/// Shows a system that runs.
pub(crate) fn run(which: Which, record: Option<&Path>) -> Result<(), Trouble> {
    let recorder = record.map(|file| create(file, Duration::ZERO)).transpose().map_err(Trouble::Told)?;
    let (events, happens) = sync_channel(WAITING);
    let (orders, ordered) = channel();
    let link = match which.socket.clone() {
        Some(socket) => {
            let _ = orders.send(Order::Connect(socket));
            model::Link::Connecting
        }
        None => model::Link::Choosing(Vec::new()),
    };
    let answers = events.clone();
    thread::Builder::new().name("link".into()).spawn(move || link::run(which, &ordered, &answers))?;
    Shell::open(link, Feed::Running(orders), recorder)?.work(&events, &happens)
}

/// Shows a recording.
pub(crate) fn play(file: &Path) -> Result<(), Trouble> {
    let recording = source::open(file)?;
    let (events, happens) = sync_channel(WAITING);
    let mut shell = Shell::open(model::Link::Recorded, Feed::Recorded(Box::new(recording), None), None)?;
    if let Feed::Recorded(recording, _) = &shell.feed {
        shell.model.playback = Some(Playback::new(recording.began, recording.times().to_vec()));
        if recording.is_cut {
            super::reduce::tell(&mut shell.model, "its last line is not whole, and left out");
        }
    }
    shell.feed();
    shell.work(&events, &happens)
}

/// Where answers come from.
enum Feed {
    Running(Sender<Order>),
    /// A recording, and the picture that was shown last.
    Recorded(Box<Recording>, Option<usize>),
}

struct Shell {
    screen: Screen,
    theme: Theme,
    began: Instant,
    model: Model,
    feed: Feed,
    /// What is being asked.
    questions: Vec<Question>,
    recorder: Option<Recorder>,
}

impl Shell {
    fn open(link: model::Link, feed: Feed, recorder: Option<Recorder>) -> Result<Self, Trouble> {
        let screen = Screen::take()?;
        let size = screen.0.size()?;
        let mut model = Model::new(link, (size.width, size.height));
        if let Some(recorder) = &recorder {
            reduce(&mut model, Duration::ZERO, recorder.news());
        }
        let theme = Theme::of(|name| std::env::var(name).ok());
        let (began, questions) = (Instant::now(), Vec::new());
        Ok(Self { screen, theme, began, model, feed, questions, recorder })
    }

    /// Until somebody has had enough.
    fn work(mut self, events: &SyncSender<Event>, happens: &Receiver<Event>) -> Result<(), Trouble> {
        let inputs = events.clone();
        thread::Builder::new().name("input".into()).spawn(move || listen(&inputs))?;
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
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let waiting = std::iter::once(event).chain(happens.try_iter().take(WAITING));
            for event in waiting {
                if matches!(event, Event::LinkEnded) {
                    self.close();
                    return Err(Trouble::Told("what asks the system has failed".to_owned()));
                }
                if self.handle(event) == Some(Effect::Quit) {
                    self.close();
                    return Ok(());
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
            Some(Effect::Connect(system)) => self.order(Order::Connect(system)),
            Some(Effect::Search) => self.order(Order::Search),
            Some(Effect::Quit) | None => {}
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
        match &mut self.feed {
            Feed::Running(_) if !is_new => {}
            Feed::Running(_) => self.order(Order::Ask(questions.clone())),
            Feed::Recorded(recording, shown) => {
                let Some(playback) = &self.model.playback else { return };
                let index = playback.index();
                if !is_new && *shown == Some(index) {
                    return;
                }
                // What follows the picture before is seen as it happens; else there is nothing to compare it with.
                let follows = shown.is_some_and(|shown| index == shown || index == shown + 1);
                *shown = Some(index);
                let at = recording.times()[index];
                let round = round(recording, at, &questions, follows);
                let hello = recording.hello(at);
                self.questions = questions;
                if let Some(hello) = hello.filter(|hello| self.model.hello.as_ref() != Some(hello)) {
                    self.reduce(Event::Linked(Box::new(hello)));
                }
                self.reduce(Event::Round(round));
                return;
            }
        }
        self.questions = questions;
    }

    fn order(&self, order: Order) {
        if let Feed::Running(orders) = &self.feed {
            // A link that has ended has said why.
            let _ = orders.send(order);
        }
    }

    fn begin(&mut self) {
        let system = self.model.hello.as_ref().map_or("", |hello| &hello.system);
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
    Recorder::create(file, now).map_err(|error| clean(&format!("{}: {error}", PathBuf::from(file).display())))
}

/// What a recording has to say at a time.
fn round(recording: &Recording, at: Duration, questions: &[Question], follows: bool) -> Round {
    let answers = questions.iter().map(|question| {
        let outcome = recording.ask(at, question.verb(), &question.args());
        (question.clone(), outcome)
    });
    let past = || recording.past(at, PAST).iter().map(Sample::from).collect();
    Round { answers: answers.collect(), past: (!follows).then(past) }
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
    let _ = events.send(Event::InputEnded);
}
