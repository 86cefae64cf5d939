//! Times as Go reads and writes them: `time.Parse` with its errors, `time.Format` in UTC.

use std::ops::RangeInclusive;

use crate::validation::gofmt::quote;

/// Layout of `metav1.Time`.
const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
/// Layout of `metav1.MicroTime`.
const RFC3339_MICRO: &str = "2006-01-02T15:04:05.000000Z07:00";

/// Seconds from the Unix epoch to the zero of Go's `time.Time`, 0001-01-01T00:00:00Z.
const ZERO_SECONDS: i64 = -62_135_596_800;

/// First and last second of the years that RFC 3339 has, 0000 and 9999.
const YEARS: RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// A point in time, in a year that can be read back: Go writes others too, but reads none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant {
    /// Since the Unix epoch.
    seconds: i64,
    /// Within the second.
    nanos: u32,
}

impl Instant {
    /// Seconds since the Unix epoch, and nanoseconds within the second.
    pub(super) fn new(seconds: i64, nanos: u32) -> Result<Self, String> {
        if YEARS.contains(&seconds) {
            return Ok(Self { seconds, nanos });
        }
        Err("year outside of range [0,9999]".into())
    }

    /// Go's `IsZero`: such a time is written as null.
    pub(super) fn is_zero(self) -> bool {
        self.seconds == ZERO_SECONDS && self.nanos == 0
    }

    /// Seconds since the Unix epoch, and nanoseconds within the second.
    pub(super) fn parts(self) -> (i64, u32) {
        (self.seconds, self.nanos)
    }

    /// Reads a `metav1.Time`: RFC 3339 with or without a fraction of a second.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Parser::new(text, RFC3339).parse(false)
    }

    /// Reads a `metav1.MicroTime`: RFC 3339 with exactly six decimals.
    pub(super) fn parse_micro(text: &str) -> Result<Self, String> {
        Parser::new(text, RFC3339_MICRO).parse(true)
    }

    /// As `metav1.Time` writes it: whole seconds.
    pub(super) fn format(self) -> String {
        self.date_time() + "Z"
    }

    /// As `metav1.MicroTime` writes it: six decimals.
    pub(super) fn format_micro(self) -> String {
        format!("{}.{:06}Z", self.date_time(), self.nanos / 1000)
    }

    fn date_time(self) -> String {
        let (days, seconds) = (
            self.seconds.div_euclid(86_400),
            self.seconds.rem_euclid(86_400),
        );
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let mut text = String::with_capacity(RFC3339_MICRO.len());
        for (number, places, behind) in [
            (year, 4, "-"),
            (month, 2, "-"),
            (day, 2, "T"),
            (hour, 2, ":"),
            (minute, 2, ":"),
            (second, 2, ""),
        ] {
            put_digits(number, places, &mut text);
            text.push_str(behind);
        }
        text
    }
}

/// Appends the last digits of a number that is not negative. Objects are full of times, and `format!` takes its own.
fn put_digits(number: i64, places: u32, text: &mut String) {
    for place in (0..places).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        text.push(char::from(b'0' + digit as u8));
    }
}

/// Year, month and day of a number of days since the Unix epoch (proleptic Gregorian calendar;
/// eras of 400 years that begin in March).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `time.Parse` for the two layouts, element by element.
struct Parser<'a> {
    text: &'a str,
    layout: &'static str,
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, layout: &'static str) -> Self {
        Self {
            text,
            layout,
            rest: text.as_bytes(),
        }
    }

    fn parse(mut self, micro: bool) -> Result<Instant, String> {
        let year = self.year()?;
        self.separator("-")?;
        let month = self.number("01", true, 1..=12, "month")?;
        self.separator("-")?;
        // Checked against the month at the end.
        let day = self.number("02", true, 0..=99, "day")?;
        self.separator("T")?;
        let hour = self.number("15", false, 0..=23, "hour")?;
        self.separator(":")?;
        let minute = self.number("04", true, 0..=59, "minute")?;
        self.separator(":")?;
        let second = self.number("05", true, 0..=59, "second")?;
        let nanos = if micro {
            self.micros()?
        } else {
            self.fraction()
        };
        let offset = self.zone()?;
        if !self.rest.is_empty() {
            return Err(self.out_of_range(&format!(": extra text: {}", self.quoted_rest())));
        }
        if day < 1 || day > days_in(year, month) {
            return Err(self.out_of_range(": day out of range"));
        }
        let days = days_from_civil(year, month, day);
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
        Instant::new(seconds, nanos).map_err(|error| self.out_of_range(&format!(": {error}")))
    }

    /// The error about an element of the layout that `rest` does not match.
    fn mismatch(&self, element: &str) -> String {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(self.text),
            quote(self.layout),
            self.quoted_rest(),
            quote(element)
        )
    }

    fn out_of_range(&self, message: &str) -> String {
        format!("parsing time {}{message}", quote(self.text))
    }

    fn quoted_rest(&self) -> String {
        quote(&String::from_utf8_lossy(self.rest))
    }

    fn digit(&self, at: usize) -> Option<i64> {
        let byte = self.rest.get(at)?;
        byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
    }

    fn year(&mut self) -> Result<i64, String> {
        let mut year = 0;
        for at in 0..4 {
            year = year * 10 + self.digit(at).ok_or_else(|| self.mismatch("2006"))?;
        }
        self.rest = &self.rest[4..];
        Ok(year)
    }

    fn separator(&mut self, expected: &str) -> Result<(), String> {
        match self.rest.strip_prefix(expected.as_bytes()) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(self.mismatch(expected)),
        }
    }

    /// Two digits, or one where the layout allows that.
    fn number(
        &mut self,
        element: &str,
        fixed: bool,
        range: RangeInclusive<i64>,
        name: &str,
    ) -> Result<i64, String> {
        let number = match (self.digit(0), self.digit(1)) {
            (Some(tens), Some(ones)) => {
                self.rest = &self.rest[2..];
                tens * 10 + ones
            }
            (Some(ones), None) if !fixed => {
                self.rest = &self.rest[1..];
                ones
            }
            _ => return Err(self.mismatch(element)),
        };
        if range.contains(&number) {
            return Ok(number);
        }
        Err(self.out_of_range(&format!(": {name} out of range")))
    }

    /// A fraction that the layout does not ask for: any number of digits, of which nine count.
    fn fraction(&mut self) -> u32 {
        if !matches!(self.rest.first(), Some(b'.' | b',')) || self.digit(1).is_none() {
            return 0;
        }
        let digits = self.rest[1..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let nanos = (1..=9).fold(0, |sum, at| sum * 10 + self.digit_within(at, digits));
        self.rest = &self.rest[1 + digits..];
        nanos
    }

    fn digit_within(&self, at: usize, digits: usize) -> u32 {
        if at > digits {
            return 0;
        }
        // A digit, hence not negative.
        self.digit(at).unwrap_or_default() as u32
    }

    /// The six decimals of the layout.
    fn micros(&mut self) -> Result<u32, String> {
        let all = (1..=6).all(|at| self.digit(at).is_some());
        if !matches!(self.rest.first(), Some(b'.' | b',')) || !all {
            return Err(self.mismatch(".000000"));
        }
        let micros: u32 = (1..=6).fold(0, |sum, at| sum * 10 + self.digit_within(at, 6));
        self.rest = &self.rest[7..];
        Ok(micros * 1000)
    }

    /// The offset from UTC in seconds: `Z`, `+01:00`.
    fn zone(&mut self) -> Result<i64, String> {
        if let Some(rest) = self.rest.strip_prefix(b"Z") {
            self.rest = rest;
            return Ok(0);
        }
        let mismatch = self.mismatch("Z07:00");
        if self.rest.len() < 6 || self.rest[3] != b':' {
            return Err(mismatch);
        }
        let two = |at| Some(self.digit(at)? * 10 + self.digit(at + 1)?);
        let (Some(hours), Some(minutes)) = (two(1), two(4)) else {
            return Err(mismatch);
        };
        let sign = match self.rest[0] {
            b'+' => 1,
            b'-' => -1,
            _ => return Err(mismatch),
        };
        self.rest = &self.rest[6..];
        // 24 and 60 are let through, as Go does.
        if hours > 24 {
            return Err(self.out_of_range(": time zone offset hour out of range"));
        }
        if minutes > 60 {
            return Err(self.out_of_range(": time zone offset minute out of range"));
        }
        Ok(sign * (hours * 3600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in YEARS, micros in 0..1_000_000_u32) {
            let instant = Instant::new(seconds, micros * 1000).expect("a year in range");
            prop_assert_eq!(Instant::parse_micro(&instant.format_micro()), Ok(instant));
            let whole = Instant::new(seconds, 0).expect("a year in range");
            prop_assert_eq!(Instant::parse(&instant.format()), Ok(whole));
        }

        #[test]
        fn arbitrary_text_does_not_panic(text: String, almost in "[0-9:.TZ+-]{0,40}") {
            let _ = Instant::parse(&text);
            let _ = Instant::parse_micro(&almost);
            let _ = Instant::parse(&almost);
        }
    }

    #[test]
    fn offsets_and_fractions_are_understood() {
        for (text, expected) in [
            ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
            ("2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00Z"),
            ("2024-01-01T00:00:00,999Z", "2024-01-01T00:00:00Z"),
            ("1969-12-31T23:59:59-00:01", "1970-01-01T00:00:59Z"),
        ] {
            assert_eq!(
                Instant::parse(text).map(Instant::format).as_deref(),
                Ok(expected)
            );
        }
        assert!(Instant::parse("9999-12-31T23:59:59-01:00").is_err());
    }
}
