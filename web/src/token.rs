//! The token of the page, where it is made anew each time.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use crashworthy_console::{TOKEN, Token};

/// A new token, in a file beside the socket of the console. Without a place for it there is none.
pub(crate) fn fresh(socket: Option<&Path>) -> Option<Arc<Token>> {
    let made = match socket.and_then(Path::parent) {
        None => Err(io::Error::new(ErrorKind::NotFound, "the console has no directory of its own")),
        Some(dir) => Token::random().and_then(|token| token.keep(&dir.join(TOKEN)).map(|()| token)),
    };
    match made {
        Ok(token) => Some(Arc::new(token)),
        Err(error) => {
            tracing::error!(%error, "there is no place for the token of the web page: it shows nothing to anybody");
            None
        }
    }
}
