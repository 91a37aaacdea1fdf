//! `tree` and `top`: lists of actors, and the same again and again: told once, and then what changes of them.

use std::time::Duration;

use clap::Args;
use crashworthy_console::protocol::{Actors, ActorsQuery, Filter, TreeQuery, TreeView, WatchQuery, Watchable};
use crashworthy_console::{Client, ClientError, NoPattern, Pattern, Watched};

use crate::args::{Show, Sort, State, What, Which};
use crate::ranked::{is_by_rate, rank};
use crate::text::clean;
use crate::{Said, Trouble, data, filter, find, print, show, source};

/// Which branch.
#[derive(Debug, Args)]
pub(crate) struct TreeArgs {
    /// This actor and those below it: a path, a name, or an id.
    path: Option<String>,
    /// How many levels at most. With --match, those who match below these are counted.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    levels: Option<u16>,
    /// How many actors at most; the system has a limit, too.
    #[arg(short = 'n', long = "limit", value_name = "N")]
    limit: Option<usize>,
    /// Those that match, and those above them: a part of the path, the type or a registered name, or a regular expression (of which `\w`, `\d`
    /// and `(?i)` know ASCII alone); with `~` before it letters in that order; with `!` before all those that do not. Exit code 1 if nobody does.
    #[arg(long = "match", value_name = "PATTERN", value_parser = pattern)]
    pattern: Option<String>,
    #[command(flatten)]
    pub(crate) show: Show,
}

impl TreeArgs {
    pub(crate) fn query(&self) -> TreeQuery {
        let Self { path, levels, limit, pattern, show: _ } = self;
        let (path, pattern) = (path.clone(), pattern.clone());
        TreeQuery { path, levels: levels.map(usize::from), limit: *limit, pattern, ..TreeQuery::default() }
    }

    /// The branch as text.
    pub(crate) fn text(&self, tree: &TreeView) -> Result<String, Trouble> {
        nobody(self.pattern.as_deref(), tree.matched.unwrap_or(tree.total), tree.total)?;
        Ok(show::tree(tree, self.deeper(tree)))
    }

    /// How many match, and are deeper than is shown: known if all lines are there.
    fn deeper(&self, tree: &TreeView) -> usize {
        let pattern = self.pattern.as_deref().filter(|_| self.levels.is_some()).and_then(filter::read);
        match (pattern, tree.matched) {
            (Some(pattern), Some(matched)) if tree.lines == Some(tree.nodes.len()) => {
                let shown = tree.nodes.iter().filter(|node| filter::takes(&pattern, &node.row)).count();
                matched.saturating_sub(shown)
            }
            _ => 0,
        }
    }

    /// Whether somebody was looked for, and nobody found.
    pub(crate) fn is_in_vain(&self, tree: &TreeView) -> bool {
        self.pattern.is_some() && tree.matched == Some(0)
    }
}

/// Which actors, and of what they have most.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Of what.
    #[arg(long, value_enum, default_value_t = Sort::Depth)]
    sort: Sort,
    /// Those that have least of it first.
    #[arg(short, long)]
    reverse: bool,
    /// How many actors at most; the system has a limit, too.
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Those that match: a part of the path, the type or a registered name, or a regular expression (of which `\w`, `\d` and `(?i)` know ASCII
    /// alone); with `~` before it letters in that order; with `!` before all those that do not. Exit code 1 if nobody does.
    #[arg(long = "match", value_name = "PATTERN", value_parser = pattern)]
    pattern: Option<String>,
    /// This actor and those below it, by path, name or id.
    #[arg(long, value_name = "PATH")]
    under: Option<String>,
    /// Those in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Those whose gates are not open: tripped, draining, suspended, shedding, stuck, not ready, restarting.
    #[arg(long)]
    shut: bool,
    /// Those that have something in hand.
    #[arg(long)]
    busy: bool,
    /// Those with at least so many messages queued.
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_depth: u32,
    #[command(flatten)]
    pub(crate) show: Show,
}

impl TopArgs {
    pub(crate) fn query(&self) -> ActorsQuery {
        let Self { sort, reverse, limit, pattern, under, state, shut, busy, min_depth, show: _ } = self;
        let (under, state) = (under.clone(), state.map(Into::into));
        let matching = filter::query(pattern.as_deref());
        let filter = Filter { under, state, shut: *shut, busy: *busy, min_depth: *min_depth, ..matching };
        // Of rates the order is known here alone, once as many are told as the system tells.
        let limit = (!self.wants_rates()).then_some(*limit);
        ActorsQuery { filter, sort: (*sort).into(), reversed: *reverse, limit }
    }

    /// The list as text.
    pub(crate) fn text(&self, actors: &Actors) -> Result<String, Trouble> {
        nobody(self.pattern.as_deref(), actors.matched, actors.total)?;
        Ok(show::top(actors, self.has_ages()))
    }

    /// Whether somebody was looked for, and nobody found.
    pub(crate) fn is_in_vain(&self, actors: &Actors) -> bool {
        self.pattern.is_some() && actors.matched == 0
    }

    /// Whether it is told how old messages are.
    fn has_ages(&self) -> bool {
        matches!(self.sort, Sort::Oldest)
    }

    /// Whether it is sorted by what is known of a list that is watched, and of no other.
    pub(crate) fn wants_rates(&self) -> bool {
        is_by_rate(self.sort.into())
    }
}

/// What somebody looks for, if it can be understood.
fn pattern(text: &str) -> Result<String, NoPattern> {
    text.parse::<Pattern>().map(|_| text.to_owned())
}

/// An error if somebody was looked for among so many, and nobody found.
fn nobody(pattern: Option<&str>, matched: usize, total: usize) -> Result<(), Trouble> {
    match pattern {
        Some(pattern) if matched == 0 => Err(Trouble::Told(clean(&format!("nobody of {total} matches {pattern}")))),
        _ => Ok(()),
    }
}

/// What is to be watched, if it is a list of a system that runs.
pub(crate) fn list(which: &Which, what: &What) -> Option<(Watchable, Duration)> {
    let every = what.show().watch.as_ref().filter(|_| which.replay.is_none())?.0;
    match what {
        What::Tree(of) => Some((Watchable::Tree(of.query()), every)),
        What::Top(of) => Some((Watchable::Actors(of.query()), every)),
        _ => None,
    }
}

/// A connection to the system that is meant, if that knows how to be watched: older ones are asked again and again.
pub(crate) fn connect(which: &Which) -> Result<Option<Client>, Trouble> {
    let client = find::choose(which)?;
    Ok(Some(client).filter(|client| client.hello().verbs.iter().any(|verb| verb == "watch")))
}

/// Says it again and again, until the system ends or nobody reads.
pub(crate) fn follow(client: &mut Client, what: &What, of: Watchable, every: Duration) -> Result<bool, Trouble> {
    let how = what.show();
    let asked = match &of {
        Watchable::Tree(query) => serde_json::to_value(query),
        Watchable::Actors(query) => serde_json::to_value(query),
    };
    let asked = asked.map_err(|error| Trouble::Told(error.to_string()))?;
    source::heeds(client.hello(), &asked).map_err(ClientError::Refused)?;
    let watch = client.watch(&WatchQuery { of: of.clone(), every: Some(every) })?;
    loop {
        let text = match client.wait(watch) {
            Ok(list) => told(list, what, how)?,
            // It may be there again with the next frame: it is being restarted, or its name is given again.
            Err(ClientError::Refused(why)) => format!("{}\n", clean(&why.message)),
            Err(why) => return Err(why.into()),
        };
        print(&text, how)?;
    }
}

fn told(list: &Watched, what: &What, how: &Show) -> Result<String, Trouble> {
    let nothing = || Trouble::Told("a list that says nothing".to_owned());
    match what {
        What::Top(of) => {
            let mut actors = list.actors().ok_or_else(nothing)?;
            if of.wants_rates() {
                by_rate(&mut actors, of);
            }
            if how.json { data(&actors) } else { in_time(of.text(&actors)) }
        }
        What::Tree(of) => {
            let tree = list.tree().ok_or_else(nothing)?;
            if how.json { data(&tree) } else { in_time(of.text(&tree)) }
        }
        _ => Err(nothing()),
    }
}

/// Nobody may match now, and somebody with the next frame.
fn in_time(text: Result<String, Trouble>) -> Result<String, Trouble> {
    match text {
        Err(Trouble::Told(why)) => Ok(format!("{why}\n")),
        text => text,
    }
}

/// Those that have most in a second, or least, as many as are wanted.
fn by_rate(actors: &mut Actors, of: &TopArgs) {
    let mut rows: Vec<_> = actors.rows.iter().collect();
    rank(&mut rows, of.sort.into(), of.reverse);
    actors.rows = rows.into_iter().take(of.limit).cloned().collect();
}

/// One look at a recording, by what was known in a second when it ended.
pub(crate) fn recorded(which: &Which, of: &TopArgs) -> Result<Said, Trouble> {
    let mut actors: Actors = source::choose(which)?.ask("actors", &of.query())?;
    if !of.is_in_vain(&actors) && actors.rows.iter().all(|row| row.rates.is_none()) {
        let why =
            "not with --replay: --sort rate and --sort busy need what was recorded second by second, as the screens do";
        return Err(Trouble::Told(why.to_owned()));
    }
    by_rate(&mut actors, of);
    let text = if of.show.json { data(&actors)? } else { of.text(&actors)? };
    Ok(Said { text, well: !of.is_in_vain(&actors) })
}
