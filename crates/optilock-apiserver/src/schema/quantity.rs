//! `resource.Quantity`: a number with a unit, and its one canonical spelling.
//!
//! The number is kept as decimal digits, so that no size of input loses precision. Where
//! kube-apiserver keeps the caller's spelling (it does when a quick look says that it is canonical,
//! even for `+5m`) or loses an exponent beyond its suffixes (`1000E` becomes `1`), so does this.

use std::cmp::Ordering;
use std::fmt;

/// Why a text is no quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum QuantityError {
    /// It is not a number with a suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The number has no digits.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The suffix is not known.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// How a quantity is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `12e6`.
    DecimalExponent,
    /// `12Mi`.
    BinarySi,
    /// `12M`.
    DecimalSi,
}

/// A quantity.
#[derive(Debug, Clone)]
pub(crate) struct Quantity {
    number: Decimal,
    format: Format,
    /// The caller's spelling where it stays.
    spelling: Option<Box<str>>,
}

/// Smallest power of ten that a quantity holds: nano. What is smaller is rounded away from zero.
const NANO: i64 = -9;
/// Decimal digits that 64 bits hold whatever they are.
const FAST_DIGITS: i64 = 18;

const DECIMAL: [(&str, i64); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
/// Suffixes of the powers of 1024.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Quantity {
    /// Reads a quantity, without blanks around it.
    pub(crate) fn parse(text: &str) -> Result<Self, QuantityError> {
        let parts = Parts::split(text)?;
        let Unit { power, mut format } = Unit::of(parts.suffix)?;
        let (whole, decimals) = (parts.whole.len() as i64, parts.fraction.len() as i64);
        let digits = [parts.whole, parts.fraction].concat();
        let number = |exponent| Decimal::new(parts.negative, &digits, exponent);
        let quick = |number, stays: bool| {
            let spelling = stays.then(|| text.into());
            Ok(Self {
                number,
                format,
                spelling,
            })
        };

        if let Power::OfTen(exponent) = power {
            let exponent = exponent - decimals;
            if whole + decimals <= FAST_DIGITS && exponent >= NANO {
                let stays =
                    exponent % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0');
                return quick(number(exponent), stays);
            }
        }
        if let Power::OfTwo(exponent) = power {
            let room = 15 - whole - i64::from(exponent) * 3 / 10 - 1;
            if decimals == 0 && room >= 0 {
                // The last three digits tell whether eight divides the number.
                let last = &digits[digits.len().saturating_sub(3)..];
                let stays = last.parse::<u32>().is_ok_and(|last| last % 8 != 0);
                return quick(number(0).times_power_of_two(exponent), stays);
            }
        }
        if !parts.has_digits {
            return Err(QuantityError::Numeric);
        }
        let mut number = match power {
            Power::OfTen(exponent) => number(exponent - decimals),
            Power::OfTwo(exponent) => number(-decimals).times_power_of_two(exponent),
        };
        number.round_to(NANO);
        if format == Format::BinarySi {
            let most = Decimal::new(parts.negative, &i64::MAX.to_string(), 0);
            if number.magnitude(&most) == Ordering::Greater {
                number = most;
            }
            if number.digits_before_point() <= 0 {
                format = Format::DecimalSi;
            }
        }
        Ok(Self {
            number,
            format,
            spelling: None,
        })
    }

    /// The number of a binary quantity as `n * 1024^power` with the greatest power, where it is
    /// a whole number that is not small.
    fn binary_parts(&self) -> Option<(u64, usize)> {
        let bound = Decimal::new(false, "1024", 0);
        if self.format != Format::BinarySi || self.number.magnitude(&bound) == Ordering::Less {
            return None;
        }
        let mut rest = self.number.whole()?;
        let mut power = 0;
        while rest.is_multiple_of(1024) {
            rest /= 1024;
            power += 1;
        }
        Some((rest, power))
    }

    /// Compares the numbers, whatever their units.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self.number.negative, other.number.negative) {
            (false, false) => self.number.magnitude(&other.number),
            (true, true) => other.number.magnitude(&self.number),
            (negative, other) => other.cmp(&negative),
        }
    }
}

/// The canonical spelling.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(spelling) = &self.spelling {
            return f.write_str(spelling);
        }
        if self.number.digits.is_empty() {
            return f.write_str("0");
        }
        if self.number.negative {
            f.write_str("-")?;
        }
        if let Some((rest, power)) = self.binary_parts() {
            return write!(f, "{rest}{}", BINARY.get(power).unwrap_or(&""));
        }
        // The exponent becomes a multiple of three.
        let exponent = self.number.exponent.div_euclid(3) * 3;
        let zeros = self.number.exponent.rem_euclid(3) as usize;
        write!(f, "{}{}", self.number.digits, &"00"[..zeros])?;
        match self.format {
            Format::DecimalExponent if exponent == 0 => Ok(()),
            Format::DecimalExponent => write!(f, "e{exponent}"),
            // What has no suffix is lost, as it is there.
            Format::DecimalSi | Format::BinarySi => {
                let suffix = DECIMAL.iter().find(|(_, power)| *power == exponent);
                f.write_str(suffix.map_or("", |(suffix, _)| suffix))
            }
        }
    }
}

/// `digits * 10^exponent`. The digits neither begin nor end with a zero; zero has none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn new(negative: bool, digits: &str, exponent: i64) -> Self {
        let digits = digits.trim_start_matches('0');
        let kept = digits.trim_end_matches('0');
        let zeros = (digits.len() - kept.len()) as i64;
        // There is one zero.
        let (negative, exponent) = match kept {
            "" => (false, 0),
            _ => (negative, exponent + zeros),
        };
        Self {
            negative,
            digits: kept.into(),
            exponent,
        }
    }

    /// How many digits the whole part has; negative for leading zeros behind the point.
    fn digits_before_point(&self) -> i64 {
        self.digits.len() as i64 + self.exponent
    }

    /// Compares without the sign.
    fn magnitude(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (false, false) => self
                .digits_before_point()
                .cmp(&other.digits_before_point())
                // Of the same length before the point: digit by digit, a missing one is 0.
                .then_with(|| self.digits.cmp(&other.digits)),
            (empty, other) => other.cmp(&empty),
        }
    }

    /// The number without its sign where it is whole and fits.
    fn whole(&self) -> Option<u64> {
        let zeros = u32::try_from(self.exponent).ok()?;
        self.digits
            .parse::<u64>()
            .ok()?
            .checked_mul(10_u64.checked_pow(zeros)?)
    }

    /// Multiplies by `2^power`, at most `2^60`.
    fn times_power_of_two(&self, power: u32) -> Self {
        let mut carry = 0_u128;
        let mut reversed = Vec::with_capacity(self.digits.len() + 20);
        let digit = |carry: &mut u128| {
            let ones = (*carry % 10) as u8;
            *carry /= 10;
            b'0' + ones
        };
        for byte in self.digits.bytes().rev() {
            carry += u128::from(byte - b'0') << power;
            reversed.push(digit(&mut carry));
        }
        while carry > 0 {
            reversed.push(digit(&mut carry));
        }
        let digits: String = reversed.into_iter().rev().map(char::from).collect();
        Self::new(self.negative, &digits, self.exponent)
    }

    /// Drops what is below `10^exponent`, away from zero.
    fn round_to(&mut self, exponent: i64) {
        if self.digits.is_empty() || self.exponent >= exponent {
            return;
        }
        // The last digit is not 0, so that something is dropped.
        let dropped = usize::try_from(exponent - self.exponent).unwrap_or(usize::MAX);
        let mut kept = self.digits.clone().into_bytes();
        kept.truncate(self.digits.len().saturating_sub(dropped));
        let nines = kept
            .iter()
            .rev()
            .take_while(|digit| **digit == b'9')
            .count();
        kept.truncate(kept.len() - nines);
        match kept.last_mut() {
            Some(digit) => *digit += 1,
            None => kept.push(b'1'),
        }
        let digits: String = kept.into_iter().map(char::from).collect();
        *self = Self::new(self.negative, &digits, exponent + nines as i64);
    }
}

/// A quantity's text, taken apart.
struct Parts<'a> {
    negative: bool,
    /// Digits before the point, without leading zeros; `0` when there are none.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
    /// Whether there is a digit on either side of the point.
    has_digits: bool,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let digits = |text: &'a str| {
            let end = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            text.split_at(end)
        };
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (all, mut rest) = digits(unsigned);
        let mut fraction = "";
        if let Some(behind) = rest.strip_prefix('.') {
            (fraction, rest) = digits(behind);
        }
        let letters = rest.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
        let power = letters.strip_prefix(['+', '-']).unwrap_or(letters);
        if !digits(power).1.is_empty() {
            return Err(QuantityError::Format);
        }
        let whole = match all.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        let has_digits = !all.is_empty() || !fraction.is_empty();
        Ok(Self {
            negative,
            whole,
            fraction,
            suffix: rest,
            has_digits,
        })
    }
}

/// What a suffix means.
struct Unit {
    power: Power,
    format: Format,
}

#[derive(Clone, Copy)]
enum Power {
    OfTen(i64),
    OfTwo(u32),
}

impl Unit {
    fn of(suffix: &str) -> Result<Self, QuantityError> {
        if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
            return Ok(Self {
                power: Power::OfTen(*power),
                format: Format::DecimalSi,
            });
        }
        if let Some(power) = BINARY.iter().position(|name| *name == suffix) {
            return Ok(Self {
                power: Power::OfTwo(10 * power as u32),
                format: Format::BinarySi,
            });
        }
        let exponent = suffix
            .strip_prefix(['e', 'E'])
            .and_then(|n| n.parse::<i64>().ok());
        // 32 bits hold the exponent; more wraps around.
        let power = Power::OfTen(i64::from(exponent.ok_or(QuantityError::Suffix)? as i32));
        Ok(Self {
            power,
            format: Format::DecimalExponent,
        })
    }
}
