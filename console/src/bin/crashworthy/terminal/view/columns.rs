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
            Some(1) if shown.len() == 2 && stays(page, shown[1]) && room > 2 * GAP => share(&mut shown, room),
            Some(least) => drop(shown.remove(least)),
            None => shown[0].wide = room,
        }
    }
    spread(page, &mut shown, room);
    shown
}

/// Whether it says more than the first.
fn stays(page: &Page, column: Shown) -> bool {
    page.columns[column.number].rank > page.columns[0].rank
}

/// Leaves the first of two a third of the room.
fn share(shown: &mut [Shown], room: usize) {
    let [first, .., last] = shown else { return };
    first.wide = first.wide.min(room / 3);
    last.wide = room.saturating_sub(first.wide + GAP);
}

fn needed(page: &Page, number: usize) -> usize {
    let cells = page.items.iter().map(|item| width(cell(item, number))).max().unwrap_or(0);
    cells.max(width(&page.columns[number].head)).min(WIDEST)
}

fn total(shown: &[Shown]) -> usize {
    shown.iter().map(|column| column.wide + GAP).sum::<usize>().saturating_sub(GAP)
}

/// Takes room from the columns that may be cut, the last among them, and from the first: of text the rest still says something.
/// Whether that is enough.
fn shrink(page: &Page, shown: &mut [Shown], room: usize) -> bool {
    let excess = total(shown).saturating_sub(room);
    let least_of_last = least_of_last(page, shown, room);
    let Some(end) = shown.len().checked_sub(1).filter(|end| *end > 0) else { return false };
    let least = |at: usize, column: &Shown| match page.columns[column.number].least {
        _ if at == end => least_of_last,
        Some(least) if at > 0 => least,
        _ => column.wide,
    };
    let spare = |at: usize, column: &Shown| column.wide.saturating_sub(least(at, column));
    let of_others: usize = shown.iter().enumerate().map(|(at, column)| spare(at, column)).sum();
    let of_first = shown[0].wide.saturating_sub(FIRST);
    if of_others + of_first < excess {
        return false;
    }
    let before = if stays(page, shown[end]) { of_first.min(excess) } else { excess.saturating_sub(of_others) };
    shown[0].wide -= before;
    for _ in before..excess {
        // The widest of them gives most.
        let others = shown.iter().enumerate().filter(|(at, column)| spare(*at, column) > 0);
        let Some(widest) = others.max_by_key(|(_, column)| column.wide).map(|(at, _)| at) else { break };
        shown[widest].wide -= 1;
    }
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
    fn what_says_more_than_the_first_stays_in_any_room_and_the_first_gives_way_to_it() {
        let columns = vec![Column::text("ACTOR", 9), Column::number("AGO", 8), Column::text("WHAT", 10)];
        let page = page(columns, &["a-shop/the-front-of-it/left/till", "1 min 1 s", &"x".repeat(50)]);
        assert_eq!(
            (numbers(&page, 80), numbers(&page, 40), numbers(&page, 8)),
            (vec![0, 1, 2], vec![0, 2], vec![0, 2])
        );
        let wide = |room| super::columns(&page, room).iter().map(|column| column.wide).collect::<Vec<_>>();
        assert_eq!((wide(80), wide(40), wide(20)), (vec![18, 9, 49], vec![18, 20], vec![6, 12]));
    }

    #[test]
    fn what_may_be_cut_is_cut_the_widest_first_before_any_goes() {
        let columns = vec![
            Column::text("ACTOR", 9),
            Column::text("DECISION", 3).cut(16),
            Column::text("IN HAND", 4).cut(12),
            Column::text("REASON", 7),
        ];
        let page = page(columns, &["shop/front/left/till", &"d".repeat(30), "Sell", &"x".repeat(50)]);
        let wide = |room| super::columns(&page, room).iter().map(|column| column.wide).collect::<Vec<_>>();
        assert_eq!((wide(120), wide(100), wide(80)), (vec![20, 30, 7, 57], vec![20, 30, 7, 37], vec![20, 24, 7, 23]));
        assert_eq!((wide(63), wide(61)), (vec![20, 16, 7, 14], vec![18, 16, 7, 14]));
        assert_eq!(numbers(&page, 50), [0, 2, 3], "where that is not enough the least goes");
    }

    #[test]
    fn all_of_them_fit_into_any_room() {
        for rank in [7, 10] {
            let columns = vec![
                Column::text("ACTOR", 9),
                Column::text("DECISION", 3).cut(12),
                Column::number("LOST", 4),
                Column::text("DOING", rank),
            ];
            let page = page(columns, &["shop/front/left/till", "restarted with all", "1", "handle"]);
            for room in 0..100 {
                assert!(total(&super::columns(&page, room)) <= room, "{room}");
            }
        }
    }
}
