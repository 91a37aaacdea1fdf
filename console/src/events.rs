//! Answers about what has happened: events and dead letters.

use crashworthy_runtime::{Attending, Happening, SystemEvent, SystemEvents};

use crate::inspector::{Inspector, REPORTS, newest};
use crate::order::{first, lost};
use crate::picture::is_under;
use crate::protocol::{Code, DeadLetters, DeadLettersQuery, Events, EventsQuery, Refusal, Row, Sort};

/// What has happened.
impl Inspector {
    /// The answer to `events`. Beginnings and ends are told while somebody [attends](Self::attend_events).
    ///
    /// # Errors
    /// [`Code::SystemEnded`]; [`Code::BadArguments`] of a kind that there is not, and of who is below one of several;
    /// [`Code::NotFound`] of who is below nobody.
    pub fn events(&self, query: &EventsQuery) -> Result<Events, Refusal> {
        if let Some(kind) = query.kinds.iter().find(|kind| !Happening::NAMES.contains(&kind.as_str())) {
            let names = Happening::NAMES.join(", ");
            return Err(Refusal::new(Code::BadArguments, format!("no event {kind:.64?}: there are {names}")));
        }
        let system = self.held()?;
        let SystemEvents { last, dropped, lifecycle_since, mut events } = system.events_since(query.since.unwrap_or(0));
        let top = self.top(&query.under)?;
        events.retain(|event| matches(event, query, top.as_deref()));
        let matched = events.len();
        let mut next = last;
        let events = match query.since {
            None => newest(events, self.rows(query.limit, REPORTS)),
            Some(_) => {
                events.truncate(self.rows(query.limit, usize::MAX));
                if events.len() < matched {
                    next = events.last().map_or(query.since.unwrap_or(0), |event| event.seq);
                }
                events
            }
        };
        Ok(Events { at: system.now(), last, next, dropped, lifecycle_since, matched, events })
    }

    /// Has beginnings and ends told, too, until what is returned is dropped: for whoever follows events. Others may attend at
    /// the same time. It does not keep the system.
    ///
    /// # Errors
    /// [`Code::SystemEnded`].
    pub fn attend_events(&self) -> Result<Attending, Refusal> {
        Ok(self.held()?.attend_events())
    }

    /// The answer to `dead_letters`.
    ///
    /// # Errors
    /// [`Code::SystemEnded`]; [`Code::NotFound`] and [`Code::BadArguments`] of who is below nobody, or below one of several.
    pub fn dead_letters(&self, query: &DeadLettersQuery) -> Result<DeadLetters, Refusal> {
        let (system, picture) = self.look()?;
        let top = self.top(&query.under)?;
        let is_meant = |path: &str| top.as_ref().is_none_or(|top| is_under(path, top));
        let kept = system.letters();
        let mut letters = kept.letters;
        letters.retain(|letter| is_meant(&letter.path) && query.why.is_none_or(|why| why == letter.why));
        let matched = letters.len();
        let is_among = |&place: &usize| lost(&picture, place) > 0 && is_meant(&picture.path(place));
        let (_, places) =
            first(&picture, picture.everybody().filter(is_among), (Sort::Lost, false), self.limits().rows);
        let actors: Vec<Row> = places.into_iter().map(|place| picture.row(place)).collect();
        Ok(DeadLetters {
            at: system.now(),
            total: kept.given_up + kept.undelivered,
            unseen: kept.unseen,
            given_up: kept.given_up,
            undelivered: kept.undelivered,
            own_undelivered: kept.own_undelivered,
            actors,
            matched,
            letters: newest(letters, self.rows(query.limit, REPORTS)),
        })
    }
}

fn matches(event: &SystemEvent, query: &EventsQuery, top: Option<&str>) -> bool {
    let is_kind = query.kinds.is_empty() || query.kinds.iter().any(|kind| kind == event.what.name());
    is_kind && top.is_none_or(|top| is_under(&event.path, top))
}
