//! Configuration: `keystore.toml`, then `KS_*` from the environment, each later one winning.
//!
//! One file a section stands in `config/`. Nested keys take two underscores in the environment (`KS_PROXY__ADDR`); every
//! secret can also be given as the path of a file (`…_file`). An unknown key is an error that names the nearest known one.
//! This is the only module of the server that reads the environment. It opens nothing and connects to nothing.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

pub use api::{ApiSection, SignUp};
pub use audit::{AuditSection, OnSinkFailure};
pub use kms::{KmsSection, PreviousSection, RootKey, VaultAuth, VaultSection, ambient};
pub use limits::LimitsSection;
pub use mail::{MailSection, MailTls};
pub use payments::PaymentsSection;
pub use proxy::ProxySection;
pub use secret::SecretText;
pub use store::StoreSection;
pub use telemetry::{LogFormat, TelemetrySection};
pub use tls::TlsFiles;
pub use upstream::UpstreamSection;

mod api;
mod audit;
mod duration;
mod kms;
mod limits;
mod mail;
mod payments;
mod proxy;
mod safety;
mod secret;
mod store;
mod telemetry;
mod tls;
mod upstream;

/// The file that is read when none is named and it exists in the working directory.
pub const DEFAULT_FILE: &str = "keystore.toml";

/// Keys that hold secrets. Their environment values are taken as text as it stands, never as TOML.
const SECRETS: [&str; 10] = [
    "store.url",
    "kms.key",
    "kms.passphrase",
    "kms.previous.key",
    "kms.previous.passphrase",
    "mail.password",
    "payments.stripe_key",
    "payments.stripe_webhook_secret",
    "audit.s3_secret_key",
    "telemetry.otlp_headers",
];

/// Everything that `ks serve` is told.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The data plane.
    pub proxy: ProxySection,
    /// The control plane.
    pub api: ApiSection,
    /// The database.
    pub store: StoreSection,
    /// The root key.
    pub kms: KmsSection,
    /// Limits of agents that set none.
    pub limits: LimitsSection,
    /// Calls to providers.
    pub upstream: UpstreamSection,
    /// Mail to people.
    pub mail: MailSection,
    /// Payments by card.
    pub payments: PaymentsSection,
    /// The second place of the audit log.
    pub audit: AuditSection,
    /// Logs.
    pub telemetry: TelemetrySection,
}

/// What is wrong with the configuration, in words for the person who wrote it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key is unknown or a value has the wrong form. One line each.
    #[error("{0}")]
    Invalid(String),
    /// The settings can be read but are not safe to serve with. One line each.
    #[error("refusing to serve with these settings:\n{0}")]
    Unsafe(String),
    /// A file that a `…_file` key names cannot be read.
    #[error("cannot read {path} (from `{key}`): {source}")]
    File {
        /// The key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Config {
    /// The configuration from `file` (else from `keystore.toml` in the working directory, if there is one) and the
    /// environment. Nothing is checked but its form; see [`Config::check_safety`].
    ///
    /// # Errors
    /// `Invalid`, with every problem that was found.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let toml = match file {
            Some(path) => Toml::file_exact(path),
            None if Path::new(DEFAULT_FILE).exists() => Toml::file_exact(DEFAULT_FILE),
            None => Toml::string(""),
        };
        let figment = Figment::new().merge(toml).merge(environment());
        Self::from_figment(&SECRETS.iter().fold(figment, merge_secret))
    }

    /// The configuration from TOML text alone.
    ///
    /// # Errors
    /// `Invalid`, with every problem that was found.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::from_figment(&Figment::new().merge(Toml::string(text)))
    }

    fn from_figment(figment: &Figment) -> Result<Self, ConfigError> {
        figment.extract().map_err(|error| {
            ConfigError::Invalid(
                error
                    .into_iter()
                    .map(|error| explain(&error))
                    .collect::<Vec<_>>()
                    .join("\n"),
            )
        })
    }

    /// The configuration as TOML, with secrets masked. What `--print-config` shows.
    pub fn to_masked_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
    }

    /// Refuses settings that would put credentials or accounts at risk, with the reason and the way out of each.
    ///
    /// # Errors
    /// `Unsafe`, with every reason.
    pub fn check_safety(&self) -> Result<(), ConfigError> {
        let reasons = safety::reasons(self);
        if reasons.is_empty() {
            return Ok(());
        }
        let lines: Vec<_> = reasons.iter().map(|reason| format!("- {reason}")).collect();
        Err(ConfigError::Unsafe(lines.join("\n")))
    }
}

/// Nested keys only: `KS_API_URL`, `KS_TOKEN` and the like belong to the client commands.
fn environment() -> Env {
    Env::prefixed("KS_")
        .filter(|key| key.as_str().contains("__"))
        .map(|key| key.as_str().replace("__", ".").into())
        .filter(|key| !SECRETS.iter().any(|secret| key == *secret))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
fn merge_secret(figment: Figment, key: &&'static str) -> Figment {
    let variable = format!("KS_{}", key.replace('.', "__").to_uppercase());
    match std::env::var(variable) {
        Ok(text) => figment.merge(Serialized::default(key, text)),
        Err(_) => figment,
    }
}

fn explain(error: &figment::Error) -> String {
    let place = error.metadata.as_ref().map(|metadata| match &metadata.source {
        Some(source) => source.to_string(),
        None => metadata.name.to_string(),
    });
    let mut path = error.path.join(".");
    let words = match &error.kind {
        figment::error::Kind::UnknownField(name, known) => {
            // The path of an unknown field ends with the field where the value is known, and before it where not.
            if error.path.last() != Some(name) {
                path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
            }
            match nearest(name, known) {
                Some(near) => format!("unknown key `{path}`; did you mean `{}`?", sibling(&path, near)),
                None => format!("unknown key `{path}`; known here: {}", known.join(", ")),
            }
        }
        kind if path.is_empty() => kind.to_string(),
        kind => format!("`{path}`: {kind}"),
    };
    match place {
        Some(place) => format!("{place}: {words}"),
        None => words,
    }
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn sibling(path: &str, name: &str) -> String {
    match path.rsplit_once('.') {
        Some((parent, _)) => format!("{parent}.{name}"),
        None => name.to_owned(),
    }
}

/// Where `ks dev` keeps its data when it is not told: `$XDG_DATA_HOME/keystore`, else `~/.local/share/keystore` (XDG Base
/// Directory Specification); `None` without a home directory.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub fn default_data_dir() -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("keystore"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default_and_prints_as_a_file_that_parses() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.proxy.addr.to_string(), "127.0.0.1:8400");
        assert_eq!(config.api.addr.to_string(), "127.0.0.1:8401");
        assert_eq!(config.limits.default_rpm, 60);
        let printed = config.to_masked_toml();
        assert_eq!(Config::parse(&printed).unwrap().to_masked_toml(), printed);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        let message = |text: &str| Config::parse(text).unwrap_err().to_string();
        let typo = message("[proxy]\nadr = \"127.0.0.1:1\"\n");
        assert!(
            typo.contains("unknown key `proxy.adr`; did you mean `proxy.addr`?"),
            "{typo}"
        );
        let section = message("[proxi]\n");
        assert!(
            section.contains("unknown key `proxi`; did you mean `proxy`?"),
            "{section}"
        );
        let far = message("[limits]\nzzz = 1\n");
        assert!(far.contains("known here: default_rpm"), "{far}");
    }

    #[test]
    fn a_value_of_the_wrong_form_names_its_key() {
        let message = Config::parse("[upstream]\nconnect_timeout = \"soon\"\n")
            .unwrap_err()
            .to_string();
        assert!(message.contains("upstream.connect_timeout"), "{message}");
    }

    #[test]
    fn secrets_are_masked() {
        let config = Config::parse(
            "[kms]\npassphrase = \"correct horse\"\n[store]\nurl = \"postgres://ks:hunter2@db/ks\"\n",
        )
        .unwrap();
        let printed = config.to_masked_toml();
        assert!(
            !printed.contains("horse") && !printed.contains("hunter2"),
            "{printed}"
        );
        assert!(printed.contains("passphrase = \"********\""), "{printed}");
    }
}
