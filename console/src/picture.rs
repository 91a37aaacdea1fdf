//! A look at a system: everybody in brief, and who is below whom. What is shown of an actor is made when it is shown.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crashworthy_runtime::{ActorId, Glance, Pid, System, SystemSnapshot};
use crashworthy_supervisor::{SupervisorInfo, SystemExt};

use crate::forest::Forest;
use crate::protocol::{Doing, Row, Supervises, Tie, Ties};
use crate::sums::Load;
use crate::waiting::Waiting;

/// One look at a system.
#[derive(Debug)]
pub(crate) struct Picture {
    /// When it was, by the clock of the system.
    pub(crate) at: Duration,
    /// The system itself, without its actors.
    pub(crate) system: SystemSnapshot,
    /// By their places.
    actors: Vec<Glance>,
    forest: Forest,
    supervisors: HashMap<Pid, SupervisorInfo>,
    /// Names that are registered, in the order of whose they are.
    registered: Vec<(ActorId, Arc<str>)>,
    waiting: Waiting,
    load: OnceLock<Load>,
}

impl Picture {
    /// Looks at a system, again if there is an older picture, whose room is used again if nobody looks at it.
    pub(crate) fn take(system: &System, older: Option<Arc<Self>>) -> Self {
        let (mut actors, mut forest, mut waiting) = match older.map(Arc::try_unwrap) {
            None => Default::default(),
            Some(Ok(older)) => (older.actors, older.forest, older.waiting),
            Some(Err(shared)) => (Vec::new(), Forest::default(), shared.waiting.clone()),
        };
        let totals = system.glance(&mut actors);
        // Of a crowd that has gone no room is kept.
        if actors.capacity() / 4 > actors.len() {
            actors.shrink_to_fit();
            forest = Forest::default();
        }
        forest.grow(&actors);
        let supervisors = system.supervisors().into_iter().map(|info| (info.pid, info)).collect();
        let registered = system.registered().into_iter().map(|(name, pid)| (pid.id, name));
        let mut registered: Vec<_> = registered.collect();
        registered.sort_unstable();
        let at = system.now();
        waiting.look(&actors, at);
        let load = OnceLock::new();
        Self { at, system: totals, actors, forest, supervisors, registered, waiting, load }
    }

    pub(crate) fn actor(&self, place: usize) -> &Glance {
        &self.actors[place]
    }

    pub(crate) fn actors(&self) -> &[Glance] {
        &self.actors
    }

    /// Summed up once, however many ask.
    pub(crate) fn load(&self) -> Load {
        *self.load.get_or_init(|| Load::of(&self.actors))
    }

    /// The names from the top, with `/` between; of an actor without a name its id. Nothing of one that is below itself.
    pub(crate) fn path(&self, place: usize) -> String {
        let mut path = String::new();
        self.write_path(place, &mut path);
        path
    }

    /// The same in place of what is in `path`: for whoever asks for many.
    pub(crate) fn write_path(&self, place: usize, path: &mut String) {
        path.clear();
        let Some((_, level)) = self.forest.rank(place) else { return };
        if level > DEEPEST {
            path.push_str(DEEP);
        } else {
            self.write_above(place, level, path);
        }
        write_label(&self.actors[place], path);
    }

    fn write_above(&self, place: usize, level: usize, path: &mut String) {
        let mut above = [0; DEEPEST];
        let mut lowest = place;
        for step in above[..level].iter_mut().rev() {
            lowest = self.forest.above(lowest).expect("whoever is below the top has somebody above");
            *step = lowest;
        }
        for &place in &above[..level] {
            write_label(&self.actors[place], path);
            path.push('/');
        }
    }

    /// Whether that is its path, in full, however deep it is.
    pub(crate) fn is_at(&self, place: usize, path: &str) -> bool {
        let (mut rest, mut label) = (path, String::new());
        let mut at = self.forest.rank(place).map(|_| place);
        while let Some(place) = at {
            label.clear();
            write_label(&self.actors[place], &mut label);
            let Some(above) = rest.strip_suffix(&*label) else { return false };
            at = self.forest.above(place);
            match (at, above.strip_suffix('/')) {
                (None, None) => return above.is_empty(),
                (Some(_), Some(above)) => rest = above,
                _ => return false,
            }
        }
        false
    }

    /// Everybody, in no order.
    pub(crate) fn everybody(&self) -> std::ops::Range<usize> {
        0..self.actors.len()
    }

    /// What equals are ordered by.
    pub(crate) fn rank(&self, place: usize) -> u32 {
        self.forest.rank(place).map_or(u32::MAX, |(rank, _)| rank)
    }

    /// Whom a path means, or else an id, a name that only one has, or one that is registered. The error says how many have it.
    pub(crate) fn find(&self, word: &str) -> Result<usize, usize> {
        if word.starts_with(DEEP) {
            return self.find_deep(word);
        }
        if let Some(place) = self.find_path(word).or_else(|| self.find_id(word)) {
            return Ok(place);
        }
        let is_named = |&place: &usize| self.actors[place].name.as_deref() == Some(word);
        alone(self.everybody().filter(is_named)).or_else(|namesakes| match namesakes {
            0 => self.find_registered(word).ok_or(0),
            several => Err(several),
        })
    }

    /// Who has registered a name.
    fn find_registered(&self, word: &str) -> Option<usize> {
        let (id, _) = self.registered.iter().find(|(_, name)| &**name == word)?;
        self.place(*id)
    }

    /// A name that an actor has registered besides the one that it has in its tree.
    pub(crate) fn registered(&self, place: usize) -> Option<&str> {
        let Glance { pid, name, .. } = &self.actors[place];
        let first = self.registered.partition_point(|(id, _)| *id < pid.id);
        let own = self.registered[first..].iter().take_while(|(id, _)| *id == pid.id);
        own.map(|(_, name)| &**name).find(|registered| name.as_deref() != Some(registered))
    }

    /// Whom a path means of which only the end is told: others may have the same.
    fn find_deep(&self, word: &str) -> Result<usize, usize> {
        let mut path = String::new();
        alone(self.everybody().filter(|&place| {
            self.write_path(place, &mut path);
            path == word
        }))
    }

    fn find_path(&self, word: &str) -> Option<usize> {
        if !word.contains('/') && self.is_plain_id(word) {
            return self.forest.below(None).find(|&place| self.is_at(place, word));
        }
        // What a path ends in is told without the rest of it.
        let may_be = |actor: &Glance| match &actor.name {
            Some(name) => word.ends_with(&**name),
            None => word.ends_with(|last: char| last.is_ascii_digit()),
        };
        self.everybody().filter(|&place| may_be(&self.actors[place])).find(|&place| self.is_at(place, word))
    }

    /// Whether it looks like an id. A name may look so, too.
    fn is_plain_id(&self, word: &str) -> bool {
        word.bytes().all(|byte| byte.is_ascii_digit() || b"<.#>".contains(&byte))
    }

    /// Whom an id means, with its incarnation or without.
    fn find_id(&self, word: &str) -> Option<usize> {
        let is_meant = |actor: &Glance| actor.pid.to_string() == word || actor.pid.id.to_string() == word;
        let index = word.trim_start_matches('<').split('.').next()?.parse::<u32>().ok()?;
        self.everybody().find(|&place| {
            let actor = &self.actors[place];
            actor.pid.id.index() == index && is_meant(actor)
        })
    }

    /// Where an actor is, whichever incarnation is meant.
    pub(crate) fn find_pid(&self, pid: Pid) -> Option<usize> {
        self.place(pid.id)
    }

    fn place(&self, id: ActorId) -> Option<usize> {
        self.forest.place(id, &self.actors)
    }

    /// An actor and those below it, parents first, with how far below they are; everybody if none is named.
    pub(crate) fn branch(&self, top: Option<usize>) -> impl Iterator<Item = (usize, usize)> {
        self.forest.branch(top)
    }

    /// Those at the top.
    pub(crate) fn tops(&self) -> impl Iterator<Item = &Glance> {
        self.forest.below(None).map(|place| &self.actors[place])
    }

    pub(crate) fn row(&self, place: usize) -> Row {
        let actor = self.actor(place);
        let law = actor.law();
        Row {
            pid: actor.pid,
            path: self.path(place),
            registered: self.registered(place).map(str::to_owned),
            kind: actor.kind.to_owned(),
            state: actor.state,
            gate: actor.gate,
            doing: self.doing(actor),
            depth: actor.depth,
            limit: actor.limit,
            oldest: self.oldest(place),
            oldest_at_least: actor.oldest().is_none() && law.queued > 0,
            restarts: actor.restarts(),
            accepted: law.accepted,
            handled: law.handled,
            given_up: law.given_up,
            undelivered: law.undelivered,
            refused: actor.refusals().map_or(0, crashworthy_runtime::Refusals::total),
            children: self.forest.below(Some(place)).len(),
            back_in: actor.back_in(),
            supervises: self.supervisors.get(&actor.pid).cloned().map(Supervises::from),
            rates: None,
        }
    }

    /// How old the oldest message of an actor is, or at the least.
    pub(crate) fn oldest(&self, place: usize) -> Option<Duration> {
        let actor = self.actor(place);
        actor.oldest().or_else(|| self.waiting.at_least(actor.pid.id, self.at))
    }

    /// What an actor does, and for whom it waits.
    fn doing(&self, actor: &Glance) -> Option<Doing> {
        let waits_for = actor.waits_for().and_then(|waits| self.place(waits.id)).map(|place| self.path(place));
        Some(Doing { waits_for, ..doing(actor)? })
    }

    pub(crate) fn tie(&self, pid: Pid) -> Tie {
        Tie { pid, path: self.find_pid(pid).map(|place| self.path(place)) }
    }

    /// Below whom the tree has it: who is down is where it was.
    pub(crate) fn above(&self, place: usize) -> Option<Tie> {
        self.forest.above(place).map(|above| self.tie(self.actor(above).pid))
    }

    pub(crate) fn ties(&self, pids: &[Pid], limit: usize) -> Ties {
        Ties { total: pids.len(), first: pids.iter().take(limit).map(|&pid| self.tie(pid)).collect() }
    }

    /// The places of those below it.
    pub(crate) fn below(&self, place: usize) -> impl Iterator<Item = usize> {
        self.forest.below(Some(place))
    }

    pub(crate) fn children(&self, place: usize, limit: usize) -> Ties {
        let below = self.forest.below(Some(place));
        Ties { total: below.len(), first: below.take(limit).map(|child| self.tie(self.actor(child).pid)).collect() }
    }
}

/// Whether `path` is `top` or below it.
pub(crate) fn is_under(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How long the callback that runs has run; what comes first is longer.
pub(crate) fn doing(actor: &Glance) -> Option<Doing> {
    Some(Doing {
        callback: actor.callback,
        message: actor.message.map(str::to_owned),
        on_thread: actor.in_turn,
        since: actor.busy_for()?,
        waits_for: None,
    })
}

/// How deep a path is told in full. Trees of supervisors end before; a chain of actors that are each other's parents need not,
/// and all its paths would together be as long as its square.
const DEEPEST: usize = 64;
/// What stands for the rest of a path that is deeper.
const DEEP: &str = "…/";

/// The only one, or else how many there are.
fn alone(mut places: impl Iterator<Item = usize>) -> Result<usize, usize> {
    match (places.next(), places.count()) {
        (Some(place), 0) => Ok(place),
        (first, others) => Err(others + usize::from(first.is_some())),
    }
}

fn write_label(actor: &Glance, path: &mut String) {
    match &actor.name {
        Some(name) => path.push_str(name),
        None => write!(path, "{}", actor.pid.id).expect("a string takes what is written"),
    }
}

#[cfg(test)]
mod tests {
    use crashworthy_runtime::{Actor, Context, Exit, Slot, Under};
    use crashworthy_supervisor::{AutoShutdown, Restart, SlotExt, Supervisor};

    use super::*;
    use crate::forest::is_living;

    /// Somebody with so many below, one below the other.
    struct Floor;

    impl Actor for Floor {
        type Args = usize;
        type Msg = ();

        async fn init(floors: usize, cx: &mut Context<Self>) -> Result<Self, Exit> {
            if floors > 0 {
                let below = Slot::<Self>::named(format!("{floors}"));
                cx.start(&below, floors - 1, Under { parent: true, link: true }).await?;
            }
            Ok(Self)
        }

        async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
            Err(Exit::normal())
        }
    }

    #[tokio::test]
    async fn whoever_is_very_deep_is_found_by_a_path_in_full_and_by_the_end_of_it_if_nobody_else_has_it() {
        let system = System::bare().unwrap();
        let _top = system.spawn::<Floor>(80).await.unwrap();
        let picture = Picture::take(&system, None);
        let (deepest, level) = picture.branch(None).max_by_key(|(_, level)| *level).unwrap();
        assert_eq!((level, picture.path(deepest).starts_with(DEEP)), (80, true));
        let label = |place| {
            let mut label = String::new();
            write_label(picture.actor(place), &mut label);
            label
        };
        let labels: Vec<_> = picture.branch(None).map(|(place, _)| label(place)).collect();
        let full = labels.join("/");
        assert!(picture.is_at(deepest, &full));
        for wrong in [&full[1..], &full[..full.len() - 1], &format!("0/{full}"), &labels[1..].join("/"), ""] {
            assert!(!picture.is_at(deepest, wrong), "{wrong}");
        }
        assert_eq!(picture.find(&full), Ok(deepest));
        assert_eq!(picture.find(&labels[..70].join("/")), Ok(picture.branch(None).nth(69).unwrap().0));
        assert_eq!(picture.find(&picture.path(deepest)), Ok(deepest));
        assert_eq!(picture.find("…/front"), Err(0));
        assert_eq!((alone([3].into_iter()), alone([3, 4].into_iter()), alone([].into_iter())), (Ok(3), Err(2), Err(0)));
    }

    #[tokio::test]
    async fn whoever_is_down_keeps_its_path_below_a_supervisor_that_has_stopped() {
        let job = Slot::<Floor>::named("job");
        let batch = Supervisor::one_for_one("batch")
            .auto_shutdown(AutoShutdown::AnySignificant)
            .restart(Restart::Transient)
            .child(job.child(0).transient().significant());
        let system = System::builder().start(Supervisor::one_for_one("top").child(batch)).await.unwrap();
        let paths = || {
            let picture = Picture::take(&system, None);
            let stopped = picture.actors().iter().filter(|actor| !is_living(actor.state)).count();
            let paths: Vec<_> = picture.branch(None).map(|(place, level)| (level, picture.path(place))).collect();
            (stopped, paths)
        };
        let tree = [(0, "top"), (1, "top/batch"), (2, "top/batch/job")].map(|(level, path)| (level, path.to_owned()));
        assert_eq!(paths(), (0, tree.to_vec()));
        job.tell(()).unwrap();
        while paths().0 < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(paths().1, tree);
        system.stop().await;
    }

    #[test]
    fn a_path_is_under_itself_and_its_parents_and_under_no_namesake() {
        assert!(is_under("shop/till", "shop/till"));
        assert!(is_under("shop/till", "shop"));
        assert!(!is_under("shop/tills", "shop/till"));
        assert!(!is_under("shop", "shop/till"));
    }
}
