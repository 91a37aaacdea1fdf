//! Which actors and messages are meant.

/// Whether an actor is meant by one of these.
pub(super) fn means_actor(patterns: &[String], path: &str, name: Option<&str>, kind: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.contains('*') {
        true => [Some(path), name, Some(kind)].into_iter().flatten().chain(tails(kind)).any(|text| fits(pattern, text)),
        false => name == Some(pattern) || is_at(path, pattern) || is_below(path, pattern) || begins(kind, pattern),
    })
}

/// Whether a kind of message is meant: by one of these, if there are any.
pub(super) fn means_message(patterns: &[String], kind: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, kind))
}

/// Whether a path is that one, or below it.
fn is_at(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path leads through somebody of that name: it is below one, or is one.
fn is_below(path: &str, name: &str) -> bool {
    path.split('/').any(|label| label == name)
}

/// Whether a type begins so, with or without where it is.
fn begins(kind: &str, beginning: &str) -> bool {
    kind.starts_with(beginning) || tails(kind).any(|tail| tail.starts_with(beginning))
}

/// What is behind each `::` of a type.
fn tails(kind: &str) -> impl Iterator<Item = &str> {
    kind.match_indices("::").map(|(at, _)| &kind[at + 2..])
}

/// Whether a pattern is the text, `*` being any characters. Takes at most as many steps as one is long times the other.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // The last `*`, and how much of the text it stands for at least.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), star) {
            (Some(b'*'), _) => {
                star = Some((p, t));
                p += 1;
            }
            (Some(byte), _) if *byte == text[t] => (p, t) = (p + 1, t + 1),
            (_, Some((at, ate))) => {
                star = Some((at, ate + 1));
                (p, t) = (at + 1, ate + 1);
            }
            (_, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_characters_and_what_has_none_is_itself() {
        for (pattern, text) in
            [("*", ""), ("*", "a"), ("a*c", "abbc"), ("a*c", "ac"), ("*b*", "abc"), ("a**", "a"), ("a*b*c", "axbybzc")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", ""), ("a*c", "acd"), ("*b", "abc"), ("a*b*c", "acb")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
        // The worst there may be ends soon.
        let (pattern, text) = (format!("{}b", "a*".repeat(127)), "a".repeat(512));
        assert!(!fits(&pattern, &text));
    }

    #[test]
    fn an_actor_is_meant_by_its_path_one_above_its_name_or_how_its_type_begins() {
        let is_meant = |pattern: &str| {
            means_actor(&[pattern.to_owned()], "shop/front/left", Some("left"), "shop::Cashier<eu::Euro>")
        };
        for pattern in [
            "shop",
            "shop/front",
            "shop/front/left",
            "front",
            "left",
            "Cash",
            "shop::Cash",
            "*/left",
            "shop/*",
            "*shier<*",
            "Cashier*",
            "*",
        ] {
            assert!(is_meant(pattern), "{pattern}");
        }
        for pattern in
            ["sho/", "shop/fro", "fron", "lef", "front/left", "ashier", "shop/front/left/", "*front", "right"]
        {
            assert!(!is_meant(pattern), "{pattern}");
        }
    }

    #[test]
    fn messages_are_meant_by_name_and_all_if_none_is_named() {
        assert!(means_message(&[], "Sell"));
        let named = ["Total".to_owned(), "Se*".to_owned()];
        assert!(means_message(&named, "Sell") && means_message(&named, "Total") && !means_message(&named, "Totals"));
    }
}
