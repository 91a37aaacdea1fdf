//! Which lines of a tree are told: those that match and those above them, down to so many levels, and not what is folded.

use std::collections::HashSet;

use crashworthy_runtime::ActorId;

use crate::limits::FOLDED;
use crate::protocol::{Code, Refusal, TreeQuery};

/// What a query leaves of any tree.
#[derive(Clone, Debug)]
pub struct Outline {
    levels: usize,
    limit: usize,
    each: usize,
    skip: usize,
    folded: HashSet<ActorId>,
}

/// What it leaves of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlined<T> {
    /// How many there are.
    pub total: usize,
    /// How many of them match.
    pub matched: usize,
    /// How many lines that makes.
    pub lines: usize,
    /// The first of those, after those that are left out, with their levels.
    pub told: Vec<(T, usize)>,
}

impl Outline {
    /// Branches that may be folded, at most.
    pub const FOLDED: usize = FOLDED;

    /// What a query asks for, but for its top and what is to match.
    ///
    /// # Errors
    /// [`Code::BadArguments`] if more is folded than may be.
    pub fn new(query: &TreeQuery) -> Result<Self, Refusal> {
        let folded = query.folded.len();
        if folded > FOLDED {
            let why = format!("{folded} branches are folded, allowed are {FOLDED}");
            return Err(Refusal::new(Code::BadArguments, why));
        }
        let [levels, limit, each] = [query.levels, query.limit, query.each].map(|most| most.unwrap_or(usize::MAX));
        let skip = query.skip.unwrap_or(0);
        Ok(Self { levels, limit, each, skip, folded: query.folded.iter().copied().collect() })
    }

    /// No more lines than that, whatever is asked for.
    pub(crate) fn at_most(self, limit: usize) -> Self {
        Self { limit: self.limit.min(limit), ..self }
    }

    /// Draws a tree, whose lines are somebody and his level, parents before their children. All match if nothing says who does.
    ///
    /// # Errors
    /// The first of `matches`.
    pub fn of<T: Copy, I: Iterator<Item = (T, usize)>, E>(
        &self,
        lines: impl Fn() -> I,
        id: impl Fn(T) -> ActorId,
        matches: Option<impl FnMut(T) -> Result<bool, E>>,
    ) -> Result<Outlined<T>, E> {
        let kept = matches.map(|matches| keep(lines(), matches)).transpose()?;
        let mut drawn = Outlined { total: 0, matched: 0, lines: 0, told: Vec::new() };
        // The last whose branch is not told; and at each level how many siblings that have no children are.
        let (mut folded, mut siblings) = (None, Vec::new());
        let mut lines = lines().enumerate().peekable();
        while let Some((number, (one, level))) = lines.next() {
            drawn.total += 1;
            if folded.is_some_and(|above| level > above) {
                continue;
            }
            folded = self.folded.contains(&id(one)).then_some(level);
            if level >= self.levels || kept.as_ref().is_some_and(|(_, kept)| !kept[number]) {
                continue;
            }
            siblings.resize(level + 1, 0);
            if lines.peek().is_none_or(|(_, (_, next))| *next <= level) {
                siblings[level] += 1;
                if siblings[level] > self.each {
                    continue;
                }
            }
            drawn.lines += 1;
            if drawn.lines > self.skip && drawn.told.len() < self.limit {
                drawn.told.push((one, level));
            }
        }
        drawn.matched = kept.map_or(drawn.total, |(matched, _)| matched);
        Ok(drawn)
    }
}

/// How many match, and which lines have them or those above them.
fn keep<T, E>(
    lines: impl Iterator<Item = (T, usize)>,
    mut matches: impl FnMut(T) -> Result<bool, E>,
) -> Result<(usize, Vec<bool>), E> {
    let (mut matched, mut kept) = (0, Vec::new());
    // Where those are who are above the next one, each with its level.
    let mut above: Vec<(usize, usize)> = Vec::new();
    for (number, (one, level)) in lines.enumerate() {
        let matches = matches(one)?;
        kept.push(matches);
        above.truncate(above.partition_point(|(_, higher)| *higher < level));
        if matches {
            matched += 1;
            // Above who is kept everybody is.
            for &(number, _) in above.iter().rev() {
                if std::mem::replace(&mut kept[number], true) {
                    break;
                }
            }
        }
        above.push((number, level));
    }
    Ok((matched, kept))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// `0 ─ (1 ─ (2, 3 ─ 4), 5 ─ 6), 7`, by number and level.
    const TREE: [(u64, usize); 8] = [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (5, 1), (6, 2), (7, 0)];

    fn id(number: u64) -> ActorId {
        serde_json::from_value(number.into()).expect("a number")
    }

    fn drawn(query: TreeQuery, matches: Option<&[u64]>) -> (usize, usize, Vec<u64>) {
        let matches = matches.map(|meant| move |one| Ok::<_, Infallible>(meant.contains(&one)));
        let drawn = Outline::new(&query).unwrap().of(|| TREE.into_iter(), id, matches).unwrap();
        assert_eq!(drawn.total, TREE.len());
        assert!(drawn.told.iter().all(|line| TREE.contains(line)), "levels stay: {drawn:?}");
        (drawn.matched, drawn.lines, drawn.told.into_iter().map(|(one, _)| one).collect())
    }

    fn folded(numbers: &[u64]) -> TreeQuery {
        TreeQuery { folded: numbers.iter().copied().map(id).collect(), ..TreeQuery::default() }
    }

    #[test]
    fn who_matches_is_told_with_those_above() {
        let of = |meant: &[u64]| drawn(TreeQuery::default(), Some(meant));
        assert_eq!(of(&[4]), (1, 4, vec![0, 1, 3, 4]));
        assert_eq!(of(&[4, 2, 7]), (3, 6, vec![0, 1, 2, 3, 4, 7]));
        assert_eq!(of(&[1, 6]), (2, 4, vec![0, 1, 5, 6]));
        assert_eq!(of(&[]), (0, 0, vec![]));
        assert_eq!(drawn(TreeQuery::default(), None), (8, 8, (0..8).collect()));
        let few = TreeQuery { limit: Some(2), ..TreeQuery::default() };
        assert_eq!(drawn(few, Some(&[4])), (1, 4, vec![0, 1]), "what there is no room for is counted");
    }

    #[test]
    fn lines_that_were_told_before_are_left_out_and_counted() {
        let slice = |skip| TreeQuery { limit: Some(3), skip: Some(skip), ..folded(&[3]) };
        assert_eq!(drawn(slice(0), None), (8, 7, vec![0, 1, 2]));
        assert_eq!(drawn(slice(3), None), (8, 7, vec![3, 5, 6]));
        assert_eq!(drawn(slice(6), None), (8, 7, vec![7]));
        assert_eq!(drawn(slice(7), None), (8, 7, vec![]));
    }

    #[test]
    fn below_who_is_folded_nobody_is_told_and_what_comes_after_is() {
        assert_eq!(drawn(folded(&[1]), None), (8, 5, vec![0, 1, 5, 6, 7]));
        assert_eq!(drawn(folded(&[1, 3, 5]), None), (8, 4, vec![0, 1, 5, 7]), "one behind another makes no difference");
        assert_eq!(drawn(folded(&[0]), Some(&[4, 7])), (2, 2, vec![0, 7]));
        assert_eq!(drawn(folded(&[99]), None).1, 8, "who has gone has nobody below");
        let flat = TreeQuery { levels: Some(2), ..folded(&[5]) };
        assert_eq!(drawn(flat, None), (8, 4, vec![0, 1, 5, 7]));
    }

    #[test]
    fn of_those_who_have_nobody_below_so_many_are_told_and_all_others() {
        let each = |each| TreeQuery { each: Some(each), ..TreeQuery::default() };
        // Siblings without children are 2 below 1, 4 below 3, 6 below 5, and 7 at the top.
        assert_eq!(drawn(each(1), None), (8, 8, vec![0, 1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(drawn(each(0), None), (8, 4, vec![0, 1, 3, 5]));
        let all = None::<fn(u64) -> Result<bool, Infallible>>;
        let row: Vec<(u64, usize)> = vec![(0, 0), (1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 1), (7, 0)];
        let told = Outline::new(&each(2)).unwrap().of(|| row.iter().copied(), id, all).unwrap().told;
        assert_eq!(told.into_iter().map(|(one, _)| one).collect::<Vec<_>>(), [0, 1, 2, 4, 5, 7], "who is above others");
    }

    #[test]
    fn more_than_may_be_folded_is_refused() {
        let many: Vec<_> = (0..=FOLDED as u64).collect();
        assert!(Outline::new(&folded(&many[1..])).is_ok());
        let why = Outline::new(&folded(&many)).unwrap_err();
        assert_eq!(
            (why.code, why.message.as_str()),
            (Code::BadArguments, "1001 branches are folded, allowed are 1000")
        );
    }

    #[test]
    fn who_cannot_say_who_matches_ends_it() {
        let mut asked = 0;
        let fails = |_| {
            asked += 1;
            if asked == 3 { Err("enough") } else { Ok(true) }
        };
        let query = TreeQuery::default();
        assert_eq!(Outline::new(&query).unwrap().of(|| TREE.into_iter(), id, Some(fails)), Err("enough"));
        assert_eq!(asked, 3);
    }
}
