//! A service of axum and one of tower, in front of actors.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use crashworthy::edge::{DEADLINE_HEADER, Within};
use crashworthy::prelude::*;
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tower::{Service as _, ServiceExt as _};

#[derive(Message)]
enum Ask {
    Price { reply: Reply<u64> },
    Block { until: oneshot::Receiver<()> },
}

struct Clerk;

impl Actor for Clerk {
    type Args = ();
    type Msg = Ask;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Clerk)
    }

    async fn handle(&mut self, msg: Ask, _: &mut Context<Self>) -> Result<(), Exit> {
        match msg {
            Ask::Price { reply } => reply.send(250),
            Ask::Block { until } => {
                let _ = until.await;
            }
        }
        Ok(())
    }
}

async fn price(Within(time): Within<60_000, 120_000>, clerk: ActorRef<Clerk>) -> Result<String, AskError> {
    Ok(clerk.ask(|reply| Ask::Price { reply }).within(time).await?.to_string())
}

fn routes(clerk: &ActorRef<Clerk>) -> Router {
    let clerk = clerk.clone();
    Router::new().route("/price", get(move |within| price(within, clerk)))
}

struct Got {
    status: StatusCode,
    retry_after: Option<String>,
    body: String,
}

async fn got(routes: &Router, deadline: Option<&str>) -> Got {
    let mut request = Request::get("/price");
    if let Some(deadline) = deadline {
        request = request.header(DEADLINE_HEADER, deadline);
    }
    let request = request.body(Body::empty()).expect("a request");
    let response = routes.clone().oneshot(request).await.expect("a router never fails");
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    Got { status, retry_after, body: String::from_utf8(body.to_vec()).expect("text") }
}

async fn clerk_with_room(room: u32) -> (System, Slot<Clerk>) {
    let clerk = Slot::<Clerk>::named("clerk").mailbox(room).expect("a few");
    let system = System::start(Supervisor::one_for_one("shop").child(clerk.child(()))).await.expect("it starts");
    (system, clerk)
}

#[crashworthy::test]
async fn an_http_client_is_told_whose_fault_it_is_and_when_to_come_again_and_no_more() {
    let (system, clerk) = clerk_with_room(1).await;
    let routes = routes(&clerk);
    let fine = got(&routes, None).await;
    assert_eq!((fine.status, fine.retry_after, fine.body.as_str()), (StatusCode::OK, None, "250"));

    // One in hand, and one that has the only place.
    let (free, until) = oneshot::channel();
    clerk.admitted(secs(60)).await.expect("it is idle").send(Ask::Block { until }).expect("it runs");
    let permit = clerk.admitted(secs(60)).await.expect("the first is in hand");
    let busy = got(&routes, None).await;
    assert_eq!((busy.status, busy.body.as_str()), (StatusCode::TOO_MANY_REQUESTS, "busy"));
    assert!(busy.retry_after.is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|seconds| seconds >= 1)));
    drop(permit);
    free.send(()).expect("it waits for it");

    system.stop().await;
    let gone = got(&routes, None).await;
    assert_eq!((gone.status, gone.body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "not_now"));
}

#[crashworthy::test]
async fn a_request_is_given_up_when_its_client_would_not_wait_any_more() {
    let (system, clerk) = clerk_with_room(8).await;
    let routes = routes(&clerk);
    let (free, until) = oneshot::channel();
    clerk.tell(Ask::Block { until }).expect("it has room");
    // By default it would wait for a minute.
    let late = got(&routes, Some("20")).await;
    assert_eq!((late.status, late.retry_after.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
    assert!(["too_late", "not_now"].contains(&late.body.as_str()), "{}", late.body);
    let bad = got(&routes, Some("soon")).await;
    assert_eq!((bad.status, bad.retry_after), (StatusCode::BAD_REQUEST, None));
    free.send(()).expect("it waits for it");
    clerk.settled().await;
    assert_eq!(clerk.law().handled, 1, "nothing was done for it");
    system.stop().await;
}

#[crashworthy::test]
async fn an_actor_is_a_service_of_tower() {
    let (system, clerk) = clerk_with_room(1).await;
    let prices = clerk.service(Duration::from_secs(60), |_sku: &str, reply| Ask::Price { reply });
    let prices = prices.map_err(|error| format!("no price: {error}"));
    assert_eq!(prices.clone().oneshot("spoon").await, Ok(250));
    system.stop().await;
    let error = prices.oneshot("spoon").await.expect_err("it is gone");
    assert!(error.contains("no price: "), "{error}");
}

#[test]
fn many_services_of_a_small_actor_take_turns_and_leave_nothing_behind() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(4).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (system, clerk) = clerk_with_room(2).await;
        let prices = clerk.service(secs(60), |(), reply| Ask::Price { reply });
        let customers = (0..8).map(|customer| {
            let mut prices = prices.clone();
            tokio::spawn(async move {
                for turn in 0..200 {
                    // Some lose interest: before they are ready, when they are, or in the answer.
                    match (customer + turn) % 5 {
                        0 => drop(prices.clone().ready().await),
                        1 => drop(tokio::time::timeout(Duration::ZERO, prices.ready()).await),
                        2 => drop(prices.ready().await.expect("it lives").call(())),
                        _ => assert_eq!(prices.ready().await.expect("it lives").call(()).await, Ok(250)),
                    }
                }
            })
        });
        for customer in customers.collect::<Vec<_>>() {
            customer.await.expect("every customer is served");
        }
        clerk.settled().await;
        let law = clerk.law();
        assert!(law.holds() && law.handled + law.cancelled == law.accepted, "{law:?}");
        assert_eq!(clerk.load().depth, 0);
        system.stop().await;
    });
}
