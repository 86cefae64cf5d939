//! One run after the other.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
    time::Duration,
};

use optilock_lab::{
    Capacity, Error, Plan, RunSummary, SimulateError, Summary, Target, TargetSummary, Trial,
    history::{Clock, History, Writer},
    measure, simulate_until,
};

use tokio::sync::oneshot;

use super::{export, options::Common, results, twin::Twins};
use crate::{
    failure::{Code, Failure},
    output,
    stop::{Ended, Stop},
    term::{self, Screen},
};

/// How often the line of progress is written anew.
const TICK: Duration = Duration::from_millis(200);

/// The runs of one command.
pub(super) struct Session {
    options: Common,
    stop: Stop,
    screen: Screen,
    target: Target,
    summary: Summary,
    /// For a report, by name.
    histories: Vec<(String, History)>,
}

impl Session {
    pub(super) async fn open(options: Common, stop: Stop) -> Result<Self, Failure> {
        let target = match &options.kubeconfig {
            Some(path) => Target::from_kubeconfig(path)
                .await?
                .answering_within(options.patience),
            None => Target::embedded(),
        };
        let target_summary = TargetSummary {
            address: match options.simulated {
                true => "(simulated)".to_owned(),
                false => target.address().to_owned(),
            },
            server_version: target.version().await?,
            clock: match options.simulated {
                true => Clock::Virtual,
                false => Clock::Monotonic,
            },
        };
        Ok(Self {
            summary: Summary::new(String::new(), target_summary),
            options,
            stop,
            histories: Vec::new(),
            screen: Screen::new(),
            target,
        })
    }

    /// Runs everything and tells what came of it; none where the user has ended it.
    pub(super) async fn run(
        mut self,
        plans: Vec<Plan>,
        twin: bool,
    ) -> Result<Option<Summary>, Failure> {
        if let Some(plan) = plans.first() {
            self.summary.command = reproduction(std::env::args(), plan.seed);
        }
        if !self.agreed(&plans, twin).await? {
            return Ok(None);
        }
        let ran = self.run_all(plans, twin).await;
        self.screen.end_progress();
        let twins = match ran {
            Ok(twins) => twins,
            Err(Ended::Interrupted) => {
                term::note("interrupted; nothing is left behind");
                return Ok(None);
            }
            Err(Ended::Failed(failure)) => return Err(failure),
        };
        export::write(&self.options, &self.summary, &self.histories)?;
        if !self.options.json.as_deref().is_some_and(output::is_stdout) {
            results::show(&self.screen, &self.summary)?;
            if let Some(twins) = twins {
                twins.show(&self.screen)?;
            }
        }
        Ok(Some(self.summary))
    }

    async fn run_all(&mut self, plans: Vec<Plan>, twin: bool) -> Result<Option<Twins>, Ended> {
        let several = plans.len() > 1;
        let mut twins = twin.then(Twins::default);
        let mut live = Vec::new();
        for (index, plan) in plans.into_iter().enumerate() {
            let history = self.history_of(&plan, index, several)?;
            if let Some(twins) = &mut twins
                && twins.needs_measuring(plan.workers)
            {
                twins.keep(plan.workers, self.measured(&plan).await?);
            }
            let summary = self.run_one(plan.clone(), history.as_deref()).await?;
            if twins.is_some() {
                live.push((plan, summary.clone(), history));
            }
            self.summary.runs.push(summary);
        }
        for (plan, summary, history) in live {
            if let Some(twins) = &mut twins {
                let path = history.map(|path| path.with_extension("twin.jsonl"));
                let simulated = self.twins(twins.of(&plan), path.as_deref()).await?;
                twins.push(summary, simulated);
            }
        }
        Ok(twins)
    }

    /// What the server gets done where as many ask as in this run. It takes a few seconds, which ctrl-c waits for: it cleans up behind
    /// itself.
    async fn measured(&mut self, plan: &Plan) -> Result<Capacity, Ended> {
        let clients = plan.workers;
        self.screen
            .start_watch(format!("measuring the server with {clients} clients"));
        let Plan {
            namespace,
            prefix,
            leg,
            ..
        } = plan;
        let measured = measure(&self.target, namespace, prefix, clients, *leg).await;
        self.screen.end_progress();
        Ok(measured?)
    }

    /// A run's twins; the first one's history is kept where the path says.
    async fn twins(
        &mut self,
        plans: Vec<Plan>,
        path: Option<&Path>,
    ) -> Result<Vec<RunSummary>, Ended> {
        let mut twins = Vec::new();
        let mut path = path;
        let of = plans.first();
        let of = of.map(|plan| format!("{} × {} in virtual time", plan.name(), plan.workers));
        self.screen.start_watch(of.unwrap_or_default());
        for plan in plans {
            let (twin, recorded) = self.simulated(plan, None).await?;
            if let Some(path) = path.take() {
                keep(path, &recorded)?;
            }
            twins.push(twin);
        }
        self.screen.end_progress();
        Ok(twins)
    }

    /// Says what is about to be loaded, and how much; whether that is wanted.
    async fn agreed(&mut self, plans: &[Plan], twin: bool) -> Result<bool, Failure> {
        if self.options.simulated {
            return Ok(true);
        }
        let workers = plans.iter().map(|plan| plan.workers).max().unwrap_or(0);
        let objects = plans
            .iter()
            .map(|plan| plan.workload.objects)
            .max()
            .unwrap_or(0);
        let operations: Option<u64> = plans.iter().map(Plan::operations).sum();
        let load = match operations {
            Some(operations) => format!("{operations} operations"),
            None => "updates for as long as --for says".to_owned(),
        };
        let TargetSummary {
            address,
            server_version,
            ..
        } = &self.summary.target;
        let place = format!(
            "API server {server_version} at {address}, namespace {:?}",
            self.options.namespace
        );
        let what = format!(
            "{} of up to {} on up to {} of their own: {load}{}",
            counted(plans.len(), "run"),
            counted(workers, "worker"),
            counted(objects, "object"),
            match twin {
                true =>
                    "; before them, and every few seconds, as many clients ask at once for 4 s, to measure the server",
                false => "",
            },
        );
        term::note(&format!("{place}\n{what}"));
        if self.options.yes || self.target.is_local() {
            return Ok(true);
        }
        let question = "Load this cluster with that?";
        let answer = tokio::task::spawn_blocking(move || term::confirm(question));
        let answer = tokio::select! {
            answer = answer => answer.map_err(io::Error::from)??,
            _ = self.stop.requested() => {
                // The question's line has no end.
                term::note("\ninterrupted; nothing was changed");
                return Ok(false);
            }
        };
        match answer {
            Some(false) => Err(Failure::new(
                Code::Failed,
                "not confirmed; nothing was changed",
            )),
            _ => Ok(true),
        }
    }

    async fn run_one(&mut self, plan: Plan, history: Option<&Path>) -> Result<RunSummary, Ended> {
        let what = format!("{} × {}", plan.name(), plan.workers);
        match plan.operations() {
            Some(total) => self.screen.start_progress(total, what.clone()),
            None => self.screen.start_watch(what.clone()),
        }
        let (mut summary, recorded) = match self.options.simulated {
            true => self.simulated(plan, history).await?,
            false => self.live(plan, &what, history).await?,
        };
        if let Some(path) = history {
            keep(path, &recorded)?;
            summary.history = Some(path.display().to_string());
        }
        if !summary.verdict.ok {
            results::show_violations(&self.screen, &summary, &recorded)?;
        }
        if self.options.report.is_some() {
            let name = format!("{what}, seed {}", summary.seed);
            self.histories.push((name, recorded));
        }
        Ok(summary)
    }

    async fn simulated(
        &mut self,
        plan: Plan,
        path: Option<&Path>,
    ) -> Result<(RunSummary, History), Ended> {
        let (end, ended) = oneshot::channel::<()>();
        let mut simulated = tokio::task::spawn_blocking(move || {
            // Both the message and the loss of its sender mean the end.
            simulate_until(plan, async { drop(ended.await) })
        });
        let simulated = tokio::select! {
            simulated = &mut simulated => simulated,
            _ = self.stop.requested() => {
                drop(end);
                simulated.await
            }
        };
        match simulated.map_err(io::Error::from)? {
            Ok(done) => Ok(done),
            Err(SimulateError::Stopped { history }) => {
                self.screen.end_progress();
                interrupted(path, &history)?;
                Err(Ended::Interrupted)
            }
            Err(SimulateError::Run { error, history }) => {
                let failure = Failure::from(*error);
                Err(Ended::Failed(kept(failure, path, &history)))
            }
            Err(error) => Err(Failure::new(Code::Failed, error.to_string()).into()),
        }
    }

    async fn live(
        &mut self,
        plan: Plan,
        what: &str,
        path: Option<&Path>,
    ) -> Result<(RunSummary, History), Ended> {
        let trial = Trial::new(self.target.clone(), plan)
            .map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
        let outcome = {
            let mut tick = tokio::time::interval(TICK);
            let run = trial.run();
            tokio::pin!(run);
            loop {
                tokio::select! {
                    biased;
                    _ = self.stop.requested() => break None,
                    outcome = &mut run => break Some(outcome),
                    _ = tick.tick() => {
                        if let Some(glance) = trial.progress().glance() {
                            self.screen.show_progress(glance.done, results::glance(what, &glance));
                        }
                    }
                }
            }
        };
        match outcome {
            Some(Ok(summary)) => Ok((summary, trial.history())),
            Some(Err(error)) => Err(Ended::Failed(failed(error, path, &trial.history()))),
            None => {
                self.screen.end_progress();
                interrupted(path, &trial.history())?;
                tokio::select! {
                    cleaned = trial.clean_up() => cleaned?,
                    _ = self.stop.requested() => {
                        let message = "interrupted while deleting; objects of the run may still be there";
                        return Err(Failure::new(Code::Interrupted, message).into());
                    }
                }
                Err(Ended::Interrupted)
            }
        }
    }

    /// Where a run's history goes, if it is to be kept.
    fn history_of(
        &self,
        plan: &Plan,
        index: usize,
        several: bool,
    ) -> Result<Option<PathBuf>, Failure> {
        let Some(path) = &self.options.history else {
            return Ok(None);
        };
        if !several {
            return Ok(Some(path.clone()));
        }
        fs::create_dir_all(path).map_err(|error| {
            Failure::new(
                Code::Usage,
                format!("can't keep histories in {}: {error}", path.display()),
            )
            .hint("of several runs, --history names a directory")
        })?;
        let name = format!("{:03}-{}-{}.jsonl", index + 1, plan.name(), plan.workers);
        Ok(Some(path.join(name)))
    }
}

/// So many of something.
fn counted(number: usize, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {one}{ending}")
}

/// A failure, and where the history up to it is.
fn failed(error: Error, path: Option<&Path>, history: &History) -> Failure {
    kept(Failure::from(error), path, history)
}

fn kept(failure: Failure, path: Option<&Path>, history: &History) -> Failure {
    let Some(path) = path else { return failure };
    match keep(path, history) {
        Ok(()) => failure.hint(format!("the history up to here is in {}", path.display())),
        Err(_) => failure.hint(format!(
            "nor could the history be kept in {}",
            path.display()
        )),
    }
}

/// Keeps the history of a run that the user has ended.
fn interrupted(path: Option<&Path>, history: &History) -> Result<(), Failure> {
    if let Some(path) = path {
        keep(path, history)?;
        term::note(&format!("the history up to here is in {}", path.display()));
    }
    Ok(())
}

fn keep(path: &Path, history: &History) -> Result<(), Failure> {
    let written = File::create(path)
        .and_then(|file| Writer::write_all(BufWriter::new(file), history).map(drop));
    written.map_err(|error| {
        Failure::new(
            Code::Failed,
            format!("can't write the history to {}: {error}", path.display()),
        )
        .hint("give --history a file that you may write")
    })
}

/// The command line that does the same again: with the seed, if it was made up.
fn reproduction(args: impl Iterator<Item = String>, seed: u64) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    let mut words: Vec<_> = args
        .enumerate()
        .map(|(index, word)| match word {
            _ if index == 0 => "optilock".to_owned(),
            word if !word.is_empty() && word.chars().all(is_plain) => word,
            word => format!("'{}'", word.replace('\'', r"'\''")),
        })
        .collect();
    let has_seed = |word: &String| word == "--seed" || word.starts_with("--seed=");
    if !words.iter().any(has_seed) {
        words.push(format!("--seed {seed}"));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::reproduction;

    #[test]
    fn the_command_can_be_typed_again() {
        let words = |words: &[&str]| {
            words
                .iter()
                .map(|&word| word.to_owned())
                .collect::<Vec<_>>()
        };
        let made_up = words(&["/bin/x", "run", "--history", "it's here"]);
        let again = r"optilock run --history 'it'\''s here' --seed 7";
        assert_eq!(reproduction(made_up.into_iter(), 7), again);
        let given = words(&["optilock", "run", "--seed=3"]);
        assert_eq!(reproduction(given.into_iter(), 3), "optilock run --seed=3");
    }
}
