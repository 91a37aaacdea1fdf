//! What a source says otherwise than it did: once for each change, and no more often than others leave room for.

use std::time::{Duration, Instant};

use crashworthy_runtime::SourceSeen;

use crate::protocol::SourceView;

/// How far apart changes of one source are told if they come without end, and how far ahead of that a few may be: eight at once.
const APART: Duration = Duration::from_secs(8);
const AHEAD: Duration = Duration::from_secs(56);

/// What looks have seen of one source.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Its state, and whether it served: nothing before the first look.
    seen: Option<(String, bool)>,
    /// Changes that were not told so far.
    untold: u64,
    /// When the next would be told if they came evenly.
    due: Option<Instant>,
}

impl Changes {
    /// A look has seen it so. What there is to be told of that, or of looks before that came too soon.
    pub(super) fn look(&mut self, view: &SourceView, now: Instant) -> Option<SourceSeen> {
        let seen = self.seen.as_ref().map(|(state, serves)| (state.as_str(), *serves));
        let is_news = seen.map_or(!view.serves, |seen| seen != (view.state.as_str(), view.serves));
        if is_news || seen.is_none() {
            self.seen = Some((view.state.clone(), view.serves));
        }
        self.untold = self.untold.saturating_add(u64::from(is_news));
        if self.untold == 0 || !self.has_room(now) {
            return None;
        }
        let SourceView { name, sort, state, serves, .. } = view;
        let (sort, name, state) = (sort.name().into(), name.clone(), state.clone());
        Some(SourceSeen { sort, name, state, serves: *serves, changes: std::mem::take(&mut self.untold) })
    }

    fn has_room(&mut self, now: Instant) -> bool {
        let due = self.due.unwrap_or(now).max(now);
        let has_room = due.duration_since(now) <= AHEAD;
        if has_room {
            self.due = Some(due + APART);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Sort;

    fn view(state: &str, serves: bool) -> SourceView {
        let (name, sort, figures) = ("bank".to_owned(), Sort::Breaker, Default::default());
        SourceView { name, sort, critical: false, serves, state: state.to_owned(), figures }
    }

    #[test]
    fn the_first_look_tells_only_of_one_that_does_not_serve() {
        let now = Instant::now();
        assert_eq!(Changes::default().look(&view("closed", true), now), None);
        let told = Changes::default().look(&view("open", false), now).unwrap();
        assert_eq!((&*told.sort, &*told.name, &*told.state, told.serves), ("breaker", "bank", "open", false));
    }

    #[test]
    fn whoever_changes_without_end_is_told_of_now_and_then_and_no_change_is_left_out() {
        let (mut changes, began) = (Changes::default(), Instant::now());
        changes.look(&view("0", true), began);
        let mut look = |look: u64| changes.look(&view(&look.to_string(), true), began + Duration::from_secs(look / 2));
        let told: Vec<_> = (1..=1_600).filter_map(&mut look).collect();
        assert!((100..=110).contains(&told.len()), "{} in 800 s", told.len());
        assert!(told[..8].iter().all(|seen| seen.changes == 1), "{told:?}");
        // The last ones come too soon. Once there is room they are told, although nothing is new.
        let still = changes.look(&view("1600", true), began + Duration::from_secs(900));
        let all = told.iter().chain(&still).map(|seen| seen.changes).sum::<u64>();
        assert_eq!(all, 1_600);
        assert_eq!(changes.look(&view("1600", true), began + Duration::from_secs(1_900)), None, "once");
    }
}
