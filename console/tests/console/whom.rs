//! Whom a word means: nobody whom it need not mean, and never nobody in silence.

use crashworthy::ExitReason;
use crashworthy::prelude::*;
use crashworthy_console::protocol::Code;
use crashworthy_console::{Client, ClientError};
use serde_json::{Value, json};

use crate::command::{run, said};
use crate::support::{Cashier, Dir, PATIENCE, Till, until};

/// `mall` with two branches that have a `till` each, a `clerk` who has crashed and gone, and a `porter` who has gone without.
struct Mall {
    dir: Dir,
    runtime: tokio::runtime::Runtime,
    system: System,
}

impl Mall {
    fn open() -> Self {
        let dir = Dir::new();
        let (clerk, porter) = (Slot::<Cashier>::named("clerk"), Slot::<Cashier>::named("porter"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let branch = |name, till: &Slot<Cashier>| Supervisor::one_for_one(name).child(till.child(()));
        let tree = Supervisor::one_for_one("mall")
            .child(branch("north", &Slot::named("till")))
            .child(branch("south", &Slot::named("till")))
            .child(clerk.child(()).temporary())
            .child(porter.child(()).temporary());
        let console = Console::default().below(dir.path());
        let system = runtime.block_on(System::builder().name("mall").with(console).start(tree)).expect("it starts");
        clerk.tell(Till::Break).unwrap();
        system.exit(porter.pid(), ExitReason::Shutdown).unwrap();
        drop((clerk, porter));
        let mall = Self { dir, runtime, system };
        let mut client = mall.client();
        for who in ["mall/clerk", "mall/porter"] {
            until("they have gone", || client.ask::<Value>("actor", &json!({ "actor": who })).err());
        }
        mall
    }

    fn client(&self) -> Client {
        Client::connect(&self.system.console().expect("it listens"), PATIENCE).expect("it lets us in")
    }
}

/// All that asks who is below somebody, and a word for whom.
const LISTS: [&str; 5] = ["actors", "crashes", "reports", "events", "dead_letters"];

#[test]
fn a_word_that_several_have_or_nobody_is_refused_wherever_it_is_said() {
    let mall = Mall::open();
    let mut client = mall.client();
    let mut refused = |verb: &str, args: Value| match client.ask::<Value>(verb, &args) {
        Err(ClientError::Refused(why)) => (why.code, why.message),
        other => panic!("{verb} {args}: {other:?}"),
    };
    let several = (Code::BadArguments, "2 actors have the name \"till\": a path tells them apart".to_owned());
    let nobody = (Code::NotFound, "no actor \"mall/nroth\"".to_owned());
    for verb in LISTS {
        assert_eq!(refused(verb, json!({ "under": "till" })), several, "{verb}");
        assert_eq!(refused(verb, json!({ "under": "mall/nroth" })), nobody, "{verb}");
    }
    for (verb, field) in [("tree", "path"), ("actor", "actor"), ("state", "actor")] {
        assert_eq!(refused(verb, json!({ field: "till" })), several, "{verb}");
        assert_eq!(refused(verb, json!({ field: "mall/nroth" })), nobody, "{verb}");
    }
    let mut acts = Client::connect(&mall.system.console_for_actions().unwrap(), PATIENCE).unwrap();
    for (word, code) in [("till", Code::BadArguments), ("mall/nroth", Code::NotFound), ("mall/clerk", Code::NotFound)] {
        for whom in [json!({ "actors": [word] }), json!({ "matching": { "under": word } })] {
            let mut query = json!({ "do": "stop" });
            query.as_object_mut().unwrap().extend(whom.as_object().unwrap().clone());
            match acts.ask::<Value>("plan", &query) {
                Err(ClientError::Refused(why)) => assert_eq!(why.code, code, "{query}: {why}"),
                other => panic!("{query}: {other:?}"),
            }
        }
    }
    mall.runtime.block_on(mall.system.stop());
}

#[test]
fn what_is_told_of_who_has_gone_is_found_by_the_path_also_in_a_dump() {
    let mall = Mall::open();
    let mut client = mall.client();
    for verb in LISTS {
        let told: Value =
            client.ask(verb, &json!({ "under": "mall/clerk" })).unwrap_or_else(|why| panic!("{verb}: {why}"));
        let matched = if verb == "actors" || verb == "reports" { 0 } else { 1 };
        assert!(told["matched"].as_u64() >= Some(matched), "{verb}: {told}");
    }
    let dump = mall.dir.path().join("dump.jsonl").display().to_string();
    said(&mall.dir, &["dump", &dump]);
    let recorded = ["--replay", &dump];
    for ways in [&[][..], &recorded[..]] {
        let asked = |words: &[&str]| run(&mall.dir, &[words, ways].concat());
        for list in [&["crashes"][..], &["events"], &["dead-letters"], &["reports"], &["top"]] {
            let under = |word: &'static str| asked(&[list, &["--under", word]].concat());
            let (code, out, err) = under("till");
            assert_eq!((code, out.as_str()), (1, ""), "{list:?} {ways:?}");
            assert!(
                err.contains("2 actors have the name \"till\": a path tells them apart"),
                "{list:?} {ways:?}: {err}"
            );
            let (code, out, err) = under("mall/nroth");
            assert_eq!((code, out.as_str()), (1, ""), "{list:?} {ways:?}");
            assert!(err.contains("no actor \"mall/nroth\""), "{list:?} {ways:?}: {err}");
            assert_eq!(under("mall/clerk").0, 0, "{list:?} {ways:?}");
            assert_eq!(under("mall/porter").0, 0, "{list:?} {ways:?}: of it there is a report that it began");
            assert_eq!(under("north").0, 0, "{list:?} {ways:?}");
        }
        assert!(asked(&["crashes", "--under", "mall/clerk"]).1.contains("the drawer is stuck"), "{ways:?}");
        for words in [["tree", "till"], ["actor", "till"], ["state", "till"]] {
            let (code, _, err) = asked(&words);
            assert!(code == 1 && err.contains("2 actors have the name"), "{words:?} {ways:?}: {err}");
        }
    }
    mall.runtime.block_on(mall.system.stop());
}

/// Children of a dynamic supervisor have numbers.
struct Room;

impl Actor for Room {
    type Args = &'static str;
    type Msg = Till;

    async fn init(name: &'static str, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.register(name)?;
        Ok(Self)
    }

    async fn handle(&mut self, _: Till, _: &mut Context<Self>) -> Result<(), Exit> {
        Err("the roof leaks".into())
    }
}

#[test]
fn a_name_that_is_registered_is_shown_beside_the_number_and_means_who_has_it() {
    let dir = Dir::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let rooms = Dynamic::<Room>::named("rooms").restart(Restart::Permanent).intensity(9, secs(60));
    let tree = Supervisor::one_for_one("chat").child(rooms.clone());
    let console = Console::default().below(dir.path());
    let system = runtime.block_on(System::builder().name("chat").with(console).start(tree)).unwrap();
    for name in ["room/lobby", "room/cellar"] {
        runtime.block_on(rooms.start(name)).unwrap();
    }
    let lobby = || system.whereis::<Room>("room/lobby");
    let id = lobby().unwrap().pid().id;

    let path = format!("chat/rooms/{id}");
    assert!(said(&dir, &["tree"]).contains(&format!("    {id} (room/lobby)  ")), "{}", said(&dir, &["tree"]));
    assert!(said(&dir, &["top"]).contains(&format!("{path} (room/lobby)  ")), "{}", said(&dir, &["top"]));
    let actor = said(&dir, &["actor", "room/lobby"]);
    assert!(actor.starts_with(&path) && actor.contains("registered room/lobby\n"), "{actor}");
    let found = said(&dir, &["top", "--match", "lobb"]);
    assert!(found.contains(&path) && !found.contains("cellar"), "{found}");
    let (_, _, err) = run(&dir, &["trace", "room/lobby", "--for", "50ms"]);
    assert!(err.starts_with("1 actor matches;"), "{err}");

    lobby().unwrap().tell(Till::Sell).unwrap();
    until("it is there again", || lobby().filter(|room| room.pid().incarnation == 2));
    assert!(said(&dir, &["crashes", "--under", "room/lobby"]).contains("the roof leaks"));
    assert_eq!(said(&dir, &["reports", "--under", "room/cellar"]).matches("child_terminated of").count(), 0);
    let dump = dir.path().join("dump.jsonl").display().to_string();
    said(&dir, &["dump", &dump]);
    for words in [&["actor", "room/lobby"][..], &["crashes", "--under", "room/lobby"], &["tree", "room/lobby"]] {
        let told = said(&dir, &[words, &["--replay", &dump]].concat());
        assert!(told.contains("lobby") || told.contains(&path), "{words:?}: {told}");
    }
    let killed = said(&dir, &["kill", "room/lobby", "--reason", "it leaks", "--yes"]);
    assert!(killed.contains(&format!("done: kill, {path} ")), "{killed}");
    until("it is there again", || lobby().filter(|room| room.pid().incarnation == 3));
    runtime.block_on(system.stop());
}
