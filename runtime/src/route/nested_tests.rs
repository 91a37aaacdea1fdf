//! Routes of routes: what questions that are asked for one another have along.

use std::pin::Pin;

use crate::scripted::{Clerk, Script, ms, once, simulate, small_clerk};
use crate::{Actor, ActorRef, AskError, Context, DependencyError, Exit, Message, Offer, Reason, Reply, Slot, System};

type Answer = Result<u32, AskError>;
type Naming = Box<dyn FnOnce(&mut Context<Post>) -> Result<(), DependencyError> + Send>;

/// Does what it is sent.
struct Post;

/// What is to be done for an answer.
struct Job {
    deed: Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send>,
    reply: Reply<Answer>,
}

impl Message for Job {
    fn forwards(&self) -> bool {
        true
    }
}

impl Actor for Post {
    type Args = Vec<Naming>;
    type Msg = Job;

    async fn init(names: Vec<Naming>, cx: &mut Context<Self>) -> Result<Self, Exit> {
        names.into_iter().try_for_each(|name| name(cx))?;
        Ok(Self)
    }

    async fn handle(&mut self, job: Job, _: &mut Context<Self>) -> Result<(), Exit> {
        job.reply.send((job.deed)().await);
        Ok(())
    }
}

fn to<A: Actor>(whom: &ActorRef<A>) -> Naming {
    let whom = whom.clone();
    Box::new(move |cx| cx.forwards_to(&whom))
}

async fn post(system: &System, names: impl Into<Vec<Naming>>) -> ActorRef<Post> {
    system.spawn::<Post>(names.into()).await.expect("it starts")
}

fn job<F: Future<Output = Answer> + Send + 'static>(
    deed: impl FnOnce() -> F + Send + 'static,
) -> impl FnOnce(Reply<Answer>) -> Job {
    move |reply| Job { deed: Box::new(move || Box::pin(deed())), reply }
}

/// Asks one to do this.
async fn ask<F: Future<Output = Answer> + Send + 'static>(
    post: &ActorRef<Post>,
    deed: impl FnOnce() -> F + Send + 'static,
) -> Answer {
    post.ask(job(deed)).await.and_then(|answer| answer)
}

async fn clerk(system: &System) -> (Slot<Clerk>, ActorRef<Clerk>) {
    let (slot, _) = small_clerk(system, 1).await;
    let address = slot.address();
    (slot, address)
}

/// Asks a clerk whose only place is held.
async fn with_place(clerk: ActorRef<Clerk>) -> Answer {
    clerk.ask(once).await.map(|()| 1)
}

#[test]
fn slots_that_are_named_before_they_are_started_are_told_apart() {
    simulate(1, async |system| {
        let slot = || Slot::<Clerk>::anonymous().mailbox(1).expect("a few");
        let (first, second) = (slot(), slot());
        let desk = post(&system, [to(&first), to(&second), to(&first)]).await;
        for slot in [&first, &second] {
            system.start_top(slot, Script::of([crate::scripted::Line::Answer])).await.expect("it starts");
        }
        let (one, other) = (first.address(), second.address());
        let answer = ask(&desk, move || async move { Ok(with_place(one).await? + with_place(other).await?) });
        assert_eq!(answer.await, Ok(2), "one place is held at each, and used");
        assert_eq!((first.load().depth, second.load().depth), (0, 0));
    });
}

#[test]
fn what_a_question_borrowed_that_was_refused_is_the_others_again() {
    simulate(2, async |system| {
        let ((shared, at_shared), (full, at_full)) = (clerk(&system).await, clerk(&system).await);
        let back = post(&system, [to(&at_shared), to(&at_full)]).await;
        let front = post(&system, [to(&back), to(&at_shared)]).await;
        let taken = full.reserve(Offer::within(ms(1_000))).expect("it is empty");
        let answer = ask(&front, move || async move {
            let refused = ask(&back, || async { Ok(0) }).await;
            assert!(matches!(&refused, Err(AskError::Refused(why)) if why.reason == Reason::Full), "{refused:?}");
            with_place(at_shared).await
        });
        assert_eq!(answer.await, Ok(1));
        drop(taken);
        assert_eq!((shared.load().depth, full.load().depth), (0, 0));
    });
}

#[test]
fn what_a_question_borrowed_and_has_not_used_is_the_others_again() {
    simulate(3, async |system| {
        let (shared, at_shared) = clerk(&system).await;
        let back = post(&system, [to(&at_shared)]).await;
        let front = post(&system, [to(&back), to(&at_shared)]).await;
        let answer = ask(&front, move || async move {
            assert_eq!(ask(&back, || async { Ok(0) }).await, Ok(0));
            with_place(at_shared).await
        });
        assert_eq!(answer.await, Ok(1));
        assert_eq!(shared.load().depth, 0);
    });
}

#[test]
fn what_two_questions_around_have_is_used_too_and_goes_back_to_whose_it_is() {
    simulate(4, async |system| {
        let ((far, at_far), (near, at_near)) = (clerk(&system).await, clerk(&system).await);
        let last = post(&system, [to(&at_near)]).await;
        let middle = post(&system, [to(&last), to(&at_near)]).await;
        let front = post(&system, [to(&middle), to(&at_far), to(&at_near)]).await;
        let answer = ask(&front, move || async move {
            let (of_far, of_near) = (at_far, at_near);
            // The last has borrowed the place at the near one from the first, and does not use it.
            let deed = move || async move { ask(&last, move || with_place(of_far)).await };
            assert_eq!(ask(&middle, deed).await, Ok(1));
            with_place(of_near).await
        });
        assert_eq!(answer.await, Ok(1));
        assert_eq!((far.load().depth, near.load().depth), (0, 0));
    });
}

#[test]
fn who_depends_on_somebody_and_forwards_to_nobody_hides_nothing() {
    simulate(5, async |system| {
        let (shared, at_shared) = clerk(&system).await;
        let (_other, at_other) = clerk(&system).await;
        let back = post(&system, [Box::new(move |cx: &mut Context<Post>| cx.depends_on(&at_other)) as Naming]).await;
        let front = post(&system, [to(&back), to(&at_shared)]).await;
        let answer = ask(&front, move || async move { ask(&back, move || with_place(at_shared)).await });
        assert_eq!(answer.await, Ok(1));
        assert_eq!(shared.load().depth, 0);
    });
}

#[test]
fn actors_of_two_systems_are_not_taken_for_one_another() {
    simulate(6, async |system| {
        let elsewhere = {
            let port =
                crate::port::Port::simulated(tokio::runtime::Handle::current(), crate::port::Simulation::seeded(7));
            crate::Builder::default().bare_on(port).expect("default settings are valid")
        };
        // Each is the first of its system, and called the same there.
        let ((here, at_here), (there, at_there)) = (clerk(&system).await, clerk(&elsewhere).await);
        assert_eq!(here.id(), there.id());
        let desk = post(&system, [to(&at_here)]).await;
        assert_eq!(ask(&desk, move || with_place(at_there)).await, Ok(1));
        assert_eq!((here.load().depth, there.load().depth), (0, 0));
    });
}

#[test]
fn what_is_asked_in_the_scope_of_a_call_that_has_ended_holds_no_place() {
    simulate(8, async |system| {
        let (shared, at_shared) = clerk(&system).await;
        let desk = post(&system, [to(&at_shared)]).await;
        let (kept, scope) = tokio::sync::oneshot::channel();
        let answer = ask(&desk, move || async move {
            let _ = kept.send(crate::CallScope::current());
            Ok(0)
        });
        assert_eq!(answer.await, Ok(0));
        let scope = scope.await.expect("it was sent");
        assert_eq!(shared.load().depth, 0, "the place went with the question");
        let late = scope.scope(async { shared.ask(once).await });
        assert_eq!(late.await, Ok(()));
    });
}
