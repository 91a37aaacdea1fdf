//! A balancer over actors that crash.

use crashworthy_runtime::{Balancer, Offer, Slot};

use crate::stage::{Nursery, Order, bare, everywhere, lawful, ms, puppet};

#[test]
fn a_member_between_two_incarnations_is_passed_over_although_it_takes_messages() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous()).await;
        let (other, _journal) = puppet(&system).await;
        nursery.slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        let balancer = Balancer::over([nursery.slot.address(), other.clone()]).unwrap();
        // However much there is to do at the other.
        let busy: Vec<_> = (0..10).map(|_| other.reserve(Offer::within(ms(60_000))).unwrap()).collect();
        for value in 0..10 {
            assert_eq!(balancer.ask(|reply| Order::Echo(value, reply)).await, Ok(value));
            balancer.tell(Order::Note(value)).unwrap();
        }
        drop(busy);
        assert_eq!(nursery.slot.law().queued, 0);
        nursery.start().await.unwrap();
        lawful(&system).await;
    });
}

#[test]
fn a_member_that_is_suspended_is_passed_over_although_it_takes_messages() {
    everywhere(async || {
        let system = bare();
        let ((held, _held), (other, _journal)) = (puppet(&system).await, puppet(&system).await);
        system.suspend(held.pid());
        let balancer = Balancer::over([held.clone(), other.clone()]).unwrap();
        let busy: Vec<_> = (0..10).map(|_| other.reserve(Offer::within(ms(60_000))).unwrap()).collect();
        for value in 0..10 {
            assert_eq!(balancer.ask(|reply| Order::Echo(value, reply)).await, Ok(value));
            balancer.tell(Order::Note(value)).unwrap();
        }
        drop(busy);
        assert_eq!(held.law().queued, 0);
        system.resume(held.pid());
        lawful(&system).await;
    });
}
