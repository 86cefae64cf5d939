//! Options that several commands have.

use std::time::Duration;

use optilock::Backoff;
use optilock_lab::{Leg, Rate};

use crate::duration;

/// The parameters of the retries, as in apimachinery's wait.Backoff.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Backoff of the retries")]
pub(crate) struct BackoffArgs {
    /// How often to try at most; N workers that each write once need at most N; `unlimited` never
    /// gives up
    #[arg(long, value_name = "N", default_value = "10", value_parser = steps, allow_hyphen_values = true)]
    steps: i64,
    /// How long to wait after the first try, as Go writes it: 10ms, 1.5s, 5m
    #[arg(long, value_name = "DURATION", default_value = "10ms", value_parser = duration::parse, allow_hyphen_values = true)]
    duration: Duration,
    /// What the wait is multiplied by from one try to the next; 0 leaves it as it is
    #[arg(long, default_value = "1.0", value_parser = not_negative, allow_hyphen_values = true)]
    factor: f64,
    /// How much of the wait is added to it at random: 0.1 makes 10ms one of 10ms to 11ms
    #[arg(long, default_value = "0.1", value_parser = not_negative, allow_hyphen_values = true)]
    jitter: f64,
    /// The wait that ends the tries when it would be exceeded; 0 for none
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration::parse, allow_hyphen_values = true)]
    cap: Duration,
}

impl BackoffArgs {
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::new(self.steps, self.duration)
            .with_factor(self.factor)
            .with_jitter(self.jitter)
            .with_cap(self.cap)
    }
}

/// The client-side throttle.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Client-side throttle")]
pub(crate) struct ThrottleArgs {
    /// Requests per second that the workers allow themselves together; 0 for no throttle
    #[arg(long, default_value = "5", value_parser = qps, allow_hyphen_values = true)]
    qps: f32,
    /// Requests that may go out at once before the throttle bites
    #[arg(long, default_value = "10", value_parser = burst, allow_hyphen_values = true)]
    burst: u32,
}

impl ThrottleArgs {
    pub(crate) fn rate(&self) -> Option<Rate> {
        (self.qps > 0.0).then_some(Rate {
            qps: self.qps,
            burst: self.burst,
        })
    }
}

fn steps(text: &str) -> Result<i64, String> {
    const MAX: i64 = i32::MAX as i64;
    if text == "unlimited" {
        return Ok(MAX);
    }
    let advice = format!("a number from 1 to {MAX}, or `unlimited`");
    match text.parse() {
        Ok(0) => Err(format!(
            "with 0 steps nothing would be tried; take {advice}"
        )),
        Ok(steps @ 1..=MAX) => Ok(steps),
        _ => Err(format!("take {advice}")),
    }
}

pub(crate) fn workers(text: &str) -> Result<usize, String> {
    const MAX: usize = 10_000;
    let advice = format!("a number from 1 to {MAX}");
    match text.parse() {
        Ok(0) => Err(format!(
            "with 0 workers nothing would be updated; take {advice}"
        )),
        Ok(workers @ 1..=MAX) => Ok(workers),
        _ => Err(format!("take {advice}")),
    }
}

/// The time of one way: `10ms`, or mean and standard deviation as `10ms:2ms`.
pub(crate) fn leg(text: &str) -> Result<Leg, String> {
    let (mean, deviation) = text.split_once(':').unwrap_or((text, "0"));
    let part = |text| duration::parse(text).map_err(|error| error.to_string());
    Ok(Leg {
        mean: part(mean)?,
        deviation: part(deviation)?,
    })
}

/// The name of an object: a DNS subdomain.
pub(crate) fn name(text: &str) -> Result<String, String> {
    const MAX: usize = 253;
    if text.len() <= MAX && text.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "take lower case letters, digits, `-` and `.`, {MAX} at most, a letter or digit at both ends"
    ))
}

/// The name of a namespace: a DNS label.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    const MAX: usize = 63;
    if text.len() <= MAX && is_label(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "take lower case letters, digits and `-`, {MAX} at most, a letter or digit at both ends"
    ))
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=f64::MAX).contains(&number) => Ok(number),
        Ok(_) => Err("take a number that is not negative, and finite".to_owned()),
        Err(_) => Err("take a number, as 0.1 or 2".to_owned()),
    }
}

pub(crate) fn qps(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(qps) if (0.0..=f32::MAX).contains(&qps) => Ok(qps),
        _ => Err(
            "take a number of requests per second, as 5 or 0.5, or 0 for no throttle".to_owned(),
        ),
    }
}

pub(crate) fn burst(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(burst @ 1..) => Ok(burst),
        _ => Err(format!(
            "take a number from 1 to {}; `--qps 0` is no throttle at all",
            u32::MAX
        )),
    }
}
