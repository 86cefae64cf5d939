//! The texts of the demo, in the two languages of the tutorial that it re-enacts.

use clap::ValueEnum;
use optilock_lab::{EventKind, FieldManager, Once, OptilockCombined, Rate, RetryOnConflict};

/// A language of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// English
    En,
    /// 中文
    Zh,
}

impl Lang {
    /// The language of the locale: what `LC_ALL` says, or else `LC_MESSAGES`, or else `LANG`.
    pub(crate) fn from_env() -> Self {
        Self::from_locale(|variable| std::env::var(variable).ok())
    }

    fn from_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty())
            .unwrap_or_default();
        let language = locale
            .split(['_', '.', '@', '-'])
            .next()
            .unwrap_or_default();
        if language.eq_ignore_ascii_case("zh") {
            Self::Zh
        } else {
            Self::En
        }
    }

    /// One of two texts.
    pub(crate) fn choose<T>(self, en: T, zh: T) -> T {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }

    /// The name of a worker.
    fn worker(self, index: usize) -> String {
        format!("{}-{index}", self.choose("worker", "goroutine"))
    }

    /// A strategy's short name, for a table.
    pub(crate) fn strategy(self, id: &'static str) -> &'static str {
        match id {
            Once::ID => self.choose("no retry", "不重试"),
            RetryOnConflict::ID => self.choose("retry", "冲突重试"),
            OptilockCombined::ID => self.choose("combined", "合并写入"),
            id => id,
        }
    }

    /// The throttle that is in effect, as part of a title.
    pub(crate) fn throttle(self, throttle: Option<Rate>) -> String {
        let Some(Rate { qps, burst }) = throttle else {
            return self.choose("no throttle", "无客户端限流").to_owned();
        };
        match self {
            Self::En => format!("throttled to {qps} requests/s, burst {burst}"),
            Self::Zh => format!("客户端限流 {qps} 请求/秒, burst {burst}"),
        }
    }

    /// Those who wrote besides the workers.
    pub(crate) fn writers(self, writers: &[FieldManager]) -> String {
        let names: Vec<_> = writers.iter().map(ToString::to_string).collect();
        match names.as_slice() {
            [] => self.choose("somebody unknown", "未知的写入者").to_owned(),
            names => names.join(", "),
        }
    }

    /// What is logged of an event: the tutorial's own lines where it has one.
    pub(crate) fn log(self, event: &EventKind) -> Vec<String> {
        let worker = |index: usize| self.worker(index);
        let line = match event {
            EventKind::Creating => {
                let line = "Creating deployment...".to_owned();
                return match self {
                    Self::En => vec![line],
                    Self::Zh => vec!["开始创建deployment".to_owned(), line],
                };
            }
            EventKind::Created { name } => format!("Created deployment {name:?}"),
            EventKind::Settling => self
                .choose(
                    "waiting until controllers have done with it",
                    "等待控制器处理完毕",
                )
                .to_owned(),
            EventKind::Settled { resource_version } => match self {
                Self::En => format!("it is quiet, resource version: {resource_version}"),
                Self::Zh => format!("对象已稳定, resource version: {resource_version}"),
            },
            EventKind::StillBusy { resource_version } => match self {
                Self::En => {
                    format!("it is still being written, resource version: {resource_version}")
                }
                Self::Zh => format!("对象仍在被修改, resource version: {resource_version}"),
            },
            EventKind::WorkersStarted { workers } => match self {
                Self::En => format!("updating the custom label in {workers} workers at once"),
                Self::Zh => "在协程中并发更新自定义标签".to_owned(),
            },
            EventKind::Read {
                worker: index,
                value,
                resource_version,
            } => format!(
                "{}, current label: {value}, resource version: {resource_version}",
                worker(*index)
            ),
            EventKind::Written {
                worker: index,
                update,
            } => format!(
                "---> [success] {}, current label: {}, resource version old: {}, new: {}",
                worker(*index),
                update.value,
                update.old,
                update.new
            ),
            EventKind::Succeeded { worker: index } => format!("{} update success", worker(*index)),
            EventKind::Failed {
                worker: index,
                error,
            } => format!("{} update err: {error}", worker(*index)),
            EventKind::Finished { value, took } => match self {
                Self::En => format!(
                    "final value of the custom label: {value}, took {} ms",
                    took.as_millis()
                ),
                Self::Zh => {
                    format!(
                        "自定义标签的最终值为: {value}，耗时{}毫秒",
                        took.as_millis()
                    )
                }
            },
            EventKind::ForeignWrite { writers } => match self {
                Self::En => format!(
                    "somebody else wrote it in the meantime: {}",
                    self.writers(writers)
                ),
                Self::Zh => format!("期间有其他写入者修改了对象: {}", self.writers(writers)),
            },
            EventKind::Repeating { attempt, of } => match self {
                Self::En => {
                    format!("which spoilt the experiment; doing it again ({attempt} of {of})")
                }
                Self::Zh => format!("实验受到干扰, 重新进行 (第{attempt}次, 共{of}次)"),
            },
            // Told by a title, or unknown to this version.
            _ => return Vec::new(),
        };
        vec![line]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locale(variables: &[(&str, &str)]) -> Lang {
        Lang::from_locale(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn follows_the_locale() {
        assert_eq!(locale(&[]), Lang::En);
        assert_eq!(locale(&[("LANG", "zh_CN.UTF-8")]), Lang::Zh);
        assert_eq!(locale(&[("LANG", "zh")]), Lang::Zh);
        assert_eq!(locale(&[("LANG", "zha_CN")]), Lang::En);
        assert_eq!(
            locale(&[("LC_ALL", "C"), ("LANG", "zh_CN.UTF-8")]),
            Lang::En
        );
        assert_eq!(locale(&[("LC_ALL", ""), ("LANG", "zh_TW")]), Lang::Zh);
        let messages = [("LC_MESSAGES", "zh_CN"), ("LANG", "en_US.UTF-8")];
        assert_eq!(locale(&messages), Lang::Zh);
    }
}
