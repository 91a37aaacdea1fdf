//! Whom the callers ask: an actor, one that is supervised, or several.

use std::time::Duration;

use crate::peer::{Behaviour, Peer, Unanswered};

/// Whom a question with a deadline is put to.
pub(super) trait Target<B: Behaviour> {
    fn ask(&self, question: B::Ask, within: Duration) -> impl Future<Output = Result<B::Answer, Unanswered>>;
}

/// An actor that nobody supervises.
pub(super) struct Alone<P: Peer, B: Behaviour>(pub(super) P::Addr<B>);

impl<P: Peer, B: Behaviour> Target<B> for Alone<P, B> {
    fn ask(&self, question: B::Ask, within: Duration) -> impl Future<Output = Result<B::Answer, Unanswered>> {
        P::ask_within::<B>(&self.0, question, within)
    }
}

/// One after another: what each has to say is needed for the next.
pub(super) struct Chain<P: Peer, B: Behaviour>(pub(super) Vec<P::Addr<B>>);

impl<P: Peer, B: Behaviour<Answer = (), Ask: Clone + Sync>> Target<B> for Chain<P, B> {
    fn ask(&self, question: B::Ask, within: Duration) -> impl Future<Output = Result<(), Unanswered>> {
        P::ask_in_turn::<B>(&self.0, question, within)
    }
}

/// Several at once, whose answers are all needed.
pub(super) struct Fan<P: Peer, B: Behaviour>(pub(super) Vec<P::Addr<B>>);

impl<P: Peer, B: Behaviour<Answer = (), Ask: Clone + Sync>> Target<B> for Fan<P, B> {
    fn ask(&self, question: B::Ask, within: Duration) -> impl Future<Output = Result<(), Unanswered>> {
        P::ask_all::<B>(&self.0, question, within)
    }
}

/// One that begins again when it has fallen.
pub(super) struct Supervised<P: Peer, B: Behaviour>(pub(super) P::Supervised<B>);

impl<P: Peer, B: Behaviour> Target<B> for Supervised<P, B> {
    fn ask(&self, question: B::Ask, within: Duration) -> impl Future<Output = Result<B::Answer, Unanswered>> {
        P::ask_supervised::<B>(&self.0, question, within)
    }
}
