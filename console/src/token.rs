//! Tokens: what whoever may look from afar knows, and nobody else.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use subtle::ConstantTimeEq;

/// Letters of a token that somebody has chosen: 22 letters and digits are as good as 128 bits.
const LENGTH: std::ops::RangeInclusive<usize> = 22..=256;

/// What whoever may look knows, where there is no socket that says who it is: letters that a URL has room for behind its `#`.
///
/// It is not printed, and compared in a time that depends on its length alone.
pub struct Token(String);

impl Token {
    /// 128 bits that nobody can guess.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn random() -> io::Result<Self> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bits))))
    }

    /// What is in a file that is the user's alone: 22 to 256 letters, digits, and `-._~`.
    ///
    /// # Errors
    /// If it cannot be read, others may read it, or it is no token; the text names the file.
    pub fn read(file: &Path) -> io::Result<Arc<Self>> {
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
    ///
    /// # Errors
    /// If there is such a file, or it cannot be written.
    pub fn keep(&self, file: &Path) -> io::Result<()> {
        let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        let written = writeln!(made, "{}", self.0);
        if written.is_err() {
            let _ = fs::remove_file(file);
        }
        written
    }

    /// Its letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether that is it. How long that takes depends on its length alone.
    pub fn is(&self, said: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(said).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
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
