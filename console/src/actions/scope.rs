//! To whom something is to be done, and who would end by it.

use std::collections::BTreeMap;

use crashworthy_runtime::{Pid, State};

use super::limits::ActionLimits;
use crate::forest::is_living;
use crate::inspector::matching as meant;
use crate::picture::Picture;
use crate::protocol::{Code, Deed, PlanQuery, Refusal, Target};
use crate::search::Search;
use crate::whom::find;

/// Whom an action means, by their places in a picture.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) targets: Vec<usize>,
    /// The targets and, if they end, all below them.
    pub(crate) touched: Vec<usize>,
    /// How many that match are protected, and are left out.
    pub(crate) spared: usize,
}

impl Scope {
    /// Whom a query means.
    pub(crate) fn of(
        picture: &Picture,
        query: &PlanQuery,
        limits: &ActionLimits,
        protected: &[String],
        search: &mut Search,
    ) -> Result<Self, Refusal> {
        let too_many = |all: usize, most: usize| {
            Err(Refusal::new(Code::TooMany, format!("{all} actors are meant, allowed are {most} at once")))
        };
        if !query.deed.is_to_actors() {
            let is_plain = query.actors.is_empty() && query.matching.is_none();
            let nobody = || Self { targets: Vec::new(), touched: Vec::new(), spared: 0 };
            let wrong = || Refusal::new(Code::BadArguments, format!("{} is done to no actor", query.deed.name()));
            return is_plain.then(nobody).ok_or_else(wrong);
        }
        if query.actors.len() > limits.bulk_actors {
            return too_many(query.actors.len(), limits.bulk_actors);
        }
        let (targets, spared) = match (&query.matching, query.actors.as_slice()) {
            (None, [_, ..]) => (named(picture, query, protected)?, 0),
            (Some(_), []) => matching(picture, query, protected, search)?,
            _ => return Err(Refusal::new(Code::BadArguments, "either actors are named, or what they match")),
        };
        if targets.len() > limits.bulk_actors {
            return too_many(targets.len(), limits.bulk_actors);
        }
        let scope = Self::with(picture, query.deed, targets, spared);
        scope.check(picture, query.deed, limits)?;
        Ok(scope)
    }

    /// Those whom a plan meant, as they are now.
    pub(crate) fn again(
        picture: &Picture,
        deed: Deed,
        targets: &[Target],
        protected: &[String],
    ) -> Result<Self, Refusal> {
        let mut places = Vec::new();
        for Target { pid, path, .. } in targets {
            let is_it = |&place: &usize| picture.actor(place).pid == *pid && takes(picture.actor(place).state, deed);
            let Some(place) = picture.find_pid(*pid).filter(is_it) else { return Err(changed(path, *pid)) };
            if let Some(why) = shield(picture, place, deed, false, protected) {
                return Err(Refusal::new(Code::Protected, why));
            }
            places.push(place);
        }
        Ok(Self::with(picture, deed, places, 0))
    }

    fn with(picture: &Picture, deed: Deed, mut targets: Vec<usize>, spared: usize) -> Self {
        if !deed.ends() {
            return Self { touched: targets.clone(), targets, spared };
        }
        let branches: Vec<Vec<usize>> =
            targets.iter().map(|&top| picture.branch(Some(top)).map(|(place, _)| place).collect()).collect();
        // Whoever is below another one ends with it.
        let is_below = |place: usize| branches.iter().any(|branch| branch.iter().skip(1).any(|&below| below == place));
        targets.retain(|&place| !is_below(place));
        let mut touched: Vec<usize> = branches.concat();
        touched.sort_unstable();
        touched.dedup();
        touched.retain(|&place| is_living(picture.actor(place).state));
        Self { targets, touched, spared }
    }

    /// Whether it is done to several at once: that is rarer, and they are fewer. One may have any number below it.
    pub(crate) fn is_bulk(&self) -> bool {
        self.targets.len() > 1
    }

    fn check(&self, picture: &Picture, deed: Deed, limits: &ActionLimits) -> Result<(), Refusal> {
        if !self.is_bulk() {
            return Ok(());
        }
        let too_many = |why| Err(Refusal::new(Code::TooMany, why));
        let (all, most) = (self.touched.len(), limits.bulk_actors);
        if all > most {
            return too_many(format!("{all} actors would be touched, allowed are {most} at once"));
        }
        if deed.takes_back() {
            return Ok(());
        }
        let mut kinds = BTreeMap::<&str, usize>::new();
        for &place in &self.touched {
            *kinds.entry(picture.actor(place).kind).or_default() += 1;
        }
        for (kind, count) in kinds {
            // Of those who could be: whoever has ended is not there to serve on.
            let could_be = |&place: &usize| {
                let actor = picture.actor(place);
                actor.kind == kind && takes(actor.state, deed)
            };
            let all = picture.everybody().filter(could_be).count();
            let (percent, few, most) = (limits.bulk_percent, limits.bulk_few, limits.bulk_of(all));
            if count > most {
                return too_many(format!(
                    "{count} of {all} {kind} would be touched, allowed are {most} at once: {percent} % of a type, or {few}, but \
                     never all"
                ));
            }
        }
        Ok(())
    }
}

fn named(picture: &Picture, query: &PlanQuery, protected: &[String]) -> Result<Vec<usize>, Refusal> {
    let mut targets = Vec::new();
    for word in &query.actors {
        let place = find(picture, word)?;
        let (actor, path) = (picture.actor(place), picture.path(place));
        if !takes(actor.state, query.deed) {
            let why = format!("{path} does not live just now: it is {}", state(actor.state));
            return Err(Refusal::new(Code::NotLiving, why));
        }
        if let Some(why) = shield(picture, place, query.deed, false, protected) {
            return Err(Refusal::new(Code::Protected, why));
        }
        if !targets.contains(&place) {
            targets.push(place);
        }
    }
    Ok(targets)
}

fn matching(
    picture: &Picture,
    query: &PlanQuery,
    protected: &[String],
    search: &mut Search,
) -> Result<(Vec<usize>, usize), Refusal> {
    let filter = query.matching.as_ref().expect("it is asked with one");
    // Nothing can be done to who has gone.
    let top = filter.under.as_ref().map(|word| find(picture, word)).transpose()?;
    let all = meant(picture, filter, top.map(|place| picture.path(place)), search)?;
    let all = all.into_iter().filter(|&place| takes(picture.actor(place).state, query.deed));
    let (spared, targets): (Vec<_>, Vec<_>) =
        all.partition(|&place| shield(picture, place, query.deed, true, protected).is_some());
    if targets.is_empty() {
        let why = format!("nobody matches, lives, and may be touched; {} are protected", spared.len());
        return Err(Refusal::new(Code::NotFound, why));
    }
    Ok((targets, spared.len()))
}

/// Whether the system ends with it: its parent is the system itself.
pub(super) fn is_top(picture: &Picture, place: usize) -> bool {
    picture.actor(place).parent() == Some(Pid::OUTSIDE)
}

/// What protects an actor, if something does. It can always be resumed, and untripped.
fn shield(picture: &Picture, place: usize, deed: Deed, is_matched: bool, protected: &[String]) -> Option<String> {
    if deed.takes_back() {
        return None;
    }
    let path = picture.path(place);
    // Nobody drains the system by a pattern.
    let is_drained = matches!(deed, Deed::Drain { .. }) && !is_matched;
    if is_top(picture, place) && deed.is_destructive() && !is_drained {
        return Some(format!(
            "{path} is the top of the tree: what stops it stops the system, which is for a drain alone"
        ));
    }
    // Of one that is very deep the path is not told in full.
    if protected.iter().any(|name| picture.is_at(place, name)) {
        return Some(format!("{path} is protected"));
    }
    let below = protected.iter().find(|name| deed.ends() && is_above(picture, place, name))?;
    Some(format!("{below}, which would end with {path}, is protected"))
}

/// No, because it is another incarnation than was planned for.
pub(super) fn changed(path: &str, pid: Pid) -> Refusal {
    Refusal::new(Code::Changed, format!("{path} is not {pid} any more, nothing was done: plan again"))
}

/// Whether a path leads to it, or to somebody who is or may come below it.
fn is_above(picture: &Picture, place: usize, path: &str) -> bool {
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    ends.into_iter().any(|end| picture.is_at(place, &path[..end]))
}

/// Whether that can be done to whoever is in this state.
pub(crate) fn takes(state: State, deed: Deed) -> bool {
    is_living(state) || (deed.is_to_slot() && state == State::Restarting)
}

/// Where it is in its life, in words.
pub(crate) fn state(state: State) -> &'static str {
    match state {
        State::NotStarted => "not started",
        State::Starting => "starting",
        State::Running => "running",
        State::Suspended => "suspended",
        State::Restarting => "being restarted",
        State::Stopped => "stopped",
        State::Gone => "gone",
        _ => "in a state that is not known",
    }
}
