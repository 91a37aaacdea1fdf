//! Which columns of a list are shown, and how wide: as wide as they must be, and fewer where room is short.

use super::super::page::Page;
use super::super::screens::unicode::width;
use super::cell;

/// Columns between columns.
pub(super) const GAP: usize = 2;
/// A column is not wider, unless there is room.
const WIDEST: usize = 60;
/// What the first column keeps while there are others: of a path the end says most, and the figures stay.
const FIRST: usize = 18;
/// What the last keeps, if it is text: more while there is a column that matters little, less where room is very short.
const LAST: usize = 14;
const LAST_BEFORE_LITTLE: usize = 36;
const LAST_IF_NARROW: usize = 10;
/// Columns of this rank or below matter little.
const LITTLE: u8 = 2;
/// A list with less room is narrow.
const NARROW: usize = 60;

/// A column that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Which one.
    pub(super) number: usize,
    pub(super) wide: usize,
}

pub(super) fn columns(page: &Page, room: usize) -> Vec<Shown> {
    let mut shown: Vec<_> =
        (0..page.columns.len()).map(|number| Shown { number, wide: needed(page, number) }).collect();
    while total(&shown) > room && !shrink(page, &mut shown, room) {
        let others = 1..shown.len();
        match others.min_by_key(|&at| page.columns[shown[at].number].rank) {
            Some(least) => drop(shown.remove(least)),
            None => shown[0].wide = room,
        }
    }
    spread(page, &mut shown, room);
    shown
}

fn needed(page: &Page, number: usize) -> usize {
    let cells = page.items.iter().map(|item| width(cell(item, number))).max().unwrap_or(0);
    cells.max(width(&page.columns[number].head)).min(WIDEST)
}

fn total(shown: &[Shown]) -> usize {
    shown.iter().map(|column| column.wide + GAP).sum::<usize>().saturating_sub(GAP)
}

/// Takes room from the last column, then from the first: of text the rest still says something. Whether that is enough.
fn shrink(page: &Page, shown: &mut [Shown], room: usize) -> bool {
    let excess = total(shown).saturating_sub(room);
    let least_of_last = least_of_last(page, shown, room);
    let [first, .., last] = shown else { return false };
    let of_last = last.wide.saturating_sub(least_of_last).min(excess);
    let of_first = first.wide.saturating_sub(FIRST).min(excess - of_last);
    if of_last + of_first < excess {
        return false;
    }
    last.wide -= of_last;
    first.wide -= of_first;
    true
}

fn least_of_last(page: &Page, shown: &[Shown], room: usize) -> usize {
    let matters_little = shown.iter().any(|column| page.columns[column.number].rank <= LITTLE);
    match shown.last() {
        Some(last) if page.columns[last.number].right => last.wide,
        _ if matters_little => LAST_BEFORE_LITTLE,
        _ if room < NARROW => LAST_IF_NARROW,
        _ => LAST,
    }
}

/// Gives the rest to the last column if it is text, or to the first of a list without names, whose figures stand at the right.
fn spread(page: &Page, shown: &mut [Shown], room: usize) {
    let rest = room.saturating_sub(total(shown));
    match shown {
        [.., last] if !page.columns[last.number].right => last.wide += rest,
        [first, ..] if !page.has_head() => first.wide += rest,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::page::{Column, Item};
    use super::*;

    fn page(columns: Vec<Column>, cells: &[&str]) -> Page {
        let cells = cells.iter().map(|cell| (*cell).to_owned()).collect();
        Page { columns, items: vec![Item { cells, ..Item::default() }], ..Page::default() }
    }

    fn numbers(page: &Page, room: usize) -> Vec<usize> {
        columns(page, room).iter().map(|column| column.number).collect()
    }

    #[test]
    fn the_first_column_stays_and_those_that_matter_least_go() {
        let columns = vec![Column::text("ACTOR", 9), Column::number("LOST", 4), Column::number("QUEUED", 8)];
        let page = page(columns, &["shop/front/left/till", "1", "22"]);
        assert_eq!((numbers(&page, 40), numbers(&page, 28), numbers(&page, 10)), (vec![0, 1, 2], vec![0, 2], vec![0]));
    }

    #[test]
    fn what_matters_little_goes_before_the_last_is_cut_much() {
        let columns = vec![Column::text("ACTOR", 9), Column::text("KIND", LITTLE), Column::text("DOING", 7)];
        let page = page(columns, &["till", "Cashier", &"x".repeat(50)]);
        assert_eq!((numbers(&page, 60), numbers(&page, 48)), (vec![0, 1, 2], vec![0, 2]));
    }

    #[test]
    fn all_of_them_fit_into_any_room() {
        let columns = vec![Column::text("ACTOR", 9), Column::number("LOST", 4), Column::text("DOING", 7)];
        let page = page(columns, &["shop/front/left/till", "1", "handle"]);
        for room in 0..100 {
            assert!(total(&super::columns(&page, room)) <= room, "{room}");
        }
    }
}
