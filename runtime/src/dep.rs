//! The name of what is missing, small enough to travel in every refusal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an actor lacks that says it is [not ready](crate::Reason::NotReady): the name of a [`Dependency`](crate::Dependency),
/// of an actor, or of whatever [`Actor::ready`](crate::Actor::ready) speaks of.
///
/// It is a copy of at most 22 bytes of that name, so that refusing allocates nothing and writes nothing that others read.
/// [`System::unready`](crate::System::unready) has whole names.
///
/// # Examples
/// ```
/// use crashworthy_runtime::Dep;
///
/// assert_eq!(Dep::named("orders-db").as_str(), "orders-db");
/// assert_eq!(Dep::named("the-database-of-all-orders").as_str(), "the-database-of-all-or");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Dep([u8; Dep::LONGEST]);

impl Dep {
    /// Bytes of a name that are kept.
    pub const LONGEST: usize = 22;

    /// What is called so; the rest of a name that is too long, or has a zero in it, is left out.
    pub fn named(name: &str) -> Self {
        let end = name.find('\0').unwrap_or(name.len());
        let kept = &name[..name.floor_char_boundary(end.min(Self::LONGEST))];
        let mut bytes = [0; Self::LONGEST];
        bytes[..kept.len()].copy_from_slice(kept.as_bytes());
        Self(bytes)
    }

    /// The name, or what is kept of it.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(Self::LONGEST);
        std::str::from_utf8(&self.0[..end]).expect("it was cut between two characters")
    }
}

impl From<&str> for Dep {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

impl From<String> for Dep {
    fn from(name: String) -> Self {
        Self::named(&name)
    }
}

impl From<Dep> for String {
    fn from(dep: Dep) -> Self {
        dep.as_str().to_owned()
    }
}

impl fmt::Display for Dep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Dep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reason, Refused};

    #[test]
    fn a_name_that_is_too_long_is_cut_between_two_characters() {
        let name = "a-database-of-ümläüts-and-more";
        let kept = Dep::named(name);
        assert_eq!(kept.as_str(), "a-database-of-ümläü");
        assert_eq!(Dep::named("an-umlaut-at-the-end-ä").as_str(), "an-umlaut-at-the-end-");
        assert_eq!(Dep::named("a zero\0is the end").as_str(), "a zero");
        assert_eq!(Dep::named("").as_str(), "");
    }

    #[test]
    fn as_data_it_is_its_name() {
        let reason = Reason::NotReady(Dep::named("orders-db"));
        let text = serde_json::to_string(&reason).unwrap();
        assert_eq!(text, r#"{"not_ready":"orders-db"}"#);
        assert_eq!(serde_json::from_str::<Reason>(&text).unwrap(), reason);
        assert_eq!(reason.to_string(), "it is not ready: it lacks `orders-db`");
    }

    #[test]
    fn a_refusal_has_room_for_it() {
        assert_eq!(size_of::<Refused>(), 80);
    }
}
