//! `optilock tune`: the backoff for so many writers.

use std::{
    io,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use optilock::Backoff;
use optilock_lab::{Contention, Expected, Leg, Target, Tuned, tune};

use crate::{
    failure::{Code, Failure},
    options,
    stop::Stop,
    table::{Column, Group, Table},
    term::{Role, Screen},
};

/// How often a server is asked for its version to learn how far away it is.
const QUESTIONS: u32 = 20;

/// Find the parameters of client-go's Backoff for so many writers of one object
///
/// Tries parameters in virtual time, with the latency of --latency or of the server of --kubeconfig, to which nothing
/// is written. Shows what to expect of the best, of client-go's defaults and of optilock, and the best one in Go and
/// Rust.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many write the object at the same time
    #[arg(long, value_name = "N", value_parser = options::workers, allow_hyphen_values = true)]
    workers: usize,
    /// How many updates each of them makes, one after the other
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=1000))]
    updates: u64,
    /// What one way takes, to the server or back: a duration, or mean and standard deviation as
    /// 10ms:2ms [default: 2ms:0.5ms]
    #[arg(long, value_name = "MEAN[:DEVIATION]", value_parser = options::leg, conflicts_with = "kubeconfig")]
    latency: Option<Leg>,
    /// Measure the latency of the server of this file's current context
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// What random numbers are made from
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// How often the best are tried
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let mut stop = Stop::listen()?;
    let near = Leg {
        mean: Duration::from_millis(2),
        deviation: Duration::from_micros(500),
    };
    let leg = match &args.kubeconfig {
        Some(path) => measure(&Target::from_kubeconfig(path).await?).await?,
        None => args.latency.unwrap_or(near),
    };
    let contention = Contention {
        writers: args.workers,
        updates: args.updates,
        leg,
        seed: args.seed,
        seeds: args.seeds,
    };
    let mut screen = Screen::new();
    screen.start_watch(format!("trying parameters for {} writers", args.workers));
    let tuning = tokio::task::spawn_blocking(move || tune(&contention));
    let tuned = tokio::select! {
        tuned = tuning => tuned.map_err(io::Error::from)?,
        _ = stop.requested() => return Ok(Code::Interrupted.into()),
    };
    screen.end_progress();
    let tuned = tuned.map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
    show(&screen, &contention, &tuned)?;
    Ok(ExitCode::SUCCESS)
}

/// The latency of a server: half of the time of a request that it answers at once. The first one, which makes the
/// connection, doesn't count.
async fn measure(target: &Target) -> Result<Leg, Failure> {
    target.version().await?;
    let mut times = Vec::new();
    for _ in 0..QUESTIONS {
        let asked = Instant::now();
        target.version().await?;
        times.push(asked.elapsed().as_secs_f64() / 2.0);
    }
    let mean = times.iter().sum::<f64>() / f64::from(QUESTIONS);
    let variance =
        times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / f64::from(QUESTIONS);
    Ok(Leg {
        mean: Duration::from_secs_f64(mean),
        deviation: Duration::from_secs_f64(variance.sqrt()),
    })
}

fn show(screen: &Screen, contention: &Contention, tuned: &Tuned) -> io::Result<()> {
    screen.table(&table(contention, tuned))?;
    screen.line(Role::Plain, "")?;
    for line in snippets(&tuned.backoff) {
        screen.line(Role::Plain, &line)?;
    }
    screen.line(Role::Plain, "")?;
    for advice in advice(contention, tuned) {
        screen.text(Role::Plain, &advice)?;
    }
    Ok(())
}

fn table(contention: &Contention, tuned: &Tuned) -> Table {
    let mut columns = vec![Column::left(&["strategy"])];
    let numbers: [&[&str]; 6] = [
        &["gave up %"],
        &["req/update"],
        &["p50 ms"],
        &["p99 ms"],
        &["all done ms", "all ms"],
        &["most attempts", "attempts"],
    ];
    columns.extend(numbers.map(Column::right));
    let row = |name: &str, one: &Expected| {
        let millis = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
        vec![
            name.to_owned(),
            format!("{:.1}", one.abandoned * 100.0),
            format!("{:.2}", one.requests),
            millis(one.p50),
            millis(one.p99),
            millis(one.took),
            one.attempts.to_string(),
        ]
    };
    let others = tuned.others.iter().map(|one| row(&one.strategy, one));
    let Contention {
        writers,
        updates,
        leg,
        ..
    } = contention;
    Table {
        columns,
        groups: vec![Group {
            title: format!(
                "{writers} writers, {updates} updates each, {:.2} ms a way (± {:.2}):",
                leg.mean.as_secs_f64() * 1e3,
                leg.deviation.as_secs_f64() * 1e3,
            ),
            rows: [row("tuned", &tuned.expected)]
                .into_iter()
                .chain(others)
                .collect(),
        }],
    }
}

/// The parameters as code.
fn snippets(backoff: &Backoff) -> [String; 2] {
    let (steps, factor, jitter) = (backoff.steps(), backoff.factor(), backoff.jitter());
    let micros = backoff.duration().as_micros();
    let (go, rust) = match micros % 1000 {
        0 => (
            format!("{} * time.Millisecond", micros / 1000),
            format!("Duration::from_millis({})", micros / 1000),
        ),
        _ => (
            format!("{micros} * time.Microsecond"),
            format!("Duration::from_micros({micros})"),
        ),
    };
    [
        format!(
            "Go:    wait.Backoff{{Steps: {steps}, Duration: {go}, Factor: {factor:?}, Jitter: {jitter:?}}}"
        ),
        format!(
            "Rust:  Backoff::new({steps}, {rust}).with_factor({factor:?}).with_jitter({jitter:?})"
        ),
    ]
}

fn advice(contention: &Contention, tuned: &Tuned) -> Vec<String> {
    let mut said = Vec::new();
    said.push(match tuned.is_certain {
        true => format!(
            "Of writers that collide one always wins: {} that write once each need {} steps at most, so nobody gives up.",
            contention.writers,
            tuned.backoff.steps()
        ),
        false => format!(
            "No number of steps is certain to be enough for writers that go on writing: nobody has needed more than {} \
             here, and the parameters allow twice as many.",
            tuned.expected.attempts
        ),
    });
    if let Some(default) = tuned
        .others
        .iter()
        .find(|one| one.strategy == "default-retry" && one.abandoned > 0.0)
    {
        said.push(format!(
            "client-go's DefaultRetry gives up {:.1} % of the updates: its 5 steps are enough for 5 writers.",
            default.abandoned * 100.0
        ));
    }
    if let Some(optilock) = tuned.others.iter().find(|one| one.strategy == "optilock") {
        said.push(format!(
            "optilock::update takes no parameters and gives up by time, not by a count: {:.2} requests for each update here.",
            optilock.requests
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippets_are_code() {
        let backoff = Backoff::new(7, Duration::from_micros(2500))
            .with_factor(1.0)
            .with_jitter(0.5);
        assert_eq!(
            snippets(&backoff),
            [
                "Go:    wait.Backoff{Steps: 7, Duration: 2500 * time.Microsecond, Factor: 1.0, Jitter: 0.5}",
                "Rust:  Backoff::new(7, Duration::from_micros(2500)).with_factor(1.0).with_jitter(0.5)",
            ]
        );
    }
}
