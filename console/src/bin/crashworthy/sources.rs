//! What a service tells of itself besides its actors, as text.

use crashworthy_console::protocol::{SourceView, SystemView};
use serde_json::{Value, json};

use crate::args::{Show, Which};
use crate::text::{RED, YELLOW, clean, table};
use crate::{Said, Trouble, data, source};

/// How they are; it is well unless one that is critical does not serve.
pub(crate) fn say(which: &Which, show: &Show) -> Result<Said, Trouble> {
    let view: SystemView = source::choose(which)?.ask("system", &())?;
    let all = &view.sources;
    let at_ms = u64::try_from(view.at.as_millis()).unwrap_or(u64::MAX);
    let text = if show.json { data(&json!({ "at_ms": at_ms, "sources": all }))? } else { listed(all) };
    Ok(Said { text, well: !all.iter().any(|source| source.critical && !source.serves) })
}

fn listed(all: &[SourceView]) -> String {
    if all.is_empty() {
        return "none: a service names them with `Console::source`\n".to_owned();
    }
    let rows = all.iter().map(|source| {
        let style = (!source.serves).then_some(if source.critical { RED } else { YELLOW });
        let cells = [source.sort.name(), &clean(&source.name), &clean(&source.state), serves(source), &figures(source)];
        (style, cells.map(str::to_owned).to_vec())
    });
    table(&["SORT", "NAME", "STATE", "SERVES", "FIGURES"], rows)
}

/// Whether it does what it is there for, and whether that matters to the service.
pub(crate) fn serves(source: &SourceView) -> &'static str {
    match (source.serves, source.critical) {
        (true, _) => "yes",
        (false, false) => "no",
        (false, true) => "no: critical",
    }
}

/// Its figures by name.
pub(crate) fn figures(source: &SourceView) -> String {
    let each = source.figures.iter().map(|(name, value)| match value {
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 => format!("{} {whole:.0}", clean(name)),
            Some(part) => format!("{} {part:.3}", clean(name)),
            None => format!("{} {number}", clean(name)),
        },
        _ => format!("{} -", clean(name)),
    });
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_line_and_what_does_not_serve_stands_out() {
        let all: Vec<SourceView> = serde_json::from_value(json!([
            { "name": "searches", "sort": "cache", "critical": false, "serves": true, "state": "in use",
              "figures": { "hits": 12.0, "share": 0.25, "none": null } },
            { "name": "ba\u{1b}nk", "sort": "of a later version", "critical": true, "serves": false, "state": "open", "figures": {} },
        ]))
        .expect("they are sources");
        let text = listed(&all);
        let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[1], "cache searches in use yes hits 12, none -, share 0.250");
        assert!(
            lines[2].contains("other ba\\u{1b}nk open no: critical") && lines[2].starts_with(&RED.to_string()),
            "{}",
            lines[2]
        );
    }
}
