//! The ball that two actors pass to each other: so often, or until somebody holds it.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use crashworthy::prelude::*;

use super::PATIENCE;
use crate::wrong::{Wrong, wrong};

/// Passes the ball back, and says how often it had it when it has had it often enough, or is told to hold it.
pub(super) struct Player {
    other: Option<ActorRef<Player>>,
    had: u64,
    most: u64,
    score: Option<Sender<Score>>,
}

/// How often one of them had the ball by then.
pub(super) struct Score {
    had: u64,
    when: Instant,
}

#[derive(Message)]
pub(super) enum Ball {
    Meet(ActorRef<Player>, u64, Sender<Score>),
    Pass,
    Hold,
}

impl Actor for Player {
    type Args = ();
    type Msg = Ball;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self { other: None, had: 0, most: 0, score: None })
    }

    async fn handle(&mut self, ball: Ball, _: &mut Context<Self>) -> Result<(), Exit> {
        match ball {
            Ball::Meet(other, most, score) => {
                (self.other, self.most, self.score) = (Some(other), most, Some(score));
            }
            Ball::Pass if self.had < self.most => {
                self.had += 1;
                if let Some(other) = &self.other {
                    // Whoever has been told to hold it is not there any more.
                    let _ = other.tell(Ball::Pass);
                }
            }
            Ball::Pass => self.tell(),
            Ball::Hold => {
                self.tell();
                return Err(Exit::normal());
            }
        }
        Ok(())
    }
}

impl Player {
    fn tell(&mut self) {
        if let Some(score) = self.score.take() {
            // The other one may have told it already.
            let _ = score.send(Score { had: self.had, when: Instant::now() });
        }
    }
}

/// Two who play.
pub(super) struct Game {
    players: [ActorRef<Player>; 2],
    begun: Instant,
    score: Receiver<Score>,
}

impl Game {
    /// Begins, with two who have come for that, and each of whom passes the ball so often at most.
    pub(super) async fn begin(system: &System, each: u64) -> Result<Self, Wrong> {
        let one = system.spawn::<Player>(()).await.map_err(wrong)?;
        let other = system.spawn::<Player>(()).await.map_err(wrong)?;
        let (told, score) = mpsc::channel();
        for (player, meets) in [(&one, &other), (&other, &one)] {
            player.tell(Ball::Meet(meets.clone(), each, told.clone())).map_err(wrong)?;
        }
        let begun = Instant::now();
        one.tell(Ball::Pass).map_err(wrong)?;
        Ok(Self { players: [one, other], begun, score })
    }

    /// Lets them play for so long. What a way of the ball takes, in nanoseconds.
    pub(super) fn ends_after(&self, time: Duration) -> Result<f64, Wrong> {
        std::thread::sleep(time);
        self.players[0].tell(Ball::Hold).map_err(wrong)?;
        self.ends()
    }

    /// The same of those who end by themselves.
    pub(super) fn ends(&self) -> Result<f64, Wrong> {
        let Score { had, when } = self.score.recv_timeout(PATIENCE).map_err(wrong)?;
        for player in &self.players {
            // One of them may have gone.
            let _ = player.tell(Ball::Hold);
        }
        Ok((when - self.begun).as_nanos() as f64 / (2 * had.max(1)) as f64)
    }

    /// Those who have played: whose places nobody else has, as long as they are kept.
    pub(super) fn players(self) -> [ActorRef<Player>; 2] {
        self.players
    }
}
