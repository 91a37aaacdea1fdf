//! A recording as somebody who answers.

use std::path::Path;
use std::time::Duration;

use crashworthy_console::protocol::Hello;

use super::playback::Playback;
use super::question::{Question, Round, Sample};
use crate::recording::Recording;
use crate::{Trouble, source};

/// Samples of the past.
const PAST: usize = 256;

/// A recording, and which picture of it was told last.
pub(super) struct Player {
    recording: Recording,
    told: Option<usize>,
}

impl Player {
    pub(super) fn open(file: &Path) -> Result<Self, Trouble> {
        Ok(Self { recording: source::open(file)?, told: None })
    }

    pub(super) fn playback(&self) -> Playback {
        Playback::new(self.recording.began, self.recording.times().to_vec())
    }

    /// Whether its last line is not whole, and left out.
    pub(super) fn is_cut(&self) -> bool {
        self.recording.is_cut
    }

    /// Whether a picture was not told last.
    pub(super) fn is_new(&self, index: usize) -> bool {
        self.told != Some(index)
    }

    /// Who was there, and the answers of a picture.
    pub(super) fn tell(&mut self, index: usize, questions: &[Question]) -> (Option<Hello>, Round) {
        let at = self.recording.times()[index];
        let answer =
            |question: &Question| (question.clone(), self.recording.ask(at, question.verb(), &question.args()));
        let answers = questions.iter().map(answer).collect();
        // What follows the picture before is seen as it happens; else there is nothing to compare it with.
        let follows = self.told.is_some_and(|told| index == told || index == told + 1);
        let past = (!follows).then(|| self.past(at));
        self.told = Some(index);
        (self.recording.hello(at), Round { answers, past })
    }

    fn past(&self, at: Duration) -> Vec<Sample> {
        let mut past = Vec::<Sample>::new();
        for system in self.recording.past(at, PAST) {
            past.extend(Sample::of(&system, past.last().map(|last| last.at)));
        }
        past
    }
}
