//! Hostile clients change nothing: others are answered, the actors answer, and what is used up is bounded.

use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crashworthy_web::Limits;

use crate::support::{PATIENCE, Raw, Shop, until};

fn brief() -> Limits {
    let soon = Duration::from_millis(100);
    Limits { head_within: soon, read_within: soon, ..Limits::default() }
}

#[test]
fn garbage_is_answered_with_a_word_at_most_and_cut_off() {
    let shop = Shop::open();
    let long = "x".repeat(200);
    for garbage in [
        &b"\r\n\r\n\r\n\r\n"[..],
        b"\xff\xfe\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"{\"id\":1,\"verb\":\"tree\"}\n\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        format!("GET /{long}%zz?%%%=%ff HTTP/1.1\r\nHost: localhost\r\nAuthorization: \x7f\r\n\r\n").as_bytes(),
        b"GET /live?sort=%ff&text=%00 HTTP/1.1\r\nHost: localhost\r\nOrigin: \xc3\x28\r\n\r\n",
    ] {
        let mut raw = Raw::connect(shop.web.addr());
        let _ = raw.say(garbage);
        let _ = raw.stream().shutdown(Shutdown::Write);
        if let Some((status, head)) = raw.head() {
            assert!((400..=505).contains(&status), "{head}");
        }
        assert!(raw.is_closed());
    }
    shop.assert_serves();
}

#[test]
fn a_head_that_is_too_long_or_has_too_many_fields_is_refused() {
    let shop = Shop::open();
    for lines in [format!("X: {}\r\n", "x".repeat(1024 * 1024)), "X: y\r\n".repeat(2_000)] {
        let mut raw = Raw::connect(shop.web.addr());
        // It is cut off somewhere in there.
        let _ = raw.say(format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").as_bytes());
        if let Some((status, head)) = raw.head() {
            assert_eq!(status, 431, "{head}");
        }
        assert!(raw.is_closed());
    }
    shop.assert_serves();
}

#[test]
fn a_client_that_says_nothing_or_says_it_slowly_is_cut_off() {
    let shop = Shop::within(brief());
    assert!(Raw::connect(shop.web.addr()).is_closed(), "nothing was said");
    let mut raw = Raw::connect(shop.web.addr());
    let mut slow = raw.stream().try_clone().unwrap();
    let sends = thread::spawn(move || {
        // A byte at a time, until the server has had enough.
        while slow.write_all(b"G").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    while raw.head().is_some() {}
    assert!(raw.is_closed());
    let _ = raw.stream().shutdown(Shutdown::Both);
    sends.join().unwrap();

    let mut kept = until("it answers", || {
        let mut raw = Raw::connect(shop.web.addr());
        let _ = raw.say(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        raw.answer().map(|answer| (raw, answer.status)).filter(|(_, status)| *status == 200)
    });
    assert!(kept.0.is_closed(), "nothing more was said");
    shop.assert_serves();
}

#[test]
fn a_watcher_that_never_reads_is_cut_off_and_its_place_is_free_again() {
    let limits = Limits { watchers: 1, picture_every: Duration::from_millis(10), ..brief() };
    let shop = Shop::within(limits);
    // Rows that fill a picture and change with each, so that what the sockets hold is soon full.
    let crowd = shop.crowd(400);
    let mute = crate::support::Watch::begin(&shop, "");
    until("the server gives it up", || {
        crowd.works();
        let at = shop.web.addr();
        let mut raw = Raw::connect(at);
        let _ = raw.say(format!("GET /live HTTP/1.1\r\nHost: {at}\r\n{}\r\n", shop.bearer()).as_bytes());
        raw.head().filter(|(status, _)| *status == 200)
    });
    drop((mute, crowd));
    shop.assert_serves();
}

#[test]
fn a_client_that_never_reads_its_answers_is_cut_off() {
    let shop = Shop::within(Limits { requests: 10_000, ..brief() });
    let mut raw = Raw::connect(shop.web.addr());
    // The server stops reading when it cannot write, and gives up soon after: then a write fails.
    let requests = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    until("the server gives it up", || raw.say(&requests).is_err().then_some(()));
    shop.assert_serves();
}

#[test]
fn one_connection_more_than_allowed_is_told_so_and_those_there_are_answered() {
    let shop = Shop::within(Limits { connections: 3, ..Limits::default() });
    let mut there: Vec<_> = (0..3).map(|_| crate::support::Watch::begin(&shop, "")).collect();
    for _ in 0..100 {
        let mut more = Raw::connect(shop.web.addr());
        let answer = more.answer().expect("it is told");
        assert_eq!((answer.status, answer.body.as_str()), (503, "there are too many connections\n"));
        assert!(more.is_closed());
    }
    for watch in &mut there {
        watch.until("picture");
    }
    drop(there.pop());
    until("there is room", || {
        let mut raw = Raw::connect(shop.web.addr());
        let _ = raw.say(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        raw.answer().filter(|answer| answer.status == 200)
    });
    // The one who has just left may count still.
    let info = until("there is room again", || Some(shop.ask("/info")).filter(|answer| answer.status == 200));
    assert!(info.json()["turned_away"]["connections"].as_u64() >= Some(100));
}

#[test]
fn however_many_connections_say_nothing_who_asks_something_gets_in() {
    let shop = Shop::within(Limits { connections: 4, head_within: Duration::from_secs(600), ..Limits::default() });
    let mut watch = crate::support::Watch::begin(&shop, "");
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.extend((0..3).map(|_| Raw::connect(shop.web.addr())));
        // They are left alone for a moment.
        until("it answers", || {
            let mut raw = Raw::connect(shop.web.addr());
            let _ = raw.say(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
            raw.answer().filter(|answer| answer.status == 200)
        });
    }
    watch.until("picture");
    drop(silent);
}

#[test]
fn however_many_ask_again_and_again_who_asks_once_is_answered() {
    let shop = Shop::within(Limits { connections: 4, ..Limits::default() });
    let (at, goes_on) = (shop.web.addr(), AtomicBool::new(true));
    let wrong = "GET /tree HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\n\r\n";
    let right = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let asks = |request: &str| {
        while goes_on.load(Relaxed) {
            let mut raw = Raw::connect(at);
            while raw.say(request.as_bytes()).is_ok() && raw.answer().is_some() && goes_on.load(Relaxed) {}
        }
    };
    thread::scope(|all| {
        for request in [wrong, right] {
            (0..8).for_each(|_| _ = all.spawn(|| asks(request)));
        }
        let probes: Vec<_> = (0..20)
            .map(|_| {
                let mut raw = Raw::connect(at);
                raw.say(right.as_bytes()).map(|()| raw.answer().map(|answer| answer.status))
            })
            .collect();
        goes_on.store(false, Relaxed);
        assert!(probes.iter().all(|probe| matches!(probe, Ok(Some(200)))), "{probes:?}");
    });
}

#[test]
fn a_connection_that_has_had_its_requests_keeps_no_other_waiting() {
    let shop = Shop::within(Limits { requests: 1, ..Limits::default() });
    let asks = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut greedy = Raw::connect(shop.web.addr());
    greedy.say(asks.repeat(100).as_bytes()).unwrap();
    assert_eq!(greedy.answer().map(|answer| answer.status), Some(200));
    // One after the other they would take minutes.
    let begun = std::time::Instant::now();
    for _ in 0..200 {
        assert_eq!(shop.ask_as_anybody("/livez").status, 200);
    }
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[test]
fn who_waits_for_the_answer_to_a_wrong_token_or_for_his_turn_is_in_nobodys_way() {
    let late = Duration::from_secs(3600);
    let shop = Shop::within(Limits { connections: 4, requests: 1, wrong_token: late, ..Limits::default() });
    let wrong = "Authorization: Bearer wrong\r\n";
    let right = shop.bearer();
    for token in [wrong, &right] {
        let there: Vec<_> = (0..8)
            .map(|_| {
                let mut raw = Raw::connect(shop.web.addr());
                raw.say(format!("GET /info HTTP/1.1\r\nHost: localhost\r\n{token}\r\n").as_bytes()).map(|()| raw)
            })
            .collect();
        for _ in 0..8 {
            assert_eq!(shop.ask_as_anybody("/livez").status, 200);
        }
        drop(there);
    }
}

#[test]
fn whatever_strangers_ask_again_and_again_who_has_the_token_is_answered_and_so_is_a_probe() {
    let shop = Shop::within(Limits { strangers_percent: 1, ..Limits::default() });
    let (at, goes_on) = (shop.web.addr(), AtomicBool::new(true));
    thread::scope(|all| {
        for request in ["GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n", "\x01\r\n\r\n", "GET /livez"] {
            let asks = || {
                while goes_on.load(Relaxed) {
                    let mut raw = Raw::connect(at);
                    let _ = raw.say(request.as_bytes());
                    let _ = raw.stream().shutdown(Shutdown::Write);
                    let _ = raw.is_closed();
                }
            };
            (0..4).for_each(|_| _ = all.spawn(asks));
        }
        let statuses: Vec<_> = (0..10)
            .map(|_| {
                let known = status(&shop, "/info", &shop.bearer());
                (known, status(&shop, "/livez", ""))
            })
            .collect();
        goes_on.store(false, Relaxed);
        assert!(statuses.iter().all(|pair| *pair == (Some(200), Some(200))), "{statuses:?}");
    });
}

/// The status of an answer, if there is one.
fn status(shop: &Shop, path: &str, lines: &str) -> Option<u16> {
    let mut raw = Raw::connect(shop.web.addr());
    raw.say(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").as_bytes()).ok()?;
    raw.answer().map(|answer| answer.status)
}

#[test]
fn a_client_that_leaves_in_the_middle_is_forgotten() {
    let shop = Shop::within(Limits { connections: 2, ..Limits::default() });
    for _ in 0..20 {
        let mut raw = Raw::connect(shop.web.addr());
        let _ = raw.say(b"GET /live HTTP/1.1\r\nHost: local");
    }
    shop.assert_serves();
}

#[test]
fn a_flood_of_requests_is_answered_at_its_pace_and_keeps_nobody_waiting() {
    let shop = Shop::within(Limits { requests: 50, ..Limits::default() });
    let mut raw = Raw::connect(shop.web.addr());
    let mut flood = raw.stream().try_clone().unwrap();
    let requests = thread::spawn(move || {
        // Ends when the connection does.
        while flood.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").is_ok() {}
    });
    let begun = std::time::Instant::now();
    for _ in 0..75 {
        assert_eq!(raw.answer().map(|answer| answer.status), Some(200));
    }
    // Fifty at once, and one each fiftieth of a second.
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
    shop.assert_serves();
    raw.stream().shutdown(Shutdown::Both).unwrap();
    requests.join().unwrap();
}
