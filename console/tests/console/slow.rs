//! A server that never stops saying something, and never comes to the point.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crashworthy_console::protocol::{Code, WatchQuery, Watchable};
use crashworthy_console::{Client, ClientError};
use serde_json::{Value, json};

use crate::newer::interpreter;
use crate::support::{Dir, PATIENCE, Shop};

const WITHIN: Duration = Duration::from_secs(4);

/// A byte now and then, as long as somebody reads: always sooner than the client would have enough of waiting for one.
fn drip(client: &mut UnixStream) {
    while client.write_all(b" ").is_ok() {
        thread::sleep(WITHIN / 50);
    }
}

/// Waits for what should not take for ever.
#[track_caller]
fn ends<T: Send + 'static>(what: impl FnOnce() -> Result<T, ClientError> + Send + 'static) {
    let (tell, told) = channel();
    thread::spawn(move || tell.send(what().map(|_| ()).map_err(|error| error.to_string())));
    let end = told.recv_timeout(PATIENCE).expect("it waits for ever");
    assert_eq!(end, Err("it does not answer in time".to_owned()));
}

#[test]
fn a_greeting_that_comes_byte_by_byte_has_as_long_as_one_that_does_not_come() {
    let dir = Dir::new();
    let socket = dir.path().join("drips.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || drip(&mut listener.accept().unwrap().0));
    ends(move || Client::connect(&socket, WITHIN));
}

#[test]
fn an_answer_that_comes_byte_by_byte_has_as_long_as_one_that_does_not_come() {
    let shop = Shop::open();
    let socket = interpreter(&shop, |line, client| match line.contains("\"hello\"") {
        true => drop(writeln!(client, "{line}")),
        false => drip(client),
    });
    let mut client = Client::connect(&socket, WITHIN).unwrap();
    ends(move || client.ask::<Value>("tree", &json!({})));
}

#[test]
fn lines_that_are_no_answer_do_not_lengthen_the_wait_for_one() {
    let shop = Shop::open();
    let socket = interpreter(&shop, |line, client| {
        if line.contains("\"hello\"") {
            drop(writeln!(client, "{line}"));
            return;
        }
        // Frames of what nobody watches.
        let push = json!({ "watch": 77, "error": { "code": Code::NoWatch, "message": "" } });
        while writeln!(client, "{push}").is_ok() {
            thread::sleep(WITHIN / 50);
        }
    });
    let mut client = Client::connect(&socket, WITHIN).unwrap();
    ends(move || client.ask::<Value>("tree", &json!({})));
}

#[test]
fn a_frame_that_does_not_come_to_an_end_is_waited_for_no_longer_than_its_time_and_ours() {
    let shop = Shop::open();
    let socket = interpreter(&shop, |line, client| match line.contains("\"frame\":{") {
        true => drip(client),
        false => drop(writeln!(client, "{line}")),
    });
    let mut client = Client::connect(&socket, WITHIN).unwrap();
    let every = Some(Duration::from_millis(100));
    let watch = client.watch(&WatchQuery { of: Watchable::Tree(Default::default()), every }).unwrap();
    ends(move || client.wait(watch).map(|_| ()));
}

#[test]
fn each_question_has_a_time_of_its_own() {
    let shop = Shop::open();
    let within = WITHIN;
    let mut client = Client::connect(&shop.socket, within).unwrap();
    // A connection is not used up by having been there for longer.
    thread::sleep(within * 2);
    client.ask::<Value>("hello", &()).expect("it answers");
}
