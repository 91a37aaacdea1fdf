//! A child whose arguments cannot be cloned: nothing would be left for its second incarnation. Remedy: `Clone`, or
//! `Dynamic::start_once` for what is never restarted.

use crashworthy::prelude::*;

struct Session;

struct Socket;

impl Actor for Session {
    type Args = Socket;
    type Msg = ();

    async fn init(_: Socket, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Session)
    }

    async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

fn main() {
    let session = Slot::<Session>::named("session");
    let _ = Supervisor::one_for_one("sessions").child(session.child(Socket));
}
