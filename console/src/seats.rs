//! Who has a place at a door, so that one more client with one question always gets in.
//!
//! ```text
//!                asks                       goes on asking, or watches
//! newcomer ───────────────▶ answered there ───────────────────────────▶ stays
//!    │ all taken: who has said nothing for longest goes                   │ all taken: who has said nothing for longest goes
//!    ▼                                                                    ▼
//! displaced, and told so                                               displaced, and told so
//! ```
//! As long as somebody waits at the door, a newcomer who has had his few answers makes way with the next thing he asks.
//!
//! Those who stay are few, since what they watch and trace costs something for as long as they do; who watches and takes his frames is
//! not silent, and goes before who only asks. Those who have just come have
//! places of their own, so that whoever stays keeps nobody from asking, and nobody who asks once costs anybody his place. Whoever is
//! being answered is left alone, unless he does not read it: an answer that fits the buffer of his socket is none he has to read, and of
//! one that does not something is taken again and again by whoever reads, however slowly.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::limits::{BRIEF, FEW, newcomers};
use crate::protocol::{Code, Refusal};

/// How long a newcomer is left alone after he could be heard first, or was answered: to ask what he came for. Whoever has had some answers has asked it.
const GRACE: Duration = Duration::from_millis(30);
/// How long it may take to make an answer for a newcomer while others wait for his place.
const ANSWER: Duration = Duration::from_millis(500);
/// How long a newcomer may take nothing of an answer while others wait for his place.
const STALLED: Duration = Duration::from_millis(50);
/// How long whoever stays is left alone after he has asked.
const QUIET: Duration = Duration::from_secs(2);

/// The places of one door.
#[derive(Debug)]
pub(crate) struct Seats {
    began: Instant,
    places: Mutex<Places>,
    changed: Notify,
}

impl Seats {
    /// For so many who stay.
    pub(crate) fn new(stay: usize) -> Arc<Self> {
        Self::with(Places::new(stay, newcomers(stay)))
    }

    /// In front of the others, where nobody stays.
    pub(crate) fn outside(stay: usize) -> Arc<Self> {
        Self::with(Places::new(0, newcomers(stay)))
    }

    fn with(places: Places) -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), places: Mutex::new(places), changed: Notify::new() })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until somebody could come in: at once, until something else happens. Nobody is to make way before it was looked whether he
    /// has said something meanwhile, however long the thread was busy otherwise.
    ///
    /// # Cancel safety
    /// Nothing is lost: nothing is taken.
    pub(crate) async fn room(&self) {
        let _wanted = self.wanted();
        let mut has_looked = false;
        loop {
            let room = self.places().room(self.now());
            match room {
                Ok(None) => return,
                Ok(Some(_)) if has_looked => return,
                Ok(Some(_)) => {
                    // What has come in is read meanwhile.
                    yield_now().await;
                    has_looked = true;
                }
                Err(wait) => {
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.changed.notified() => {}
                    }
                    has_looked = false;
                }
            }
        }
    }

    /// Somebody waits for a place, until this is dropped: whoever has had his turn makes way with his next question.
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        self.places().wanted += 1;
        Wanted { seats: self }
    }

    /// Whether somebody could come in just now.
    pub(crate) fn has_room(&self) -> bool {
        self.places().room(self.now()).is_ok()
    }

    /// Takes a place, of whoever has said nothing for longest if there is no other; none if all are being answered.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Seat> {
        let mut places = self.places();
        let displaced = places.room(self.now()).ok()?;
        places.displace(displaced);
        let (number, leaves) = places.enter(self.now());
        drop(places);
        Some(Seat { seats: self.clone(), number, leaves })
    }
}

/// Somebody who waits for a place.
#[derive(Debug)]
pub(crate) struct Wanted<'s> {
    seats: &'s Seats,
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.seats.places().wanted -= 1;
    }
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    leaves: Arc<Notify>,
}

impl Seat {
    /// Returns when somebody else has the place.
    pub(crate) async fn displaced(&self) {
        self.leaves.notified().await;
    }

    /// He may ask from now on: until then it was not for him to do something.
    pub(crate) async fn is_heard(&self) {
        // Whatever he has said by now is read before it counts how long he says nothing.
        yield_now().await;
        let now = self.seats.now();
        self.seats.places().hears(self.number, now);
        self.seats.changed.notify_one();
    }

    /// He asks something, and is being answered from now on.
    pub(crate) fn asks(&self) -> Result<(), Refusal> {
        let now = self.seats.now();
        self.seats.places().asks(self.number, now)
    }

    /// He says something that is no question: that is answered, too, and earns no place to stay.
    pub(crate) fn babbles(&self) -> Result<(), Refusal> {
        let now = self.seats.now();
        self.seats.places().babbles(self.number, now)
    }

    /// He has taken a frame of what he watches, and is there.
    pub(crate) fn is_told(&self) {
        let now = self.seats.now();
        self.seats.places().is_told(self.number, now);
    }

    /// His answer is there, or he has taken some more of it.
    pub(crate) fn takes(&self) {
        let now = self.seats.now();
        self.seats.places().takes(self.number, now);
        // Who waits for a place knew only how long it may take to make an answer.
        self.seats.changed.notify_one();
    }

    /// He has been answered, and may or may not be sent frames from now on.
    pub(crate) fn answered(&self, watches: bool) -> Result<(), Refusal> {
        let now = self.seats.now();
        let answered = self.seats.places().answered(self.number, now, watches);
        self.seats.changed.notify_one();
        answered
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.places().guests.remove(&self.number);
        self.seats.changed.notify_one();
    }
}

/// What somebody is told who is displaced.
pub(crate) fn displaced() -> Refusal {
    let why = "another connection needs this one's place, which had been silent for longest";
    Refusal::new(Code::Displaced, why)
}

/// Who is there. Time is an argument.
#[derive(Debug)]
struct Places {
    /// How many may stay.
    stay: usize,
    /// How many may be there who have just come.
    newcomers: usize,
    /// How many wait for a place, by those who look whether there is one.
    wanted: usize,
    next: u64,
    guests: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    stays: bool,
    came: Duration,
    asked: u32,
    turn: Turn,
    watches: bool,
    /// Since when it is so, or since when he has taken nothing of his answer.
    since: Duration,
    leaves: Arc<Notify>,
}

/// Whose turn it is to do something: who is in the way of others goes in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// His: he may ask.
    Asks,
    /// His: the answer is there for him to read.
    Reads,
    /// Ours: he has not been heard yet, or not been answered.
    Answered,
}

impl Guest {
    /// Whether he has asked so much, or been there for so long with his questions, that he may go after each.
    fn has_had_his_turn(&self, now: Duration) -> bool {
        self.asked >= BRIEF || (self.asked > 0 && now.saturating_sub(self.came) >= ANSWER)
    }

    /// How long he is left alone.
    fn grace(&self, now: Duration) -> Duration {
        match (self.stays, self.turn) {
            (true, _) => QUIET,
            (false, Turn::Asks) if self.has_had_his_turn(now) => Duration::ZERO,
            (false, Turn::Asks) => GRACE,
            (false, Turn::Reads) => STALLED,
            (false, Turn::Answered) => ANSWER,
        }
    }
}

impl Places {
    fn new(stay: usize, newcomers: usize) -> Self {
        Self { stay, newcomers, wanted: 0, next: 0, guests: BTreeMap::new() }
    }

    fn count(&self, stay: bool) -> usize {
        self.guests.values().filter(|guest| guest.stays == stay).count()
    }

    /// Whether somebody could come in, and whose place he would take; or when to look again.
    fn room(&self, now: Duration) -> Result<Option<u64>, Duration> {
        if self.count(false) < self.newcomers {
            return Ok(None);
        }
        self.longest(false, now).map(Some)
    }

    /// Who has been silent for longest, or else does not read, or else is not answered yet, and is not left alone any more; or when somebody may be.
    fn longest(&self, stay: bool, now: Duration) -> Result<u64, Duration> {
        let left = |guest: &Guest| (guest.since + guest.grace(now)).saturating_sub(now);
        let those = || self.guests.iter().filter(move |(_, guest)| guest.stays == stay);
        let over = those().filter(|(_, guest)| left(guest).is_zero());
        let longest = over.min_by_key(|(_, guest)| (guest.turn, guest.watches, guest.since));
        longest.map(|(number, _)| *number).ok_or_else(|| those().map(|(_, guest)| left(guest)).min().unwrap_or(GRACE))
    }

    fn displace(&mut self, number: Option<u64>) {
        if let Some(guest) = number.and_then(|number| self.guests.remove(&number)) {
            guest.leaves.notify_one();
        }
    }

    fn enter(&mut self, now: Duration) -> (u64, Arc<Notify>) {
        let (number, leaves) = (self.next, Arc::new(Notify::new()));
        self.next += 1;
        let (stays, asked, turn, watches) = (false, 0, Turn::Answered, false);
        let guest = Guest { stays, came: now, asked, turn, watches, since: now, leaves: leaves.clone() };
        self.guests.insert(number, guest);
        (number, leaves)
    }

    fn hears(&mut self, number: u64, now: Duration) {
        if let Some(guest) = self.guests.get_mut(&number) {
            (guest.turn, guest.since) = (Turn::Asks, now);
        }
    }

    fn asks(&mut self, number: u64, now: Duration) -> Result<(), Refusal> {
        let has_room = self.count(true) < self.stay;
        let is_in_the_way = self.wanted > 0 && self.count(false) >= self.newcomers;
        let Some(guest) = self.guests.get_mut(&number) else { return Err(displaced()) };
        if is_in_the_way && !has_room && !guest.stays && guest.has_had_his_turn(now) {
            self.guests.remove(&number);
            return Err(displaced());
        }
        (guest.turn, guest.since) = (Turn::Answered, now);
        guest.asked = guest.asked.saturating_add(1);
        guest.stays |= has_room;
        let must_stay = !guest.stays && guest.asked > FEW;
        if must_stay { self.settle(number, self.longest(true, now).ok()) } else { Ok(()) }
    }

    fn babbles(&mut self, number: u64, now: Duration) -> Result<(), Refusal> {
        let stay = self.stay;
        let Some(guest) = self.guests.get_mut(&number) else { return Err(displaced()) };
        (guest.turn, guest.since) = (Turn::Answered, now);
        guest.asked = guest.asked.saturating_add(1);
        if guest.stays || guest.asked <= FEW { Ok(()) } else { Err(too_many(stay)) }
    }

    fn is_told(&mut self, number: u64, now: Duration) {
        if let Some(guest) = self.guests.get_mut(&number) {
            guest.since = now;
        }
    }

    fn takes(&mut self, number: u64, now: Duration) {
        if let Some(guest) = self.guests.get_mut(&number) {
            (guest.turn, guest.since) = (Turn::Reads, now);
        }
    }

    fn answered(&mut self, number: u64, now: Duration, watches: bool) -> Result<(), Refusal> {
        let Some(guest) = self.guests.get_mut(&number) else { return Err(displaced()) };
        (guest.turn, guest.since, guest.watches) = (Turn::Asks, now, watches);
        let must_stay = !guest.stays && watches;
        if must_stay { self.settle(number, self.longest(true, now).ok().or_else(|| self.who_asks())) } else { Ok(()) }
    }

    /// Of those who stay and watch nothing the one whose turn it has been for longest: they may ask as well where nobody stays.
    fn who_asks(&self) -> Option<u64> {
        let asks = self.guests.iter().filter(|(_, guest)| guest.stays && !guest.watches);
        asks.min_by_key(|(_, guest)| (guest.turn, guest.since)).map(|(number, _)| *number)
    }

    /// Somebody stays from now on, in place of somebody else who does.
    fn settle(&mut self, number: u64, instead: Option<u64>) -> Result<(), Refusal> {
        let Some(instead) = instead else { return Err(too_many(self.stay)) };
        self.displace(Some(instead));
        if let Some(guest) = self.guests.get_mut(&number) {
            guest.stays = true;
        }
        Ok(())
    }
}

/// What somebody is told for whom there is no place.
pub(crate) fn too_many(stay: usize) -> Refusal {
    Refusal::new(Code::TooManyConnections, format!("there are {stay} connections already, and all are in use"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn places(stay: usize) -> Places {
        Places::new(stay, newcomers(stay))
    }

    /// Lets one in, in place of somebody else if need be.
    fn enter(places: &mut Places, now: Duration) -> Option<u64> {
        let displaced = places.room(now).ok()?;
        places.displace(displaced);
        Some(places.enter(now).0)
    }

    /// With somebody who stays, and as many who have just come as there may be.
    fn full() -> (Places, Vec<u64>) {
        let mut places = places(1);
        let stays = enter(&mut places, ms(0)).unwrap();
        places.asks(stays, ms(0)).unwrap();
        let all = (0..newcomers(1)).map(|_| enter(&mut places, ms(0)).unwrap()).collect();
        (places, all)
    }

    fn is_there(places: &Places, number: u64) -> bool {
        places.guests.contains_key(&number)
    }

    #[test]
    fn of_those_who_say_nothing_the_first_goes_when_its_time_is_over_and_not_before() {
        let mut places = places(1);
        for number in 0..newcomers(1) as u64 {
            assert_eq!(enter(&mut places, ms(0)), Some(number));
            places.hears(number, ms(number));
        }
        assert_eq!(places.room(ms(10)), Err(ms(20)), "the first has 30 ms");
        let next = enter(&mut places, ms(30)).expect("its time is over");
        assert!(!is_there(&places, 0) && is_there(&places, 1) && is_there(&places, next));
        assert_eq!(places.guests.len(), newcomers(1));
    }

    #[test]
    fn how_long_somebody_says_nothing_counts_from_when_he_is_heard() {
        let (mut places, all) = full();
        assert_eq!(places.room(ms(499)), Err(ms(1)), "it is for us to hear them, though not for ever");
        places.hears(all[2], ms(400));
        assert_eq!(places.room(ms(429)), Err(ms(1)));
        assert_eq!(places.room(ms(430)), Ok(Some(all[2])));
        assert_eq!(places.room(ms(500)), Ok(Some(all[2])), "who is heard and silent goes first");
    }

    #[test]
    fn who_is_being_answered_is_left_alone_unless_that_takes_too_long() {
        let (mut places, all) = full();
        for asks in &all {
            places.asks(*asks, ms(10)).unwrap();
        }
        assert_eq!(places.room(ms(100)), Err(ms(410)));
        places.answered(all[3], ms(200), false).unwrap();
        assert_eq!(places.room(ms(230)), Ok(Some(all[3])));
        assert_eq!(places.room(ms(510)), Ok(Some(all[3])), "silent ones first");
        places.asks(all[3], ms(510)).unwrap();
        assert_eq!(places.room(ms(510)), Ok(Some(all[0])), "then whoever is answered for too long");
        places.takes(all[5], ms(510));
        assert_eq!(places.room(ms(559)), Ok(Some(all[0])), "he may take his time to read");
        assert_eq!(places.room(ms(560)), Ok(Some(all[5])), "though not for ever");
        places.takes(all[5], ms(560));
        assert_eq!(places.room(ms(560)), Ok(Some(all[0])), "he reads, and is left alone");
    }

    #[test]
    fn a_thousand_who_ask_and_never_read_keep_one_more_from_his_place_for_less_than_a_second() {
        let (mut places, mut now, mut turns) = (places(8), ms(0), 0);
        while turns < 1_000 {
            match places.room(now) {
                Ok(_) => {
                    let asks = enter(&mut places, now).expect("there is room");
                    // Settled are eight of them; the others are in the way.
                    places.asks(asks, now).unwrap();
                    places.takes(asks, now);
                    turns += 1;
                }
                Err(wait) => now += wait,
            }
        }
        assert!(places.guests.len() <= newcomers(8) + 8 && now < ms(1_000), "{now:?}");
    }

    #[test]
    fn who_asks_again_and_again_makes_way_between_two_questions() {
        let (mut places, all) = full();
        for asked in 1..=BRIEF {
            for &asks in &all {
                places.asks(asks, ms(1)).unwrap();
                assert!(places.room(ms(1)).is_err(), "{asked} questions");
            }
            all.iter().for_each(|&asks| places.answered(asks, ms(1), false).unwrap());
            assert_eq!(places.room(ms(1)).is_ok(), asked == BRIEF, "{asked} questions");
        }
    }

    #[test]
    fn while_somebody_waits_at_the_door_whoever_has_had_his_answers_gets_no_more() {
        let (mut places, all) = full();
        let answer =
            |places: &mut Places, asks| places.asks(asks, ms(1)).map(|()| places.answered(asks, ms(1), false).unwrap());
        for asks in [all[0], all[1]] {
            (0..=BRIEF).for_each(|_| answer(&mut places, asks).expect("nobody waits"));
        }
        places.wanted = 1;
        assert_eq!(answer(&mut places, all[0]).unwrap_err().code, Code::Displaced);
        assert!(!is_there(&places, all[0]), "his place is free");
        answer(&mut places, all[1]).expect("now there is room for whoever waits");
        enter(&mut places, ms(1)).expect("he comes");
        assert_eq!(answer(&mut places, all[1]).unwrap_err().code, Code::Displaced, "the next waits");
        (0..BRIEF).for_each(|_| answer(&mut places, all[2]).expect("he has had no answer yet"));
        answer(&mut places, 0).expect("he stays");
    }

    #[test]
    fn so_does_whoever_has_been_there_for_long_with_a_question() {
        let (mut places, all) = full();
        for &asks in &all {
            places.asks(asks, ms(400)).unwrap();
        }
        places.answered(all[1], ms(499), false).unwrap();
        assert_eq!(places.room(ms(499)), Err(ms(30)));
        assert_eq!(places.room(ms(500)), Ok(Some(all[1])));
    }

    #[test]
    fn a_few_questions_cost_nobody_his_place_and_more_that_of_whoever_is_silent() {
        let mut places = places(2);
        let [watches, asks, more] = [(); 3].map(|()| enter(&mut places, ms(0)).unwrap());
        for stays in [watches, asks] {
            places.asks(stays, ms(0)).unwrap();
        }
        places.answered(watches, ms(0), true).unwrap();
        places.answered(asks, ms(1), false).unwrap();
        for _ in 0..FEW {
            places.asks(more, ms(1_000)).unwrap();
            places.answered(more, ms(1_000), false).unwrap();
        }
        assert_eq!(places.asks(more, ms(1_900)).unwrap_err().code, Code::TooManyConnections, "both have just asked");
        places.asks(more, ms(2_001)).unwrap();
        assert!(!is_there(&places, asks) && is_there(&places, watches), "who watches need not ask");
        let other = enter(&mut places, ms(2_001)).unwrap();
        places.asks(other, ms(2_001)).unwrap();
        places.answered(other, ms(2_001), true).unwrap();
        assert!(!is_there(&places, watches) && places.guests[&other].stays, "who stays has to have a place");
        let last = enter(&mut places, ms(2_002)).unwrap();
        places.asks(last, ms(2_002)).unwrap();
        places.answered(last, ms(2_002), true).unwrap();
        assert!(!is_there(&places, more) && is_there(&places, other), "who watches goes before who only asks");
        let later = enter(&mut places, ms(2_003)).unwrap();
        places.asks(later, ms(2_003)).unwrap();
        assert_eq!(places.answered(later, ms(2_003), true).unwrap_err().code, Code::TooManyConnections);
        assert_eq!(places.asks(asks, ms(2_003)).unwrap_err().code, Code::Displaced, "who has gone asks in vain");
    }

    #[test]
    fn who_watches_and_takes_his_frames_is_not_silent() {
        let mut places = places(2);
        let [watches, forgotten, more] = [(); 3].map(|()| enter(&mut places, ms(0)).unwrap());
        for stays in [watches, forgotten] {
            places.asks(stays, ms(0)).unwrap();
            places.answered(stays, ms(0), true).unwrap();
        }
        places.is_told(watches, ms(1_500));
        places.asks(more, ms(2_100)).unwrap();
        places.answered(more, ms(2_100), true).unwrap();
        assert!(is_there(&places, watches) && !is_there(&places, forgotten));
    }

    #[test]
    fn who_says_no_questions_earns_no_place_to_stay_and_leaves_after_a_few() {
        let mut places = places(1);
        let babbles = enter(&mut places, ms(0)).unwrap();
        for _ in 0..FEW {
            places.babbles(babbles, ms(1)).unwrap();
            places.answered(babbles, ms(1), false).unwrap();
        }
        assert!(!places.guests[&babbles].stays);
        assert_eq!(places.babbles(babbles, ms(2)).unwrap_err().code, Code::TooManyConnections);
        let asks = enter(&mut places, ms(3)).unwrap();
        places.asks(asks, ms(3)).unwrap();
        assert!(places.guests[&asks].stays, "the place was free");
    }
}
