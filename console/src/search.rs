//! Looks for a pattern among the actors of a picture, for no longer than a while: there may be any number of them, with names of
//! any length, and one thread looks for everybody who asks.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use crate::limits::SEARCH;
use crate::pattern::Pattern;
use crate::picture::Picture;
use crate::protocol::{Code, Refusal};

/// Bytes that are looked through between two looks at the clock.
const STRIDE: usize = 4 * 1024;

/// One search.
pub(crate) struct Search<'p> {
    picture: &'p Picture,
    pattern: Pattern,
    /// There are few kinds of actors.
    kinds: HashMap<&'static str, bool>,
    path: String,
    began: Instant,
    within: Duration,
    looked_at: usize,
    /// Bytes since the last look at the clock.
    read: usize,
}

impl<'p> Search<'p> {
    /// Of nothing if all are meant.
    pub(crate) fn new(picture: &'p Picture, pattern: Option<&str>) -> Result<Option<Self>, Refusal> {
        let pattern = pattern.map(Pattern::from_str).transpose()?.filter(|pattern| !pattern.is_all());
        Ok(pattern.map(|pattern| Self::within(SEARCH, picture, pattern)))
    }

    fn within(within: Duration, picture: &'p Picture, pattern: Pattern) -> Self {
        let (kinds, path) = (HashMap::new(), String::new());
        Self { picture, pattern, kinds, path, began: Instant::now(), within, looked_at: 0, read: 0 }
    }

    /// Whether this one is meant, by its path, its kind, or a name that it has registered.
    pub(crate) fn takes(&mut self, place: usize) -> Result<bool, Refusal> {
        self.looked_at += 1;
        let kind = self.picture.actor(place).kind;
        let mut has_it = match self.kinds.get(kind) {
            Some(known) => *known,
            None => {
                self.read += kind.len();
                *self.kinds.entry(kind).or_insert(self.pattern.is_in(kind))
            }
        };
        if !has_it {
            self.picture.write_path(place, &mut self.path);
            self.read += self.path.len();
            has_it = self.pattern.is_in(&self.path)
                || self.picture.registered(place).is_some_and(|name| {
                    self.read += name.len();
                    self.pattern.is_in(name)
                });
        }
        if self.read > STRIDE {
            self.read = 0;
            self.check()?;
        }
        Ok(self.pattern.is_meant(has_it))
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.began.elapsed() < self.within {
            return Ok(());
        }
        let (within, some, all) = (self.within, self.looked_at, self.picture.actors().len());
        let why = format!(
            "the pattern takes too long: in {within:?} it was looked for in {some} of {all} actors; a part of a text is found sooner"
        );
        Err(Refusal::new(Code::BadArguments, why))
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

    #[tokio::test]
    async fn an_actor_is_found_by_its_path_its_kind_or_a_name_that_it_has_registered() {
        let system = System::bare().unwrap();
        let _others = some(&system, 2).await;
        let _lobby = system.spawn::<Idle>(Some("lobby")).await.unwrap();
        let picture = Picture::take(&system, None);
        let found = |pattern: &str| {
            let mut search = Search::new(&picture, Some(pattern)).unwrap().expect("it is of somebody");
            picture.everybody().filter(|&place| search.takes(place).unwrap()).count()
        };
        assert_eq!((found("^lob+y$"), found("!^lob+y$"), found("Idle$"), found("!Idle$")), (1, 2, 3, 0));
        let last = picture.path(picture.everybody().last().unwrap());
        assert_eq!(found(&format!("^{last}$")), 1);
        assert!(Search::new(&picture, Some("!")).unwrap().is_none() && Search::new(&picture, None).unwrap().is_none());
        system.stop().await;
    }

    #[tokio::test]
    async fn who_looks_for_too_long_is_told_how_far_he_has_come() {
        let system = System::bare().unwrap();
        let _all = some(&system, 2_000).await;
        let picture = Picture::take(&system, None);
        let search = |within| {
            let mut search = Search::within(within, &picture, "x{2}$".parse().unwrap());
            picture.everybody().try_for_each(|place| search.takes(place).map(drop))
        };
        assert_eq!(search(Duration::MAX), Ok(()));
        let why = search(Duration::ZERO).unwrap_err();
        assert_eq!(why.code, Code::BadArguments);
        assert!(why.message.contains("the pattern takes too long") && why.message.contains("of 2000 actors"), "{why}");
        system.stop().await;
    }
}
