use crate::scripted::{Clerk, Line, clerk, ms, note, once, simulate, slow_clerk, small_clerk};
use crate::{Actor, ActorRef, AskError, Context, Exit, Offer, Permit, Reason, System, reserve_all, reserve_some};

/// Of another type, with other messages.
struct Idler;

impl Actor for Idler {
    type Args = ();
    type Msg = ();

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

fn offer() -> Offer {
    Offer::within(ms(1_000))
}

/// Three with one place each; those of these numbers have none left as long as the permits last.
async fn three(system: &System, full: &[usize]) -> (Vec<ActorRef<Clerk>>, Vec<Permit<crate::scripted::Question>>) {
    let mut actors = Vec::new();
    for _ in 0..3 {
        actors.push(small_clerk(system, 1).await.0.address());
    }
    let taken = full.iter().map(|full| actors[*full].reserve(offer()).expect("it has one")).collect();
    (actors, taken)
}

/// Actors that have so many messages queued, of ten milliseconds each.
async fn queues<const N: usize>(system: &System, queued: [u32; N]) -> Vec<ActorRef<Clerk>> {
    let mut actors = Vec::new();
    for _ in queued {
        actors.push(slow_clerk(system).await.0);
    }
    for (actor, queued) in actors.iter().zip(queued) {
        (0..queued).for_each(|_| actor.tell(note()).expect("it has room"));
    }
    actors
}

fn taken(actors: &[ActorRef<Clerk>]) -> Vec<u32> {
    actors.iter().map(|actor| actor.load().depth).collect()
}

#[test]
fn all_or_none_and_the_refusal_says_by_whom() {
    simulate(1, async |system| {
        let idler = system.spawn::<Idler>(()).await.unwrap();
        for full in 0..3 {
            let (actors, _full) = three(&system, &[full]).await;
            let [a, b, c] = &actors[..] else { unreachable!() };
            let mut depths = vec![0; 3];
            depths[full] = 1;
            let refused = reserve_all((a, &idler, b, c), offer()).unwrap_err();
            assert_eq!((refused.reason, refused.by), (Reason::Full, actors[full].id()));
            assert_eq!((taken(&actors), idler.load().depth), (depths.clone(), 0), "every place is given back");
            let refused = reserve_all(&actors[..], offer()).unwrap_err();
            assert_eq!((refused.by, taken(&actors)), (actors[full].id(), depths));
        }
        let (actors, _) = three(&system, &[]).await;
        let [a, b, c] = &actors[..] else { unreachable!() };
        let (pa, pi, pb, pc) = reserve_all((a, &idler, b, c), offer()).unwrap();
        assert_eq!((taken(&actors), idler.load().depth), (vec![1; 3], 1));
        pi.send(()).unwrap();
        for (permit, actor) in [(pa, a), (pb, b), (pc, c)] {
            assert_eq!(permit.ask(once).await, Ok(()));
            assert_eq!(actor.law().handled, 1, "each permit is for the actor in its place");
        }
    });
}

#[test]
fn nobody_behind_the_first_refusal_is_asked() {
    simulate(1, async |system| {
        let (actors, _full) = three(&system, &[0, 2]).await;
        assert_eq!(reserve_all(&actors[..], offer()).unwrap_err().by, actors[0].id());
        assert_eq!(reserve_all((&actors[1], &actors[2], &actors[0]), offer()).unwrap_err().by, actors[2].id());
    });
}

#[test]
fn two_who_want_the_same_places_in_opposite_orders_are_never_stuck() {
    simulate(1, async |system| {
        let (actors, _) = three(&system, &[]).await;
        let begun = system.now();
        // One has begun with the first place, the other with the second.
        let first = actors[0].reserve(offer()).unwrap();
        assert_eq!(reserve_all((&actors[1], &actors[0]), offer()).unwrap_err().by, actors[0].id());
        let second = actors[1].reserve(offer()).expect("the other does not keep it");
        drop((first, second));
        let _both = reserve_all((&actors[1], &actors[0]), offer()).unwrap();
        assert_eq!(system.now(), begun, "nobody has waited");
    });
}

#[test]
fn an_actor_that_is_named_twice_gives_two_places_or_none() {
    simulate(1, async |system| {
        let (one, _) = small_clerk(&system, 1).await;
        let (two, _) = small_clerk(&system, 2).await;
        assert_eq!(reserve_all((&*one, &*one), offer()).unwrap_err().reason, Reason::Full);
        assert_eq!(one.load().depth, 0);
        let _both = reserve_all((&*two, &*two), offer()).unwrap();
        assert_eq!(two.load().depth, 2);
        assert_eq!(reserve_all(&[] as &[ActorRef<Clerk>], offer()).unwrap().len(), 0);
    });
}

#[test]
fn places_at_several_end_with_the_time_that_was_offered() {
    simulate(1, async |system| {
        let (actors, _) = three(&system, &[]).await;
        let (kept, forgotten) = reserve_all((&actors[0], &actors[1]), Offer::within(ms(100))).unwrap();
        std::mem::forget(forgotten);
        tokio::time::sleep(ms(130)).await;
        let _again = reserve_all((&actors[0], &actors[1]), offer()).expect("their time has passed");
        assert!(matches!(kept.ask(once).await, Err(AskError::Refused(why)) if why.reason == Reason::NoTime));
    });
}

#[test]
fn a_quorum_is_as_many_as_asked_for_or_nobody() {
    simulate(1, async |system| {
        for (full, enough) in [(vec![], 3), (vec![0], 2), (vec![1], 2), (vec![0, 2], 1), (vec![0, 1, 2], 0)] {
            let (actors, _full) = three(&system, &full).await;
            let before = taken(&actors);
            for quorum in 0..=3 {
                match reserve_some(quorum, &actors, offer()) {
                    Ok(permits) => {
                        assert!(quorum <= enough && permits.len() == quorum, "{quorum} of {full:?}");
                        let more: u32 = taken(&actors).iter().sum::<u32>() - before.iter().sum::<u32>();
                        assert_eq!(more as usize, quorum, "no more than that");
                    }
                    Err(refused) => {
                        assert!(quorum > enough, "{quorum} of {full:?}");
                        assert!(full.iter().any(|full| actors[*full].id() == refused.by));
                    }
                }
                assert_eq!(taken(&actors), before, "every place is given back");
            }
        }
    });
}

#[test]
#[should_panic(expected = "a quorum of 3 among 2 actors")]
fn a_quorum_of_more_than_there_are_is_the_callers_mistake() {
    simulate(1, async |system| {
        let (actors, _) = three(&system, &[]).await;
        let _ = reserve_some(3, &actors[..2], offer());
    });
}

#[test]
fn a_quorum_is_of_those_with_the_shortest_wait() {
    simulate(1, async |system| {
        let (idle, _) = clerk(&system, [Line::Answer]).await;
        let mut actors = queues(&system, [5, 1, 3]).await;
        actors.push(idle);
        let before = taken(&actors);
        let more = |quorum| {
            let _permits = reserve_some(quorum, &actors, offer()).unwrap();
            taken(&actors).iter().zip(&before).map(|(now, before)| now - before).collect::<Vec<_>>()
        };
        assert_eq!([1, 2, 3].map(more), [[0, 0, 0, 1], [0, 1, 0, 1], [0, 1, 1, 1]]);
        // One that is gone has nothing to do, and is not the first to be asked.
        let gone = &actors[3];
        system.kill(gone.pid());
        gone.down().await;
        assert_eq!(reserve_some(3, &actors, offer()).unwrap().len(), 3);
        assert_eq!(reserve_some(4, &actors, offer()).unwrap_err().by, gone.id());
    });
}

#[test]
fn a_quorum_that_fails_says_when_the_first_has_room_again() {
    simulate(1, async |system| {
        let actors = queues(&system, [40, 20, 30]).await;
        let refused = reserve_some(1, &actors, Offer::within(ms(100))).unwrap_err();
        assert_eq!((refused.reason, refused.by), (Reason::NoTime, actors[1].id()));
        // Two of three: the second refusal decides, and the first says to come again sooner.
        let refused = reserve_some(2, &actors, Offer::within(ms(100))).unwrap_err();
        assert_eq!(refused.by, actors[1].id());
        assert!(refused.retry_after.is_some_and(|after| after >= ms(100)), "{refused}");
    });
}
