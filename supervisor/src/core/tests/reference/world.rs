//! The world around the reference: how starts and stops go, what arrives, and when.

use std::time::Duration;

use super::{Place, Reference, Slot};
use crate::child_spec::{Restart, Shutdown};
use crate::core::tests::history::{Choose, End, Letter, Line, Outcome, Why};
use crate::report::Context;

impl<C: Choose> Reference<'_, C> {
    pub(super) fn start(&mut self, index: usize) -> Result<Place, ()> {
        let key = self.slots[index].key;
        self.delays.cancel(key);
        self.trace.push(Line::Start(key));
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
        self.time_passes();
        match outcome {
            Outcome::Ok(pid) => {
                self.delays.started(key, self.now);
                self.slots[index].life = Some(pid);
                Ok(Place::Up(pid))
            }
            Outcome::Ignore => Ok(Place::Down),
            Outcome::Fails => Err(()),
        }
    }

    pub(super) fn stop(&mut self, index: usize) {
        let Slot { key, place: Place::Up(pid), ref spec, .. } = self.slots[index] else { return };
        let (restart, shutdown) = (spec.restart, spec.shutdown);
        self.trace.push(Line::Stop(pid));
        let end = if !self.alive[pid as usize] {
            End::Dead
        } else {
            // It is asked, or killed, at once: only others can interrupt.
            self.alive[pid as usize] = false;
            self.maybe_interrupted();
            match shutdown {
                Shutdown::BrutalKill => End::With(Why::Killed),
                Shutdown::Within(limit) => match self.mishap(4) {
                    0 => End::With(Why::Shutdown),
                    1 => End::With(Why::Normal),
                    2 => End::With(Why::Boom),
                    _ => {
                        self.now += limit;
                        End::Late
                    }
                },
                Shutdown::Unlimited => End::With(Why::Shutdown),
            }
        };
        self.trace.push(Line::Stopped(end));
        self.time_passes();
        let how = self.true_reason(pid, end);
        if self.is_reported(restart, shutdown, how) {
            self.trace.push(Line::Report(Context::ShutdownError, key));
        }
    }

    /// All of a crowd are asked, and end as they like; who is late is killed.
    pub(super) fn stop_together(&mut self) {
        let since = self.now;
        let up = |slot: &Slot| match slot.place {
            Place::Up(pid) => Some((pid, slot.spec.restart, slot.spec.shutdown)),
            Place::Down | Place::Restarting => None,
        };
        let mut to_ask: Vec<_> = self.slots.iter().filter_map(up).rev().collect();
        let mut asked: Vec<(u32, Restart, Shutdown, bool)> = Vec::new();
        let mut killed = Vec::new();
        let mut tally: Vec<(Why, usize)> = Vec::new();
        loop {
            // Either the next one is asked, or one of those that were asked ends, or time is up.
            let times = asked.iter().filter(|(pid, ..)| !killed.contains(pid));
            let times = times.filter_map(|(_, _, shutdown, _)| match shutdown {
                Shutdown::Within(limit) => Some(*limit),
                Shutdown::BrutalKill | Shutdown::Unlimited => None,
            });
            let late = times.min().filter(|_| to_ask.is_empty() && self.limits.mishaps > 0);
            let ways = usize::from(!to_ask.is_empty()) + asked.len() + usize::from(late.is_some());
            if ways == 0 {
                break;
            }
            let way = self.choices.choose(ways);
            if let Some(limit) = late.filter(|_| way + 1 == ways) {
                self.limits.mishaps -= 1;
                self.now = since + limit;
                self.trace.push(Line::TimeIsUp(self.now));
                for (pid, _, shutdown, _) in &asked {
                    if *shutdown == Shutdown::Within(limit) {
                        killed.push(*pid);
                        self.trace.push(Line::Kill(*pid));
                    }
                }
            } else if way < asked.len() {
                let (pid, restart, shutdown, dead) = asked.remove(way);
                let end = if dead {
                    End::Dead
                } else if killed.contains(&pid) || shutdown == Shutdown::BrutalKill {
                    End::With(Why::Killed)
                } else {
                    End::With([Why::Shutdown, Why::Normal, Why::Boom][self.mishap(3)])
                };
                self.trace.push(Line::Falls(pid, end));
                let how = self.true_reason(pid, end);
                if self.is_reported(restart, shutdown, how) {
                    match tally.iter_mut().find(|(why, _)| *why == how) {
                        Some((_, count)) => *count += 1,
                        None => tally.push((how, 1)),
                    }
                }
            } else {
                let (pid, restart, shutdown) = to_ask.pop().expect("somebody is to be asked");
                self.trace.push(Line::Ask(pid));
                let dead = !std::mem::replace(&mut self.alive[pid as usize], false);
                asked.push((pid, restart, shutdown, dead));
                self.maybe_interrupted();
            }
        }
        self.trace.extend(tally.into_iter().map(|(why, count)| Line::Counted(why, count)));
        self.slots.clear();
    }

    /// A pending exit is preferred to what the monitor says.
    fn true_reason(&mut self, pid: u32, end: End) -> Why {
        let pending = self.mail.iter().position(|letter| matches!(letter, Letter::Exited(dead, _) if *dead == pid));
        match (pending.and_then(|at| self.mail.remove(at)), end) {
            (Some(Letter::Exited(_, why)), _) | (None, End::With(why)) => why,
            (_, End::Dead) => Why::NoProc,
            (_, End::Late) => Why::Killed,
            (Some(_), End::With(_)) => unreachable!("an exit was looked for"),
        }
    }

    fn is_reported(&self, restart: Restart, shutdown: Shutdown, how: Why) -> bool {
        let expected = if shutdown == Shutdown::BrutalKill { Why::Killed } else { Why::Shutdown };
        let normal = matches!(how, Why::Normal | Why::Shutdown);
        how != expected && (!normal || restart == Restart::Permanent)
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
            let pause = self.until_waits_are_over();
            self.arrives(pause, *letter);
        }
    }

    /// While nothing is going on: at the end of a history the parent loses patience.
    pub(super) fn something_arrives(&mut self) {
        if self.limits.letters == 0 {
            return self.arrives(Duration::ZERO, Letter::ParentExit(Why::Shutdown));
        }
        self.limits.letters -= 1;
        let mut letters = self.letters();
        letters.extend(self.delays.next().map(|_| Letter::Alarm));
        let letter = letters[self.choices.choose(letters.len())];
        let pause = match (letter, self.delays.next(), self.delays.last()) {
            // On time, or so late that everybody's wait is over.
            (Letter::Alarm, Some(next), Some(last)) => {
                let late = last.saturating_sub(self.now) + NANO;
                [next.saturating_sub(self.now), late][self.choices.choose(2)]
            }
            _ if self.limits.time => {
                let period = self.flags.intensity.period;
                [Duration::ZERO, period, period + NANO, period - NANO][self.choices.choose(4)]
            }
            _ => self.until_waits_are_over(),
        };
        self.arrives(pause, letter);
    }

    /// Whoever waits may have waited long enough, with nobody having looked at the clock.
    fn until_waits_are_over(&mut self) -> Duration {
        match self.delays.last() {
            Some(last) => [Duration::ZERO, last.saturating_sub(self.now)][self.choices.choose(2)],
            None => Duration::ZERO,
        }
    }

    fn arrives(&mut self, pause: Duration, letter: Letter) {
        self.now += pause;
        match letter {
            Letter::Exited(pid, _) => self.alive[pid as usize] = false,
            Letter::ParentExit(_) => self.parent_gone = true,
            _ => {}
        }
        self.trace.push(Line::Arrives(pause, letter));
        self.time_passes();
        if letter != Letter::Alarm {
            self.mail.push_back(letter);
        }
    }

    /// Something has happened, and the clock was looked at.
    fn time_passes(&mut self) {
        self.mail.extend(self.delays.over(self.now));
    }

    /// Whatever could arrive now.
    fn letters(&self) -> Vec<Letter> {
        let living = (0..self.alive.len() as u32).filter(|pid| self.alive[*pid as usize]);
        let mut letters: Vec<Letter> =
            living.flat_map(|pid| [Letter::Exited(pid, Why::Boom), Letter::Exited(pid, Why::Normal)]).collect();
        match &self.crowd {
            Some((kinds, _)) => {
                letters.extend(self.slots.iter().filter_map(|slot| slot.life).map(Letter::Dismiss));
                letters.extend((0..kinds.len()).map(Letter::Join));
            }
            None => {
                for slot in &self.slots {
                    letters.extend([Letter::Terminate(slot.key), Letter::Restart(slot.key), Letter::Delete(slot.key)]);
                }
                letters.push(Letter::Add);
            }
        }
        if self.crowd.is_some() || self.flags.backoff.is_some() {
            letters.push(Letter::Which);
        }
        if !self.parent_gone {
            letters.push(Letter::ParentExit(Why::Normal));
        }
        letters
    }
}

const NANO: Duration = Duration::from_nanos(1);
