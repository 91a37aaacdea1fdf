//! A second supervisor, written the way Erlang's is: one blocking procedure with a mailbox.
//!
//! It shares nothing with the core but the specifications. Its world answers by a list of choices, so that every short
//! history can be tried; what it did and met is written down as a [`Trace`], which the core must then repeat.

mod delays;
mod world;

use std::collections::VecDeque;
use std::time::Duration;

use super::super::{ChildKey, Place as Shown};
use super::history::{Cast, Choose, Letter, Limits, Line, Picture, Scene, Trace, Why};
use crate::child_spec::{ChildSpec, Restart};
use crate::report::Context;
use crate::strategy::{AutoShutdown, Flags, Strategy};
use delays::Delays;

struct Slot {
    key: u64,
    spec: ChildSpec,
    place: Place,
    /// Its last life.
    life: Option<u32>,
}

impl Slot {
    fn new(key: u64, spec: ChildSpec) -> Self {
        Self { key, spec, place: Place::Down, life: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Up(u32),
    Down,
    Restarting,
}

pub(super) struct Reference<'a, C> {
    choices: &'a mut C,
    limits: Limits,
    flags: Flags,
    /// What kinds there are of nameless children, and how many there may be.
    crowd: Option<(Vec<ChildSpec>, usize)>,
    slots: Vec<Slot>,
    mail: VecDeque<Letter>,
    restarts: Vec<Duration>,
    delays: Delays,
    now: Duration,
    alive: Vec<bool>,
    next_key: u64,
    parent_gone: bool,
    trace: Trace,
}

/// The supervisor has ended.
struct Ended;

impl<'a, C: Choose> Reference<'a, C> {
    /// Plays one history.
    pub(super) fn play(scene: &Scene, seed: u64, limits: Limits, choices: &'a mut C) -> Trace {
        let (slots, crowd) = match &scene.cast {
            Cast::Named(children) => {
                let slots = (0..).zip(children).map(|(key, spec)| Slot::new(key, spec.clone()));
                (slots.collect(), None)
            }
            Cast::Crowd { kinds, max } => (Vec::new(), Some((kinds.clone(), *max))),
        };
        let mut sup = Reference {
            choices,
            limits,
            flags: scene.flags,
            crowd,
            next_key: slots.len() as u64,
            slots,
            mail: VecDeque::new(),
            restarts: Vec::new(),
            delays: Delays::new(scene.flags.backoff, seed),
            now: Duration::ZERO,
            alive: Vec::new(),
            parent_gone: false,
            trace: Vec::new(),
        };
        let Err(Ended) = sup.run();
        assert!(!sup.alive.contains(&true), "nobody is left behind: {:?}", sup.trace);
        sup.trace
    }

    fn run(&mut self) -> Result<std::convert::Infallible, Ended> {
        let all: Vec<u64> = self.slots.iter().map(|slot| slot.key).collect();
        if self.start_all(&all).is_err() {
            return Err(self.end(Why::FailedToStart));
        }
        self.trace.push(Line::Ready);
        loop {
            match self.mail.pop_front() {
                Some(letter) => self.handle(letter)?,
                None => {
                    self.trace.push(Line::Rests(self.picture(), self.delays.next()));
                    self.something_arrives();
                }
            }
        }
    }

    fn handle(&mut self, letter: Letter) -> Result<(), Ended> {
        match letter {
            Letter::Exited(pid, why) => match self.slots.iter().position(|slot| slot.place == Place::Up(pid)) {
                Some(index) => self.child_exit(index, why),
                None => Ok(()),
            },
            Letter::ParentExit(why) => Err(self.end(why)),
            Letter::Retry(key) => match self.find(key) {
                Some(index) if self.slots[index].place == Place::Restarting && !self.delays.waits(key) => {
                    self.restart(index)
                }
                _ => Ok(()),
            },
            Letter::Waited(key, number) => {
                if self.delays.waits_for(key, number) {
                    self.waited(key);
                }
                Ok(())
            }
            Letter::Terminate(key) => self.terminate(self.find(key)),
            Letter::Dismiss(life) => self.terminate(self.known_as(life)),
            Letter::Restart(key) => match self.find(key).map(|index| (index, self.slots[index].place)) {
                None => self.reply("not_found"),
                Some((_, Place::Up(_))) => self.reply("running"),
                Some((_, Place::Restarting)) => self.reply("restarting"),
                Some((index, Place::Down)) => match self.start(index) {
                    Ok(place) => {
                        self.slots[index].place = place;
                        self.reply(if place == Place::Down { "ignored" } else { "started" })
                    }
                    Err(()) => self.reply("failed"),
                },
            },
            Letter::Delete(key) => match self.find(key).map(|index| (index, self.slots[index].place)) {
                None => self.reply("not_found"),
                Some((_, Place::Up(_))) => self.reply("running"),
                Some((_, Place::Restarting)) => self.reply("restarting"),
                Some((index, Place::Down)) => {
                    self.remove(index);
                    self.reply("ok")
                }
            },
            Letter::Add => {
                let spec = ChildSpec::worker(format!("added {}", self.next_key)).restart(Restart::Temporary);
                self.add(spec)
            }
            Letter::Join(kind) => {
                let (kinds, max) = self.crowd.as_ref().expect("only a crowd is joined");
                let spec = kinds[kind].clone();
                if self.slots.len() == *max {
                    self.next_key += 1;
                    return self.reply("max_children");
                }
                self.add(spec)
            }
            Letter::Which => {
                self.trace.push(Line::Shown(self.picture()));
                Ok(())
            }
            Letter::Alarm => unreachable!("the clock writes no letters"),
        }
    }

    fn terminate(&mut self, index: Option<usize>) -> Result<(), Ended> {
        let Some(index) = index else { return self.reply("not_found") };
        self.stop(index);
        self.rest(index);
        self.reply("ok")
    }

    fn add(&mut self, spec: ChildSpec) -> Result<(), Ended> {
        self.slots.push(Slot::new(self.next_key, spec));
        self.next_key += 1;
        let index = self.slots.len() - 1;
        match self.start(index) {
            Ok(Place::Down) => {
                self.remove(index);
                self.reply("ignored")
            }
            Ok(place) => {
                self.slots[index].place = place;
                self.reply("started")
            }
            Err(()) => {
                self.remove(index);
                self.reply("failed")
            }
        }
    }

    fn reply(&mut self, text: &'static str) -> Result<(), Ended> {
        self.trace.push(Line::Reply(text));
        Ok(())
    }

    fn child_exit(&mut self, index: usize, why: Why) -> Result<(), Ended> {
        let normal = matches!(why, Why::Normal | Why::Shutdown);
        let (key, restart, significant) = {
            let slot = &self.slots[index];
            (slot.key, slot.spec.restart, slot.spec.significant)
        };
        if !normal || restart == Restart::Permanent {
            self.trace.push(Line::Report(Context::ChildTerminated, key));
        }
        if restart == Restart::Permanent || (restart == Restart::Transient && !normal) {
            return self.restart(index);
        }
        self.rest(index);
        let someone_left = self.slots.iter().any(|slot| slot.spec.significant && slot.place != Place::Down);
        if significant
            && (self.flags.auto_shutdown == AutoShutdown::AnySignificant
                || (self.flags.auto_shutdown == AutoShutdown::AllSignificant && !someone_left))
        {
            return Err(self.end(Why::Shutdown));
        }
        Ok(())
    }

    fn restart(&mut self, index: usize) -> Result<(), Ended> {
        let key = self.slots[index].key;
        let (now, period) = (self.now, self.flags.intensity.period);
        self.restarts.retain(|instant| now - *instant <= period);
        self.restarts.push(now);
        if self.restarts.len() > self.flags.intensity.restarts as usize {
            self.trace.push(Line::Report(Context::Shutdown, key));
            self.slots[index].place = Place::Down;
            return Err(self.end(Why::Shutdown));
        }
        let delay = self.delays.backoff.map(|backoff| self.delays.draw(key, now, backoff));
        let group = self.fate(key);
        self.slots[index].place = Place::Restarting;
        if group.len() > 1 {
            self.stop_all(&group);
        }
        match delay {
            None => self.start_or_retry(&group),
            Some(delay) => {
                let index = self.find(key).expect("who is restarted is kept");
                self.slots[index].place = Place::Restarting;
                self.delays.begin(key, self.now + delay);
            }
        }
        Ok(())
    }

    /// This child has waited long enough: it is started with its group. Who of it was started by hand meanwhile is
    /// stopped first.
    fn waited(&mut self, key: u64) {
        self.delays.cancel(key);
        let index = self.find(key).expect("who waits is kept");
        if self.flags.strategy != Strategy::OneForOne {
            // As without a wait: the retry is for whoever fails to start, and for nobody else.
            self.slots[index].place = Place::Down;
        }
        let group = self.fate(key);
        let up = |key: &u64| self.find(*key).is_some_and(|index| matches!(self.slots[index].place, Place::Up(_)));
        let (running, _): (Vec<u64>, Vec<u64>) = group.iter().partition(|key| up(key));
        self.stop_all(&running);
        self.start_or_retry(&group);
    }

    fn start_or_retry(&mut self, group: &[u64]) {
        if let Err(key) = self.start_all(group) {
            let index = self.find(key).expect("who failed to start is kept");
            self.slots[index].place = Place::Restarting;
            self.mail.push_back(Letter::Retry(key));
        }
    }

    /// Who is stopped and started with this child, in start order.
    fn fate(&self, key: u64) -> Vec<u64> {
        let shares = |slot: &&Slot| match self.flags.strategy {
            Strategy::OneForOne => slot.key == key,
            Strategy::OneForAll => true,
            Strategy::RestForOne => slot.key >= key,
        };
        self.slots.iter().filter(shares).map(|slot| slot.key).collect()
    }

    fn find(&self, key: u64) -> Option<usize> {
        self.slots.iter().position(|slot| slot.key == key)
    }

    /// Who has this life, or had it before the restart that is under way.
    fn known_as(&self, life: u32) -> Option<usize> {
        self.slots.iter().position(|slot| slot.place != Place::Down && slot.life == Some(life))
    }

    fn end(&mut self, why: Why) -> Ended {
        self.delays.forget_all();
        if self.crowd.is_some() {
            self.stop_together();
        } else {
            let all: Vec<u64> = self.slots.iter().map(|slot| slot.key).collect();
            self.stop_all(&all);
        }
        self.trace.push(Line::Exit(why));
        Ended
    }

    fn start_all(&mut self, keys: &[u64]) -> Result<(), u64> {
        for key in keys {
            let Some(index) = self.find(*key) else { continue };
            match self.start(index) {
                Ok(Place::Down) => self.rest(index),
                Ok(place) => self.slots[index].place = place,
                Err(()) => {
                    self.trace.push(Line::Report(Context::StartError, *key));
                    return Err(*key);
                }
            }
        }
        Ok(())
    }

    fn stop_all(&mut self, keys: &[u64]) {
        for key in keys.iter().rev() {
            let index = self.find(*key).expect("nobody else removes it");
            self.stop(index);
            self.rest(index);
        }
    }

    /// It is down; it is kept if there is something to keep it for.
    fn rest(&mut self, index: usize) {
        self.slots[index].place = Place::Down;
        self.delays.cancel(self.slots[index].key);
        if self.crowd.is_some() || self.slots[index].spec.restart == Restart::Temporary {
            self.remove(index);
        }
    }

    fn remove(&mut self, index: usize) {
        let gone = self.slots.remove(index);
        self.delays.forget(gone.key);
    }

    fn picture(&self) -> Picture {
        Picture::of(self.slots.iter().map(|slot| {
            let place = match slot.place {
                Place::Up(pid) => Shown::Running(pid),
                Place::Down => Shown::Down,
                Place::Restarting => Shown::Restarting(None),
            };
            (ChildKey(slot.key), place)
        }))
    }
}
