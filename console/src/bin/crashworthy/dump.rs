//! One picture of everything, as a recording.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crashworthy_console::protocol::{Crashes, Outcome, TreeView};
use crashworthy_console::{Client, ClientError};
use serde::Deserialize;
use serde_json::Value;

use crate::Trouble;
use crate::recording::{Full, MOST, Told, Writer};
use crate::terminal::{Question, is_whole_tree, picture_of_all};

/// Writes what a system says of everything to a new file, or to standard output.
pub(crate) fn dump(client: &mut Client, file: &Path) -> Result<(), Trouble> {
    let told = ask_all(client)?;
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let told = told.iter().map(|(verb, args, outcome)| Told { verb, args: args.clone(), outcome });
    let written = if file.as_os_str() == "-" {
        Writer::new(io::stdout().lock(), began, MOST)?.picture(Default::default(), told)
    } else {
        let created = Writer::create(file, began, MOST);
        let named = |error: io::Error| Trouble::Told(format!("{}: {error}", file.display()));
        created.map_err(named)?.picture(Default::default(), told)
    };
    Ok(written.map_err(Full::into_io)?)
}

/// An answer, with its verb and arguments.
type Answered = (&'static str, Value, Outcome<Value>);

fn ask_all(client: &mut Client) -> Result<Vec<Answered>, ClientError> {
    let hello = serde_json::to_value(client.hello()).expect("it is plain data");
    let mut told = vec![("hello", Value::Null, Outcome::Ok(hello))];
    let mut details = Vec::new();
    let mut is_whole = false;
    for question in picture_of_all() {
        if is_whole && question.is_list() {
            continue;
        }
        let answered = ask(client, &question)?;
        is_whole |= is_whole_tree(&question, &answered.2);
        details.extend(details_of(&question, &answered.2));
        told.push(answered);
    }
    for question in details {
        told.push(ask(client, &question)?);
    }
    Ok(told)
}

/// What is to be asked about each that is in a list.
fn details_of(question: &Question, outcome: &Outcome<Value>) -> Vec<Question> {
    let Outcome::Ok(answer) = outcome else { return Vec::new() };
    match question {
        Question::Tree { .. } => {
            let nodes = TreeView::deserialize(answer).map_or(Vec::new(), |tree| tree.nodes);
            nodes.into_iter().map(|node| Question::Actor(node.row.pid.id.to_string())).collect()
        }
        Question::Crashes => {
            let reports = Crashes::deserialize(answer).map_or(Vec::new(), |crashes| crashes.reports);
            reports.into_iter().map(|report| Question::Crash(report.pid)).collect()
        }
        _ => Vec::new(),
    }
}

fn ask(client: &mut Client, question: &Question) -> Result<Answered, ClientError> {
    let (verb, args) = (question.verb(), question.args());
    let outcome = match client.ask::<Value>(verb, &args) {
        Ok(value) => Outcome::Ok(value),
        Err(ClientError::Refused(why)) => Outcome::Error(why),
        Err(error) => return Err(error),
    };
    Ok((verb, args, outcome))
}
