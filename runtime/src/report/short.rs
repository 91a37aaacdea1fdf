//! The part of a backtrace that is the author's: from the panic to the runtime's turn.

use std::ffi::OsStr;
use std::fmt::Write;

/// The last frame of what panics by: the standard library's mark.
const PANICKED: &str = "__rust_end_short_backtrace";
/// Where a thread begins: its other one.
const THREAD: &str = "__rust_begin_short_backtrace";
/// Functions of ours in which user code runs, as their names begin: what catches its panics, and what takes a turn. Both
/// are looked for, as an optimised build may have the former no longer.
const TURN: [&str; 2] = ["crashworthy_runtime::crash::contain", "crashworthy_sync::task::run::"];
/// An author's callback, as its name has it in a build that is not optimised.
const CALLBACK: &str = " as crashworthy_runtime::actor::Actor>::";
/// What lies between the former and the user's code, and tells nobody anything.
const CATCHES: [&str; 6] = [
    "__rust_try",
    "catch_unwind<",
    "do_call<",
    "std::panic",
    "<core::panic::unwind_safe",
    "core::ops::function::FnOnce::call_once",
];

/// One call: its name, and all of its lines after the number.
struct Frame<'t> {
    name: &'t str,
    lines: Vec<&'t str>,
}

/// Whether whole backtraces are asked for, as the standard library is asked for them.
pub(super) fn whole_is_asked_for() -> bool {
    let set = std::env::var_os("RUST_LIB_BACKTRACE").or_else(|| std::env::var_os("RUST_BACKTRACE"));
    set.as_deref() == Some(OsStr::new("full"))
}

/// The frames between the panic and the turn, counted from 0; `None` if there are none to be found: in a program without
/// symbols nobody knows which they are.
pub(super) fn cut(whole: &str) -> Option<String> {
    let frames = frames(whole);
    let first = frames.iter().position(|frame| frame.name.contains(PANICKED)).map_or(0, |panicked| panicked + 1);
    let after = &frames[first..];
    let is_turn = |frame: &Frame<'_>| TURN.iter().any(|turn| frame.name.starts_with(turn));
    let turn = after.iter().position(is_turn).or_else(|| after.iter().position(|frame| frame.name.contains(THREAD)))?;
    let before = &after[..turn];
    let callback = before.iter().rposition(|frame| frame.name.starts_with('<') && frame.name.contains(CALLBACK));
    let catches = |frame: &&Frame<'_>| CATCHES.iter().any(|catches| frame.name.starts_with(catches));
    let kept = callback.map_or_else(|| turn - before.iter().rev().take_while(catches).count(), |at| at + 1);
    (kept > 0).then(|| numbered(&before[..kept]))
}

fn frames(text: &str) -> Vec<Frame<'_>> {
    let mut frames: Vec<Frame<'_>> = Vec::new();
    for line in text.lines() {
        match (name(line), frames.last_mut()) {
            (Some(name), _) => frames.push(Frame { name, lines: vec![name] }),
            (None, Some(last)) => last.lines.push(line),
            (None, None) => {}
        }
    }
    frames
}

/// The name, if this is the first line of a frame: its number, a colon and the name.
fn name(line: &str) -> Option<&str> {
    let (number, name) = line.split_once(": ")?;
    let number = number.trim_start();
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

fn numbered(frames: &[Frame<'_>]) -> String {
    let mut text = String::new();
    for (number, frame) in frames.iter().enumerate() {
        let [first, rest @ ..] = &frame.lines[..] else { continue };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{number:4}: {first}");
        rest.iter().for_each(|line| text.extend([*line, "\n"]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "\
   0: crashworthy_runtime::crash::record
             at ./runtime/src/crash.rs:155:21
   1: std::sys::backtrace::__rust_end_short_backtrace::<std::panicking::panic_handler::{closure#0}, !>
             at /rustc/0/library/std/src/sys/backtrace.rs:182:18
   2: core::panicking::panic_fmt
             at /rustc/0/library/core/src/panicking.rs:80:14
   3: <shop::Till as crashworthy_runtime::actor::Actor>::handle::{{closure}}
             at ./src/till.rs:52:47
   4: {async_block#0}<shop::Till>
             at ./runtime/src/serve.rs:138:27
   5: <core::panic::unwind_safe::AssertUnwindSafe<F> as core::ops::function::FnOnce<()>>::call_once
   6: __rust_try
   7: catch_unwind<core::task::poll::Poll<crashworthy_runtime::serve::Ending>>
  99: crashworthy_runtime::crash::contain
             at ./runtime/src/crash.rs:67:5
 100: crashworthy_sync::task::run::take_turn
 101: std::sys::backtrace::__rust_begin_short_backtrace
 102: clone3
";
    const SHORT: &str = "   0: core::panicking::panic_fmt
             at /rustc/0/library/core/src/panicking.rs:80:14
   1: <shop::Till as crashworthy_runtime::actor::Actor>::handle::{{closure}}
             at ./src/till.rs:52:47
";

    #[test]
    fn what_is_kept_lies_between_the_panic_and_the_turn() {
        assert_eq!(cut(WHOLE).as_deref(), Some(SHORT));
    }

    #[test]
    fn an_optimised_build_has_fewer_marks() {
        let without = |part: &str| {
            WHOLE.lines().filter(|line| !line.contains(part)).map(|line| format!("{line}\n")).collect::<String>()
        };
        let inlined = cut(&WHOLE.replace(CALLBACK, " ")).expect("it is contained");
        assert!(inlined.contains("serve.rs") && !inlined.contains("unwind_safe"), "{inlined}");
        let turn = cut(&without("crash::contain").replace(CALLBACK, " ")).expect("it takes a turn");
        assert!(turn.contains("serve.rs") && !turn.contains("take_turn"), "{turn}");
        let neither = without("crash::contain").replace(CALLBACK, " ").replace("crashworthy_sync", "");
        let thread = cut(&neither).expect("a thread begins");
        assert!(thread.contains("take_turn") && !thread.contains("clone3"), "{thread}");
        // Nothing is known of where the panic began.
        assert!(
            cut(&without("__rust_end"))
                .is_some_and(|text| text.starts_with("   0: crashworthy_runtime::crash::record"))
        );
    }

    #[test]
    fn without_symbols_nothing_can_be_told_apart() {
        for text in [
            "",
            "no frames: at all",
            "   0: <unknown>\n   1: <unknown>\n",
            "  12: crashworthy_runtime::crash::contain\n",
        ] {
            assert_eq!(cut(text), None, "{text}");
        }
    }
}
