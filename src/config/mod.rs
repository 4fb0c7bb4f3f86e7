//! Settings: each is a flag, a `BITTING_…` variable and a key in `bitting.toml`, in that order.
//!
//! Everything is read as text and parsed in one place, so that a bad value is refused with the same
//! words wherever it stands.

mod address;
mod authorities;
mod connections;
mod file;
mod first_admin;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gateway;
mod github_keys;
mod listen;
mod patience;
mod policy;
mod resources;
mod setting;
mod source;
mod trusted_proxies;
mod values;
mod warnings;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueHint};

use crate::model::catalog::Resource;
use crate::model::email::Email;
use crate::model::password::Password;
use crate::model::policy::Policy;
use crate::model::secret::Brand;
use crate::store::Target;

pub use connections::{ConnectionOptions, ConnectionSettings, KeySource, ViaSettings};
use file::File;
use gateway::GatewayOptions;
pub use gateway::{GatewaySettings, Upstream};
pub use github_keys::GithubKeySource;
pub use listen::ListenAddress;
use listen::parse_listen;
pub use patience::Patience;
pub use setting::BadSetting;
use setting::Setting;
pub(crate) use setting::variable;
pub use trusted_proxies::TrustedProxies;
pub use values::{CONNECTIONS, LogFormat};
use values::{
    parse_address, parse_connections, parse_database_wait, parse_log_format, parse_log_level,
    parse_max_staleness, parse_public_url, parse_usage_flush, parse_workers,
};
pub use warnings::{Encryption, MailSettings, SmtpServer};
pub use warnings::{WarningOptions, WarningSettings, WebhookSettings};

/// The options as given on the command line. What they do not say is looked up in the environment
/// and the file, and only there: clap would take an empty variable for a value.
#[derive(Clone, Default, Args)]
#[command(next_help_heading = "Settings (flag over environment over bitting.toml)")]
pub struct Options {
    /// Read settings from this file [default: bitting.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<String>,
    /// Where to listen, may be repeated: an address, or a socket such as unix:/run/bitting.sock; port
    /// 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "ADDRESS:PORT|unix:PATH")]
    pub listen: Vec<String>,
    /// sqlite://FILE or postgres://…; DATABASE_URL is read too [default: sqlite://bitting.db]
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// How long `serve` waits at start for a PostgreSQL server that cannot be reached [default: 60s]
    #[arg(long, global = true, value_name = "TIME")]
    pub database_wait: Option<String>,
    /// Connections to PostgreSQL that a server takes at most, 4 or more [default: 8]
    #[arg(long, global = true, value_name = "NUMBER")]
    pub database_connections: Option<String>,
    /// Threads that serve requests [default: one per core]
    #[arg(long, global = true, value_name = "NUMBER")]
    pub workers: Option<String>,
    /// text or json [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// error, warn, info, debug or trace [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// The address people reach the server at, such as `https://keys.example.com`; it has no path
    #[arg(long, global = true, value_name = "URL")]
    pub public_url: Option<String>,
    /// Networks whose X-Forwarded-For or Forwarded is trusted, separated by commas, and `unix` for
    /// whoever connects to a Unix socket [default: none]
    #[arg(long, global = true, value_name = "CIDRS|unix")]
    pub trusted_proxies: Option<String>,
    /// 2 to 8 letters that begin every key; fixed when the database is made [default: bt]
    #[arg(long, global = true, value_name = "LETTERS")]
    pub brand: Option<String>,
    /// How often counts are written [default: 250ms]
    #[arg(long, global = true, value_name = "TIME")]
    pub usage_flush: Option<String>,
    /// How long keys are accepted while the database cannot be reached [default: 5s]
    #[arg(long, global = true, value_name = "TIME")]
    pub max_staleness: Option<String>,
    /// Where to serve metrics, at /metrics, without authentication [default: nowhere]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<String>,
    /// Where to judge requests to the API behind --upstream and forward them, may be repeated
    /// [default: nowhere]
    #[arg(long, global = true, value_name = "ADDRESS:PORT|unix:PATH")]
    pub gateway_listen: Vec<String>,
    /// The API that --gateway-listen forwards to, such as `http://127.0.0.1:3000`; it has no path
    #[arg(long, global = true, value_name = "URL")]
    pub upstream: Option<String>,
    /// A PEM file of certificate authorities that may vouch for an `https://` upstream besides the
    /// public ones
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub upstream_ca: Option<String>,
    /// How long the upstream may be silent, before its answer and between bytes [default: 60s]
    #[arg(long, global = true, value_name = "TIME")]
    pub upstream_timeout: Option<String>,
    /// Forward the credential to the upstream, too
    #[arg(long, global = true, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", value_name = "true|false")]
    pub pass_credential: Option<String>,
    /// Where GitHub's public keys are, to take its reports of leaked keys: a file, or
    /// `https://api.github.com/meta/public_keys/secret_scanning` [default: none]
    #[arg(long, global = true, value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
    pub github_keys: Option<String>,
    /// How warnings go out
    #[command(flatten)]
    pub warnings: WarningOptions,
    /// Where connections lead, and what seals their credentials
    #[command(flatten)]
    pub connections: ConnectionOptions,
}

/// The settings, all of them checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen: at one place at least.
    pub listen: Vec<ListenAddress>,
    /// The database to use.
    pub database: Target,
    /// How long a server waits at its start for a database out of reach.
    pub database_wait: Duration,
    /// How many connections a server takes at most on PostgreSQL.
    pub database_connections: u32,
    /// Threads that serve requests.
    pub workers: usize,
    /// The format of log lines.
    pub log_format: LogFormat,
    /// The lowest level that is logged.
    pub log_level: tracing::Level,
    /// The origin people reach the server at, as browsers write it: without a slash at the end.
    pub public_url: Option<String>,
    /// Whose `X-Forwarded-For` or `Forwarded` is believed.
    pub trusted_proxies: TrustedProxies,
    /// The prefix of every key, if it is configured.
    pub brand: Option<Brand>,
    /// How often counts are written.
    pub usage_flush: Duration,
    /// How long keys are accepted while the database cannot be reached.
    pub max_staleness: Duration,
    /// The first administrator, if one is to be made without a link.
    pub first_admin: Option<(Email, Password)>,
    /// The address to serve metrics on, if at all.
    pub metrics_listen: Option<SocketAddr>,
    /// What stands before an API, if anything.
    pub gateway: Option<GatewaySettings>,
    /// Where GitHub's public keys come from, if its reports of leaks are taken.
    pub github_keys: Option<GithubKeySource>,
    /// How warnings go out, if they do.
    pub warnings: WarningSettings,
    /// Where connections may lead, and what seals their credentials.
    pub connections: ConnectionSettings,
    /// Whether an empty database is filled with a demo. No option: only `serve` takes the flag.
    pub demo: bool,
    /// How long slow clients are waited for.
    pub patience: Patience,
    /// Whether the built-in API is served.
    pub builtin_api: bool,
    /// Whether the proxies' OPTIONS requests are let through without a key.
    pub preflight: bool,
    /// What scopes are granted over: the built-in resources, then those of the file. Their numbers
    /// are not the database's yet.
    pub resources: Vec<Resource>,
    /// The rules for new keys.
    pub policy: Policy,
}

impl Settings {
    /// Whether clients may reach the server over a network without TLS.
    pub fn keys_may_be_overheard(&self) -> bool {
        let encrypted = self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
        let gateway = self.gateway.iter().flat_map(|gateway| &gateway.listen);
        let mut all = self.listen.iter().chain(gateway);
        !encrypted && all.any(ListenAddress::is_beyond_this_machine)
    }
}

/// Says nothing of what is in them: URLs may hold passwords.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

impl Options {
    /// Adds the environment's and the file's settings and the defaults, and checks everything.
    /// `built_in`: the resources of the built-in API, which the file may leave out. `fallback`: the
    /// database's URL where nothing of ours says one.
    ///
    /// # Errors
    /// [`BadSetting`] naming the first option or key that is wrong.
    pub fn resolve(
        mut self,
        built_in: Vec<Resource>,
        fallback: Option<String>,
    ) -> Result<Settings, BadSetting> {
        let named = Setting::new("config", self.config.take(), None).text()?;
        let mut file = File::read(named.as_deref())?;
        let gateway = self.gateway(&mut file)?;
        let builtin_api = file.builtin_api.unwrap_or(true);
        let built_in = if builtin_api { built_in } else { Vec::new() };
        let resources = resources::read(&file.resources, built_in, &file.source)?;
        let preflight = preflight(&file)?;
        let warnings = self.warnings.resolve(&file)?;
        let connections = self.connections.resolve(&file)?;
        let policy = policy::read(&file.policy, &file.source)?;
        let setting = Setting::new;
        let database_url = fallback.or(file.database_url);
        Ok(Settings {
            listen: setting("listen", joined(&self.listen), file.listen)
                .parse_or("127.0.0.1:8080", parse_listen)?,
            metrics_listen: setting("metrics-listen", self.metrics_listen, file.metrics_listen)
                .parse(parse_address)?,
            gateway,
            github_keys: setting("github-keys", self.github_keys, file.github_keys)
                .parse(github_keys::read)?,
            warnings,
            connections,
            demo: false,
            builtin_api,
            preflight,
            resources,
            policy,
            patience: Patience::default(),
            database: setting("database-url", self.database_url, database_url)
                .parse_or("sqlite://bitting.db", Target::from_str)?,
            database_wait: setting("database-wait", self.database_wait, file.database_wait)
                .parse_or("60s", parse_database_wait)?,
            database_connections: setting(
                "database-connections",
                self.database_connections,
                file.database_connections,
            )
            .parse_or(&CONNECTIONS.to_string(), parse_connections)?,
            workers: setting("workers", self.workers, file.workers)
                .parse_or(&cores(), parse_workers)?,
            log_format: setting("log-format", self.log_format, file.log_format)
                .parse_or("text", parse_log_format)?,
            log_level: setting("log-level", self.log_level, file.log_level)
                .parse_or("info", parse_log_level)?,
            public_url: setting("public-url", self.public_url, file.public_url)
                .parse(parse_public_url)?,
            trusted_proxies: setting("trusted-proxies", self.trusted_proxies, file.trusted_proxies)
                .parse_or("", TrustedProxies::from_str)?,
            brand: setting("brand", self.brand, file.brand).parse(Brand::from_str)?,
            usage_flush: setting("usage-flush", self.usage_flush, file.usage_flush)
                .parse_or("250ms", parse_usage_flush)?,
            max_staleness: setting("max-staleness", self.max_staleness, file.max_staleness)
                .parse_or("5s", parse_max_staleness)?,
            first_admin: first_admin::read(
                variable("BITTING_ADMIN_EMAIL")?,
                variable("BITTING_ADMIN_PASSWORD")?,
            )?,
        })
    }

    fn gateway(&mut self, file: &mut File) -> Result<Option<GatewaySettings>, BadSetting> {
        let listen = joined(&self.gateway_listen);
        let one = |name, given: &mut Option<String>, written: &mut Option<String>| {
            Setting::new(name, given.take(), written.take())
        };
        GatewayOptions {
            listen: Setting::new("gateway-listen", listen, file.gateway_listen.take()),
            upstream: one("upstream", &mut self.upstream, &mut file.upstream),
            authorities: one("upstream-ca", &mut self.upstream_ca, &mut file.upstream_ca),
            timeout: one(
                "upstream-timeout",
                &mut self.upstream_timeout,
                &mut file.upstream_timeout,
            ),
            pass_credential: one(
                "pass-credential",
                &mut self.pass_credential,
                &mut file.pass_credential,
            ),
        }
        .resolve()
    }
}

/// What a flag that may be repeated says, as it stands in one text elsewhere.
fn joined(flags: &[String]) -> Option<String> {
    (!flags.is_empty()).then(|| flags.join(","))
}

/// Whether the file lets OPTIONS through without a key.
fn preflight(file: &File) -> Result<bool, BadSetting> {
    let Some(word) = &file.preflight else { return Ok(false) };
    match file.source.value("preflight", word)?.as_deref() {
        Some("allow") => Ok(true),
        Some("judge") | None => Ok(false),
        Some(_) => {
            let why = "preflight: must be \"allow\", or \"judge\" as when it is not there";
            Err(file.source.refuse(word.span().start, why))
        }
    }
}

/// As many workers as the machine has cores, as one writes it.
fn cores() -> String {
    std::thread::available_parallelism().map_or(1, usize::from).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, options: Options) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.toml");
        std::fs::write(&path, text).unwrap();
        let options = Options { config: Some(path.display().to_string()), ..options };
        options.resolve(Vec::new(), None).map_err(|bad| bad.to_string())
    }

    #[test]
    fn a_flag_beats_the_file_and_the_file_beats_the_default() {
        let file =
            "listen = \"127.0.0.1:1\"\nworkers = 3\ntrusted-proxies = [\"10.0.0.0/8\", \"::1\"]";
        let options = Options { listen: vec!["127.0.0.1:2".into()], ..Options::default() };
        let settings = with_file(file, options).unwrap();
        let listen = ListenAddress::Tcp("127.0.0.1:2".parse().unwrap());
        assert_eq!((settings.listen, settings.workers), (vec![listen], 3));
        assert!(settings.trusted_proxies.include(Some("::1".parse().unwrap())));
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
            ("gateway-listen = \"127.0.0.1:1\"", "--upstream"),
            ("upstream = \"http://127.0.0.1:1\"", "--gateway-listen"),
            ("upstream = \"ftp://127.0.0.1:1\"", "--upstream"),
            ("upstream_ca = \"/nowhere\"", "--upstream-ca"),
            ("upstream_timeout = \"never\"", "--upstream-timeout"),
            ("pass_credential = \"yes\"", "--pass-credential"),
            ("github-keys = \"/nowhere\"", "--github-keys"),
            ("\n\nnope = 1", "line 3"),
            ("[policy]\nmax_key_lifetime = \"90\"", "line 2: max_key_lifetime: must be a time"),
            ("[policy]\nmax_key_lifetime = 90", "line 2"),
            ("[policy]\nmax_keys_per_member = 0", "line 2: max_keys_per_member: must be a number"),
            ("[policy]\nrequire_owner = \"yes\"", "line 2"),
            ("[policy]\nleak_policy = \"tell\"", "line 2: leak_policy: must be"),
            ("[policy]\nrequire_name = true", "line 2"),
            ("listen = ", "line 1"),
        ] {
            let message = with_file(file, Options::default()).unwrap_err();
            assert!(message.contains(name) && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_file_that_was_named_must_exist() {
        let options = Options { config: Some("/nonexistent/b.toml".into()), ..Options::default() };
        assert!(
            options
                .resolve(Vec::new(), None)
                .unwrap_err()
                .to_string()
                .contains("/nonexistent/b.toml")
        );
    }
}
