//! Whether a message is taken in: will what is already promised, and this, be done before this caller's deadline?

use std::time::Duration;

use super::LEAST_SHARED;
use super::amid::Amid;
use super::limits::ServiceTime;
use super::standing::LEAST;
use crate::error::Reason;
use crate::message::Criticality;

/// What a sender wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// The time left until the deadline.
    pub(crate) left_ns: u64,
    pub(crate) criticality: Criticality,
    /// Work as a multiple of the usual message.
    pub(crate) cost: f32,
    /// Who began the call, as [shares](super::shares) tell callers apart.
    pub(crate) flow: u8,
}

/// What a sender sees of an actor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    pub(crate) service: ServiceTime,
    /// While it refuses: how many may wait in its mailbox, if those who matter least are to be among them.
    pub(crate) standing: Option<u32>,
    /// How long what it has in hand has been there.
    pub(crate) running_ns: u64,
    /// How many places the sender's flow has, while it refuses, and more than one flow asks.
    pub(crate) held: Option<u32>,
}

/// How many messages may be in the mailbox before this one. There is always room in an empty one: what was measured must
/// not be what keeps an actor from being measured again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// So many, if this one is to be done in time.
    pub(crate) in_time: u32,
    /// So many, if those who matter more are to have room too.
    pub(crate) of_all: u32,
    /// So many, if other flows are to have room as well: this is what counts. None behind a message that has been
    /// in hand for longer than this one has time: nobody knows when that will end.
    pub(crate) places: u32,
}

impl Demand {
    /// Its work, in whole messages.
    fn own(self) -> u32 {
        if self.cost > 1.0 { self.cost.ceil() as u32 } else { 1 }
    }
}

impl Sight {
    pub(crate) fn room(self, demand: Demand) -> Room {
        // One is in hand, and this one has its own work.
        self.rooms(demand, self.service.places(demand.left_ns).saturating_sub(demand.own()))
    }

    /// The same where kinds differ: time limits each as its work does, and what is kept for others is kept from all alike.
    pub(super) fn room_amid(self, demand: Demand, amid: &Amid) -> Room {
        let in_time = amid.places(demand.left_ns, demand.own()).max(1);
        let usual = self.rooms(demand, amid.usual_in_time(demand.left_ns));
        match self.standing {
            _ if usual.places == 0 => usual,
            None => Room { in_time, of_all: in_time, places: in_time },
            Some(_) => {
                let [of_all, places] = [usual.of_all, usual.places].map(|limit| amid.limit(limit).min(in_time).max(1));
                Room { in_time, of_all, places }
            }
        }
    }

    /// Room, if so many may wait for the sake of time.
    fn rooms(self, demand: Demand, in_time: u32) -> Room {
        if self.running_ns > demand.left_ns {
            return Room { in_time: 0, of_all: 0, places: 0 };
        }
        let in_time = in_time.max(1);
        let of_all = match self.standing {
            None => in_time,
            Some(standing) => {
                let least = if self.held.is_some() { LEAST_SHARED } else { LEAST as u32 };
                let standing = standing.max(least).min(in_time);
                let kept = in_time - standing;
                standing
                    + match demand.criticality {
                        Criticality::CriticalPlus => kept,
                        Criticality::Critical => kept / 2,
                        Criticality::Sheddable => kept / 6,
                        Criticality::SheddablePlus => 0,
                    }
            }
        };
        // As many as are free: a flow that has half of the places has its share.
        let places = of_all.saturating_sub(self.held.unwrap_or(0)).max(1);
        Room { in_time, of_all, places }
    }

    /// Why there is no room for one more, and after what time there would be.
    pub(crate) fn refusal(self, room: Room, queued: u32) -> (Reason, Duration) {
        if room.places == 0 {
            // As long again: it has been in hand for longer than anybody thought.
            return (Reason::Stuck, Duration::from_nanos(self.running_ns));
        }
        let reason = match self.standing {
            Some(_) if self.held.is_some() && queued < room.of_all => Reason::Share,
            Some(_) if queued < room.in_time => Reason::Shed,
            _ => Reason::NoTime,
        };
        let before = queued.saturating_sub(room.places).saturating_add(1);
        (reason, Duration::from_nanos(self.service.wait_ns(before)))
    }
}

/// Whether a message that is taken out is worth beginning: it can be done in time, as far as one can tell.
///
/// The first of a busy period is, unless it has expired: an estimate that says otherwise is put right by it alone.
pub(crate) fn is_worth_it(service: ServiceTime, left_ns: u64, is_first: bool) -> bool {
    left_ns > 0 && (is_first || left_ns >= service.mean_ns())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::amid::Work;
    use super::super::estimator::Estimator;
    use super::*;

    fn any_criticality() -> impl Strategy<Value = Criticality> {
        use Criticality::*;
        prop::sample::select(vec![CriticalPlus, Critical, Sheddable, SheddablePlus])
    }

    fn any_service() -> impl Strategy<Value = ServiceTime> {
        prop::collection::vec((any::<u64>(), 1..100_u32), 0..50).prop_map(|seen| {
            let mut estimator = Estimator::default();
            seen.into_iter().for_each(|(took, messages)| estimator.observe(took, messages));
            estimator.service()
        })
    }

    fn steady(mean_ns: u64) -> ServiceTime {
        let mut estimator = Estimator::default();
        (0..100).for_each(|_| estimator.observe(mean_ns, 1));
        estimator.service()
    }

    fn demand(left_ns: u64) -> Demand {
        Demand { left_ns, criticality: Criticality::Sheddable, cost: 1.0, flow: 1 }
    }

    #[test]
    fn as_many_wait_as_are_done_in_time_with_the_one_in_hand_and_this_one() {
        let sight = Sight { service: steady(1_000_000), standing: None, running_ns: 0, held: None };
        assert_eq!(sight.room(demand(50_000_000)), Room { in_time: 49, of_all: 49, places: 49 });
        assert_eq!(sight.room(Demand { cost: 10.0, ..demand(50_000_000) }).places, 40);
    }

    #[test]
    fn the_last_places_are_kept_for_those_who_matter_more() {
        let sight = Sight { service: steady(1_000_000), standing: Some(10), running_ns: 0, held: None };
        let places = |criticality| sight.room(Demand { criticality, ..demand(71_000_000) }).places;
        use Criticality::*;
        assert_eq!([CriticalPlus, Critical, Sheddable, SheddablePlus].map(places), [70, 40, 20, 10]);
    }

    #[test]
    fn a_refusal_says_whether_there_is_no_time_or_others_go_first_and_when_to_come_again() {
        let sight = Sight { service: steady(1_000_000), standing: Some(10), running_ns: 0, held: None };
        let room = sight.room(demand(50_000_000));
        assert_eq!(room, Room { in_time: 49, of_all: 16, places: 16 });
        let ms = Duration::from_millis;
        assert_eq!(sight.refusal(room, 16), (Reason::Shed, ms(1)));
        assert_eq!(sight.refusal(room, 60), (Reason::NoTime, ms(45)));
    }

    /// So many of one kind wait, for one of another; the usual one takes a millisecond.
    fn amid(own: ServiceTime, queued: u32, each: ServiceTime) -> Amid {
        Amid { queued, waiting: Work::of(each, queued), in_hand: None, own, usual: steady(1_000_000) }
    }

    #[test]
    fn while_it_refuses_a_long_one_is_taken_where_little_work_waits_and_a_short_one_is_not_where_much_does() {
        let sight = Sight { service: steady(1_000_000), standing: Some(10), running_ns: 0, held: None };
        let (short, long) = (steady(10_000), steady(25_000_000));
        let lowest = Demand { criticality: Criticality::SheddablePlus, ..demand(1_000_000_000) };
        assert_eq!(sight.room_amid(lowest, &amid(long, 500, short)).places, 505, "there are five milliseconds of work");
        assert!(sight.room_amid(lowest, &amid(short, 4, long)).places <= 4, "there are a hundred");
    }

    proptest! {
        #[test]
        fn however_kinds_differ_an_idle_actor_never_refuses_for_lack_of_time(
            service in any_service(),
            own in any_service(),
            standing in prop::option::of(any::<u32>()),
            left_ns in any::<u64>(),
            criticality in any_criticality(),
            cost in any::<f32>(),
        ) {
            let sight = Sight { service, standing, running_ns: 0, held: None };
            let amid = Amid { queued: 0, waiting: Work::default(), in_hand: None, own, usual: service };
            let room = sight.room_amid(Demand { left_ns, criticality, cost, flow: 1 }, &amid);
            prop_assert!(room.places >= 1 && room.in_time >= room.places, "{room:?}");
        }

        #[test]
        fn an_idle_actor_never_refuses_for_lack_of_time(
            service in any_service(),
            standing in prop::option::of(any::<u32>()),
            left_ns in any::<u64>(),
            criticality in any_criticality(),
            cost in any::<f32>(),
        ) {
            let room = Sight { service, standing, running_ns: 0, held: None }.room(Demand { left_ns, criticality, cost, flow: 1 });
            prop_assert!(room.places >= 1 && room.in_time >= room.places, "{room:?}");
        }

        #[test]
        fn whoever_has_less_time_than_the_handler_that_runs_has_taken_is_refused(
            service in any_service(),
            running_ns in 1..u64::MAX,
            left_ns in any::<u64>(),
        ) {
            let sight = Sight { service, standing: None, running_ns, held: None };
            let room = sight.room(demand(left_ns));
            prop_assert_eq!(room.places == 0, left_ns < running_ns);
            prop_assert_eq!(sight.refusal(room, 9).0 == Reason::Stuck, left_ns < running_ns);
        }

        #[test]
        fn the_first_message_of_a_busy_period_runs_unless_it_has_expired(service in any_service(), left_ns in any::<u64>()) {
            prop_assert_eq!(is_worth_it(service, left_ns, true), left_ns > 0);
        }

        #[test]
        fn who_matters_more_never_has_less_room(
            service in any_service(),
            standing in prop::option::of(any::<u32>()),
            left_ns in any::<u64>(),
        ) {
            use Criticality::*;
            let sight = Sight { service, standing, running_ns: 0, held: None };
            let places = [CriticalPlus, Critical, Sheddable, SheddablePlus]
                .map(|criticality| sight.room(Demand { left_ns, criticality, cost: 1.0, flow: 1 }).places);
            prop_assert!(places.is_sorted_by(|more, less| more >= less), "{places:?}");
        }

        #[test]
        fn whoever_costs_more_never_has_more_room(service in any_service(), left_ns in any::<u64>(), cost in 1.0..1e9_f32) {
            let sight = Sight { service, standing: None, running_ns: 0, held: None };
            let (usual, costly) = (sight.room(demand(left_ns)), sight.room(Demand { cost, ..demand(left_ns) }));
            prop_assert!(costly.places <= usual.places);
        }
    }
}
