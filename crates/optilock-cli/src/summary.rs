//! What the demo says at the end: a table, and what it means.

use console::Alignment;
use optilock_lab::{Outcome, Rate, RetryOnConflict};

use crate::{
    lang::Lang,
    table::{Column, Group, Table},
};

/// A column of the table of outcomes: its headers in both languages, the longest first, and its
/// cells.
struct Field {
    en: &'static [&'static str],
    zh: &'static [&'static str],
    alignment: Alignment,
    cell: fn(Lang, &Outcome) -> String,
}

const fn number(
    en: &'static [&'static str],
    zh: &'static [&'static str],
    cell: fn(Lang, &Outcome) -> String,
) -> Field {
    Field {
        en,
        zh,
        alignment: Alignment::Right,
        cell,
    }
}

const FIELDS: &[Field] = &[
    Field {
        en: &["method"],
        zh: &["方法"],
        alignment: Alignment::Left,
        cell: |lang, outcome| lang.strategy(outcome.strategy).to_owned(),
    },
    number(
        &["final value", "final value", "final"],
        &["最终值"],
        |_, outcome| outcome.final_value.to_string(),
    ),
    number(
        &["succeeded", "succeeded", "ok"],
        &["成功"],
        |_, outcome| outcome.succeeded.to_string(),
    ),
    number(&["conflicts"], &["冲突"], |_, outcome| {
        outcome.conflicts.to_string()
    }),
    number(&["requests"], &["请求"], |_, outcome| {
        outcome.requests.to_string()
    }),
    number(
        &["time (ms)", "ms"],
        &["耗时(毫秒)", "毫秒"],
        |_, outcome| outcome.took.as_millis().to_string(),
    ),
    number(
        &["of it throttled", "throttled"],
        &["其中限流"],
        |_, outcome| outcome.shares.throttled.as_millis().to_string(),
    ),
    number(&["backoff sleep", "backoff"], &["退避"], |_, outcome| {
        outcome.shares.backoff.as_millis().to_string()
    }),
    number(
        &["waiting for server", "server"],
        &["等待服务器"],
        |_, outcome| outcome.shares.server.as_millis().to_string(),
    ),
];

/// The table of the outcomes, those with the same throttle together.
pub(crate) fn table(lang: Lang, outcomes: &[Outcome]) -> Table {
    let columns = FIELDS
        .iter()
        .map(|field| Column::aligned(lang.choose(field.en, field.zh), field.alignment));
    let mut throttles: Vec<Option<Rate>> = Vec::new();
    for outcome in outcomes {
        if !throttles.contains(&outcome.throttle) {
            throttles.push(outcome.throttle);
        }
    }
    let groups = throttles.into_iter().map(|throttle| Group {
        title: format!("{}:", lang.throttle(throttle)),
        rows: outcomes
            .iter()
            .filter(|outcome| outcome.throttle == throttle)
            .map(|outcome| {
                FIELDS
                    .iter()
                    .map(|field| (field.cell)(lang, outcome))
                    .collect()
            })
            .collect(),
    });
    Table {
        columns: columns.collect(),
        groups: groups.collect(),
    }
}

/// What the throttle costs and what the lock costs, told by the tutorial's second experiment.
pub(crate) fn lesson(lang: Lang, outcomes: &[Outcome]) -> Option<String> {
    let mut retries = outcomes
        .iter()
        .filter(|outcome| outcome.strategy == RetryOnConflict::ID);
    let throttled = retries.clone().find(|outcome| outcome.throttle.is_some())?;
    let free = retries.find(|outcome| outcome.throttle.is_none())?;
    let name = lang.strategy(throttled.strategy);
    let (with, without) = (throttled.took.as_millis(), free.took.as_millis());
    let waited = throttled.shares.throttled.as_millis();
    Some(match lang {
        Lang::En => format!(
            "Of the {with} ms of \"{name}\" the client waited {waited} ms for its own throttle, which has \
             nothing to do with locking. Without it the same updates took {without} ms: that is what \
             the optimistic lock costs."
        ),
        Lang::Zh => format!(
            "“{name}”耗时{with}毫秒, 其中{waited}毫秒是客户端自身的限流等待, 与锁无关。\
             去掉限流后同样的更新只需{without}毫秒: 这才是乐观锁的代价。"
        ),
    })
}

/// What is wrong with an outcome that isn't the expected one.
pub(crate) fn complaint(lang: Lang, outcome: &Outcome) -> Option<String> {
    if outcome.is_expected() {
        return None;
    }
    let name = lang.strategy(outcome.strategy);
    let (value, expected) = (outcome.final_value, outcome.expected_value());
    let Outcome {
        succeeded,
        workers,
        conflicts,
        ..
    } = outcome;
    let mut text = match lang {
        Lang::En => format!(
            "\"{name}\" ended at {value} instead of {expected}, with {succeeded} of {workers} \
             workers successful and {conflicts} conflicts."
        ),
        Lang::Zh => format!(
            "“{name}”的最终值为{value}, 应为{expected}; {workers}个协程中{succeeded}个成功, \
             冲突{conflicts}次。"
        ),
    };
    if !outcome.counts_right() {
        text.push_str(lang.choose(
            " The value doesn't agree with the number of successes: an update was lost or applied \
             twice.",
            "最终值与成功次数不符: 有更新丢失或重复。",
        ));
    } else if outcome.foreign_versions > 0 {
        let writers = lang.writers(&outcome.foreign_writers);
        text.push_str(&match lang {
            Lang::En => format!(" Somebody else wrote the object too: {writers}."),
            Lang::Zh => format!("其他写入者也修改了对象: {writers}。"),
        });
    } else if succeeded < workers {
        text.push_str(lang.choose(
            " The lines above say why the others gave up; with --steps as large as --workers, all \
             get through.",
            "失败原因见上面的日志; --steps 不小于 --workers 时全部都能成功。",
        ));
    }
    Some(text)
}
