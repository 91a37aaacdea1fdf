//! For tests of callers, in virtual time: an actor that answers each question as it was told beforehand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::port::{Port, Simulation};
use crate::{Actor, ActorRef, Builder, Context, Exit, Message, Reason, Refused, Reply, Slot, System};

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Runs a test in virtual time.
pub(crate) fn simulate<F: Future<Output = ()>>(seed: u64, test: impl FnOnce(System) -> F) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let port = Port::simulated(runtime.handle().clone(), Simulation::seeded(seed));
        test(Builder::default().bare_on(port).expect("default settings are valid")).await;
    });
}

/// What becomes of a question.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Answer,
    /// Answers after this time.
    Work(Duration),
    Refuse(Refused),
    /// Drops the reply.
    Forget,
    /// Crashes.
    Crash,
}

/// A refusal by the actor itself that says when to come again.
pub(crate) fn busy(retry_after: Duration) -> Line {
    Line::Refuse(Refused { retry_after: Some(retry_after), ..Refused::because(Reason::NoTime) })
}

/// What is played, line by line; the last line again and again.
#[derive(Clone, Debug)]
pub(crate) struct Script(Arc<Mutex<(VecDeque<Line>, Vec<Duration>)>>);

impl Script {
    pub(crate) fn of(lines: impl IntoIterator<Item = Line>) -> Self {
        Self(Arc::new(Mutex::new((lines.into_iter().collect(), Vec::new()))))
    }

    /// When each question was played, by the clock of the system.
    pub(crate) fn played(&self) -> Vec<Duration> {
        self.0.lock().1.clone()
    }

    /// Has this line played next.
    pub(crate) fn insert(&self, line: Line) {
        self.0.lock().0.push_front(line);
    }

    fn next(&self, at: Duration) -> Line {
        let (lines, played) = &mut *self.0.lock();
        played.push(at);
        match lines.len() {
            0 => Line::Answer,
            1 => lines[0].clone(),
            _ => lines.pop_front().expect("there are several"),
        }
    }
}

pub(crate) struct Clerk(Script);

/// What a clerk is asked, and whether asking twice does harm.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) idempotent: bool,
    pub(crate) cost: f32,
    pub(crate) reply: Option<Reply<()>>,
}

pub(crate) fn once(reply: Reply<()>) -> Question {
    Question { idempotent: false, cost: 1.0, reply: Some(reply) }
}

pub(crate) fn twice(reply: Reply<()>) -> Question {
    Question { idempotent: true, cost: 1.0, reply: Some(reply) }
}

/// One that needs no answer.
pub(crate) fn note() -> Question {
    Question { idempotent: false, cost: 1.0, reply: None }
}

impl Message for Question {
    fn idempotent(&self) -> bool {
        self.idempotent
    }

    fn cost(&self) -> f32 {
        self.cost
    }
}

impl Actor for Clerk {
    type Args = Script;
    type Msg = Question;

    async fn init(script: Script, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(script))
    }

    async fn handle(&mut self, Question { reply, .. }: Question, cx: &mut Context<Self>) -> Result<(), Exit> {
        let line = self.0.next(Duration::from_nanos(cx.address().cell.core().shared().port.now_ns()));
        if let Line::Work(time) = line {
            tokio::time::sleep(time).await;
        }
        match (line, reply) {
            (Line::Answer | Line::Work(_), Some(reply)) => reply.send(()),
            (Line::Refuse(why), Some(reply)) => reply.refuse(why),
            (Line::Crash, _) => return Err("as the script says".into()),
            (Line::Answer | Line::Work(_) | Line::Refuse(_) | Line::Forget, _) => {}
        }
        Ok(())
    }
}

/// A clerk and what it plays.
pub(crate) async fn clerk(system: &System, lines: impl IntoIterator<Item = Line>) -> (ActorRef<Clerk>, Script) {
    let script = Script::of(lines);
    (system.spawn::<Clerk>(script.clone()).await.expect("it starts"), script)
}

/// A clerk with room for so few.
pub(crate) async fn small_clerk(system: &System, room: u32) -> (Slot<Clerk>, Script) {
    let script = Script::of([Line::Answer]);
    let slot = Slot::<Clerk>::anonymous().mailbox(room).expect("a few");
    system.start_top(&slot, script.clone()).await.expect("it starts");
    (slot, script)
}

/// A clerk that needs 10 ms for each question, and has shown it.
pub(crate) async fn slow_clerk(system: &System) -> (ActorRef<Clerk>, Script) {
    let (clerk, script) = clerk(system, [Line::Work(ms(10))]).await;
    for _ in 0..20 {
        clerk.tell(note()).expect("it has room");
    }
    clerk.settled().await;
    (clerk, script)
}
