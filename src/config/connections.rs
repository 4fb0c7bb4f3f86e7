//! The settings of connections: the master keys, and where connections may lead.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use ipnet::IpNet;
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::authorities::read_authorities;
use super::file::File;
use super::setting::{BadSetting, Setting, variable};
use super::values::parse_time;
use crate::model::connections::ApiOrigin;
use crate::model::network::parse_network;

/// The options of connections, as given on the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct ConnectionOptions {
    /// The file with the master keys that seal vendors' credentials; the first one seals, all open
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub connections_key_file: Option<String>,
    /// A command that prints the master keys, within 10 seconds
    #[arg(long, global = true, value_name = "COMMAND")]
    pub connections_key_command: Option<String>,
    /// Hosts that connections may lead to besides their vendors' own, separated by commas, such as
    /// `api.example.com` or `http://10.0.0.7:8080` [default: none]
    #[arg(long, global = true, value_name = "ORIGINS")]
    pub connections_hosts: Option<String>,
    /// Private networks that connections may lead into, separated by commas [default: none]
    #[arg(long, global = true, value_name = "CIDRS")]
    pub connections_private: Option<String>,
    /// A PEM file of certificate authorities that connections trust besides the public ones
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub connections_ca: Option<String>,
    /// How often each connection is tested [default: 24h]
    #[arg(long, global = true, value_name = "TIME")]
    pub connections_test_every: Option<String>,
    /// How long a vendor may be silent before and in an answer [default: 60s]
    #[arg(long, global = true, value_name = "TIME")]
    pub via_timeout: Option<String>,
    /// The largest body that is forwarded to a vendor [default: 10MiB]
    #[arg(long, global = true, value_name = "SIZE")]
    pub via_max_body: Option<String>,
}

/// Where the master keys come from.
#[derive(Clone)]
pub enum KeySource {
    /// A file that only we may read.
    File(PathBuf),
    /// The environment.
    Text(Zeroizing<String>),
    /// A command that prints them.
    Command(String),
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Text(_) => "Text",
            Self::Command(_) => "Command",
        })
    }
}

/// What the operator says about connections.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// Where the master keys come from, if there are any.
    pub key: Option<KeySource>,
    /// Where connections may lead besides their vendors' own hosts.
    pub hosts: Vec<ApiOrigin>,
    /// Networks of ours that they may lead into.
    pub private: Vec<IpNet>,
    /// Authorities that they trust besides the public ones.
    pub authorities: Vec<CertificateDer<'static>>,
    /// How often each is tested.
    pub test_every: Duration,
    /// How requests to vendors are forwarded.
    pub via: ViaSettings,
}

/// How requests to vendors are forwarded.
#[derive(Debug, Clone, Copy)]
pub struct ViaSettings {
    /// How long a vendor may be silent: before the first byte of an answer, and between bytes.
    pub timeout: Duration,
    /// The most bytes of a body that are sent to it.
    pub max_body: u64,
}

impl Default for ViaSettings {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(60), max_body: 10 * MEBIBYTE }
    }
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            key: None,
            hosts: Vec::new(),
            private: Vec::new(),
            authorities: Vec::new(),
            test_every: Duration::from_secs(24 * 3600),
            via: ViaSettings::default(),
        }
    }
}

impl ConnectionOptions {
    pub(super) fn resolve(self, file: &File) -> Result<ConnectionSettings, BadSetting> {
        let setting =
            |name, flag, stored: &Option<String>| Setting::new(name, flag, stored.clone());
        let key_file =
            setting("connections-key-file", self.connections_key_file, &file.connections_key_file);
        let command = setting(
            "connections-key-command",
            self.connections_key_command,
            &file.connections_key_command,
        );
        let key = match (key_file.text()?, variable("BITTING_CONNECTIONS_KEY")?, command.text()?) {
            (Some(path), _, _) => Some(KeySource::File(path.into())),
            (None, Some(text), _) => Some(KeySource::Text(Zeroizing::new(text))),
            (None, None, Some(command)) => Some(KeySource::Command(command)),
            (None, None, None) => None,
        };
        let hosts = setting("connections-hosts", self.connections_hosts, &file.connections_hosts);
        let private =
            setting("connections-private", self.connections_private, &file.connections_private);
        let authorities = setting("connections-ca", self.connections_ca, &file.connections_ca);
        let test_every = setting(
            "connections-test-every",
            self.connections_test_every,
            &file.connections_test_every,
        );
        let timeout = setting("via-timeout", self.via_timeout, &file.via_timeout);
        let max_body = setting("via-max-body", self.via_max_body, &file.via_max_body);
        let via = ViaSettings {
            timeout: timeout.parse_or("60s", parse_via_timeout)?,
            max_body: max_body.parse_or("10MiB", parse_size)?,
        };
        Ok(ConnectionSettings {
            key,
            via,
            hosts: hosts.parse(|text| each(text, str::parse::<ApiOrigin>))?.unwrap_or_default(),
            private: private.parse(|text| each(text, parse_network))?.unwrap_or_default(),
            authorities: authorities.parse(read_authorities)?.unwrap_or_default(),
            test_every: test_every.parse_or("24h", parse_test_every)?,
        })
    }
}

/// Reads the parts of a list that is separated by commas.
fn each<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(parse).collect()
}

fn parse_via_timeout(text: &str) -> Result<Duration, &'static str> {
    parse_time(text, 100..=3_600_000, "must be a time from 100ms to 1h, such as 60s")
}

const MEBIBYTE: u64 = 1024 * 1024;

fn parse_size(text: &str) -> Result<u64, &'static str> {
    let units = [("KiB", 1024), ("MiB", MEBIBYTE), ("GiB", 1024 * MEBIBYTE)];
    let sized = units.iter().find_map(|(unit, size)| {
        let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(*size)
    });
    sized
        .filter(|size| (1024..=1024 * MEBIBYTE).contains(size))
        .ok_or("must be a size from 1KiB to 1GiB, such as 10MiB")
}

fn parse_test_every(text: &str) -> Result<Duration, &'static str> {
    parse_time(text, 60_000..=31_622_400_000, "must be a time from 1m to 366d, such as 24h")
}
