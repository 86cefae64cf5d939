//! Ages as people read them.

use jiff::SignedDuration;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// Longest duration that Go has: 2^63 - 1 nanoseconds, in seconds.
const LONGEST: i64 = i64::MAX / 1_000_000_000;

/// A duration with two or three significant figures, as `duration.HumanDuration` of apimachinery has it:
/// `119s`, `2m5s`, `179m`, `3h1m`, `47h`, `7d23h`, `729d`, `2y1d`, `8y`.
///
/// Clocks differ, so that less than two seconds in the future is now; more is `<invalid>`.
pub(super) fn human(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().min(LONGEST);
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    // (below, unit, the smaller unit that is shown too)
    let steps = [
        (2 * MINUTE, (1, "s"), None),
        (10 * MINUTE, (MINUTE, "m"), Some((1, "s"))),
        (3 * HOUR, (MINUTE, "m"), None),
        (8 * HOUR, (HOUR, "h"), Some((MINUTE, "m"))),
        (2 * DAY, (HOUR, "h"), None),
        (8 * DAY, (DAY, "d"), Some((HOUR, "h"))),
        (2 * YEAR, (DAY, "d"), None),
        (8 * YEAR, (YEAR, "y"), Some((DAY, "d"))),
        (i64::MAX, (YEAR, "y"), None),
    ];
    let step = steps.iter().find(|(below, ..)| seconds < *below);
    let Some((_, (unit, letter), smaller)) = step else {
        return String::new();
    };
    let whole = seconds / unit;
    match smaller.map(|(part, letter)| (seconds % unit / part, letter)) {
        None | Some((0, _)) => format!("{whole}{letter}"),
        Some((rest, small)) => format!("{whole}{letter}{rest}{small}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_kubectl() {
        for (seconds, expected) in [
            (0, "0s"),
            (1, "1s"),
            (60 + 10, "70s"),
            (119, "119s"),
            (2 * MINUTE, "2m"),
            (2 * MINUTE + 5, "2m5s"),
            (9 * MINUTE + 59, "9m59s"),
            (10 * MINUTE, "10m"),
            (10 * MINUTE + 1, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR, "3h"),
            (3 * HOUR + MINUTE, "3h1m"),
            (8 * HOUR - 1, "7h59m"),
            (8 * HOUR, "8h"),
            (2 * DAY - 1, "47h"),
            (2 * DAY, "2d"),
            (2 * DAY + HOUR, "2d1h"),
            (8 * DAY - 1, "7d23h"),
            (8 * DAY, "8d"),
            (2 * YEAR - 1, "729d"),
            (2 * YEAR, "2y"),
            (2 * YEAR + DAY, "2y1d"),
            (8 * YEAR - 1, "7y364d"),
            (8 * YEAR, "8y"),
            (8 * YEAR + DAY, "8y"),
            (-1, "0s"),
            (-2, "<invalid>"),
            (i64::MAX, "292y"),
        ] {
            assert_eq!(
                human(SignedDuration::from_secs(seconds)),
                expected,
                "{seconds}"
            );
        }
        // Parts of a second are cut off towards zero.
        assert_eq!(human(SignedDuration::from_millis(1999)), "1s");
        assert_eq!(human(SignedDuration::from_millis(-1999)), "0s");
    }
}
