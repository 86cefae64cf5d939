//! `optilock demo`: the tutorial's two experiments, with and without its client's throttle, and the
//! same update with optilock.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use jiff::Zoned;
use optilock_lab::{
    Event, EventKind, Events, Experiment, Once, OptilockCombined, OptilockUpdate, Outcome,
    RetryOnConflict, Runner, Setup, Strategy, Target, Winners,
};
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};

use crate::{
    failure::{Code, Failure},
    lang::Lang,
    options::{self, BackoffArgs, ThrottleArgs},
    stop::{Ended, Stop},
    summary,
    term::{self, Role, Screen},
};

/// Let workers update one Deployment at the same time: without retries, with client-go's, with
/// optilock
///
/// Runs on an API server of its own, in this process, unless --kubeconfig names another. It creates
/// a Deployment, which it deletes at the end, and touches nothing else.
///
/// Exits with 0 if every counter came out as it should, 1 if not.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run on the cluster of this file's current context instead of the embedded server
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The name of the Deployment, which must not exist yet
    #[arg(long, default_value = "nginx-deployment", value_parser = options::name)]
    name: String,
    /// The namespace of the Deployment, which must exist
    #[arg(long, default_value = "default", value_parser = options::namespace)]
    namespace: String,
    /// How many workers update it
    #[arg(long, value_name = "N", default_value = "5", value_parser = options::workers, allow_hyphen_values = true)]
    workers: usize,
    /// The language of the output [default: that of the locale]
    #[arg(long)]
    lang: Option<Lang>,
    /// Don't ask before creating the Deployment on the cluster of --kubeconfig (without a terminal
    /// nobody is asked)
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    backoff: BackoffArgs,
    #[command(flatten)]
    throttle: ThrottleArgs,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let lang = args.lang.unwrap_or_else(Lang::from_env);
    let mut stop = Stop::listen()?;
    let target = args.target().await?;
    let version = tokio::select! {
        version = target.version() => version?,
        _ = stop.requested() => return Ok(Code::Interrupted.into()),
    };
    let where_it_runs = match (lang, &args.kubeconfig) {
        (Lang::En, Some(_)) => format!("API server {version} at {}", target.address()),
        (Lang::En, None) => format!("embedded API server {version}"),
        (Lang::Zh, Some(_)) => format!("API server {version}, {}", target.address()),
        (Lang::Zh, None) => format!("内置 API server {version}"),
    };
    let screen = Screen::new();
    screen.line(Role::Plain, &where_it_runs)?;
    if let Some(question) = args.question(lang) {
        let answer = tokio::task::spawn_blocking(move || term::confirm(&question));
        let answer = tokio::select! {
            answer = answer => answer.map_err(std::io::Error::from)??,
            _ = stop.requested() => return Ok(Code::Interrupted.into()),
        };
        if answer == Some(false) {
            return Err(Failure::new(
                Code::Failed,
                "not confirmed; nothing was changed",
            ));
        }
    }

    let setup = Setup {
        namespace: args.namespace.clone(),
        name: args.name.clone(),
        workers: args.workers,
        seed: rand::random(),
    };
    let (events, received) = Events::channel();
    let mut demo = Demo {
        lang,
        screen,
        clock: WallClock::now(),
        received,
        stop,
        runner: Runner::new(target, setup, events),
    };
    demo.run(&args.experiments()).await
}

impl Args {
    async fn target(&self) -> Result<Target, Failure> {
        match &self.kubeconfig {
            Some(path) => Ok(Target::from_kubeconfig(path).await?),
            None => Ok(Target::embedded()),
        }
    }

    /// What the user has to agree to, if anything: that somebody's cluster is written to.
    fn question(&self, lang: Lang) -> Option<String> {
        if self.yes || self.kubeconfig.is_none() {
            return None;
        }
        let (namespace, name) = (&self.namespace, &self.name);
        Some(match lang {
            Lang::En => format!(
                "Create Deployment {name:?} in namespace {namespace:?} there, update it and delete \
                 it?"
            ),
            Lang::Zh => format!(
                "在命名空间 {namespace:?} 中创建、更新并删除 Deployment {name:?}, 是否继续?"
            ),
        })
    }

    /// The experiments, in their order: the tutorial's two as the tutorial ran them and then without
    /// the throttle, and the same update with optilock.
    fn experiments(&self) -> Vec<(Title, Experiment)> {
        let backoff = self.backoff.backoff();
        let once = (Title::NoRetry, method(Once), Winners::One);
        let retry = (
            Title::Retry,
            method(RetryOnConflict::new(backoff)),
            Winners::All,
        );
        let optilock = (Title::Optilock, method(OptilockUpdate), Winners::All);
        let combined = (Title::Combined, method(OptilockCombined), Winners::All);
        let throttled = self.throttle.rate().map(Some);
        let free = Some(None);
        [
            (&once, throttled),
            (&retry, throttled),
            (&once, free),
            (&retry, free),
            (&optilock, free),
            (&optilock, throttled),
            (&combined, free),
            (&combined, throttled),
        ]
        .into_iter()
        .filter_map(|((title, strategy, winners), throttle)| {
            let experiment = Experiment {
                strategy: strategy.clone(),
                throttle: throttle?,
                winners: *winners,
            };
            Some((*title, experiment))
        })
        .collect()
    }
}

fn method(strategy: impl Strategy + 'static) -> Arc<dyn Strategy> {
    Arc::new(strategy)
}

/// What an experiment is called.
#[derive(Debug, Clone, Copy)]
enum Title {
    NoRetry,
    Retry,
    Optilock,
    Combined,
}

impl Title {
    fn text(self, lang: Lang) -> &'static str {
        match self {
            Self::NoRetry => lang.choose(
                "Experiment 1: concurrent updates of one object, no retry",
                "1. 模拟 并发修改同一个资源时会存在锁的问题",
            ),
            Self::Retry => lang.choose("Experiment 2: retry on conflict", "2. 模拟 通过冲突重试"),
            Self::Optilock => lang.choose(
                "The same update with optilock, every worker on its own",
                "3. 用 optilock 做同样的更新 (各自更新)",
            ),
            Self::Combined => lang.choose(
                "The same update with optilock, the workers sharing one handle",
                "3. 用 optilock 做同样的更新 (合并写入)",
            ),
        }
    }
}

/// A running demo.
struct Demo {
    lang: Lang,
    screen: Screen,
    clock: WallClock,
    received: UnboundedReceiver<Event>,
    stop: Stop,
    runner: Runner,
}

impl Demo {
    async fn run(&mut self, experiments: &[(Title, Experiment)]) -> Result<ExitCode, Failure> {
        match self.run_all(experiments).await {
            Ok(outcomes) => self.conclude(&outcomes),
            Err(ended) => {
                self.screen.end_progress();
                self.clean_up().await?;
                match ended {
                    Ended::Interrupted => {
                        eprintln!(
                            "{}",
                            self.lang.choose(
                                "interrupted; nothing is left behind",
                                "已中断; 没有遗留任何对象"
                            )
                        );
                        Ok(Code::Interrupted.into())
                    }
                    Ended::Failed(failure) => Err(failure),
                }
            }
        }
    }

    async fn run_all(
        &mut self,
        experiments: &[(Title, Experiment)],
    ) -> Result<Vec<Outcome>, Ended> {
        tokio::select! {
            checked = self.runner.check_rights() => checked?,
            _ = self.stop.requested() => return Err(Ended::Interrupted),
        }
        let mut outcomes = Vec::new();
        for (title, experiment) in experiments {
            let title = title.text(self.lang);
            let throttle = self.lang.throttle(experiment.throttle);
            self.screen.line(Role::Plain, "")?;
            self.screen
                .text(Role::Title, &format!("{title} ({throttle})"))?;
            outcomes.push(self.run_one(title, experiment).await?);
        }
        Ok(outcomes)
    }

    /// Runs one experiment and logs what happens.
    async fn run_one(&mut self, title: &str, experiment: &Experiment) -> Result<Outcome, Ended> {
        let Self {
            lang,
            screen,
            clock,
            received,
            stop,
            runner,
        } = self;
        let mut show = |event: Event| show(*lang, screen, clock, title, &event);
        let run = runner.run(experiment);
        tokio::pin!(run);
        let outcome = loop {
            tokio::select! {
                biased;
                _ = stop.requested() => return Err(Ended::Interrupted),
                Some(event) = received.recv() => show(event)?,
                outcome = &mut run => break outcome,
            }
        };
        while let Ok(event) = received.try_recv() {
            show(event)?;
        }
        self.screen.end_progress();
        Ok(outcome?)
    }

    /// Deletes what a run that was cut off has left, unless the user insists on ending now.
    async fn clean_up(&mut self) -> Result<(), Failure> {
        tokio::select! {
            cleaned = self.runner.clean_up() => Ok(cleaned?),
            _ = self.stop.requested() => Err(Failure::new(
                Code::Interrupted,
                "interrupted while deleting; the Deployment may still be there",
            )),
        }
    }

    fn conclude(&self, outcomes: &[Outcome]) -> Result<ExitCode, Failure> {
        let (lang, screen) = (self.lang, &self.screen);
        screen.line(Role::Plain, "")?;
        screen.table(&summary::table(lang, outcomes))?;
        screen.line(Role::Plain, "")?;
        if let Some(lesson) = summary::lesson(lang, outcomes) {
            screen.text(Role::Plain, &lesson)?;
        }
        let complaints: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| summary::complaint(lang, outcome))
            .collect();
        if complaints.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        for complaint in complaints {
            eprintln!("error: {complaint}");
        }
        Ok(Code::Failed.into())
    }
}

/// Logs an event and moves the progress line on.
fn show(
    lang: Lang,
    screen: &mut Screen,
    clock: &WallClock,
    title: &str,
    event: &Event,
) -> std::io::Result<()> {
    let role = match event.kind {
        EventKind::Started { workers, .. } => {
            screen.start_progress(workers as u64, title.to_owned());
            Role::Plain
        }
        EventKind::Succeeded { .. } => {
            screen.advance();
            Role::Plain
        }
        EventKind::Failed { .. } => {
            screen.advance();
            Role::Bad
        }
        EventKind::Written { .. } => Role::Good,
        EventKind::Finished { .. } => Role::Title,
        EventKind::ForeignWrite { .. } | EventKind::Repeating { .. } => Role::Bad,
        _ => Role::Plain,
    };
    for line in lang.log(&event.kind) {
        screen.text(role, &format!("{} {line}", clock.stamp(event.at)))?;
    }
    Ok(())
}

/// Tells the time of day of an instant.
struct WallClock {
    instant: Instant,
    time: Zoned,
}

impl WallClock {
    fn now() -> Self {
        Self {
            instant: Instant::now(),
            time: Zoned::now(),
        }
    }

    /// As klog writes it: the severity, then month, day and time, as in `I0427 22:58:13.366280`.
    fn stamp(&self, at: Instant) -> String {
        let passed = at.saturating_duration_since(self.instant);
        let time = self.time.saturating_add(passed);
        time.strftime("I%m%d %H:%M:%S%.6f").to_string()
    }
}
