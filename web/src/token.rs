//! The token: what whoever may see data knows, and nobody else.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use crashworthy_console::TOKEN;
use subtle::ConstantTimeEq;

/// Letters of a token that somebody has chosen: 22 letters and digits are as good as 128 bits.
const LENGTH: std::ops::RangeInclusive<usize> = 22..=256;

/// Letters that a URL has room for behind its `#`.
pub(crate) struct Token(String);

impl Token {
    /// 128 bits that nobody can guess.
    pub(crate) fn random() -> io::Result<Self> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bits))))
    }

    /// What is in a file that is the user's alone.
    pub(crate) fn read(file: &Path) -> io::Result<Arc<Self>> {
        let error = |kind, why: &str| io::Error::new(kind, format!("the token in {}: {why}", file.display()));
        let opened = File::open(file).map_err(|why| error(why.kind(), &why.to_string()))?;
        if opened.metadata()?.permissions().mode() & 0o077 != 0 {
            return Err(error(ErrorKind::PermissionDenied, "others may read it: the file must have the mode 0600"));
        }
        let mut text = String::new();
        opened.take(4096).read_to_string(&mut text).map_err(|why| error(why.kind(), &why.to_string()))?;
        let token = text.trim();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        if !LENGTH.contains(&token.len()) || !token.chars().all(allowed) {
            return Err(error(ErrorKind::InvalidData, "22 to 256 letters, digits, and `-._~` are allowed"));
        }
        Ok(Arc::new(Self(token.to_owned())))
    }

    /// Keeps it in a new file that is the user's alone.
    fn keep(&self, file: &Path) -> io::Result<()> {
        let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        let written = writeln!(made, "{}", self.0);
        if written.is_err() {
            let _ = fs::remove_file(file);
        }
        written
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether that is it. How long that takes depends on its length alone.
    pub(crate) fn is(&self, said: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(said).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_itself_and_nothing_else_and_is_not_printed() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one.0, other.0);
        assert_eq!(one.0.len(), 32);
        assert!(one.is(one.0.as_bytes()));
        for wrong in ["", &one.0[..31], &format!("{}0", one.0), &other.0, &one.0.to_uppercase().replace('0', "O")] {
            assert!(!one.is(wrong.as_bytes()) || wrong == one.0, "{wrong}");
        }
        assert_eq!(format!("{one:?}"), "Token(..)");
    }

    #[test]
    fn a_chosen_token_is_read_from_a_file_that_nobody_else_may_read() {
        let file = std::env::temp_dir().join(format!("crashworthy-token-{}", std::process::id()));
        let _ = fs::remove_file(&file);
        Token("a-token-that-is_long.enough~".into()).keep(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Token::read(&file).unwrap().as_str(), "a-token-that-is_long.enough~");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(Token::read(&file).unwrap_err().kind(), ErrorKind::PermissionDenied);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        for wrong in ["short", "a token with spaces and enough letters", &"x".repeat(257), ""] {
            fs::write(&file, wrong).unwrap();
            assert_eq!(Token::read(&file).unwrap_err().kind(), ErrorKind::InvalidData, "{wrong}");
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(Token::read(&file).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
