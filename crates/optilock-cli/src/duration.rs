//! Durations as Go writes them: `10ms`, `1.5s`, `5m`, `1h2m3s`.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    #[error("a duration can't be negative")]
    Negative,
    #[error("a duration is a number with a unit, as in 10ms, 1.5s, 5m or 1h30m")]
    NotADuration,
    #[error("a duration needs a unit: {0}ms, {0}s, {0}m or {0}h")]
    NoUnit(String),
    #[error("there is no unit {0:?}; the units are ns, us, ms, s, m and h")]
    UnknownUnit(String),
    #[error("a duration can't be longer than 292 years")]
    TooLong,
}

/// The longest duration that Go can hold, in nanoseconds.
const MAX_NANOS: u128 = i64::MAX as u128;

/// Parses a duration by the rules of Go's `time.ParseDuration`: numbers, decimals allowed, each with
/// a unit, added up; a bare `0` needs none. What is finer than a nanosecond is cut off.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if unsigned
        .strip_prefix('-')
        .is_some_and(|rest| !rest.is_empty())
    {
        return Err(DurationError::Negative);
    }
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(DurationError::NotADuration);
    }
    let mut rest = unsigned;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after, |c| !c.is_ascii_digit() && c != '.');
        total += nanos(number, unit)?;
        if total > MAX_NANOS {
            return Err(DurationError::TooLong);
        }
        rest = after;
    }
    u64::try_from(total)
        .map(Duration::from_nanos)
        .map_err(|_| DurationError::TooLong)
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn nanos(number: &str, unit: &str) -> Result<u128, DurationError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::NotADuration);
    }
    let unit: u128 = match unit {
        "ns" => 1,
        // The micro sign and the Greek letter, as Go accepts both.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err(DurationError::NoUnit(number.to_owned())),
        unknown => return Err(DurationError::UnknownUnit(unknown.to_owned())),
    };
    let whole: u128 = match whole {
        "" => 0,
        digits => digits.parse().map_err(|_| DurationError::TooLong)?,
    };
    let whole = whole.checked_mul(unit).ok_or(DurationError::TooLong)?;
    // An hour has less than 10^13 ns: digits beyond the eighteenth don't reach one nanosecond.
    let digits = &fraction[..fraction.len().min(18)];
    let scale = 10u128.pow(digits.len() as u32);
    let part: u128 = digits.parse().unwrap_or(0);
    Ok(whole + part * unit / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("+5s", 5_000_000_000),
            ("10ms", 10_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("5m", 300_000_000_000),
            ("1h2m", 3_720_000_000_000),
            ("1h2m3.004s", 3_723_004_000_000),
            ("12us", 12_000),
            ("12µs", 12_000),
            ("12μs", 12_000),
            ("7ns", 7),
            ("1.9ns", 1),
            ("0.000000001h", 3_600),
            ("2m0.000000001s", 120_000_000_001),
            ("9223372036854775807ns", i64::MAX as u64),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        use DurationError::*;
        for (text, error) in [
            ("", NotADuration),
            ("-", NotADuration),
            ("-1s", Negative),
            ("10", NoUnit("10".into())),
            ("1h30", NoUnit("30".into())),
            ("1d", UnknownUnit("d".into())),
            ("1 s", UnknownUnit(" s".into())),
            ("s", NotADuration),
            (".s", NotADuration),
            ("1.2.3s", NotADuration),
            ("abc", NotADuration),
            ("9223372036854775808ns", TooLong),
            ("300000000h", TooLong),
            ("99999999999999999999999999999999999999999h", TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}
