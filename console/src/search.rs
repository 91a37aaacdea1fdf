//! Looks for a pattern among the actors of a picture, for no longer than a while: there may be any number of them, with names of
//! any length, and one thread looks for everybody who asks.
//!
//! Who looks on behalf of a client does so in slices, so that others come in between. When a slice is over, whatever needs the
//! search is refused, and asked anew from the start when it is this search's turn again: what it knows of an actor it knows by
//! then, by its identity, so that it comes further each time, and the answer is made of the newest picture.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crashworthy_runtime::ActorId;

use crate::limits::{SEARCH, SLICE};
use crate::pattern::Pattern;
use crate::picture::Picture;
use crate::protocol::{Code, Refusal};

/// Bytes that are looked through between two looks at the clock.
const STRIDE: usize = 4 * 1024;

/// One search.
#[derive(Debug)]
pub(crate) struct Search {
    pattern: Option<Pattern>,
    /// There are few kinds of actors.
    kinds: HashMap<&'static str, bool>,
    path: String,
    /// Since when it has looked at those of whom it knew nothing, in this slice.
    since: Option<Instant>,
    /// How long it did in those before.
    spent: Duration,
    within: Duration,
    looked_at: usize,
    /// Bytes since the last look at the clock.
    read: usize,
    slices: Option<Slices>,
}

/// What a search keeps from one slice to the next.
#[derive(Debug)]
struct Slices {
    slice: Duration,
    is_cut_short: bool,
    /// Who is meant, and who is not, by the index of the identity; nobody where nothing is known.
    known: Vec<(ActorId, bool)>,
}

impl Search {
    /// One that is not interrupted: for whoever keeps nobody else waiting.
    pub(crate) fn at_once() -> Self {
        Self::with(SEARCH, None)
    }

    /// One that stops when a [`SLICE`] is over.
    pub(crate) fn in_slices() -> Self {
        Self::with(SEARCH, Some(SLICE))
    }

    fn with(within: Duration, slice: Option<Duration>) -> Self {
        let slices = slice.map(|slice| Slices { slice, is_cut_short: false, known: Vec::new() });
        let (kinds, path) = (HashMap::new(), String::new());
        Self { pattern: None, kinds, path, since: None, spent: Duration::ZERO, within, looked_at: 0, read: 0, slices }
    }

    /// Whether something is looked for, and not all are meant. It is the same pattern in each slice.
    pub(crate) fn is_for(&mut self, pattern: Option<&str>) -> Result<bool, Refusal> {
        if self.pattern.is_none() {
            self.pattern = pattern.map(str::parse).transpose()?;
        }
        Ok(self.pattern.as_ref().is_some_and(|pattern| !pattern.is_all()))
    }

    /// Begins the next slice.
    pub(crate) fn go_on(&mut self) {
        (self.since, self.read) = (None, 0);
        if let Some(slices) = &mut self.slices {
            slices.is_cut_short = false;
        }
    }

    /// Whether it was refused because the slice is over, and for nothing else.
    pub(crate) fn is_cut_short(&self) -> bool {
        self.slices.as_ref().is_some_and(|slices| slices.is_cut_short)
    }

    /// Whether this one is meant, by its path, its kind, or a name that it has registered, if `also` says so of its path.
    pub(crate) fn takes(
        &mut self,
        picture: &Picture,
        place: usize,
        also: impl FnOnce(&str) -> bool,
    ) -> Result<bool, Refusal> {
        let id = picture.actor(place).pid.id;
        let known = self.slices.as_ref().and_then(|slices| slices.known.get(id.index() as usize));
        if let Some((_, is_meant)) = known.filter(|(known, _)| *known == id) {
            return Ok(*is_meant);
        }
        self.since.get_or_insert_with(Instant::now);
        let is_meant = self.looks_at(picture, place, also);
        if let Some(Slices { known, .. }) = &mut self.slices {
            if known.len() <= id.index() as usize {
                known.resize(id.index() as usize + 1, (ActorId::OUTSIDE, false));
            }
            known[id.index() as usize] = (id, is_meant);
        }
        self.looked_at += 1;
        if self.read > STRIDE {
            self.read = 0;
            self.check(picture.actors().len())?;
        }
        Ok(is_meant)
    }

    fn looks_at(&mut self, picture: &Picture, place: usize, also: impl FnOnce(&str) -> bool) -> bool {
        let Some(pattern) = &self.pattern else { return true };
        picture.write_path(place, &mut self.path);
        self.read += self.path.len();
        if !also(&self.path) {
            return false;
        }
        let kind = picture.actor(place).kind;
        let mut has_it = match self.kinds.get(kind) {
            Some(known) => *known,
            None => {
                self.read += kind.len();
                *self.kinds.entry(kind).or_insert(pattern.is_in(kind))
            }
        };
        has_it = has_it
            || pattern.is_in(&self.path)
            || picture.registered(place).is_some_and(|name| {
                self.read += name.len();
                pattern.is_in(name)
            });
        pattern.is_meant(has_it)
    }

    fn check(&mut self, all: usize) -> Result<(), Refusal> {
        let (took, within, some) =
            (self.since.map_or(Duration::ZERO, |since| since.elapsed()), self.within, self.looked_at);
        if self.spent + took >= within {
            let why = format!(
                "the pattern takes too long: in {within:?} it was looked for in {some} of {all} actors; a part of a text is found sooner"
            );
            return Err(Refusal::new(Code::BadArguments, why));
        }
        match &mut self.slices {
            Some(slices) if took >= slices.slice => {
                slices.is_cut_short = true;
                self.spent += took;
                Err(Refusal::new(Code::Busy, format!("the pattern was looked for in {some} of {all} actors")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crashworthy_runtime::{Actor, ActorRef, Context, Exit, System};

    use super::*;

    struct Idle;

    impl Actor for Idle {
        type Args = Option<&'static str>;
        type Msg = ();

        async fn init(name: Option<&'static str>, cx: &mut Context<Self>) -> Result<Self, Exit> {
            name.map_or(Ok(()), |name| cx.register(name))?;
            Ok(Self)
        }

        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), Exit> {
            Ok(())
        }
    }

    async fn some(system: &System, count: usize) -> Vec<ActorRef<Idle>> {
        let mut some = Vec::new();
        for _ in 0..count {
            some.push(system.spawn::<Idle>(None).await.expect("it starts"));
        }
        some
    }

    /// How many are meant.
    fn count(search: &mut Search, picture: &Picture) -> Result<usize, Refusal> {
        picture.everybody().try_fold(0, |count, place| Ok(count + usize::from(search.takes(picture, place, |_| true)?)))
    }

    #[tokio::test]
    async fn an_actor_is_found_by_its_path_its_kind_or_a_name_that_it_has_registered() {
        let system = System::bare().unwrap();
        let _others = some(&system, 2).await;
        let _lobby = system.spawn::<Idle>(Some("lobby")).await.unwrap();
        let picture = Picture::take(&system, None);
        let found = |pattern: &str| {
            let mut search = Search::at_once();
            assert!(search.is_for(Some(pattern)).unwrap(), "it is of somebody");
            count(&mut search, &picture).unwrap()
        };
        assert_eq!((found("^lob+y$"), found("!^lob+y$"), found("Idle$"), found("!Idle$")), (1, 2, 3, 0));
        let last = picture.path(picture.everybody().last().unwrap());
        assert_eq!(found(&format!("^{last}$")), 1);
        let is_for = |pattern| Search::at_once().is_for(pattern).unwrap();
        assert!(!is_for(Some("!")) && !is_for(None));
        system.stop().await;
    }

    #[tokio::test]
    async fn who_looks_for_too_long_is_told_how_far_he_has_come() {
        let system = System::bare().unwrap();
        let _all = some(&system, 2_000).await;
        let picture = Picture::take(&system, None);
        let search = |within| {
            let mut search = Search::with(within, None);
            search.is_for(Some("x{2}$")).unwrap();
            count(&mut search, &picture)
        };
        assert_eq!(search(Duration::MAX), Ok(0));
        let why = search(Duration::ZERO).unwrap_err();
        assert_eq!(why.code, Code::BadArguments);
        assert!(why.message.contains("the pattern takes too long") && why.message.contains("of 2000 actors"), "{why}");
        system.stop().await;
    }

    #[tokio::test]
    async fn slice_by_slice_it_comes_to_the_same_end_whoever_comes_and_goes_meanwhile() {
        let system = System::bare().unwrap();
        let mut all = some(&system, 2_000).await;
        let mut search = Search::with(Duration::MAX, Some(Duration::ZERO));
        search.is_for(Some("^0\\.|0$")).unwrap();
        let mut slices = 0;
        let found = loop {
            search.go_on();
            slices += 1;
            // Whoever takes the place of one that has gone is somebody else.
            let gone = all.remove(0);
            system.kill(gone.pid());
            while gone.is_alive() {
                tokio::task::yield_now().await;
            }
            all.extend(some(&system, 1).await);
            let picture = Picture::take(&system, None);
            match count(&mut search, &picture) {
                Ok(found) => break (found, picture),
                Err(why) => assert!(search.is_cut_short() && why.code == Code::Busy, "{why}"),
            }
        };
        let (found, picture) = found;
        let mut at_once = Search::at_once();
        at_once.is_for(Some("^0\\.|0$")).unwrap();
        assert!((2..=100).contains(&slices), "{slices} slices");
        assert_eq!(Ok(found), count(&mut at_once, &picture));
        system.stop().await;
    }

    #[tokio::test]
    async fn all_slices_together_are_no_longer_than_one_search() {
        let system = System::bare().unwrap();
        let _all = some(&system, 2_000).await;
        let picture = Picture::take(&system, None);
        let mut search = Search::with(Duration::from_nanos(1), Some(Duration::ZERO));
        search.is_for(Some("x{2}$")).unwrap();
        let why = count(&mut search, &picture).unwrap_err();
        assert!(!search.is_cut_short() && why.code == Code::BadArguments, "{why}");
        system.stop().await;
    }
}
