//! Whom a word means: a path, an id, a name that only one has, or one that is registered.
//!
//! What looks for actors takes the living, and those who are down and keep their place. What is told of those who have gone is
//! found by their paths, which are in it: whoever asks for a branch that has gone means that. A word that means nobody, now or in what is
//! kept, is refused: the answer would read as if all were well there.

use crashworthy_runtime::System;
use crashworthy_supervisor::{SupervisorReport, SystemExt};

use crate::picture::{Picture, is_under};
use crate::protocol::{Code, Refusal};

/// Whom a word means.
pub(crate) fn find(picture: &Picture, word: &str) -> Result<usize, Refusal> {
    picture.find(word).map_err(|namesakes| {
        if namesakes == 0 {
            return missing(word);
        }
        let why = format!("{namesakes} actors have the name {word:.256?}: a path tells them apart");
        Refusal::new(Code::BadArguments, why)
    })
}

/// The path of whom a word means, for whoever asks what is, or what was, there and below. It may be that of somebody who has
/// gone, if something is told of him yet.
pub(crate) fn top(system: &System, picture: &Picture, word: &str) -> Result<String, Refusal> {
    match find(picture, word) {
        Ok(place) => Ok(picture.path(place)),
        Err(why) if why.code == Code::NotFound && is_remembered(system, word) => Ok(word.to_owned()),
        Err(why) => Err(why),
    }
}

pub(crate) fn missing(word: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("no actor {word:.256?}"))
}

/// Whether something is told yet of a path or what is below it. All of it is looked at, which is bounded, and seldom.
fn is_remembered(system: &System, top: &str) -> bool {
    let is_meant = |path: &str| is_under(path, top);
    let reports = system.supervisor_reports();
    system.crashes().1.iter().any(|report| is_meant(&report.path))
        || system.letters().letters.iter().any(|letter| is_meant(&letter.path))
        || system.events_since(0).events.iter().any(|event| is_meant(&event.path))
        || reports.errors.iter().chain(&reports.progress).any(|report| tells_of(report, is_meant))
}

/// Whether a report is of somebody: of a supervisor, and of the child that it is about.
fn tells_of(report: &SupervisorReport, is_meant: impl Fn(&str) -> bool) -> bool {
    let (supervisor, offender) = (&report.supervisor, &report.report.offender);
    let number = offender.place.pid().map(|pid| format!("{supervisor}/{}", pid.id));
    is_meant(supervisor)
        || is_meant(&format!("{supervisor}/{}", offender.id))
        || number.is_some_and(|path| is_meant(&path))
}
