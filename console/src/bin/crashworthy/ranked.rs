//! The order of a list by what a system does not know, and whoever watches it does: rates.

use std::cmp::Reverse;

use crashworthy_console::protocol::{Row, Sort};

/// Puts first who has most of it, or least, if it is sorted by a rate; equals stay as they are. Any other order is the system's.
pub(crate) fn rank(rows: &mut [&Row], sort: Sort, reversed: bool) {
    let size = |row: &Row| match (sort, row.rates) {
        // To a thousandth: figures that are shown alike are hardly alike.
        (Sort::Rate, Some(rates)) => (rates.handled * 1e3) as u64,
        (Sort::Busy, Some(rates)) => rates.busy_percent.unwrap_or_default().into(),
        _ => 0,
    };
    if !is_by_rate(sort) {
        return;
    }
    match reversed {
        false => rows.sort_by_key(|row| Reverse(size(row))),
        true => rows.sort_by_key(|row| size(row)),
    }
}

/// Whether a system does not know the order.
pub(crate) fn is_by_rate(sort: Sort) -> bool {
    matches!(sort, Sort::Rate | Sort::Busy)
}

#[cfg(test)]
mod tests {
    use crashworthy_console::protocol::Rates;
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_does_most_in_a_second_is_first_or_last_and_equals_stay() {
        let row = |id: u64, rates: Option<(f64, u8)>| -> Row {
            let mut row: Row = serde_json::from_value(json!({
                "pid": { "id": id, "incarnation": 1 }, "path": id.to_string(), "kind": "", "state": "running",
                "doing": null, "depth": 0, "limit": 1, "restarts": 0, "accepted": 0, "handled": 0, "given_up": 0,
                "undelivered": 0, "children": 0,
            }))
            .expect("it is a row");
            row.rates = rates.map(|(handled, busy)| Rates { handled, refused: 0.0, busy_percent: Some(busy) });
            row
        };
        let rows = [row(1, Some((0.5, 9))), row(2, None), row(3, Some((7.25, 3))), row(4, Some((0.0, 0)))];
        let ranked = |sort, reversed| {
            let mut rows: Vec<_> = rows.iter().collect();
            rank(&mut rows, sort, reversed);
            rows.iter().map(|row| row.path.clone()).collect::<Vec<_>>().concat()
        };
        assert_eq!((ranked(Sort::Rate, false), ranked(Sort::Rate, true)), ("3124".into(), "2413".into()));
        assert_eq!((ranked(Sort::Busy, false), ranked(Sort::Busy, true)), ("1324".into(), "2431".into()));
        assert_eq!(ranked(Sort::Depth, true), "1234", "the order of the system");
    }
}
