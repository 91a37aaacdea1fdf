//! A server that is newer than the client: what is new in an answer is no reason to show nothing of it.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::Value;

use crate::command::run;
use crate::support::{Shop, Till, until};

/// Listens beside a system, and says what that says in other words. It ends with the process.
pub(crate) fn interpreter(shop: &Shop, said: impl Fn(&str, &mut UnixStream) + Clone + Send + 'static) -> PathBuf {
    let place = shop.dir.path().join("interpreter.sock");
    let listener = UnixListener::bind(&place).expect("nobody listens there");
    let system = shop.socket.clone();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let (system, said) = (system.clone(), said.clone());
            thread::spawn(move || interpret(client, &system, said));
        }
    });
    place
}

fn interpret(mut client: UnixStream, system: &Path, said: impl Fn(&str, &mut UnixStream)) {
    let system = UnixStream::connect(system).expect("it listens");
    let mut asks = (client.try_clone().unwrap(), system.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut asks.0, &mut asks.1);
        let _ = asks.1.shutdown(Shutdown::Both);
    });
    for line in BufReader::new(system).lines().map_while(Result::ok) {
        said(&line, &mut client);
    }
    let _ = client.shutdown(Shutdown::Both);
}

/// Words of today, and what might stand there some day.
const WORDS: [(&str, &str); 13] = [
    (r#""state":"running""#, r#""state":"hibernates","dreams":true"#),
    (r#""gate":"tripped""#, r#""gate":"ajar""#),
    (r#""callback":"handle""#, r#""callback":"ponders""#),
    (r#""strategy":"one_for_one""#, r#""strategy":{"one_for":"luck"}"#),
    (r#""members":"static""#, r#""members":{"movable":3}"#),
    (r#""state":"in_turn""#, r#""state":"parked""#),
    (r#""kind":"system""#, r#""kind":"shared""#),
    (r#""judgement":{"judged""#, r#""judgement":{"appealed""#),
    (r#""event":"dead_letters""#, r#""event":"lost_in_the_post""#),
    (r#""why":"given_up""#, r#""why":{"stolen":"by whom?"}"#),
    (r#""criticality":"sheddable""#, r#""criticality":"whimsical""#),
    (r#""context":"child_terminated""#, r#""context":"child_eloped""#),
    (r#""do":"trip""#, r#""do":"trip_gently""#),
];

#[test]
fn a_newer_system_is_shown_but_for_what_is_new_in_it() {
    let shop = Shop::open();
    shop.left.tell(Till::Break).unwrap();
    assert_eq!(shop.total(&shop.left), 0);
    let words = ["trip", "shop/front/left", "--reason", "wrong prices", "--yes"];
    assert_eq!(run(&shop.dir, &words).0, 0);
    let refused = shop.left.tell(Till::Sell);
    assert!(refused.is_err());
    let _held = shop.block(&shop.right);
    until("the crash is judged", || (shop.system.crashes().0 == 1).then_some(()));

    let met = std::sync::Arc::new(std::sync::Mutex::new([false; WORDS.len()]));
    let seen = met.clone();
    let newer = interpreter(&shop, move |line, client| {
        let mut line = line.to_owned();
        for (number, (today, some_day)) in WORDS.iter().enumerate() {
            seen.lock().unwrap()[number] |= line.contains(today);
            line = line.replace(today, some_day);
        }
        let _ = writeln!(client, "{line}");
    });
    let socket = newer.display().to_string();
    let asked = |words: &[&str]| {
        let (code, out, err) = run(&shop.dir, &[words, &["--socket", &socket]].concat());
        assert_eq!(err, "", "{words:?}");
        assert!(code == 0 || words[0] == "health", "{words:?}: {out}");
        out
    };
    let tree = asked(&["tree"]);
    let row = |path: &str| tree.lines().find(|line| line.trim_start().starts_with(path)).unwrap_or_default();
    assert!(row("right").contains("  unknown  ") && row("right").contains("unknown Block for "), "{tree}");
    for words in [
        &["top"][..],
        &["actor", "shop/front"],
        &["actor", "left"],
        &["crashes"],
        &["reports"],
        &["events"],
        &["dead-letters"],
        &["health"],
        &["metrics"],
        &["audit"],
    ] {
        asked(words);
        let json = asked(&[words, &["--json"]].concat());
        serde_json::from_str::<Value>(&json).expect("it is one value");
    }
    assert!(asked(&["actor", "left"]).contains("unknown"));
    let events = asked(&["events"]);
    assert!(events.contains("unknown") || events.contains("does not know"), "{events}");
    assert!(asked(&["crashes"]).contains("the newest 0 of 1"), "it is told that there is one: {}", asked(&["crashes"]));
    let unmet: Vec<_> = WORDS.iter().zip(*met.lock().unwrap()).filter(|(_, met)| !met).collect();
    assert!(unmet.is_empty(), "the system did not say {unmet:?}");
}

#[test]
fn nobody_can_ask_for_what_nobody_knows() {
    let shop = Shop::open();
    let mut client = shop.client();
    for word in ["hibernates", "unknown"] {
        match client.ask::<Value>("actors", &serde_json::json!({ "state": word })) {
            Err(crashworthy_console::ClientError::Refused(why)) => {
                assert_eq!(why.code, crashworthy_console::protocol::Code::BadArguments, "{why}");
            }
            other => panic!("a list of nobody reads as if there were none: {other:?}"),
        }
    }
}
