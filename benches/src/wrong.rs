//! What a measurement says that cannot be believed.

use std::fmt;

/// Something was not as it had to be.
#[derive(Clone, Debug, Default)]
pub struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

pub(crate) fn wrong(why: impl fmt::Display) -> Wrong {
    Wrong(why.to_string())
}
