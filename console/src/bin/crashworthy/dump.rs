//! One picture of everything, as a recording.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crashworthy_console::protocol::Outcome;
use crashworthy_console::recording::{Answered, Full, MOST, Told, Writer, picture};
use crashworthy_console::{Client, ClientError};
use serde_json::Value;

use crate::Trouble;

/// Writes what a system says of everything to a new file, or to standard output.
pub(crate) fn dump(client: &mut Client, file: &Path) -> Result<(), Trouble> {
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let hello = Outcome::Ok(serde_json::to_value(client.hello()).expect("it is plain data"));
    let rows = client.hello().limits.rows;
    let answers = picture(rows, |verb, args| ask(client, verb, args))?;
    let hello = Told { verb: "hello", args: Value::Null, outcome: &hello };
    let told = std::iter::once(hello).chain(answers.iter().map(Answered::told));
    let written = if file.as_os_str() == "-" {
        Writer::new(io::stdout().lock(), began, MOST)?.picture(Default::default(), told)
    } else {
        let created = Writer::create(file, began, MOST);
        let named = |error: io::Error| Trouble::Told(format!("{}: {error}", file.display()));
        created.map_err(named)?.picture(Default::default(), told)
    };
    Ok(written.map_err(Full::into_io)?)
}

/// What the system says no to belongs to the picture.
fn ask(client: &mut Client, verb: &str, args: &Value) -> Result<Outcome<Value>, ClientError> {
    match client.ask::<Value>(verb, args) {
        Ok(value) => Ok(Outcome::Ok(value)),
        Err(ClientError::Refused(why)) => Ok(Outcome::Error(why)),
        Err(error) => Err(error),
    }
}
