//! Settings: each is a flag, a `BITTING_…` variable and a key in `bitting.toml`, in that order.
//!
//! Everything is read as text and parsed in one place, so that a bad value is refused with the same
//! words wherever it stands.

mod values;

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use serde::Deserialize;

use crate::model::password::Password;
use crate::model::secret::Brand;
use crate::model::user::Email;
use crate::store::Target;

use values::{parse_address, parse_networks, parse_time, parse_url};

const DEFAULT_FILE: &str = "bitting.toml";

/// The options as given on the command line or in the environment.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings (flag over environment over bitting.toml)")]
pub struct Options {
    /// Read settings from this file [default: bitting.toml, if there is one]
    #[arg(long, global = true, env = "BITTING_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, global = true, env = "BITTING_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// sqlite://FILE or postgres://…; DATABASE_URL is read too [default: sqlite://bitting.db]
    #[arg(
        long,
        global = true,
        env = "BITTING_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: Option<String>,
    /// Threads that serve requests [default: one per core]
    #[arg(long, global = true, env = "BITTING_WORKERS", value_name = "NUMBER")]
    pub workers: Option<String>,
    /// text or json [default: text]
    #[arg(long, global = true, env = "BITTING_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// error, warn, info, debug or trace [default: info]
    #[arg(long, global = true, env = "BITTING_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// The address people reach the server at, such as `https://keys.example.com`
    #[arg(long, global = true, env = "BITTING_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Networks whose X-Forwarded-For or Forwarded is trusted, separated by commas [default: none]
    #[arg(long, global = true, env = "BITTING_TRUSTED_PROXIES", value_name = "CIDRS")]
    pub trusted_proxies: Option<String>,
    /// 2 to 8 letters that begin every key; fixed when the database is made [default: bt]
    #[arg(long, global = true, env = "BITTING_BRAND", value_name = "LETTERS")]
    pub brand: Option<String>,
    /// How often counts are written [default: 250ms]
    #[arg(long, global = true, env = "BITTING_USAGE_FLUSH", value_name = "TIME")]
    pub usage_flush: Option<String>,
    /// How long keys are accepted while the database cannot be reached [default: 5s]
    #[arg(long, global = true, env = "BITTING_MAX_STALENESS", value_name = "TIME")]
    pub max_staleness: Option<String>,
    /// Where to serve metrics, at /metrics, without authentication [default: nowhere]
    #[arg(long, global = true, env = "BITTING_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<String>,
}

/// The same in `bitting.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<String>,
    #[serde(alias = "database-url")]
    database_url: Option<String>,
    workers: Option<toml::Value>,
    #[serde(alias = "log-format")]
    log_format: Option<String>,
    #[serde(alias = "log-level")]
    log_level: Option<String>,
    #[serde(alias = "public-url")]
    public_url: Option<String>,
    #[serde(alias = "trusted-proxies")]
    trusted_proxies: Option<OneOrMany>,
    brand: Option<String>,
    #[serde(alias = "usage-flush")]
    usage_flush: Option<String>,
    #[serde(alias = "max-staleness")]
    max_staleness: Option<String>,
    #[serde(alias = "metrics-listen")]
    metrics_listen: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How long slow clients are waited for. Not an option: tests shorten it.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a request's headers.
    pub headers: Duration,
    /// For its body.
    pub body: Duration,
    /// For the client to take any of its answer.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let (headers, body) = (Duration::from_secs(5), Duration::from_secs(30));
        Self { headers, body, answer: Duration::from_secs(60) }
    }
}

/// Settings, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Which database.
    pub database: Target,
    /// Threads that serve requests.
    pub workers: usize,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Down to which level.
    pub log_level: tracing::Level,
    /// The address people reach the server at.
    pub public_url: Option<String>,
    /// Networks whose `X-Forwarded-For` or `Forwarded` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What begins every key, if it was said.
    pub brand: Option<Brand>,
    /// How often counts are written.
    pub usage_flush: Duration,
    /// How long keys are accepted while the database cannot be reached.
    pub max_staleness: Duration,
    /// The first administrator, if one is to be made without a link.
    pub first_admin: Option<(Email, Password)>,
    /// Where to serve metrics, if at all.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether an empty database is filled with a demo. No option: only `serve` takes the flag.
    pub demo: bool,
    /// How long slow clients are waited for.
    pub patience: Patience,
}

impl Settings {
    /// Whether clients may reach the server over a network without TLS.
    pub fn keys_may_be_overheard(&self) -> bool {
        let encrypted = self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
        !self.listen.ip().is_loopback() && !encrypted
    }
}

/// A setting that cannot be used; one line that names it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSetting(String);

impl Options {
    /// Adds the file's settings and the defaults, and checks everything.
    ///
    /// # Errors
    /// [`BadSetting`] naming the first option or key that is wrong.
    pub fn resolve(self) -> Result<Settings, BadSetting> {
        let file = read_file(self.config.as_deref())?;
        let database_url =
            self.database_url.or_else(|| variable("DATABASE_URL")).or(file.database_url);
        let proxies = file.trusted_proxies.map(|networks| match networks {
            OneOrMany::One(text) => text,
            OneOrMany::Many(list) => list.join(","),
        });
        let workers = self.workers.or_else(|| file.workers.map(|value| value.to_string()));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Settings {
            listen: parse("listen", self.listen.or(file.listen), "127.0.0.1:8080", parse_address)?,
            metrics_listen: optional(
                "metrics-listen",
                self.metrics_listen.or(file.metrics_listen),
                parse_address,
            )?,
            demo: false,
            patience: Patience::default(),
            database: parse("database-url", database_url, "sqlite://bitting.db", Target::from_str)?,
            workers: parse("workers", workers, &cores.to_string(), |text| {
                let number: Option<usize> = text.parse().ok();
                number.filter(|n| (1..=1024).contains(n)).ok_or("must be a number from 1 to 1024")
            })?,
            log_format: parse("log-format", self.log_format.or(file.log_format), "text", |text| {
                match text {
                    "text" => Ok(LogFormat::Text),
                    "json" => Ok(LogFormat::Json),
                    _ => Err("must be text or json"),
                }
            })?,
            log_level: parse("log-level", self.log_level.or(file.log_level), "info", |text| {
                let level: Result<tracing::Level, _> = text.parse();
                level.map_err(|_| "must be error, warn, info, debug or trace")
            })?,
            public_url: optional("public-url", self.public_url.or(file.public_url), parse_url)?,
            trusted_proxies: parse(
                "trusted-proxies",
                self.trusted_proxies.or(proxies),
                "",
                parse_networks,
            )?,
            brand: optional("brand", self.brand.or(file.brand), Brand::from_str)?,
            usage_flush: parse(
                "usage-flush",
                self.usage_flush.or(file.usage_flush),
                "250ms",
                |text| parse_time(text, 10..=10_000, "must be a time from 10ms to 10s"),
            )?,
            max_staleness: parse(
                "max-staleness",
                self.max_staleness.or(file.max_staleness),
                "5s",
                |text| parse_time(text, 1000..=3_600_000, "must be a time from 1s to 1h"),
            )?,
            first_admin: first_admin(
                variable("BITTING_ADMIN_EMAIL"),
                variable("BITTING_ADMIN_PASSWORD"),
            )?,
        })
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The first administrator comes from the environment alone: a password on the command line can be
/// read by everybody on the machine.
fn first_admin(
    email: Option<String>,
    password: Option<String>,
) -> Result<Option<(Email, Password)>, BadSetting> {
    match (email, password) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(BadSetting("BITTING_ADMIN_PASSWORD: must be set too".to_owned())),
        (None, Some(_)) => Err(BadSetting("BITTING_ADMIN_EMAIL: must be set too".to_owned())),
        (Some(email), Some(password)) => {
            let bad = |name: &str, why: String| BadSetting(format!("{name}: {why}"));
            let email = Email::choose(&email).map_err(|why| bad("BITTING_ADMIN_EMAIL", why))?;
            let password = Password::choose(&password, &email);
            Ok(Some((email, password.map_err(|why| bad("BITTING_ADMIN_PASSWORD", why))?)))
        }
    }
}

fn read_file(named: Option<&Path>) -> Result<File, BadSetting> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let option = if named.is_some() { "--config (BITTING_CONFIG): " } else { "" };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(why) if named.is_none() && why.kind() == std::io::ErrorKind::NotFound => {
            return Ok(File::default());
        }
        Err(why) => return Err(BadSetting(format!("{option}{}: {why}", path.display()))),
    };
    toml::from_str(&text).map_err(|why| {
        let line = why.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        BadSetting(format!("{}: line {line}: {}", path.display(), why.message()))
    })
}

fn parse<T, E: Display>(
    name: &str,
    given: Option<String>,
    default: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, BadSetting> {
    let text = given.as_deref().unwrap_or(default);
    parse(text).map_err(|why| bad(name, why))
}

fn optional<T, E: Display>(
    name: &str,
    given: Option<String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, BadSetting> {
    given.map(|text| parse(&text).map_err(|why| bad(name, why))).transpose()
}

/// Names the option in all its spellings; the value is not repeated, since it may be a secret.
fn bad(name: &str, why: impl Display) -> BadSetting {
    let key = name.replace('-', "_");
    let variable = key.to_uppercase();
    BadSetting(format!("--{name} (BITTING_{variable}, {key} in {DEFAULT_FILE}): {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, options: Options) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.toml");
        std::fs::write(&path, text).unwrap();
        let options = Options { config: Some(path), ..options };
        options.resolve().map_err(|bad| bad.to_string())
    }

    #[test]
    fn a_flag_beats_the_file_and_the_file_beats_the_default() {
        let file =
            "listen = \"127.0.0.1:1\"\nworkers = 3\ntrusted-proxies = [\"10.0.0.0/8\", \"::1\"]";
        let options = Options { listen: Some("127.0.0.1:2".into()), ..Options::default() };
        let settings = with_file(file, options).unwrap();
        assert_eq!((settings.listen.port(), settings.workers), (2, 3));
        assert_eq!(settings.trusted_proxies.len(), 2);
        assert_eq!(settings.usage_flush, Duration::from_millis(250));
    }

    #[test]
    fn a_bad_value_names_its_option() {
        for (file, name) in [
            ("listen = \"8080\"", "--listen"),
            ("database_url = \"mysql://x\"", "--database-url"),
            ("workers = 0", "--workers"),
            ("workers = \"many\"", "--workers"),
            ("log_format = \"xml\"", "--log-format"),
            ("log_level = \"loud\"", "--log-level"),
            ("public_url = \"keys.example.com\"", "--public-url"),
            ("trusted_proxies = \"everybody\"", "--trusted-proxies"),
            ("brand = \"B\"", "--brand"),
            ("usage_flush = \"1ms\"", "--usage-flush"),
            ("max_staleness = \"never\"", "--max-staleness"),
            ("metrics-listen = \"9100\"", "--metrics-listen"),
            ("\n\nnope = 1", "line 3"),
            ("listen = ", "line 1"),
        ] {
            let message = with_file(file, Options::default()).unwrap_err();
            assert!(message.contains(name) && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn the_first_administrator_is_named_whole_or_not_at_all() {
        let read = |email: &str, password: &str| {
            let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            first_admin(given(email), given(password)).map_err(|bad| bad.to_string())
        };
        assert!(read("", "").unwrap().is_none());
        assert!(read("Ada@example.com", "a long enough one").unwrap().is_some());
        for (email, password, named) in [
            ("ada@example.com", "", "BITTING_ADMIN_PASSWORD"),
            ("ada@example.com", "too short", "BITTING_ADMIN_PASSWORD"),
            ("", "a long enough one", "BITTING_ADMIN_EMAIL"),
            ("ada", "a long enough one", "BITTING_ADMIN_EMAIL"),
        ] {
            let message = read(email, password).unwrap_err();
            assert!(message.starts_with(named), "{message}");
            assert!(password.is_empty() || !message.contains(password), "{message}");
        }
    }

    #[test]
    fn a_file_that_was_named_must_exist() {
        let options = Options { config: Some("/nonexistent/b.toml".into()), ..Options::default() };
        assert!(options.resolve().unwrap_err().to_string().contains("/nonexistent/b.toml"));
    }
}
