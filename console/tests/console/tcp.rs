//! Over TCP whoever shows the token is answered as on the socket for looking, and nobody else is told anything.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crashworthy::StartError;
use crashworthy::console::Limits;
use crashworthy::prelude::*;
use crashworthy_console::protocol::{Actors, ActorsQuery, Code, SystemView, TreeQuery, WatchQuery, Watchable};
use crashworthy_console::{Client, ClientError, Tcp, Token};
use serde_json::{Value, json};

use crate::command::{crashworthy, data, run};
use crate::support::{Dir, PATIENCE, Raw, Shop, Till, Way, until};

fn connect(shop: &Shop) -> Client {
    Client::connect_tcp(shop.tcp().addr(), &shop.token(), PATIENCE).expect("it lets us in")
}

#[test]
fn whoever_shows_the_token_may_look_and_do_nothing_else() {
    let shop = Shop::open();
    assert!(shop.tcp().addr().ip().is_loopback());
    let mode = std::fs::metadata(shop.tcp().token_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = connect(&shop);
    assert_eq!((client.hello().system.as_str(), client.hello().role.as_str()), ("shop", "read_only"));
    let view: SystemView = client.ask("system", &()).unwrap();
    assert_eq!(view.actors, 4);
    let actors: Actors = client.ask("actors", &ActorsQuery::default()).unwrap();
    assert_eq!(actors.rows.len(), 4);
    match client.ask::<Value>("plan", &json!({ "actors": ["left"], "deed": "kill" })) {
        Err(ClientError::Refused(why)) => assert_eq!(why.code, Code::ReadOnly),
        other => panic!("{other:?}"),
    }
    let tree = Watchable::Tree(TreeQuery::default());
    let watch = client.watch(&WatchQuery { of: tree, every: Some(Duration::from_millis(100)) }).unwrap();
    shop.left.tell(Till::Sell).unwrap();
    until("it is told as it happens", || {
        let tree = client.wait(watch).unwrap().tree().expect("it is known");
        (tree.nodes[2].row.handled == 1).then_some(())
    });
    assert_eq!(shop.tcp().turned_away(), 0);
}

#[test]
fn a_wrong_token_is_refused_late_and_counted_and_nothing_is_told() {
    let shop = Shop::open();
    let began = Instant::now();
    let wrong = Token::random().unwrap();
    match Client::connect_tcp(shop.tcp().addr(), &wrong, PATIENCE) {
        Err(ClientError::Refused(why)) => assert_eq!(why.code, Code::WrongToken),
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() >= Duration::from_secs(1), "whoever guesses waits");
    assert_eq!(shop.tcp().turned_away(), 1);
    connect(&shop);
}

#[test]
fn who_has_no_token_is_told_nothing_whatever_it_says() {
    let shop = Shop::with(Limits { line_within: Duration::from_millis(100), connections: 16, ..Limits::default() });
    let right = shop.token();
    let half = &right.as_str()[..16];
    let said = [
        String::new(),
        "\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        format!("POST / HTTP/1.1\r\n\r\n{{\"token\":\"{}\"}}\n", right.as_str()),
        "{\"id\":1,\"verb\":\"system\"}\n".to_owned(),
        format!("{{\"token\":\"{half}\"}}\n"),
        format!("{{\"token\":\"{}0\"}}\n", right.as_str()),
        "{\"token\":7}\n".to_owned(),
        format!("{}\n", "x".repeat(100_000)),
        format!("{{\"token\":\"{}\"", right.as_str()),
    ];
    let mut strangers: Vec<_> = said
        .iter()
        .map(|said| {
            let mut raw = Raw::stranger(&shop, Way::Tcp);
            // One that says too much may be cut off meanwhile.
            let _ = raw.say(said.as_bytes());
            raw
        })
        .collect();
    for (raw, said) in strangers.iter_mut().zip(&said) {
        // An answer that is lost with the connection tells nothing, either.
        if let Some(line) = raw.line() {
            assert_eq!(line["error"]["code"], "wrong_token", "{said:.80?}");
            assert!(!line.to_string().contains("shop"), "{line}");
        }
        assert_eq!(raw.line(), None);
    }
    assert_eq!(shop.tcp().turned_away(), said.len() as u64);
    let system: SystemView = shop.client().ask("system", &()).unwrap();
    assert_eq!(system.turned_away, Some(said.len() as u64), "whoever looks sees it");
    drop(strangers);
    connect(&shop);
    shop.assert_serves();
}

#[test]
fn strangers_take_no_place_of_those_who_know_the_token_nor_of_the_socket() {
    let shop = Shop::with(Limits { connections: 2, ..Limits::default() });
    let mut known = connect(&shop);
    // More than there are places outside, and whoever has one of those may keep it for a second.
    let _strangers: Vec<_> = (0..1_000).map(|_| Raw::stranger(&shop, Way::Tcp)).collect();
    known.ask::<Value>("system", &()).expect("who is inside is answered");
    connect(&shop).ask::<Value>("system", &()).expect("and whoever comes after them");
    shop.assert_serves();
}

#[test]
fn who_has_no_token_makes_way_for_the_next_and_is_counted() {
    let shop = Shop::with(Limits { connections: 1, line_within: Duration::from_secs(3600), ..Limits::default() });
    let mut strangers: Vec<_> = (0..9).map(|_| Raw::stranger(&shop, Way::Tcp)).collect();
    // There are eight places outside. Who came in together have been there equally long.
    let told: Vec<_> = strangers.iter_mut().map(Raw::refused).collect();
    assert_eq!(told.iter().filter(|code| *code == "displaced").count(), 1, "{told:?}");
    assert_eq!(shop.tcp().turned_away(), 9);
}

#[test]
fn who_says_nothing_is_not_waited_for_as_long_as_for_a_request() {
    let shop = Shop::with(Limits { line_within: Duration::from_secs(3600), ..Limits::default() });
    let mut stranger = Raw::stranger(&shop, Way::Tcp);
    assert_eq!(stranger.refused(), "wrong_token");
    assert_eq!(shop.tcp().turned_away(), 1);
}

#[test]
fn it_is_off_unless_said_and_loopback_alone_unless_that_is_said_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let start = |console: Console, dir: &Dir| System::builder().name("shop").with(console.below(dir.path())).bare();
    let dir = Dir::new();
    let system = start(Console::default(), &dir).unwrap();
    assert!(system.console_on_tcp().is_none());
    let everywhere = || Tcp::default().at(([0, 0, 0, 0], 0));
    match start(Console::default().tcp(everywhere()), &dir) {
        Err(StartError::Setting(why)) => {
            assert_eq!(why, "console: 0.0.0.0:0 can be reached by others: `beyond_loopback` allows that")
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
    let open = start(Console::default().tcp(everywhere().beyond_loopback()), &dir).unwrap();
    let on_tcp = open.console_on_tcp().unwrap();
    assert!(on_tcp.addr().ip().is_unspecified() && !format!("{on_tcp:?}").contains("token"));
    for system in [system, open] {
        runtime.block_on(system.stop());
    }
    assert!(!on_tcp.token_file().exists(), "it goes with the system");
}

#[test]
fn a_token_of_ones_own_is_read_from_a_file_that_nobody_else_may_read() {
    let dir = Dir::new();
    let file = dir.path().join("mine");
    std::fs::write(&file, "a-token-of-my-own-that-is-long\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let start = || {
        let console = Console::default().below(dir.path().join("run")).tcp(Tcp::default().token_from(&file));
        System::builder().name("shop").with(console).bare()
    };
    assert!(matches!(start(), Err(StartError::Setting(why)) if why.contains("must have the mode 0600")));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let system = start().unwrap();
    let addr = system.console_on_tcp().unwrap().addr();
    Client::connect_tcp(addr, &Token::read(&file).unwrap(), PATIENCE).unwrap();
    runtime.block_on(system.stop());
    assert!(file.exists(), "it is not the console's to remove");
}

#[test]
fn the_command_connects_with_an_address_and_a_file() {
    let shop = Shop::open();
    let (addr, file) = (shop.tcp().addr().to_string(), shop.tcp().token_file().display().to_string());
    let nowhere = Dir::new();
    let there: [&str; 4] = ["--connect", &addr, "--token-file", &file];
    assert_eq!(data(&nowhere, &[&["tree", "--json"][..], &there].concat())["total"], 4);
    let (code, _, err) = run(&nowhere, &[&["kill", "shop/front/left", "--reason", "no"][..], &there].concat());
    let why = "error: over TCP one can look and do nothing else: actions go to a socket\n";
    assert!(code == 2 && err.starts_with(why), "{code}: {err}");
    let (code, ..) = run(&nowhere, &["tree", "--connect", &addr]);
    assert_eq!(code, 2, "no token");

    let wrong = shop.dir.path().join("wrong");
    Token::random().unwrap().keep(&wrong).unwrap();
    let (code, _, err) = run(&nowhere, &[&["ps"][..], &there].concat());
    assert!(code == 2 && err.contains("ps tells of all systems of this user"), "{err}");
    let words = ["tree", "--connect", &addr, "--token-file", wrong.to_str().unwrap()];
    let (code, _, err) = run(&nowhere, &words);
    let why = format!("crashworthy: {addr}: the first line is to have the token of this process\n");
    assert_eq!((code, err), (1, why));
    assert!(crashworthy(&nowhere, &["tree", "--connect", "shop:http"]).output().unwrap().status.code() == Some(2));
}
