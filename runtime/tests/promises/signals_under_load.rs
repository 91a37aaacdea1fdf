//! Signals under load: many senders, monitors, links and ends at once, on real threads, from a seed.
//!
//! Every sender numbers what it sends to each receiver, messages and exit signals by one count, and dies at last, of itself
//! or killed half-way. So each receiver can tell: of one sender it reads 1, 2, 3 … whatever is between, then its end, once
//! for each monitor and once for a link, and nothing afterwards.
//!
//! What is done follows from the seed, when it is done does not. `CRASHWORTHY_SEED=7` runs that seed alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crashworthy_runtime::{
    Actor, ActorRef, Context, Exit, ExitReason, Message, MonitorRef, Pid, Reply, Signal, System,
};

use crate::stage::{bare, lawful, on_many, until};
use crate::stress::Dice;

const RECEIVERS: usize = 4;
const SENDERS: u64 = 12;
const DEEDS: u64 = 400;
const ROUNDS: u64 = 4;
/// Looks at what was read until something counts as missing.
const LOOKS: u32 = 100_000;

/// How many things each sender has sent to each receiver: written by the sender as soon as they are sent.
type Sent = Arc<Mutex<BTreeMap<(Pid, usize), u64>>>;

/// One who reads, and writes down of whom it has read what.
#[derive(Default)]
struct Receiver {
    of: BTreeMap<Pid, Read>,
    wrong: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Read {
    numbers: u64,
    monitors: Vec<MonitorRef>,
    downs: Vec<MonitorRef>,
    /// How its link ended: 0 if not yet, or if there never was one.
    exits: u32,
    linked: bool,
    unlinked: bool,
    /// Its end was read.
    ended: bool,
}

enum Ask {
    Number(Pid, u64),
    /// Watches it so many times.
    Monitor(Pid, u64),
    /// Ends the latest of its monitors.
    Demonitor(Pid),
    Link(Pid),
    Unlink(Pid),
    Tell(Reply<(BTreeMap<Pid, Read>, Vec<String>)>),
}

impl Message for Ask {}

impl Read {
    /// Whether it has read all there is to read of somebody's end, and no more.
    fn told(&self) -> Result<(), &'static str> {
        let (mut monitors, mut downs) = (self.monitors.clone(), self.downs.clone());
        monitors.sort();
        downs.sort();
        if monitors != downs {
            return Err("one `Down` for each monitor");
        }
        // The end of one who was unlinked may have been waiting already.
        let least = u32::from(self.linked && !self.unlinked);
        let most = u32::from(self.linked);
        if (least..=most).contains(&self.exits) { Ok(()) } else { Err("one end for one link") }
    }
}

impl Receiver {
    fn number(&mut self, from: Pid, number: u64) {
        let read = self.of.entry(from).or_default();
        if read.numbers + 1 != number {
            self.wrong.push(format!("{from}: {number} after {}", read.numbers));
        }
        if read.ended {
            self.wrong.push(format!("{from}: {number} after its end"));
        }
        read.numbers = number;
    }
}

impl Actor for Receiver {
    type Args = ();
    type Msg = Ask;

    async fn init((): (), cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(true);
        Ok(Self::default())
    }

    async fn handle(&mut self, ask: Ask, cx: &mut Context<Self>) -> Result<(), Exit> {
        match ask {
            Ask::Number(from, number) => self.number(from, number),
            Ask::Monitor(of, times) => {
                let read = self.of.entry(of).or_default();
                read.monitors.extend((0..times).map(|_| cx.monitor(of)));
            }
            Ask::Demonitor(of) => {
                let read = self.of.entry(of).or_default();
                if let Some(latest) = read.monitors.pop()
                    && !read.downs.contains(&latest)
                {
                    cx.demonitor(latest);
                } else {
                    read.downs.retain(|down| read.monitors.contains(down));
                }
            }
            Ask::Link(to) => {
                let read = self.of.entry(to).or_default();
                // Once: linked again to who has ended meanwhile, it would read `noproc` as another end.
                if !std::mem::replace(&mut read.linked, true) {
                    cx.link(to);
                }
            }
            Ask::Unlink(from) => {
                cx.unlink(from);
                self.of.entry(from).or_default().unlinked = true;
            }
            Ask::Tell(reply) => reply.send((self.of.clone(), self.wrong.clone())),
        }
        Ok(())
    }

    async fn on_signal(&mut self, signal: Signal, _: &mut Context<Self>) -> Result<(), Exit> {
        match signal {
            Signal::Exit { from, reason: ExitReason::ShutdownWith(number) } => {
                self.number(from, number.parse().expect("a number"));
            }
            Signal::Exit { from, .. } => {
                let read = self.of.entry(from).or_default();
                read.exits += 1;
                read.ended = true;
            }
            Signal::Down(down) => {
                let read = self.of.entry(down.pid).or_default();
                read.downs.push(down.monitor);
                read.ended |= down.reason != ExitReason::NoProc;
            }
        }
        Ok(())
    }
}

/// One who sends.
struct Sender {
    seed: u64,
    to: Vec<ActorRef<Receiver>>,
    sent: Sent,
}

/// Does its deeds and dies.
struct Go;

impl Message for Go {}

impl Actor for Sender {
    type Args = (u64, Vec<ActorRef<Receiver>>, Sent);
    type Msg = Go;

    async fn init((seed, to, sent): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(seed.is_multiple_of(2));
        Ok(Self { seed, to, sent })
    }

    async fn handle(&mut self, Go: Go, cx: &mut Context<Self>) -> Result<(), Exit> {
        let mut dice = Dice(self.seed);
        for _ in 0..DEEDS {
            let number = dice.below(RECEIVERS as u64) as usize;
            let (pid, receiver) = (cx.pid(), &self.to[number]);
            match dice.below(16) {
                0..6 => self.send(pid, number, |next| receiver.tell(Ask::Number(pid, next)).is_ok()),
                6..12 => self.send(pid, number, |next| {
                    cx.exit(receiver.pid(), ExitReason::ShutdownWith(next.to_string())).is_ok()
                }),
                // A mailbox may be full: then nobody is watched.
                12 => drop(receiver.tell(Ask::Monitor(pid, 1 + dice.below(3)))),
                13 => drop(receiver.tell(Ask::Demonitor(pid))),
                14 => drop(receiver.tell(if dice.below(2) == 0 { Ask::Link(pid) } else { Ask::Unlink(pid) })),
                _ => tokio::task::yield_now().await,
            }
        }
        match dice.below(3) {
            0 => Err("done")?,
            1 => panic!("done"),
            _ => Err(Exit::normal()),
        }
    }
}

impl Sender {
    fn send(&self, pid: Pid, to: usize, send: impl FnOnce(u64) -> bool) {
        let next = self.sent.lock().unwrap().get(&(pid, to)).copied().unwrap_or_default() + 1;
        if send(next) {
            self.sent.lock().unwrap().insert((pid, to), next);
        }
    }
}

async fn round(system: &System, dice: &mut Dice, receivers: &[ActorRef<Receiver>], sent: &Sent) {
    let mut senders = Vec::new();
    for _ in 0..SENDERS {
        let args = (dice.below(u64::MAX), receivers.to_vec(), sent.clone());
        senders.push(system.spawn::<Sender>(args).await.unwrap());
    }
    for receiver in receivers {
        for sender in &senders {
            receiver.tell(Ask::Monitor(sender.pid(), dice.below(3))).unwrap();
            if dice.below(2) == 0 {
                receiver.tell(Ask::Link(sender.pid())).unwrap();
            }
        }
        receiver.settled().await;
    }
    senders.iter().for_each(|sender| sender.tell(Go).unwrap());
    for victim in senders.iter().take(SENDERS as usize / 3) {
        for _ in 0..dice.below(50) {
            tokio::task::yield_now().await;
        }
        system.kill(victim.pid());
    }
    until("all senders have ended", || senders.iter().all(|sender| !sender.is_alive())).await;
}

async fn storm(seed: u64) {
    let system = bare();
    let mut dice = Dice(seed);
    let sent = Sent::default();
    let mut receivers = Vec::new();
    for _ in 0..RECEIVERS {
        receivers.push(system.spawn::<Receiver>(()).await.unwrap());
    }
    for _ in 0..ROUNDS {
        round(&system, &mut dice, &receivers, &sent).await;
    }
    let sent = sent.lock().unwrap().clone();
    let mut ends = 0;
    for (number, receiver) in receivers.iter().enumerate() {
        // Who is seen to be dead may still be telling those tied to it.
        let mut read = BTreeMap::new();
        for looks in 0.. {
            let (of, wrong) = receiver.ask(Ask::Tell).await.unwrap();
            assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
            read = of;
            if looks == LOOKS || read.values().all(|read| read.told().is_ok()) {
                break;
            }
            tokio::task::yield_now().await;
        }
        for (pid, read) in read {
            let all = sent.get(&(pid, number)).copied().unwrap_or_default();
            assert_eq!(read.numbers, all, "seed {seed}: {pid} sent so many");
            assert_eq!(read.told(), Ok(()), "seed {seed}: {pid}: {read:?}");
            ends += read.downs.len();
        }
        assert!(
            system.inspect(receiver.pid()).unwrap().links.is_empty(),
            "seed {seed}: nobody is left to be linked to"
        );
    }
    assert!(ends > RECEIVERS, "seed {seed}: {ends} ends are no load");
    lawful(&system).await;
}

#[test]
fn under_load_signals_of_one_actor_to_another_keep_their_place_and_every_monitor_has_one_down() {
    let seeds = match std::env::var("CRASHWORTHY_SEED") {
        Ok(seed) => vec![seed.parse().expect("a seed is a number")],
        Err(_) => (1..=8).collect(),
    };
    for seed in seeds {
        on_many(4, || storm(seed));
    }
}
