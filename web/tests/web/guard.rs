//! Who is answered, and who is not.

use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use crashworthy::prelude::*;
use crashworthy_web::{Limits, Web, WebExt};

use crate::support::{Dir, Shop, ask, runtime, say};

/// What needs the token.
const DATA: [&str; 4] = ["/info", "/metrics", "/actor?actor=left", "/live"];

#[test]
fn a_request_for_a_foreign_host_is_refused_whatever_it_asks_for() {
    let shop = Shop::open();
    let (at, bearer) = (shop.web.addr(), shop.bearer());
    let port = at.port();
    for path in ["/", "/livez", "/info", "/nowhere"] {
        for host in [
            "evil.example",
            &format!("evil.example:{port}"),
            "127.0.0.1.evil.example",
            &format!("127.0.0.1:{port}.evil.example"),
            "localhost:x",
            "localhost:70000",
            "localhost:+80",
            "[::1]x:80",
            "[::1]x",
            "10.0.0.1",
            "a@127.0.0.1",
        ] {
            let answer = say(at, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{bearer}\r\n"));
            assert_eq!((answer.status, answer.code().as_str()), (403, "foreign_host"), "{host} {path}");
        }
    }
    let nobody = say(at, "GET /livez HTTP/1.0\r\n\r\n");
    assert_eq!(nobody.code(), "foreign_host", "nor is one that names no host let in");
    let both = say(at, "GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n");
    assert_eq!(both.code(), "foreign_host");
    let other = say(at, "GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(other.code(), "foreign_host");
    for host in ["localhost", "localhost:9000", &at.to_string(), "[::1]:80"] {
        let answer = say(at, &format!("GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.status, 200, "{host}");
    }
    assert_eq!(shop.ask("/info").json()["turned_away"]["hosts"], 47);
}

#[test]
fn a_request_of_a_foreign_page_is_refused_also_with_the_token() {
    let shop = Shop::open();
    let (at, bearer) = (shop.web.addr(), shop.bearer());
    let port = at.port();
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1", "file://", &format!("http://localhost:{port}")]
    {
        for path in ["/livez", "/info", "/"] {
            let answer = ask(at, path, &format!("{bearer}Origin: {origin}\r\n"));
            assert_eq!((answer.status, answer.code().as_str()), (403, "foreign_origin"), "{origin}");
        }
    }
    assert_eq!(ask(at, "/info", &format!("{bearer}Origin: http://{at}\r\n")).status, 200, "the page's own");
    for site in ["cross-site", "same-site"] {
        assert_eq!(ask(at, "/livez", &format!("Sec-Fetch-Site: {site}\r\n")).code(), "foreign_origin");
        assert_eq!(ask(at, "/", &format!("Sec-Fetch-Site: {site}\r\n")).status, 200, "anybody may link to the page");
    }
    assert_eq!(ask(at, "/info", &format!("{bearer}Sec-Fetch-Site: same-origin\r\n")).status, 200);
}

#[test]
fn data_is_for_who_shows_the_token_and_in_no_other_place_than_the_header() {
    let shop = Shop::open();
    let (at, token) = (shop.web.addr(), shop.web.token().expect("it has one"));
    for path in DATA {
        let answer = shop.ask_as_anybody(path);
        assert_eq!((answer.status, answer.code().as_str()), (401, "no_token"), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(ask(at, &format!("/info?token={token}"), "").code(), "no_token");
    assert_eq!(ask(at, "/info", &format!("Cookie: token={token}\r\n")).code(), "no_token");
    assert_eq!(shop.web.url(), format!("http://{at}/#{token}"));
    assert!(!format!("{:?}", shop.web).contains(token), "it is not printed by mistake");
}

#[test]
fn a_wrong_token_is_answered_late_and_counted_and_others_do_not_wait_for_it() {
    let late = Duration::from_millis(300);
    let shop = Shop::within(Limits { wrong_token: late, ..Limits::default() });
    let (at, token) = (shop.web.addr(), shop.web.token().expect("it has one").to_owned());
    let wrong = ["Bearer ", "Bearer wrong", &format!("Bearer {token}0"), &format!("Basic {token}"), &token];
    let begun = Instant::now();
    for said in wrong {
        let answer = ask(at, "/info", &format!("Authorization: {said}\r\n"));
        assert_eq!((answer.status, answer.code().as_str()), (401, "wrong_token"), "{said}");
    }
    assert!(begun.elapsed() >= late * wrong.len() as u32);
    assert_eq!(ask(at, "/livez", "Authorization: Bearer wrong\r\n").status, 401, "health is no oracle that is quicker");
    assert_eq!(shop.ask("/info").json()["turned_away"]["tokens"], wrong.len() + 1);
    let spelt = format!("authorization: bEaReR {token}\r\n");
    assert_eq!(ask(at, "/info", &spelt).status, 200, "how the scheme is spelt does not matter");
}

#[test]
fn the_token_is_in_a_file_of_the_user_alone() {
    let shop = Shop::open();
    let file = shop.system.console().expect("it listens").with_file_name(crashworthy_console::TOKEN);
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), shop.web.token().unwrap());
    assert_ne!(shop.web.token(), Shop::open().web.token());
}

#[test]
fn a_token_that_was_chosen_is_the_one() {
    let dir = Dir::new();
    let file = dir.path().join("chosen");
    std::fs::write(&file, "chosen-by-the-operator-of-it\n").unwrap();
    let web = || Web::default().token_from(&file);
    let runtime = runtime();
    let builder = System::builder().with(Console::default().below(dir.path().join("sockets"))).with(web());
    let open = runtime.block_on(async { builder.bare() }).map(drop).unwrap_err();
    assert!(open.to_string().contains("others may read it"), "{open}");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let shop = Shop::with(web());
    assert_eq!(shop.web.token(), Some("chosen-by-the-operator-of-it"));
    assert_eq!(shop.ask("/info").status, 200);
}

#[test]
fn nothing_can_be_changed_and_no_request_has_a_body() {
    let shop = Shop::open();
    let (at, bearer) = (shop.web.addr(), shop.bearer());
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"] {
        for path in ["/", "/info", "/livez"] {
            let answer = say(at, &format!("{method} {path} HTTP/1.1\r\nHost: {at}\r\n{bearer}\r\n"));
            assert_eq!((answer.status, answer.code().as_str()), (405, "method_not_allowed"), "{method} {path}");
        }
    }
    for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        let answer = say(at, &format!("GET /livez HTTP/1.1\r\nHost: {at}\r\n{body}"));
        assert_eq!((answer.status, answer.code().as_str()), (413, "body"), "{body}");
    }
}

#[test]
fn it_opens_to_others_only_if_that_is_said() {
    let dir = Dir::new();
    let runtime = runtime();
    let _entered = runtime.enter();
    let start = |web| System::builder().with(Console::default().below(dir.path())).with(web).bare();
    let anywhere = || Web::default().at((Ipv4Addr::UNSPECIFIED, 0));
    let refused = start(anywhere()).map(drop).unwrap_err().to_string();
    assert_eq!(refused, "web: 0.0.0.0:0 can be reached by others: `beyond_loopback` allows that");

    let system = start(anywhere().beyond_loopback(["shop.internal"])).unwrap();
    let web = system.web().expect("it listens");
    assert!(web.url().starts_with(&format!("http://127.0.0.1:{}/#", web.addr().port())), "{}", web.url());
    let at = (Ipv4Addr::LOCALHOST, web.addr().port()).into();
    for (host, status) in [("shop.internal", 503), ("10.1.2.3", 503), ("evil.example", 403)] {
        let answer = say(at, &format!("GET /startupz HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.status, status, "{host}");
    }
}

#[test]
fn without_a_console_it_does_not_start_and_without_a_place_for_the_token_it_tells_health_alone() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let refused = System::builder().with(Web::default()).bare().map(drop).unwrap_err().to_string();
    assert!(refused.starts_with("web: it needs a console, before it"), "{refused}");
    let wrong = Web::default().limits(Limits { watchers: 0, ..Limits::default() });
    let refused = System::builder().with(Console::default()).with(wrong).bare().map(drop).unwrap_err().to_string();
    assert_eq!(refused, "web: 0 watchers, allowed are 1 to 64");

    let nowhere = Console::default().below("/dev/null/nowhere");
    let system = System::builder().with(nowhere).with(Web::default()).bare().unwrap();
    let web = system.web().expect("it listens all the same");
    assert_eq!((web.token(), web.url()), (None, format!("http://{}/", web.addr())));
    assert_eq!(ask(web.addr(), "/livez", "").status, 200);
    for path in DATA {
        let answer = ask(web.addr(), path, "");
        assert_eq!((answer.status, answer.code().as_str()), (503, "no_token"), "{path}");
    }
}

#[test]
fn an_address_that_is_taken_keeps_no_system_from_starting() {
    let shop = Shop::open();
    let dir = Dir::new();
    let _entered = shop.runtime.enter();
    let web = Web::default().at(shop.web.addr());
    let system = System::builder().with(Console::default().below(dir.path())).with(web).bare().unwrap();
    assert!(system.web().is_none());
    shop.assert_serves();
}
