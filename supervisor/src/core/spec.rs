//! What a core is built from: flags and children that keep the rules.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::child_spec::{ChildSpec, Rule, name_rule};
use crate::strategy::{AutoShutdown, Flags, Strategy};

/// The specification of one supervisor. One that exists is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub(super) flags: Flags,
    pub(super) members: Members,
}

/// Whom a supervisor looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Members {
    /// Named children, in start order.
    Static(Vec<ChildSpec>),
    /// Any number of nameless children of one kind.
    Dynamic { template: Arc<ChildSpec>, max_children: usize },
}

impl Spec {
    /// A supervisor of named children, started in this order.
    ///
    /// # Errors
    /// Every broken rule, in the order of the children.
    pub fn new(flags: Flags, children: Vec<ChildSpec>) -> Result<Self, Invalid> {
        let mut broken: Vec<_> = flags_rule(&flags).map(|rule| Broken { child: None, rule }).into_iter().collect();
        let mut seen = BTreeSet::new();
        for child in &children {
            let duplicate = (!seen.insert(&child.id)).then_some(Rule::DuplicateId);
            let rule = child.broken_rule(flags.auto_shutdown).or(duplicate);
            broken.extend(rule.map(|rule| Broken { child: Some(child.id.clone()), rule }));
        }
        valid(broken, Self { flags, members: Members::Static(children) })
    }

    /// A supervisor of any number of children that all look like this one and are started on request.
    /// The template's name stands for all of them in reports; the strategy is one for one.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn dynamic(flags: Flags, template: ChildSpec, max_children: Option<usize>) -> Result<Self, Invalid> {
        let flags = Flags { strategy: Strategy::OneForOne, ..flags };
        let no_room = (max_children == Some(0)).then_some(Rule::NoRoomForChildren);
        let of_flags = flags_rule(&flags).or(no_room).map(|rule| Broken { child: None, rule });
        let child = Some(template.id.clone());
        let of_template = template.broken_rule(flags.auto_shutdown).map(|rule| Broken { child, rule });
        let members =
            Members::Dynamic { template: Arc::new(template), max_children: max_children.unwrap_or(usize::MAX) };
        valid(of_flags.into_iter().chain(of_template).collect(), Self { flags, members })
    }
}

/// The first rule a supervisor's own settings break, if any.
pub(crate) fn flags_rule(flags: &Flags) -> Option<Rule> {
    let zero_period = flags.intensity.period.is_zero().then_some(Rule::ZeroPeriod);
    zero_period.or_else(|| flags.backoff.and_then(|backoff| backoff.rule()))
}

/// The first rule that a list of children breaks which was written down without a supervisor, if any: OTP's
/// `check_childspecs`.
///
/// Unless it is said under which automatic shutdown, the rule about [`AutoShutdown::Never`] is not applied.
pub fn check(children: &[ChildSpec], auto_shutdown: Option<AutoShutdown>) -> Option<Broken> {
    let mut seen = BTreeSet::new();
    children.iter().find_map(|child| {
        let duplicate = (!seen.insert(&child.id)).then_some(Rule::DuplicateId);
        let broken = match auto_shutdown {
            Some(auto_shutdown) => child.broken_rule(auto_shutdown),
            None => child.broken_rule_anywhere(),
        };
        let rule = broken.or(duplicate)?;
        Some(Broken { child: Some(child.id.clone()), rule })
    })
}

/// A rule broken by one child, or by the supervisor itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// The child; `None` for the supervisor's own settings.
    pub child: Option<Arc<str>>,
    /// The rule.
    pub rule: Rule,
}

/// A specification that breaks rules: all of them, never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invalid(pub Vec<Broken>);

fn valid(broken: Vec<Broken>, spec: Spec) -> Result<Spec, Invalid> {
    if broken.is_empty() { Ok(spec) } else { Err(Invalid(broken)) }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.child {
            Some(child) if name_rule(child).is_none() => write!(f, "child {child}: {}", self.rule),
            Some(child) => write!(f, "child {child:?}: {}", self.rule),
            None => write!(f, "{}", self.rule),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, broken) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{broken}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}
