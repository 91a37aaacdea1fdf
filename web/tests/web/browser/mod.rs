//! The page in a browser, if there is one on this machine.

mod chromium;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crashworthy::prelude::*;
use crashworthy_web::{Limits, Web};
use serde_json::json;

use self::chromium::{Browser, page_after};
use crate::support::{Dir, Shop, Till, until};

fn quick() -> Limits {
    Limits { picture_every: Duration::from_millis(100), wrong_token: Duration::from_millis(10), ..Limits::default() }
}

/// The page of a shop, when it has its first picture.
fn visit(shop: &Shop) -> Option<Browser> {
    let browser = Browser::open()?;
    browser.look(1400, 900, "light");
    browser.visit(&shop.web.url());
    browser.until("document.querySelector('#age')?.textContent === 'live'");
    Some(browser)
}

/// The rows of a table, each with its cells.
fn rows(browser: &Browser, table: &str) -> Vec<Vec<String>> {
    let cells = "[...row.cells].map(cell => cell.innerText.trim())";
    let rows = browser.value(&format!("[...document.querySelectorAll('#{table} tr')].map(row => {cells})"));
    serde_json::from_value(rows).expect("they are lists of text")
}

#[test]
fn the_page_shows_the_tree_and_what_becomes_of_it() {
    let shop = Shop::within(quick());
    let Some(browser) = visit(&shop) else { return };
    assert_eq!(browser.text("#name"), "shop");
    assert_eq!(browser.text("#ready"), "accepts work");
    let tree = rows(&browser, "tree");
    let named: Vec<_> = tree.iter().map(|row| (row[0].trim_start_matches('▾'), row[1].as_str())).collect();
    assert_eq!(named, [("shop", "Manager"), ("left", "Cashier"), ("right", "Cashier")]);

    let held = shop.block(&shop.right);
    for _ in 0..3 {
        shop.right.tell(Till::Sell).unwrap();
    }
    browser.until("document.querySelector('#tree tr:nth-child(3) td:nth-child(3)').innerText === '3'");
    browser.until("document.querySelector('#tree tr:nth-child(3)').innerText.includes('blocks its thread')");
    browser.until("document.querySelector('#top tr').innerText.startsWith('right')");
    // One of them, closer.
    browser.value("document.querySelector('#tree tr:nth-child(3)').click()");
    browser.until("document.querySelector('#facts').innerText.includes('Block for')");
    assert!(browser.text("#facts").contains("web::support::Cashier"), "{}", browser.text("#facts"));
    browser.value("document.querySelector('#show-state').click()");
    browser.until("document.querySelector('#state').innerText.includes('busy')");
    browser.until("document.querySelector('#tree tr:nth-child(3) td:nth-child(5)').innerText === '100%'");
    drop(held);
    browser.until("document.querySelector('#tree tr:nth-child(3) td:nth-child(3)').innerText === '0'");
    browser.value("document.querySelector('#show-state').click()");
    browser.until("document.querySelector('#state').innerText.startsWith('sold: 3')");
    // What has happened.
    shop.left.tell(Till::Break("the drawer is stuck")).unwrap();
    browser.until("document.querySelector('#events').innerText.includes('the drawer is stuck')");

    // Its branch, folded.
    browser.value("document.querySelector('#tree .twig').click()");
    assert_eq!(rows(&browser, "tree").len(), 1);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn it_says_who_takes_no_new_work_and_why() {
    let shop = Shop::within(quick());
    let Some(browser) = visit(&shop) else { return };
    let bank = Dependency::named("bank");
    shop.right.tell(Till::Need(bank.clone())).unwrap();
    assert_eq!(shop.total(&shop.right), 0);
    assert_eq!(browser.value("document.querySelector('#banner').hidden"), true);
    bank.mark_down(Some(secs(600)));
    browser.until("document.querySelector('#ready').textContent === '1 actor takes no new work'");
    let banner = browser.text("#banner");
    assert!(banner.starts_with("shop/right lacks bank for ") && banner.contains("expected back in 9 min"), "{banner}");
    bank.mark_up();
    browser.until(
        "document.querySelector('#banner').hidden && document.querySelector('#ready').textContent === 'accepts work'",
    );
}

#[test]
fn a_pause_keeps_the_picture_and_says_so() {
    let shop = Shop::within(quick());
    let Some(browser) = visit(&shop) else { return };
    browser.value("document.querySelector('#pause').click()");
    assert!(browser.text("#age").starts_with("paused, picture "), "{}", browser.text("#age"));
    assert_eq!(shop.total(&shop.right), 0);
    until("it is counted", || (shop.ask("/actor?actor=right").json()["handled"] == 1).then_some(()));
    // Later pictures have come by when the next crash is told.
    shop.left.tell(Till::Break("meanwhile")).unwrap();
    browser.until("document.querySelector('#age').textContent.includes('more has happened')");
    assert_eq!(browser.value("document.querySelector('.crash') === null"), true, "it waits, too");
    let handled =
        "[...document.querySelectorAll('#top tr')].find(row => row.innerText.startsWith('right')).cells[2].innerText";
    assert_eq!(browser.value(handled), "0");
    browser.value("document.querySelector('#pause').click()");
    browser.until("document.querySelector('.crash') !== null");
    browser.until(&format!("{handled} === '1'"));
    browser.until("document.querySelector('#age').textContent === 'live'");
}

#[test]
fn what_an_actor_says_is_text_on_the_page_whatever_it_says() {
    let shop = Shop::within(quick());
    let Some(browser) = visit(&shop) else { return };
    let evil = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script><b>bold</b>";
    shop.left.tell(Till::Break(evil)).unwrap();
    browser.until("document.querySelector('.crash code') !== null");
    assert_eq!(browser.text(".crash code"), evil);
    assert_eq!(browser.text(".crash summary b"), "shop/left");
    browser.value("document.querySelector('.crash').open = true");
    assert!(browser.text(".crash pre").contains("1 of 3 restarts"), "{}", browser.text(".crash pre"));
    browser.until("document.querySelector('#tree tr:nth-child(2) td:nth-child(6)').innerText === '1'");
    assert_eq!(browser.value("document.querySelectorAll('.crash img, .crash script, .crash pre b').length"), 0);
    assert_eq!(browser.value("document.title"), "shop – crashworthy");
    assert_eq!(browser.complaints(), [""; 0]);

    // Nor could the page make it anything else: the browser would not let it.
    let tried = browser.value("try { document.body.innerHTML = '<b>x</b>'; 'made' } catch (e) { e.name }");
    assert_eq!(tried, "TypeError");
}

#[test]
fn the_token_leaves_the_address_at_once_and_whoever_has_none_sees_nothing() {
    let shop = Shop::within(quick());
    let Some(browser) = visit(&shop) else { return };
    assert_eq!(browser.value("location.href"), format!("http://{}/", shop.web.addr()));
    // The tab keeps it.
    browser.call("Page.reload", json!({}));
    browser.until("document.querySelector('#age')?.textContent === 'live'");

    let stranger = Browser::open().expect("there was one");
    stranger.visit(&format!("http://{}/", shop.web.addr()));
    stranger.until("document.querySelector('#door')?.hidden === false");
    assert!(!stranger.text("body").contains("shop"), "{}", stranger.text("body"));
    let enter = |token: &str| {
        stranger.value(&format!("document.querySelector('#token').value = {}", json!(token)));
        stranger.value("document.querySelector('#key').requestSubmit()");
    };
    enter("wrong");
    stranger.until("document.querySelector('#door-why').innerText.includes('not the token')");
    assert!(!stranger.text("body").contains("left"), "{}", stranger.text("body"));
    enter(shop.web.token().expect("it has one"));
    stranger.until("document.querySelector('#age').textContent === 'live'");
    assert_eq!(rows(&stranger, "tree").len(), 3);
}

#[test]
fn whatever_time_passes_for_the_page_alone_it_is_live_while_the_system_answers() {
    let shop = Shop::open();
    for seconds in [2, 5, 10] {
        let Some(page) = page_after(Duration::from_secs(seconds), &shop.web.url()) else { return };
        assert!(page.contains(">live<") && page.contains("shop/left"), "after {seconds} s: {page}");
    }
}

#[test]
fn a_lost_connection_leaves_the_last_picture_with_its_age_and_is_made_again() {
    let dir = Dir::new();
    let file = dir.path().join("token");
    std::fs::write(&file, "the-same-token-for-every-start").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let web = |at: SocketAddr| Shop::with(Web::default().at(at).token_from(&file).limits(quick()));
    // An address of its own, so that nobody else takes the port meanwhile.
    let shop = web(([127, 0, 0, 77], 0).into());
    let Some(browser) = visit(&shop) else { return };
    let at = shop.web.addr();
    shop.runtime.block_on(shop.system.stop());
    browser.until("document.querySelector('#age').textContent.startsWith('no connection, picture ')");
    assert!(browser.text("#age").ends_with(" old"), "{}", browser.text("#age"));
    assert_eq!(browser.value("document.body.classList.contains('stale')"), true);
    // The last one may have been taken when some had stopped.
    assert!((1..=3).contains(&rows(&browser, "tree").len()), "the picture is still there");

    drop(shop);
    until("the port is free", || std::net::TcpStream::connect(at).is_err().then_some(()));
    let shop = web(at);
    browser.until("document.querySelector('#age').textContent === 'live'");
    assert_eq!(browser.value("document.body.classList.contains('stale')"), false);
    shop.left.tell(Till::Break("again")).unwrap();
    browser.until("document.querySelector('.crash code')?.textContent === 'again'");
}

#[test]
fn of_many_actors_it_says_how_many_are_not_shown() {
    let console = crashworthy::console::Limits { rows: 50, ..Default::default() };
    let shop = Shop::made_of(Console::default().limits(console), Web::default().limits(quick()));
    let crowd = shop.crowd(60);
    let Some(browser) = visit(&shop) else { return };
    browser.until("document.querySelector('#tree-more').innerText === '13 actors are not shown: the first 50 are.'");
    assert_eq!(rows(&browser, "tree").len(), 50);
    assert_eq!(browser.text("#top-count"), "50 of 63");
    browser.value("document.querySelector('#text').value = 'left'");
    browser.value("document.querySelector('#text').dispatchEvent(new Event('input'))");
    browser.until("document.querySelectorAll('#top tr').length === 1");
    drop(crowd);
}

#[test]
fn it_fits_a_narrow_window_and_a_dark_room() {
    let shop = Shop::within(quick());
    let Some(browser) = visit(&shop) else { return };
    let ground = |scheme| {
        browser.look(390, 844, scheme);
        let colour = "getComputedStyle(document.documentElement).backgroundColor";
        browser.value(&format!("{colour}.match(/\\d+/g).slice(0, 3).reduce((sum, n) => sum + Number(n), 0)"))
    };
    let (light, dark) = (ground("light").as_u64().unwrap(), ground("dark").as_u64().unwrap());
    assert!(light > 600 && dark < 150, "{light} {dark}");
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.value(&format!("innerWidth === 390 && {fits}")), true);
    // What does not fit is left out, and what matters is not.
    let shown =
        "[...document.querySelectorAll('thead')[0].rows[0].cells].filter(it => it.offsetWidth).map(it => it.innerText)";
    assert_eq!(browser.value(shown), json!(["Actor", "Queued", "Restarts", "Doing"]));
    // What has happened is told to its end.
    shop.left.tell(Till::Break("a till that is out of paper says so at some length")).unwrap();
    browser.until("document.querySelectorAll('#events td.what').length > 0");
    let is_cut = "[...document.querySelectorAll('#events td.what')].some(it => it.scrollWidth > it.clientWidth)";
    assert_eq!(browser.value(is_cut), false);
    assert_eq!(browser.value(fits), true);
}
