//! Where an author puts what is to be shown, and the bounds of it.

use std::fmt::{self, Write};
use std::time::Duration;

use super::{Cut, Entry, Shown, StateView};
use crate::actor::Actor;
use crate::port::Port;
use crate::report::millis::whole;

/// Bytes of all entries together as JSON, at most.
const BYTES: usize = StateView::BYTES;
/// What each entry counts besides its name and its text: as much as the longest of those that are no text.
const ENTRY: usize = 64;
/// Levels of branches, at most.
const DEPTH: usize = StateView::LEVELS;
/// How long an author may take to show something, at most.
const TIME_NS: u64 = 20_000_000;

/// Where an actor puts what it shows of its state: see [`Actor::view`].
///
/// What would be beyond the [bounds](StateView) is left out, and whoever looks is told. A closure that would have nothing to add any
/// more is not called.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Context, Exit, View};
/// # use std::collections::BTreeMap;
/// struct Till { drawer: u64, open: BTreeMap<u32, u64>, pin: String }
///
/// impl Actor for Till {
/// #     type Args = (); type Msg = ();
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Err("not here".into()) }
/// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
///     // …
///     fn view(&self, view: &mut View<'_>) {
///         view.value("drawer", self.drawer);
///         view.secret("pin");
///         view.each("open", &self.open, |view, (customer, cents)| view.value(customer, *cents));
///     }
/// }
/// # let till = Till { drawer: 5, open: [(7, 120)].into(), pin: String::new() };
/// # let shown = crashworthy_runtime::StateView::of(&till);
/// # assert_eq!(shown.to_string(), "drawer: 5\npin: (secret)\nopen:\n  7: 120");
/// ```
pub struct View<'p> {
    /// What is shown at each level that is open, the innermost last.
    open: Vec<Vec<Entry>>,
    bytes: usize,
    cut: Option<Cut>,
    /// Who knows the time, and when it is up.
    time: Option<(&'p Port, u64)>,
}

impl View<'_> {
    /// Shows a value by this name: a number, a text, a truth, a span of time, or `None`.
    pub fn value(&mut self, name: impl fmt::Display, value: impl Into<Shown>) {
        if let Some(name) = self.named(name) {
            match value.into() {
                Shown::Text(text) => self.write(name, text),
                Shown::Branch(_) => self.cut(Cut::Depth),
                plain => self.put(name, plain),
            }
        }
    }

    /// Shows a text by this name. It is written as far as it is shown.
    pub fn text(&mut self, name: impl fmt::Display, text: impl fmt::Display) {
        if let Some(name) = self.named(name) {
            self.write(name, text);
        }
    }

    /// Shows that something is there, and not what.
    pub fn secret(&mut self, name: impl fmt::Display) {
        if let Some(name) = self.named(name) {
            self.put(name, Shown::Secret);
        }
    }

    /// Shows what the closure does below this name.
    pub fn branch(&mut self, name: impl fmt::Display, show: impl FnOnce(&mut Self)) {
        if self.open.len() > DEPTH {
            return self.cut(Cut::Depth);
        }
        let Some(name) = self.named(name) else { return };
        self.open.push(Vec::new());
        show(self);
        let below = self.open.pop().unwrap_or_default();
        self.put(name, Shown::Branch(below));
    }

    /// Shows below this name what the closure does for each item, as long as there is room and time.
    pub fn each<I: IntoIterator>(
        &mut self,
        name: impl fmt::Display,
        items: I,
        mut show: impl FnMut(&mut Self, I::Item),
    ) {
        self.branch(name, |view| {
            for item in items {
                if view.is_full() {
                    return;
                }
                show(view, item);
            }
        });
    }

    /// Whether nothing more is shown: there is no more room, or no more time.
    pub fn is_full(&mut self) -> bool {
        if self.time.is_some_and(|(port, until)| port.now_ns() > until) {
            self.cut(Cut::Time);
        }
        matches!(self.cut, Some(Cut::Bytes | Cut::Time))
    }

    fn cut(&mut self, why: Cut) {
        // What ends the view is worth more than a branch that is left out.
        if matches!(self.cut, None | Some(Cut::Depth)) {
            self.cut = Some(why);
        }
    }

    /// The name of the next entry, if there may be one.
    fn named(&mut self, name: impl fmt::Display) -> Option<String> {
        if self.is_full() {
            return None;
        }
        match self.bytes.checked_sub(ENTRY) {
            Some(left) => self.bytes = left,
            None => {
                self.cut(Cut::Bytes);
                return None;
            }
        }
        Some(self.written(name))
    }

    fn put(&mut self, name: String, value: Shown) {
        if let Some(level) = self.open.last_mut() {
            level.push(Entry { name, value });
        }
    }

    fn write(&mut self, name: String, text: impl fmt::Display) {
        let text = self.written(text);
        self.put(name, Shown::Text(text));
    }

    /// A text as far as there is room and time for it.
    fn written(&mut self, text: impl fmt::Display) -> String {
        let mut room = Room { text: String::new(), left: self.bytes, time: self.time, cut: Cut::Bytes };
        // An author's `Display` that fails has said what it could, too.
        let is_whole = write!(room, "{text}").is_ok();
        self.bytes = room.left;
        if !is_whole {
            self.cut(room.cut);
        }
        room.text
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("levels", &self.open.len()).field("cut", &self.cut).finish_non_exhaustive()
    }
}

/// A text that grows up to a limit, and until its time is over.
struct Room<'p> {
    text: String,
    left: usize,
    time: Option<(&'p Port, u64)>,
    /// Why it does not grow any more.
    cut: Cut,
}

impl Write for Room<'_> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.time.is_some_and(|(port, until)| port.now_ns() > until) {
            self.cut = Cut::Time;
            return Err(fmt::Error);
        }
        let mut fits = 0;
        for letter in more.chars() {
            let Some(left) = self.left.checked_sub(as_json(letter)) else {
                self.text.push_str(&more[..fits]);
                // Nothing comes behind what was cut.
                self.left = 0;
                return Err(fmt::Error);
            };
            self.left = left;
            fits += letter.len_utf8();
        }
        self.text.push_str(more);
        Ok(())
    }
}

/// Bytes of a letter in JSON.
fn as_json(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '\0'..' ' => 6,
        _ => letter.len_utf8(),
    }
}

/// What an actor shows; within the time that there is, if somebody knows it.
pub(super) fn shown_by<A: Actor>(actor: &A, port: Option<&Port>) -> StateView {
    let began = port.map_or(0, Port::now_ns);
    let time = port.map(|port| (port, began + TIME_NS));
    let mut view = View { open: vec![Vec::new()], bytes: BYTES, cut: None, time };
    actor.view(&mut view);
    let View { mut open, cut, .. } = view;
    StateView { at: whole(Duration::from_nanos(began)), entries: open.swap_remove(0), cut }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Exit};

    /// Shows whatever a test says.
    struct Model<F>(F);

    impl<F: Fn(&mut View<'_>) + Send + 'static> Actor for Model<F> {
        type Args = F;
        type Msg = ();

        async fn init(show: F, _: &mut Context<Self>) -> Result<Self, Exit> {
            Ok(Self(show))
        }

        async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
            Ok(())
        }

        fn view(&self, view: &mut View<'_>) {
            (self.0)(view);
        }
    }

    fn shown(show: impl Fn(&mut View<'_>) + Send + 'static) -> StateView {
        StateView::of(&Model(show))
    }

    fn bytes(entries: &[Entry]) -> usize {
        let below = |value: &Shown| match value {
            Shown::Text(text) => text.len(),
            Shown::Branch(below) => bytes(below),
            _ => 0,
        };
        entries.iter().map(|entry| ENTRY + entry.name.len() + below(&entry.value)).sum()
    }

    #[test]
    fn a_view_is_never_longer_than_its_bound_whatever_is_put_into_it() {
        let long = shown(|view| {
            view.value("before", 1_u32);
            view.text("much", "é".repeat(BYTES));
            view.value("after", 2_u32);
        });
        assert_eq!((long.entries.len(), long.cut, bytes(&long.entries) <= BYTES), (2, Some(Cut::Bytes), true));
        let many = shown(|view| view.each("all", 0_u64.., |view, item| view.value(item, item)));
        assert_eq!((many.cut, bytes(&many.entries) <= BYTES), (Some(Cut::Bytes), true), "though it has no end");
        assert!(bytes(&many.entries) > BYTES - 2 * ENTRY);
        let short = |view: &mut View<'_>| view.each("all", 0_u64.., |view, _| view.value("", i64::MIN));
        for wide in [
            shown(|view| view.text("odd", "\0\"\n".repeat(BYTES))),
            shown(|view| view.each("all", 0_u64.., |view, _| view.value("", f64::MIN))),
            shown(|view| view.each("all", 0_u64.., |view, item| view.text(item, "\u{1}"))),
            shown(short),
            long,
            many,
        ] {
            let json = serde_json::to_string(&wide.entries).unwrap();
            assert!((BYTES / 2..=BYTES + ENTRY).contains(&json.len()), "{} bytes", json.len());
        }
    }

    #[test]
    fn branches_are_shown_to_their_depth_and_the_rest_beside_them_goes_on() {
        fn deeper(view: &mut View<'_>, level: usize) {
            if level <= 100 {
                view.branch(level, |view| deeper(view, level + 1));
            }
        }
        let deep = shown(|view| {
            deeper(view, 1);
            view.value("after", true);
        });
        let path = |levels: usize| (1..=levels).map(|level| level.to_string()).collect::<Vec<_>>().join("/");
        assert!(deep.find(&path(DEPTH)).is_some() && deep.find(&path(DEPTH + 1)).is_none());
        assert_eq!((deep.find("after"), deep.cut), (Some(&Shown::Truth(true)), Some(Cut::Depth)));
        let json = serde_json::to_string(&deep).unwrap();
        assert_eq!(serde_json::from_str::<StateView>(&json).unwrap(), deep);
    }

    #[test]
    fn a_secret_is_a_marker_and_values_keep_their_types() {
        let all = shown(|view| {
            view.secret("password");
            view.value("none", None::<u32>);
            view.value("some", Some(3_u32));
            view.value("less", -1_i64);
            view.value("half", 0.5);
            view.value("never", f64::NAN);
            view.value("since", Duration::from_millis(20));
        });
        let json = serde_json::to_value(&all).unwrap();
        let values: Vec<_> =
            json["entries"].as_array().unwrap().iter().map(|entry| entry["value"].to_string()).collect();
        let expected = [
            r#""secret""#,
            r#""nothing""#,
            r#"{"count":3}"#,
            r#"{"integer":-1}"#,
            r#"{"number":0.5}"#,
            r#"{"text":"NaN"}"#,
            r#"{"span_ms":20}"#,
        ];
        assert_eq!(values, expected);
        assert_eq!(serde_json::from_value::<StateView>(json).unwrap(), all);
        assert!(shown(|_| ()).is_empty() && !all.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_too_long_shows_what_came_before() {
        use crate::port::Simulation;
        let port = Port::simulated(tokio::runtime::Handle::current(), Simulation::seeded(1));
        let model = Model(|view: &mut View<'_>| view.each("all", 0_u32.., |view, item| view.value(item, true)));
        let mut view = View { open: vec![Vec::new()], bytes: BYTES, cut: None, time: Some((&port, port.now_ns())) };
        view.value("first", 1_u32);
        tokio::time::advance(Duration::from_millis(1)).await;
        model.view(&mut view);
        assert_eq!((view.open[0].len(), view.cut), (1, Some(Cut::Time)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_that_takes_too_long_is_cut_in_the_middle() {
        use crate::port::Simulation;
        /// Ends when it is told to, or never.
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("")?;
                }
            }
        }
        let port = Port::simulated(tokio::runtime::Handle::current(), Simulation::seeded(1));
        let mut view = View { open: vec![Vec::new()], bytes: BYTES, cut: None, time: Some((&port, port.now_ns())) };
        tokio::time::advance(Duration::from_millis(1)).await;
        let mut room = Room { text: String::new(), left: BYTES, time: view.time, cut: Cut::Bytes };
        assert!(write!(room, "{Endless}").is_err());
        assert_eq!(room.cut, Cut::Time);
        view.text("never", Endless);
        assert_eq!(view.cut, Some(Cut::Time));
    }
}
