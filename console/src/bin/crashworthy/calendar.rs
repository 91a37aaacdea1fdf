//! Days and hours, without a library for them.

use std::time::Duration;

/// A moment since the epoch, in UTC: `2026-11-28 02:16:25`.
pub(crate) fn moment(since_epoch: Duration) -> String {
    let (days, seconds) = (since_epoch.as_secs() / 86_400, since_epoch.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day, so many days after the first of January 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin in March have their odd day last; 400 of them are 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        let told = |seconds| moment(Duration::from_secs(seconds));
        assert_eq!(told(0), "1970-01-01 00:00:00");
        assert_eq!(told(951_782_399), "2000-02-28 23:59:59");
        assert_eq!(told(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(told(1_764_296_185), "2025-11-28 02:16:25");
        assert_eq!(told(4_107_542_400), "2100-03-01 00:00:00", "1900 and 2100 have no odd day");
        moment(Duration::MAX);
    }
}
