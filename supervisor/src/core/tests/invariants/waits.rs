//! What holds while restarts wait. Who waits is seen from outside: with a back-off, whoever is restarting does.

use std::collections::BTreeMap;

use super::super::super::*;
use super::{Broken, Why, holds};

pub(super) struct Waiting {
    flags: Flags,
    /// How many actions there were.
    steps: u64,
    waiting: BTreeMap<ChildKey, Wait>,
    /// Who has ceased to wait since there was nothing to do: the group may still be about to be started.
    leaving: BTreeMap<ChildKey, Wait>,
    /// After how many actions a child was last started because somebody asked for it.
    by_hand: BTreeMap<ChildKey, u64>,
    /// Whose group is being started.
    group: Option<ChildKey>,
    last: Option<ChildKey>,
    /// The last start was not in order, unless it was the wish of a caller.
    disorder: Option<Broken>,
    /// The last event was that time has passed.
    timeout: bool,
}

struct Wait {
    /// It is over then at the earliest.
    until: Duration,
    /// After so many actions it was first seen.
    began: u64,
}

/// What a start begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// The starts of a group that has waited.
    Group,
    /// Something that is nobody's restart, or must not be.
    Alone,
    Nothing,
}

impl Waiting {
    pub(super) fn new(flags: Flags) -> Self {
        Self {
            flags,
            steps: 0,
            waiting: BTreeMap::new(),
            leaving: BTreeMap::new(),
            by_hand: BTreeMap::new(),
            group: None,
            last: None,
            disorder: None,
            timeout: false,
        }
    }

    fn takes_along(&self, restarting: ChildKey, other: ChildKey) -> bool {
        let fate = self.flags.strategy.fate(restarting);
        std::ops::RangeBounds::contains(&fate, &other)
    }

    pub(super) fn event(&mut self, event: &Event<u32, Why>) {
        self.timeout = *event == Event::Timeout;
    }

    /// After an event.
    pub(super) fn looks(
        &mut self,
        now: Duration,
        children: &[ChildInfo<u32>],
        alarm: Option<Duration>,
    ) -> Result<(), Broken> {
        let restarting = |info: &&ChildInfo<u32>| matches!(info.place, Place::Restarting(_));
        let began = self.steps;
        let mut waiting = BTreeMap::new();
        for info in children.iter().filter(restarting) {
            let wait = self.waiting.remove(&info.child).unwrap_or(Wait { until: now, began });
            waiting.insert(info.child, wait);
        }
        self.leaving.append(&mut std::mem::replace(&mut self.waiting, waiting));
        holds(alarm.is_none_or(|alarm| alarm >= now), "no_alarm_is_in_the_past")
    }

    pub(super) fn rests(
        &mut self,
        now: Duration,
        children: &[ChildInfo<u32>],
        alarm: Option<Duration>,
    ) -> Result<(), Broken> {
        self.group = None;
        self.leaving.clear();
        self.in_order()?;
        holds(self.waiting.is_empty() || alarm.is_some(), "who_waits_has_an_alarm")?;
        holds(!self.timeout || alarm.is_none_or(|alarm| alarm > now), "no_alarm_is_in_the_past")?;
        for wait in self.waiting.values_mut() {
            wait.until = alarm.unwrap_or(now).max(wait.until);
        }
        let up = children.iter().filter(|info| info.place.pid().is_some()).map(|info| info.child);
        for child in up {
            let started = self.by_hand.get(&child).copied().unwrap_or(0);
            let mut groups = self.waiting.iter().filter(|(waiting, _)| self.takes_along(**waiting, child));
            holds(groups.all(|(_, wait)| started > wait.began), "a_group_that_waits_is_down")?;
        }
        Ok(())
    }

    pub(super) fn action(&mut self, action: &Action<u32, Why>) {
        self.steps += 1;
        match action {
            Action::Reply(
                _,
                Response::Started(_) | Response::Ignored | Response::Refused(CallError::StartFailed(_)),
            ) => {
                self.disorder = None;
                self.by_hand.extend(self.last.map(|last| (last, self.steps)));
            }
            Action::Report(report) if report.context == Context::Progress => return,
            Action::Reply(..) | Action::Report(_) => {}
            _ => return,
        }
        self.group = None;
    }

    /// Before the next thing is decided.
    pub(super) fn in_order(&mut self) -> Result<(), Broken> {
        self.disorder.take().map_or(Ok(()), Err)
    }

    pub(super) fn starts(&mut self, now: Duration, child: ChildKey) -> Begins {
        self.last = Some(child);
        if self.group.is_some_and(|group| self.takes_along(group, child)) {
            return Begins::Nothing;
        }
        let all = self.waiting.iter().chain(&self.leaving);
        let mut groups = all.filter(|(waiting, _)| self.takes_along(**waiting, child)).peekable();
        let nobody = groups.peek().is_none();
        self.group = groups.find(|(_, wait)| wait.until <= now).map(|(group, _)| *group);
        if self.group.is_none() {
            let broken =
                if nobody { "a_cancelled_wait_starts_nobody" } else { "nobody_starts_before_the_wait_is_over" };
            self.disorder = Some(broken);
            return Begins::Alone;
        }
        Begins::Group
    }
}
