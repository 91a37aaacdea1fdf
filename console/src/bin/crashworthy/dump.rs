//! One picture of everything, as a recording.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crashworthy_console::protocol::Outcome;
use crashworthy_console::recording::{Answered, Extent, Full, MOST, Told, Writer, picture};
use crashworthy_console::{Client, ClientError};
use serde_json::Value;

use crate::Trouble;

/// Writes what a system says of everything to a new file, or to standard output. How much that is.
pub(crate) fn dump(client: &mut Client, file: &Path) -> Result<Extent, Trouble> {
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if file.as_os_str() == "-" {
        return write(client, Writer::new(io::stdout().lock(), began, MOST)?);
    }
    let named = |error: io::Error| Trouble::Told(format!("{}: {error}", file.display()));
    let writer = Writer::create(file, began, MOST).map_err(named)?;
    write(client, writer)
}

fn write(client: &mut Client, mut writer: Writer<impl Write>) -> Result<Extent, Trouble> {
    let rows = client.hello().limits.rows;
    let hello = Outcome::Ok(serde_json::to_value(client.hello()).expect("it is plain data"));
    let hello = Told { verb: "hello", args: Value::Null, outcome: &hello };
    writer.picture(Duration::ZERO, std::iter::once(hello)).map_err(Full::into_io)?;
    let tell = |answer: Answered| {
        writer.picture(Duration::ZERO, std::iter::once(answer.told())).map_err(Full::into_io)?;
        Ok(true)
    };
    picture(rows, |verb, args| Ok(ask(client, verb, args)?), tell)
}

/// What the system says no to belongs to the picture.
fn ask(client: &mut Client, verb: &str, args: &Value) -> Result<Outcome<Value>, ClientError> {
    match client.ask::<Value>(verb, args) {
        Ok(value) => Ok(Outcome::Ok(value)),
        Err(ClientError::Refused(why)) => Ok(Outcome::Error(why)),
        Err(error) => Err(error),
    }
}
