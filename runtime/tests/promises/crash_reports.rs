//! What is known of a crash: as data, and through `tracing`.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use crashworthy_runtime::{ActorRef, CallScope, Callback, CrashReport, ExitReason, Sender, Slot, System};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_core::span::Current;

use crate::stage::{Nursery, Order, Part, Puppet, act, bare, cast, everywhere, lawful, now, on_one, part, puppet};

/// What was said: level, then fields by name.
type Said = (Level, BTreeMap<&'static str, String>);

/// Hears what is said on this thread, and knows which span it is in.
#[derive(Clone, Default)]
struct Ear {
    said: Arc<Mutex<Vec<Said>>>,
    spans: Arc<Mutex<Vec<&'static Metadata<'static>>>>,
    entered: Arc<Mutex<Vec<Id>>>,
}

impl Ear {
    fn take(&self) -> Vec<Said> {
        std::mem::take(&mut self.said.lock().unwrap())
    }

    /// Errors that are crash reports.
    fn crashes(&self) -> Vec<BTreeMap<&'static str, String>> {
        let crash = |(level, fields): Said| {
            (level == Level::ERROR && fields["message"].starts_with("actor crashed: ")).then_some(fields)
        };
        self.take().into_iter().filter_map(crash).collect()
    }
}

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.spans.lock().unwrap();
        spans.push(span.metadata());
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        self.said.lock().unwrap().push((*event.metadata().level(), fields.0));
    }

    fn enter(&self, span: &Id) {
        self.entered.lock().unwrap().push(span.clone());
    }

    fn exit(&self, span: &Id) {
        let left = self.entered.lock().unwrap().pop();
        assert_eq!(left.as_ref(), Some(span), "spans nest");
    }

    fn current_span(&self) -> Current {
        match self.entered.lock().unwrap().last() {
            Some(id) => Current::new(id.clone(), self.spans.lock().unwrap()[id.into_u64() as usize - 1]),
            None => Current::none(),
        }
    }
}

/// Runs a test on one thread, listening.
fn listening<F: Future<Output = ()>>(test: impl Fn(Ear) -> F) {
    let ear = Ear::default();
    tracing::subscriber::with_default(ear.clone(), || on_one(|| test(ear.clone())));
}

/// The only report.
fn report(system: &System) -> CrashReport {
    let (count, reports) = system.crashes();
    assert_eq!((count, reports.len()), (1, 1));
    reports.into_iter().next().expect("one")
}

/// The kinds a report looks back on.
fn kinds(report: &CrashReport) -> Vec<&str> {
    report.recent.iter().map(|handled| &*handled.kind).collect()
}

#[test]
fn a_report_says_who_where_why_and_what_came_before() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        nursery.slot.tell(Order::Fail).unwrap();
        nursery.signals.signal().await;
        nursery.start().await.unwrap();
        for note in 0..20 {
            nursery.slot.tell(Order::Note(note)).unwrap();
        }
        nursery.slot.tell(act(|_, _| Box::pin(async { Ok(()) }))).unwrap();
        nursery.slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        let (count, reports) = system.crashes();
        let [first, second] = &reports[..] else { panic!("two crashes, {count}") };

        assert_eq!((first.pid.incarnation, first.restarts), (1, 0));
        assert_eq!((first.crash.message.as_str(), first.crash.panicked), ("as ordered", false));
        assert_eq!((first.crash.callback, first.crash.in_hand.as_deref()), (Callback::Handle, Some("Fail")));
        assert!(first.crash.location.as_deref().is_some_and(|at| at.contains("stage.rs")), "the line of the `?`");
        assert_eq!((kinds(first), &first.backtrace), (vec!["Fail"], &None));

        assert_eq!((second.pid, second.restarts), (nursery.slot.pid(), 1));
        assert_eq!(second.pid.incarnation, 2);
        assert_eq!(second.name.as_deref(), Some("till"));
        assert!(second.kind.ends_with("::Puppet"));
        assert_eq!((second.crash.message.as_str(), second.crash.panicked), ("as ordered", true));
        assert_eq!((second.crash.callback, second.crash.in_hand.as_deref()), (Callback::Handle, Some("Panic")));
        assert!(second.crash.location.as_deref().is_some_and(|at| at.contains("stage.rs")));
        let mut last = vec!["Note"; 14];
        last.extend(["Do", "Panic"]);
        assert_eq!(kinds(second), last, "the last sixteen of this incarnation, oldest first");
        lawful(&system).await;
    });
}

#[test]
fn a_report_says_who_sent_or_asked_the_message_in_hand() {
    everywhere(async || {
        let system = bare();
        let crashed = async |order: &dyn Fn(ActorRef<Puppet>) -> Order| {
            let (actor, _journal) = puppet(&system).await;
            let down = actor.down();
            let before = system.crashes().0;
            actor.tell(order(actor.clone())).unwrap();
            down.await;
            let (count, mut reports) = system.crashes();
            assert_eq!(count, before + 1);
            reports.pop().and_then(|report| report.in_hand).expect("it had a message in hand")
        };
        let told = crashed(&|_| Order::Panic).await;
        assert_eq!((told.from, told.asked, &*told.kind), (Sender::Outside, false, "Panic"));

        let to_itself = crashed(&|own| {
            now(move |_, _| {
                own.tell(Order::Fail)?;
                Ok(())
            })
        });
        assert_eq!(to_itself.await.from, Sender::Itself);

        let (victim, _journal) = cast(&system, |part| part).await;
        let (asker, down) = (puppet(&system).await.0, victim.down());
        let asked = victim.clone();
        let ask = act(move |_, _| {
            Box::pin(async move {
                let die = |reply| {
                    now(move |_, _| {
                        drop(reply);
                        panic!("as ordered")
                    })
                };
                let _: Result<(), _> = asked.ask(die).await;
                Ok(())
            })
        });
        asker.tell(ask).unwrap();
        down.await;
        let in_hand = system.crashes().1.pop().and_then(|report| report.in_hand).unwrap();
        let path = Some(asker.id().to_string().into());
        assert_eq!((in_hand.from, in_hand.asked), (Sender::Another { id: asker.id(), path }, true));
    });
}

#[test]
fn each_callback_that_crashes_is_named_in_the_report() {
    everywhere(async || {
        let says = |part: Part, callback: Callback, in_hand: Option<&'static str>, order: fn() -> Order| async move {
            let system = bare();
            match system.spawn(part).await {
                Err(_) => {}
                Ok(actor) => {
                    let actor: crashworthy_runtime::ActorRef<crate::stage::Puppet> = actor;
                    let down = actor.down();
                    system.exit(actor.pid(), ExitReason::Shutdown).unwrap();
                    let _ = actor.tell(order());
                    down.await;
                }
            }
            let report = report(&system);
            assert_eq!((report.crash.callback, report.crash.in_hand.as_deref()), (callback, in_hand));
            assert_eq!(report.name, None);
        };
        let done = || Order::Exit(ExitReason::Shutdown);
        let new = || part().0;
        says(new().init(|_| panic!("at once")), Callback::Init, None, done).await;
        says(new().trapping().signalled(|_| panic!("too much")), Callback::OnSignal, None, done).await;
        says(new().trapping().signalled(|_| Err("too much")?), Callback::OnSignal, None, done).await;
        says(new().trapping().terminated(|| panic!("at the end")), Callback::Terminate, None, done).await;
        says(new().trapping().dropped(|| panic!("after it")), Callback::Drop, None, done).await;
        says(new().trapping(), Callback::Handle, Some("Panic"), || Order::Panic).await;
    });
}

#[test]
fn an_orderly_end_is_no_crash_and_gives_no_report() {
    everywhere(async || {
        let system = bare();
        let reasons = [ExitReason::Normal, ExitReason::Shutdown, ExitReason::ShutdownWith("closing time".into())];
        for reason in reasons {
            let (actor, _journal) = puppet(&system).await;
            let down = actor.down();
            actor.tell(Order::Exit(reason.clone())).unwrap();
            assert_eq!(down.await.reason, reason);
        }
        let (actor, _journal) = puppet(&system).await;
        let down = actor.down();
        system.kill(actor.pid());
        down.await;
        assert_eq!(system.crashes(), (0, Vec::new()));
    });
}

#[test]
fn a_report_has_a_backtrace_where_they_are_enabled() {
    // On a thread of its own: the first panics of a thread are all sampled.
    on_one(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let down = actor.down();
        actor.tell(Order::Panic).unwrap();
        down.await;
        let enabled = Backtrace::capture().status() == BacktraceStatus::Captured;
        let trace = report(&system).backtrace;
        assert_eq!(trace.is_some(), enabled);
        assert!(trace.as_ref().is_none_or(|trace| !trace.was_read()), "a crash waits for nobody's reading");
        assert!(trace.is_none_or(|trace| trace.text().contains("stage")), "it reaches the author's code");
    });
}

#[test]
fn the_last_256_reports_are_kept_and_all_are_counted() {
    everywhere(async || {
        let system = bare();
        let mut last = Vec::new();
        for _ in 0..300 {
            let (actor, _journal) = puppet(&system).await;
            let down = actor.down();
            actor.tell(Order::Fail).unwrap();
            last.push(down.await.pid);
        }
        let (count, reports) = system.crashes();
        assert_eq!(count, 300);
        assert_eq!(reports.iter().map(|report| report.pid).collect::<Vec<_>>(), last[300 - 256..]);
        lawful(&system).await;
    });
}

#[test]
fn a_crash_is_told_through_tracing_once_with_what_the_report_says() {
    listening(async |ear| {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        nursery.slot.tell(Order::Note(1)).unwrap();
        nursery.slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        nursery.start().await.unwrap();
        nursery.slot.tell(Order::Fail).unwrap();
        nursery.signals.signal().await;
        let said = ear.crashes();
        assert_eq!(said.len(), 2);
        for (fields, report) in said.iter().zip(system.crashes().1) {
            let is = |name: &str, value: &str| assert_eq!(fields[name], value, "{name}");
            is("message", &format!("actor crashed: {}", report.crash.message));
            is("pid", &report.pid.to_string());
            is("name", "till");
            is("kind", &report.kind);
            is("message_in_hand", report.crash.in_hand.as_deref().unwrap());
            is("callback", "handle");
            is("location", report.crash.location.as_deref().unwrap());
            is("path", &report.path);
            is("reason", &report.crash.to_string());
            is("in_hand", &report.in_hand.as_ref().unwrap().to_string());
            is("decision", "nobody supervises it");
            is("withheld", "0");
            is("incarnation", &report.pid.incarnation.to_string());
            is("restarts", &report.restarts.to_string());
            assert_eq!(fields.get("backtrace"), report.backtrace.map(|trace| trace.to_string()).as_ref());
        }
        assert!(
            said[0]["recent"].starts_with("Note (") && said[0]["recent"].contains("ago), Panic ("),
            "{}",
            said[0]["recent"]
        );
        assert!(said[1]["recent"].starts_with("Fail ("), "{}", said[1]["recent"]);
    });
}

#[test]
fn every_life_is_told_at_level_trace_and_an_orderly_end_says_nothing_else() {
    listening(async |ear| {
        let system = bare();
        let (actor, _journal) = cast(&system, |part| part).await;
        let (pid, down) = (actor.pid().to_string(), actor.down());
        actor.tell(Order::Exit(ExitReason::Normal)).unwrap();
        down.await;
        let said = ear.take();
        assert!(said.iter().all(|(level, _)| *level == Level::TRACE), "{said:?}");
        let of_it = said.iter().map(|(_, fields)| fields).filter(|fields| fields.get("pid") == Some(&pid));
        let told: Vec<_> =
            of_it.map(|fields| (&*fields["message"], fields.get("reason").map(String::as_str))).collect();
        assert_eq!(told, [("begins", None), ("ends", Some("normal"))]);
    });
}

#[test]
fn a_panic_that_ends_nothing_is_told_as_well() {
    listening(async |ear| {
        let hook = |_| panic!("in the hook");
        let system = System::builder().on_dead_letter(hook).bare().unwrap();
        let (actor, _journal) = puppet(&system).await;
        let down = actor.down();
        actor.tell(Order::Fail).unwrap();
        down.await;
        let told = || ear.said.lock().unwrap().iter().any(|(_, fields)| fields["message"].contains("in the hook"));
        crate::stage::until("it is told", told).await;
    });
}

#[test]
fn the_span_of_a_call_is_carried_into_other_tasks() {
    listening(async |ear| {
        let span = tracing::info_span!("order");
        let scope = span.in_scope(CallScope::current);
        let heard = ear.clone();
        let inside = tokio::spawn(scope.scope(async move {
            tokio::task::yield_now().await;
            heard.entered.lock().unwrap().clone()
        }));
        let outside = tokio::spawn(async move { ear.entered.lock().unwrap().clone() });
        assert_eq!(inside.await.unwrap(), Vec::from_iter(span.id()));
        assert_eq!(outside.await.unwrap(), []);
    });
}
