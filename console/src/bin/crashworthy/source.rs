//! Who answers: a system that runs, or a recording.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crashworthy_console::protocol::{Code, Hello, KNOWS, Outcome, Refusal};
use crashworthy_console::{Client, ClientError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::args::Which;
use crate::recording::Recording;
use crate::text::clean;
use crate::{Trouble, find};

pub(crate) enum Source {
    Running(Client),
    /// As it was last.
    Recorded(Recording),
}

/// Who is meant.
pub(crate) fn choose(which: &Which) -> Result<Source, Trouble> {
    match &which.replay {
        Some(file) => Ok(Source::Recorded(open(file)?)),
        None => Ok(Source::Running(find::choose(which)?)),
    }
}

/// Reads a recording; what is wrong with it is told with its name.
pub(crate) fn open(file: &std::path::Path) -> Result<Recording, Trouble> {
    Recording::open(file).map_err(|problem| Trouble::Told(clean(&format!("{}: {problem}", file.display()))))
}

impl Source {
    /// When it is there, since the beginning of 1970: of a recording when it ended.
    pub(crate) fn now(&self) -> Duration {
        match self {
            Self::Running(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Self::Recorded(recording) => recording.began + recording.end(),
        }
    }

    pub(crate) fn ask<T: DeserializeOwned>(&mut self, verb: &str, query: &impl Serialize) -> Result<T, ClientError> {
        let foreign = |error: serde_json::Error| ClientError::Foreign(error.to_string());
        let args = serde_json::to_value(query).map_err(foreign)?;
        match self {
            Self::Running(client) => {
                heeds(client.hello(), &args).map_err(ClientError::Refused)?;
                client.ask(verb, &args)
            }
            Self::Recorded(recording) => {
                if matches!(verb, "tree" | "actors" | "actor")
                    && let Some((told, total)) = recording.cut()
                {
                    let why = "who is not found may have been there";
                    let _ = writeln!(anstream::stderr(), "recorded are {told} of {total} actors: {why}");
                }
                match recording.ask(recording.end(), verb, &args) {
                    Outcome::Ok(value) => serde_json::from_value(value).map_err(foreign),
                    Outcome::Error(why) => Err(ClientError::Refused(why)),
                }
            }
        }
    }
}

/// Makes sure that a system heeds what it is told: an older one would answer something else.
pub(crate) fn heeds(hello: &Hello, args: &Value) -> Result<(), Refusal> {
    match KNOWS.iter().find(|argument| !args[**argument].is_null() && !hello.knows(argument)) {
        None => Ok(()),
        Some(argument) => {
            let message = format!("this system is of an older version, which does not know what a {argument} is");
            Err(Refusal { code: Code::Unsupported, message })
        }
    }
}
