//! What an actor that always has more to do leaves to others: their turns.

use std::time::Duration;

use crashworthy_runtime::{Actor, Context, Exit, Message, Reply, System};

enum Word {
    /// Sends itself another one.
    Again,
    Anybody(Reply<()>),
}

impl Message for Word {}

struct Restless;

impl Actor for Restless {
    type Args = ();
    type Msg = Word;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, word: Word, cx: &mut Context<Self>) -> Result<(), Exit> {
        match word {
            Word::Again => cx.send_self(Word::Again)?,
            Word::Anybody(reply) => reply.send(()),
        }
        Ok(())
    }
}

/// On one thread: if a turn does not end, nothing else happens.
#[tokio::test]
async fn an_actor_that_sends_to_itself_for_ever_leaves_turns_to_others() {
    let system = System::builder().drain(Duration::ZERO).bare().expect("the defaults are valid");
    let restless = system.spawn::<Restless>(()).await.expect("it starts");
    let other = system.spawn::<Restless>(()).await.expect("it starts");
    restless.tell(Word::Again).expect("its mailbox is empty");
    other.ask(Word::Anybody).await.expect("it has its turn");
    system.stop().await;
}
