//! Where a server keeps its objects.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use optilock_apiserver::store::{
    BackupError, EtcdError, EtcdOptions, EtcdStore, MemoryStore, OpenError, RedbStore, Retention,
    Store,
};

use crate::failure::{Code, Failure};

/// Where objects are kept, as the option says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Redb(PathBuf),
    /// URLs, with commas between them.
    Etcd(String),
}

/// How an etcd and this program know each other; the names are kube-apiserver's and etcdctl's.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --store etcd:URL")]
pub(crate) struct EtcdArgs {
    /// Certificate authorities (PEM) of etcd, instead of those that the system trusts
    #[arg(long, value_name = "FILE")]
    etcd_cafile: Option<PathBuf>,
    /// Certificate (PEM) to show to etcd
    #[arg(long, value_name = "FILE", requires = "etcd_keyfile")]
    etcd_certfile: Option<PathBuf>,
    /// Key (PEM) of that certificate
    #[arg(long, value_name = "FILE", requires = "etcd_certfile")]
    etcd_keyfile: Option<PathBuf>,
    /// User of etcd, where its authentication is on
    #[arg(long, value_name = "NAME", requires = "etcd_password_file")]
    etcd_user: Option<String>,
    /// File with the user's password, alone
    #[arg(long, value_name = "FILE", requires = "etcd_user")]
    etcd_password_file: Option<PathBuf>,
}

impl Place {
    /// Opens the store there; blocks while a file is read.
    pub(crate) async fn open(
        &self,
        etcd: &EtcdArgs,
        retention: Retention,
    ) -> Result<Arc<dyn Store>, Failure> {
        if let Some(option) = etcd.given().filter(|_| !matches!(self, Self::Etcd(_))) {
            return Err(Failure::new(
                Code::Usage,
                format!("{option} is for --store etcd:URL, and the store is another one"),
            ));
        }
        Ok(match self {
            Self::Memory => Arc::new(MemoryStore::new(retention)),
            Self::Redb(path) => Arc::new(RedbStore::open(path, retention)?),
            Self::Etcd(urls) => {
                let options = etcd.options(urls)?;
                Arc::new(EtcdStore::connect(&options, retention).await?)
            }
        })
    }
}

impl EtcdArgs {
    /// The first option that was given.
    fn given(&self) -> Option<&'static str> {
        let options = [
            ("--etcd-cafile", self.etcd_cafile.is_some()),
            ("--etcd-certfile", self.etcd_certfile.is_some()),
            ("--etcd-user", self.etcd_user.is_some()),
        ];
        let given = options.into_iter().find(|(_, given)| *given);
        given.map(|(option, _)| option)
    }

    fn options(&self, urls: &str) -> Result<EtcdOptions, Failure> {
        let mut options = EtcdOptions::new(urls)?;
        if let Some(path) = &self.etcd_cafile {
            options = options.certificate_authority(read("--etcd-cafile", path)?);
        }
        if let (Some(certificate), Some(key)) = (&self.etcd_certfile, &self.etcd_keyfile) {
            let certificate = read("--etcd-certfile", certificate)?;
            options = options.client_certificate(certificate, read("--etcd-keyfile", key)?);
        }
        if let (Some(user), Some(path)) = (&self.etcd_user, &self.etcd_password_file) {
            let password = String::from_utf8(read("--etcd-password-file", path)?);
            let password = password.map_err(|_| {
                let path = path.display();
                Failure::new(
                    Code::Usage,
                    format!("--etcd-password-file {path} is no text"),
                )
            })?;
            options = options.user(user, password.trim_end_matches(['\r', '\n']));
        }
        Ok(options)
    }
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        let path = path.display();
        Failure::new(Code::Failed, format!("can't read {option} {path}: {error}"))
    })
}

/// `memory`, `redb:PATH` or `etcd:URL`.
pub(crate) fn place(text: &str) -> Result<Place, String> {
    match text.split_once(':') {
        None if text == "memory" => Ok(Place::Memory),
        Some(("redb", path)) => file(path).map(Place::Redb),
        Some(("etcd", urls)) => match EtcdOptions::new(urls) {
            Ok(_) => Ok(Place::Etcd(urls.to_owned())),
            Err(error) => Err(error.to_string()),
        },
        _ => Err("take `memory`, redb:PATH for a file, or etcd:URL for an etcd".to_owned()),
    }
}

/// `redb:PATH`.
pub(crate) fn redb(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("redb:") {
        Some(path) => file(path),
        None => Err("take redb:PATH, the store that a server was given".to_owned()),
    }
}

fn file(path: &str) -> Result<PathBuf, String> {
    match path {
        "" => Err("say which file, as redb:objects.redb".to_owned()),
        path => Ok(path.into()),
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(Code::Failed, error.to_string())
    }
}

impl From<EtcdError> for Failure {
    fn from(error: EtcdError) -> Self {
        let failure = Self::new(Code::Failed, error.to_string());
        match error {
            EtcdError::Unreachable { .. } => failure.hint(
                "is it running, is that its client URL, http or https as it serves, and is its certificate from \
                 --etcd-cafile?",
            ),
            EtcdError::Refused { .. } => {
                failure.hint("give --etcd-user and --etcd-password-file of one who may read and write /registry/")
            }
            _ => failure,
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let failure = Self::new(Code::Failed, error.to_string());
        match error {
            BackupError::Write { .. } => {
                failure.hint("give --to a file that does not exist, in a folder that you may write")
            }
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_memory_a_file_or_an_etcd() {
        assert_eq!(place("memory"), Ok(Place::Memory));
        assert_eq!(place("redb:a:b"), Ok(Place::Redb("a:b".into())));
        let urls = "http://127.0.0.1:2379,https://b:1";
        assert_eq!(
            place(&format!("etcd:{urls}")),
            Ok(Place::Etcd(urls.to_owned()))
        );
        assert_eq!(redb("redb:a"), Ok("a".into()));
        for text in [
            "",
            "memory:",
            "redb",
            "redb:",
            "etcd:127.0.0.1:2379",
            "etcd:",
            "etcd:http://u:p@127.0.0.1:2379",
            "sqlite:a",
        ] {
            assert!(place(text).is_err(), "{text}");
        }
        assert!(redb("memory").is_err());
    }
}
