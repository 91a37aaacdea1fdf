//! A second supervisor, written the way Erlang's is: one blocking procedure with a mailbox.
//!
//! It shares nothing with the core but the specifications. Its world answers by a list of choices, so that every short
//! history can be tried; what it did and met is written down as a [`Trace`], which the core must then repeat.

use std::collections::VecDeque;
use std::time::Duration;

use super::history::{Choose, End, Letter, Limits, Line, Outcome, Trace, Why};
use crate::child_spec::{ChildSpec, Restart, Shutdown};
use crate::report::Context;
use crate::strategy::{AutoShutdown, Flags, Strategy};

struct Slot {
    key: u64,
    spec: ChildSpec,
    place: Place,
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
    slots: Vec<Slot>,
    mail: VecDeque<Letter>,
    restarts: Vec<Duration>,
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
    pub(super) fn play(flags: Flags, children: &[ChildSpec], limits: Limits, choices: &'a mut C) -> Trace {
        let slot = |(key, spec): (usize, &ChildSpec)| Slot { key: key as u64, spec: spec.clone(), place: Place::Down };
        let mut sup = Reference {
            choices,
            limits,
            flags,
            slots: children.iter().enumerate().map(slot).collect(),
            mail: VecDeque::new(),
            restarts: Vec::new(),
            now: Duration::ZERO,
            alive: Vec::new(),
            next_key: children.len() as u64,
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
            if self.mail.is_empty() {
                self.something_arrives();
            }
            let letter = self.mail.pop_front().expect("something has arrived");
            self.handle(letter)?;
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
                Some(index) if self.slots[index].place == Place::Restarting => self.restart(index),
                _ => Ok(()),
            },
            Letter::Terminate(key) => {
                let reply = match self.find(key) {
                    None => "not_found",
                    Some(index) => {
                        self.stop(index);
                        self.slots[index].place = Place::Down;
                        if self.slots[index].spec.restart == Restart::Temporary {
                            self.slots.remove(index);
                        }
                        "ok"
                    }
                };
                self.reply(reply)
            }
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
                    self.slots.remove(index);
                    self.reply("ok")
                }
            },
            Letter::Add => self.add(),
        }
    }

    fn add(&mut self) -> Result<(), Ended> {
        let spec = ChildSpec::worker(format!("added {}", self.next_key)).restart(Restart::Temporary);
        self.slots.push(Slot { key: self.next_key, spec, place: Place::Down });
        self.next_key += 1;
        let index = self.slots.len() - 1;
        match self.start(index) {
            Ok(Place::Down) => {
                self.slots.pop();
                self.reply("ignored")
            }
            Ok(place) => {
                self.slots[index].place = place;
                self.reply("started")
            }
            Err(()) => {
                self.slots.pop();
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
        self.slots[index].place = Place::Down;
        if restart == Restart::Temporary {
            self.slots.remove(index);
        }
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
        let failed = match self.flags.strategy {
            Strategy::OneForOne => match self.start(index) {
                Ok(place) => {
                    self.slots[index].place = place;
                    None
                }
                Err(()) => {
                    self.trace.push(Line::Report(Context::StartError, key));
                    Some(key)
                }
            },
            strategy => {
                let from = if strategy == Strategy::OneForAll { 0 } else { index };
                self.slots[index].place = Place::Down;
                let group: Vec<u64> = self.slots[from..].iter().map(|slot| slot.key).collect();
                self.stop_all(&group);
                self.start_all(&group).err()
            }
        };
        if let Some(key) = failed {
            let index = self.find(key).expect("who failed to start is kept");
            self.slots[index].place = Place::Restarting;
            self.mail.push_back(Letter::Retry(key));
        }
        Ok(())
    }

    fn find(&self, key: u64) -> Option<usize> {
        self.slots.iter().position(|slot| slot.key == key)
    }

    fn end(&mut self, why: Why) -> Ended {
        let all: Vec<u64> = self.slots.iter().map(|slot| slot.key).collect();
        self.stop_all(&all);
        self.trace.push(Line::Exit(why));
        Ended
    }

    fn start_all(&mut self, keys: &[u64]) -> Result<(), u64> {
        for key in keys {
            let Some(index) = self.find(*key) else { continue };
            match self.start(index) {
                Ok(Place::Down) if self.slots[index].spec.restart == Restart::Temporary => {
                    drop(self.slots.remove(index))
                }
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
            self.slots[index].place = Place::Down;
            if self.slots[index].spec.restart == Restart::Temporary {
                self.slots.remove(index);
            }
        }
    }

    // --- The world ---

    fn start(&mut self, index: usize) -> Result<Place, ()> {
        self.trace.push(Line::Start(self.slots[index].key));
        self.maybe_interrupted();
        let outcome = match self.mishap(3) {
            0 => {
                self.alive.push(true);
                Outcome::Ok(self.alive.len() as u32 - 1)
            }
            1 => Outcome::Ignore,
            _ => Outcome::Fails,
        };
        self.trace.push(Line::Started(outcome));
        match outcome {
            Outcome::Ok(pid) => Ok(Place::Up(pid)),
            Outcome::Ignore => Ok(Place::Down),
            Outcome::Fails => Err(()),
        }
    }

    fn stop(&mut self, index: usize) {
        let Slot { key, place: Place::Up(pid), ref spec } = self.slots[index] else { return };
        let (restart, shutdown) = (spec.restart, spec.shutdown);
        self.trace.push(Line::Stop(pid));
        let (end, mut how) = if !self.alive[pid as usize] {
            (End::Dead, Why::NoProc)
        } else {
            // It is asked, or killed, at once: only others can interrupt.
            self.alive[pid as usize] = false;
            self.maybe_interrupted();
            match shutdown {
                Shutdown::BrutalKill => (End::With(Why::Killed), Why::Killed),
                Shutdown::Within(limit) => match self.mishap(4) {
                    0 => (End::With(Why::Shutdown), Why::Shutdown),
                    1 => (End::With(Why::Normal), Why::Normal),
                    2 => (End::With(Why::Boom), Why::Boom),
                    _ => {
                        self.now += limit;
                        (End::Late, Why::Killed)
                    }
                },
                Shutdown::Unlimited => (End::With(Why::Shutdown), Why::Shutdown),
            }
        };
        self.trace.push(Line::Stopped(end));
        let pending = self.mail.iter().position(|letter| matches!(letter, Letter::Exited(dead, _) if *dead == pid));
        if let Some(Letter::Exited(_, why)) = pending.and_then(|at| self.mail.remove(at)) {
            how = why;
        }
        let expected = if shutdown == Shutdown::BrutalKill { Why::Killed } else { Why::Shutdown };
        let normal = matches!(how, Why::Normal | Why::Shutdown);
        if how != expected && (!normal || restart == Restart::Permanent) {
            self.trace.push(Line::Report(Context::ShutdownError, key));
        }
    }

    fn mishap(&mut self, bound: usize) -> usize {
        if self.limits.mishaps == 0 {
            return 0;
        }
        let choice = self.choices.choose(bound);
        self.limits.mishaps -= usize::from(choice > 0);
        choice
    }

    fn maybe_interrupted(&mut self) {
        while self.limits.interruptions > 0 {
            let letters = self.letters();
            let choice = self.choices.choose(letters.len() + 1);
            let Some(letter) = letters.get(choice) else { return };
            self.limits.interruptions -= 1;
            self.arrives(Duration::ZERO, *letter);
        }
    }

    /// While nothing is going on: at the end of a history the parent loses patience.
    fn something_arrives(&mut self) {
        if self.limits.letters == 0 {
            return self.arrives(Duration::ZERO, Letter::ParentExit(Why::Shutdown));
        }
        self.limits.letters -= 1;
        let letters = self.letters();
        let letter = letters[self.choices.choose(letters.len())];
        let period = self.flags.intensity.period;
        let pause = if self.limits.time {
            let nano = Duration::from_nanos(1);
            [Duration::ZERO, period, period + nano, period - nano][self.choices.choose(4)]
        } else {
            Duration::ZERO
        };
        self.arrives(pause, letter);
    }

    fn arrives(&mut self, pause: Duration, letter: Letter) {
        self.now += pause;
        match letter {
            Letter::Exited(pid, _) => self.alive[pid as usize] = false,
            Letter::ParentExit(_) => self.parent_gone = true,
            _ => {}
        }
        self.trace.push(Line::Arrives(pause, letter));
        self.mail.push_back(letter);
    }

    /// Whatever could arrive now.
    fn letters(&self) -> Vec<Letter> {
        let living = (0..self.alive.len() as u32).filter(|pid| self.alive[*pid as usize]);
        let mut letters: Vec<Letter> =
            living.flat_map(|pid| [Letter::Exited(pid, Why::Boom), Letter::Exited(pid, Why::Normal)]).collect();
        for slot in &self.slots {
            letters.extend([Letter::Terminate(slot.key), Letter::Restart(slot.key), Letter::Delete(slot.key)]);
        }
        letters.push(Letter::Add);
        if !self.parent_gone {
            letters.push(Letter::ParentExit(Why::Normal));
        }
        letters
    }
}
