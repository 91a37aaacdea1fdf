//! A supervision tree as a value: built, checked, printed, compared and exported before anything starts.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crashworthy_runtime::Threads;
use serde::{Deserialize, Serialize};

use crate::child_spec::{ChildSpec, Rule, name_rule};
use crate::core::flags_rule;
use crate::partition::MAX_PARTITIONS;
use crate::strategy::{AutoShutdown, Flags};

/// How deep supervisors may nest.
pub const MAX_DEPTH: usize = 64;

/// One supervisor and everything below it.
///
/// ```
/// use crashworthy_supervisor::{ChildSpec, Flags, Strategy, Tree};
/// use std::time::Duration;
///
/// let tree = Tree::new("shop", Flags::default().intensity(3, Duration::from_secs(5)))
///     .worker(ChildSpec::worker("till"))
///     .supervisor(Tree::new("back office", Flags::new(Strategy::RestForOne)).worker(ChildSpec::worker("orders")));
/// tree.check()?;
/// assert_eq!(tree.to_string(), "\
/// shop: supervisor, one_for_one, 3 restarts in 5s
///   till: worker, permanent, shutdown within 5s
///   back office: supervisor, rest_for_one, 1 restart in 5s, permanent, shutdown without limit
///     orders: worker, permanent, shutdown within 5s
/// ");
///
/// let wrong = Tree::new("shop", Flags::default()).supervisor(Tree::new("a/b", Flags::default()));
/// assert_eq!(wrong.check().unwrap_err().to_string(),
///     "shop/\"a/b\": a name must not contain '/', which separates the parts of a path");
/// # Ok::<(), crashworthy_supervisor::InvalidTree>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// How it looks to its own supervisor; at the root only the name counts.
    pub spec: ChildSpec,
    /// Its own settings.
    pub flags: Flags,
    /// Whom it looks after.
    pub members: Members,
}

/// Whom a supervisor looks after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Members {
    /// Named children, in start order.
    Static(Vec<Node>),
    /// Any number of children like this one, started on request.
    Dynamic {
        /// What they have in common.
        template: ChildSpec,
        /// How many there may be at a time.
        max_children: Option<usize>,
    },
    /// So many children like this one, all started with the supervisor. Their names are their numbers, from 0.
    Partitions {
        /// What they have in common.
        template: ChildSpec,
        /// How many there are.
        count: usize,
    },
}

impl Members {
    /// The children that are started with the supervisor, in start order.
    pub(crate) fn specs(&self) -> Vec<ChildSpec> {
        match self {
            Self::Static(nodes) => nodes.iter().map(Node::spec).cloned().collect(),
            Self::Dynamic { .. } => Vec::new(),
            Self::Partitions { template, count } => {
                let numbered = |number: usize| ChildSpec { id: number.to_string().into(), ..template.clone() };
                (0..*count).map(numbered).collect()
            }
        }
    }
}

/// One child in a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// A leaf.
    Worker(ChildSpec),
    /// A branch.
    Supervisor(Tree),
}

impl Node {
    /// How it looks to its supervisor.
    pub fn spec(&self) -> &ChildSpec {
        match self {
            Self::Worker(spec) => spec,
            Self::Supervisor(tree) => &tree.spec,
        }
    }

    /// How many levels of supervisors it is the top of.
    pub(crate) fn levels(&self) -> usize {
        match self {
            Self::Worker(_) => 0,
            Self::Supervisor(tree) => match &tree.members {
                Members::Static(nodes) => 1 + nodes.iter().map(Node::levels).max().unwrap_or(0),
                Members::Dynamic { .. } | Members::Partitions { .. } => 1,
            },
        }
    }
}

impl Tree {
    /// A supervisor without children.
    pub fn new(name: impl Into<Arc<str>>, flags: Flags) -> Self {
        Self { spec: ChildSpec::supervisor(name), flags, members: Members::Static(Vec::new()) }
    }

    /// A supervisor whose children are started on request.
    pub fn dynamic(name: impl Into<Arc<str>>, flags: Flags, template: ChildSpec, max_children: Option<usize>) -> Self {
        Self { spec: ChildSpec::supervisor(name), flags, members: Members::Dynamic { template, max_children } }
    }

    /// A supervisor with so many children of one kind, whose names are their numbers.
    pub fn partitions(name: impl Into<Arc<str>>, flags: Flags, template: ChildSpec, count: usize) -> Self {
        Self { spec: ChildSpec::supervisor(name), flags, members: Members::Partitions { template, count } }
    }

    /// The same with one more worker at the end of the start order.
    ///
    /// # Panics
    /// If the supervisor is a dynamic or a partition supervisor.
    #[must_use]
    pub fn worker(self, spec: ChildSpec) -> Self {
        self.node(Node::Worker(spec))
    }

    /// The same with one more supervisor at the end of the start order.
    ///
    /// # Panics
    /// If the supervisor is a dynamic or a partition supervisor.
    #[must_use]
    pub fn supervisor(self, tree: Tree) -> Self {
        self.node(Node::Supervisor(tree))
    }

    /// The same with one more child at the end of the start order.
    ///
    /// # Panics
    /// If the supervisor is a dynamic or a partition supervisor.
    #[must_use]
    pub fn node(mut self, node: Node) -> Self {
        match &mut self.members {
            Members::Static(children) => children.push(node),
            Members::Dynamic { .. } | Members::Partitions { .. } => {
                panic!("the children of this supervisor are all alike, and not part of the tree")
            }
        }
        self
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.spec.id
    }

    /// Checks every rule of every supervisor and child in the tree.
    ///
    /// # Errors
    /// All violations, in the order of the tree, each with the path of the child and the rule.
    pub fn check(&self) -> Result<(), InvalidTree> {
        let mut violations = Vec::new();
        if let Some(rule) = name_rule(self.name()).or_else(|| self.spec.threads_rule()) {
            violations.push(Violation { path: shown(self.name()), rule });
        }
        self.check_below(&shown(self.name()), 1, &mut violations);
        if violations.is_empty() { Ok(()) } else { Err(InvalidTree { violations }) }
    }

    fn check_below(&self, path: &str, depth: usize, found: &mut Vec<Violation>) {
        if depth > MAX_DEPTH {
            return found.push(Violation { path: path.to_owned(), rule: Rule::TooDeep { max: MAX_DEPTH } });
        }
        found.extend(flags_rule(&self.flags).map(|rule| Violation { path: path.to_owned(), rule }));
        match &self.members {
            Members::Static(children) => {
                let mut seen = BTreeSet::new();
                for node in children {
                    let spec = node.spec();
                    let path = format!("{path}/{}", shown(&spec.id));
                    let duplicate = (!seen.insert(&spec.id)).then_some(Rule::DuplicateId);
                    let rule = spec.broken_rule(self.flags.auto_shutdown).or(duplicate);
                    found.extend(rule.map(|rule| Violation { path: path.clone(), rule }));
                    if let Node::Supervisor(tree) = node {
                        tree.check_below(&path, depth + 1, found);
                    }
                }
            }
            Members::Dynamic { template, max_children } => {
                let no_room = (*max_children == Some(0)).then_some(Rule::NoRoomForChildren);
                found.extend(no_room.map(|rule| Violation { path: path.to_owned(), rule }));
                let path = format!("{path}/{}", shown(&template.id));
                found.extend(template.broken_rule(self.flags.auto_shutdown).map(|rule| Violation { path, rule }));
            }
            Members::Partitions { template, count } => {
                let many = (!(1..=MAX_PARTITIONS).contains(count))
                    .then_some(Rule::PartitionCount { count: *count, max: MAX_PARTITIONS });
                found.extend(many.map(|rule| Violation { path: path.to_owned(), rule }));
                let path = format!("{path}/{}", shown(&template.id));
                found.extend(template.broken_rule(self.flags.auto_shutdown).map(|rule| Violation { path, rule }));
            }
        }
    }
}

/// A tree that breaks rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidTree {
    /// All broken rules, in the order of the tree; never empty.
    pub violations: Vec<Violation>,
}

/// One broken rule and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The path of the child or supervisor, from the root, with `/` between names.
    pub path: String,
    /// The rule.
    pub rule: Rule,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.rule)
    }
}

impl fmt::Display for InvalidTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.violations.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidTree {}

/// A name as it appears in a path: quoted and escaped when it would be misread.
fn shown(name: &str) -> String {
    if name_rule(name).is_none() { name.to_owned() } else { format!("{name:?}") }
}

impl fmt::Display for Tree {
    /// The tree as indented text, one line a child.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, 0)
    }
}

impl Tree {
    fn print(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        indent(f, depth)?;
        write!(f, "{}: ", shown(self.name()))?;
        match &self.members {
            Members::Static(_) => write!(f, "supervisor, {}, {}", self.flags.strategy, self.flags.intensity)?,
            Members::Dynamic { max_children: None, .. } => write!(f, "dynamic supervisor, {}", self.flags.intensity)?,
            Members::Dynamic { max_children: Some(max), .. } => {
                write!(f, "dynamic supervisor, {}, at most {max} children", self.flags.intensity)?;
            }
            Members::Partitions { .. } => write!(f, "partition supervisor, {}", self.flags.intensity)?,
        }
        if let Some(backoff) = self.flags.backoff {
            write!(f, ", {backoff}")?;
        }
        if self.flags.auto_shutdown != AutoShutdown::Never {
            write!(f, ", auto_shutdown {}", self.flags.auto_shutdown)?;
        }
        match depth {
            0 => print_threads(f, &self.spec)?,
            _ => print_fate(f, &self.spec)?,
        }
        writeln!(f)?;
        match &self.members {
            Members::Static(children) => children.iter().try_for_each(|node| match node {
                Node::Worker(spec) => print_leaf(f, spec, &shown(&spec.id), depth + 1),
                Node::Supervisor(tree) => tree.print(f, depth + 1),
            }),
            Members::Dynamic { template, .. } => {
                print_leaf(f, template, &format!("{} (any number)", shown(&template.id)), depth + 1)
            }
            Members::Partitions { template, count } => {
                let names = if *count == 1 { "0".to_owned() } else { format!("0 to {}", count.saturating_sub(1)) };
                print_leaf(f, template, &names, depth + 1)
            }
        }
    }
}

fn print_leaf(f: &mut fmt::Formatter<'_>, spec: &ChildSpec, name: &str, depth: usize) -> fmt::Result {
    indent(f, depth)?;
    write!(f, "{name}: {}", spec.kind)?;
    print_fate(f, spec)?;
    writeln!(f)
}

fn print_fate(f: &mut fmt::Formatter<'_>, spec: &ChildSpec) -> fmt::Result {
    write!(f, ", {}, {}", spec.restart, spec.shutdown)?;
    if spec.significant {
        f.write_str(", significant")?;
    }
    print_threads(f, spec)
}

fn print_threads(f: &mut fmt::Formatter<'_>, spec: &ChildSpec) -> fmt::Result {
    match &spec.threads {
        Threads::Inherited => Ok(()),
        Threads::Bulkhead(bulkhead) => write!(f, ", {bulkhead}"),
        Threads::Own => f.write_str(", a thread of its own"),
        Threads::OwnBeside(bulkhead) => write!(f, ", a thread of its own beside {bulkhead}"),
    }
}

fn indent(f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    write!(f, "{:1$}", "", depth * 2)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::child_spec::{Restart, Shutdown};
    use crate::strategy::Strategy;

    fn shop() -> Tree {
        let orders = Tree::new("orders", Flags::new(Strategy::OneForAll).auto_shutdown(AutoShutdown::AnySignificant))
            .worker(ChildSpec::worker("intake").restart(Restart::Transient).significant())
            .worker(ChildSpec::worker("ledger").shutdown(Shutdown::BrutalKill));
        Tree::new("shop", Flags::default().intensity(3, Duration::from_secs(5)))
            .supervisor(orders)
            .supervisor(Tree::dynamic("visitors", Flags::default(), ChildSpec::worker("visitor"), Some(100)))
            .supervisor(Tree::partitions("counters", Flags::default(), ChildSpec::worker("partition"), 8))
    }

    #[test]
    fn a_tree_is_printed_before_it_starts() {
        assert_eq!(
            shop().to_string(),
            "shop: supervisor, one_for_one, 3 restarts in 5s\n  \
             orders: supervisor, one_for_all, 1 restart in 5s, auto_shutdown any_significant, permanent, shutdown without limit\n    \
             intake: worker, transient, shutdown within 5s, significant\n    \
             ledger: worker, permanent, brutal kill\n  \
             visitors: dynamic supervisor, 1 restart in 5s, at most 100 children, permanent, shutdown without limit\n    \
             visitor (any number): worker, permanent, shutdown within 5s\n  \
             counters: partition supervisor, 1 restart in 5s, permanent, shutdown without limit\n    \
             0 to 7: worker, permanent, shutdown within 5s\n"
        );
    }

    #[test]
    fn a_tree_is_exported_and_read_back_equal() {
        let text = serde_json::to_string(&shop()).expect("a tree is plain data");
        assert_eq!(serde_json::from_str::<Tree>(&text).expect("it was written by us"), shop());
    }

    #[test]
    fn every_violation_is_told_with_the_path_of_the_child_and_the_rule() {
        let below = Tree::new("orders", Flags::default().intensity(1, Duration::ZERO))
            .worker(ChildSpec::worker("a").significant())
            .worker(ChildSpec::worker(""))
            .worker(ChildSpec::worker("a"))
            .supervisor(Tree::dynamic("many", Flags::default(), ChildSpec::worker("x\n"), Some(0)))
            .supervisor(Tree::partitions("none", Flags::default(), ChildSpec::worker("x"), 0));
        let wrong = Tree::new("shop", Flags::default()).supervisor(below).worker(ChildSpec::worker("n".repeat(300)));
        let found: Vec<String> = wrong.check().unwrap_err().violations.iter().map(Violation::to_string).collect();
        assert_eq!(
            found[..7],
            [
                "shop/orders: the period of the restart intensity must be longer than zero",
                "shop/orders/a: a child can be significant only under a supervisor with automatic shutdown",
                "shop/orders/\"\": a name must not be empty",
                "shop/orders/a: an earlier child of the same supervisor has this name",
                "shop/orders/many: max_children must be at least 1",
                "shop/orders/many/\"x\\n\": a name must not contain control characters",
                "shop/orders/none: there are 1 to 4096 partitions, not 0",
            ]
        );
        assert!(found[7].ends_with("a name has at most 255 bytes, this one has 300"), "{}", found[7]);
    }

    #[test]
    fn a_tree_too_deep_is_refused() {
        let deep = (0..MAX_DEPTH).fold(Tree::new("leaf", Flags::default()), |below, level| {
            Tree::new(format!("level {level}"), Flags::default()).supervisor(below)
        });
        assert_eq!(deep.check().unwrap_err().violations[0].rule, Rule::TooDeep { max: MAX_DEPTH });
    }
}
