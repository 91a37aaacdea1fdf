//! An actor that always has messages of its own, in virtual time: it takes in no more questions than it comes to.

use std::pin::Pin;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::task::JoinSet;

use crate::scripted::{ms, simulate};
use crate::{Actor, AskError, Context, Exit, Message, Reply};

const TAKES: Duration = ms(1);
const DEADLINE: Duration = ms(200);

/// Has an actor that works for a millisecond, whatever it is told.
struct Mill {
    /// Messages of its own that it wants next.
    sends_itself: u32,
}

/// How it gets messages of its own, and whether those are of a kind of their own.
#[derive(Clone, Copy, Debug)]
struct Habits {
    streams: u32,
    sends_itself: u32,
    differ: bool,
}

enum Grist {
    Asked(Reply<()>),
    Own { again: bool, kind: &'static str },
}

impl Message for Grist {
    fn kind(&self) -> &'static str {
        match self {
            Self::Asked(_) => "asked",
            Self::Own { kind, .. } => kind,
        }
    }
}

/// Always has something.
struct Always;

impl Stream for Always {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, _: &mut Poller<'_>) -> Poll<Option<()>> {
        Poll::Ready(Some(()))
    }
}

impl Actor for Mill {
    type Args = Habits;
    type Msg = Grist;

    async fn init(habits: Habits, cx: &mut Context<Self>) -> Result<Self, Exit> {
        let kind = if habits.differ { "own" } else { "asked" };
        let own = move |again| Grist::Own { again, kind };
        for _ in 0..habits.streams {
            cx.pipe_stream(Always, move |()| own(false), move || own(false))?;
        }
        (0..habits.sends_itself).for_each(|_| drop(cx.send_self(own(true))));
        Ok(Self { sends_itself: habits.sends_itself })
    }

    async fn handle(&mut self, msg: Grist, cx: &mut Context<Self>) -> Result<(), Exit> {
        tokio::time::sleep(TAKES).await;
        match msg {
            Grist::Asked(reply) => reply.send(()),
            Grist::Own { again: true, kind } if self.sends_itself > 0 => {
                let _ = cx.send_self(Grist::Own { again: true, kind });
            }
            Grist::Own { .. } => {}
        }
        Ok(())
    }
}

#[test]
fn what_goes_before_a_message_is_a_part_of_what_it_takes() {
    let habits = |streams, sends_itself| [false, true].map(|differ| Habits { streams, sends_itself, differ });
    for habits in [habits(4, 0), habits(1, 0), habits(0, 1), habits(0, 20)].concat() {
        simulate(1, async |system| {
            let mill = system.spawn::<Mill>(habits).await.expect("it starts");
            let mut answers = JoinSet::new();
            for _ in 0..1_000 {
                let mill = mill.clone();
                answers.spawn(async move { mill.ask(Grist::Asked).within(DEADLINE).await });
                tokio::time::sleep(ms(4)).await;
            }
            let answers = answers.join_all().await;
            let many = |is: fn(&Result<(), AskError>) -> bool| answers.iter().filter(|answer| is(answer)).count();
            let (answered, expired) = (many(Result::is_ok), many(|answer| *answer == Err(AskError::Expired)));
            // Of sixteen of its own and one that is asked at the most, and a timer of tokio ends up to a millisecond late.
            assert!(answered > 4_000 / 17 / 2 * 9 / 10, "{habits:?}: {answered} answered, {expired} expired");
            assert!(expired * 20 <= answered, "{habits:?}: {answered} answered, {expired} expired");
        });
    }
}
