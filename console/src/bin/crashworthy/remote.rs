//! The way to a system on another machine, for whoever looks for it here.

/// What `ssh://host/service` would need, and how to have it.
///
/// It is not built: which socket is meant is known on that machine alone, and what finds it there would have to be installed
/// there and be of this version, where ssh forwards a socket by itself, with its own configuration, keys and prompts.
pub(crate) fn way(address: &str) -> Option<String> {
    let rest = address.strip_prefix("ssh://")?;
    let (host, service) = rest.split_once('/').unwrap_or((rest, ""));
    let word = |text: &str, otherwise: &str| {
        let is_word = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-@:".contains(c));
        if is_word { text.to_owned() } else { otherwise.to_owned() }
    };
    let (host, service) = (word(host, "HOST"), word(service.trim_end_matches('/'), "SERVICE"));
    Some(format!(
        "ssh forwards the socket of a system, and --socket takes what it makes of that:

  ssh {host} crashworthy ps                      where it listens: …/PROCESS-{service}/ro.sock
  ssh -fN -L /tmp/{service}.sock:THAT/ro.sock {host}
  crashworthy --socket /tmp/{service}.sock

To act as well as to look, forward rw.sock in place of ro.sock.
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_names_what_was_named_and_nothing_that_a_shell_would_obey() {
        let told = way("ssh://me@shop.internal/storefront").expect("it is one");
        for line in [
            "ssh me@shop.internal crashworthy ps ",
            "/tmp/storefront.sock:THAT/ro.sock me@shop.internal\n",
            "--socket /tmp/storefront.sock\n",
        ] {
            assert!(told.contains(line), "{told}");
        }
        let odd = way("ssh://$(rm -r ~)/`x`\u{1b}[2J").expect("it is one");
        assert!(odd.contains("ssh HOST ") && odd.contains("/tmp/SERVICE.sock") && !odd.contains('`'), "{odd}");
        assert_eq!((way("storefront"), way("ssh:/x")), (None, None));
    }
}
