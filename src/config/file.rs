//! `bitting.toml`: which keys it may have, and where in it something is wrong.

use std::fmt;
use std::path::Path;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::policy::PolicyTable;
use super::resources::ResourceTable;
use super::setting::Setting;
use super::setting::{BadSetting, DEFAULT_FILE};
use super::source::Source;

/// What the file says, every setting that can be said elsewhere too as text.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, deserialize_with = "text_or_list")]
    pub(super) listen: Option<String>,
    #[serde(alias = "database-url")]
    pub(super) database_url: Option<String>,
    #[serde(alias = "database-wait", default, deserialize_with = "plain_or_text")]
    pub(super) database_wait: Option<String>,
    #[serde(alias = "database-connections", default, deserialize_with = "plain_or_text")]
    pub(super) database_connections: Option<String>,
    #[serde(default, deserialize_with = "plain_or_text")]
    pub(super) workers: Option<String>,
    #[serde(alias = "log-format")]
    pub(super) log_format: Option<String>,
    #[serde(alias = "log-level")]
    pub(super) log_level: Option<String>,
    #[serde(alias = "public-url")]
    pub(super) public_url: Option<String>,
    #[serde(default, alias = "trusted-proxies", deserialize_with = "text_or_list")]
    pub(super) trusted_proxies: Option<String>,
    pub(super) brand: Option<String>,
    #[serde(alias = "usage-flush")]
    pub(super) usage_flush: Option<String>,
    #[serde(alias = "max-staleness")]
    pub(super) max_staleness: Option<String>,
    #[serde(alias = "metrics-listen")]
    pub(super) metrics_listen: Option<String>,
    #[serde(default, alias = "gateway-listen", deserialize_with = "text_or_list")]
    pub(super) gateway_listen: Option<String>,
    pub(super) upstream: Option<String>,
    #[serde(alias = "upstream-ca")]
    pub(super) upstream_ca: Option<String>,
    #[serde(alias = "github-keys")]
    pub(super) github_keys: Option<String>,
    #[serde(alias = "upstream-timeout")]
    pub(super) upstream_timeout: Option<String>,
    #[serde(alias = "pass-credential", default, deserialize_with = "plain_or_text")]
    pub(super) pass_credential: Option<String>,
    #[serde(alias = "webhook-url")]
    pub(super) webhook_url: Option<String>,
    #[serde(alias = "smtp-url")]
    pub(super) smtp_url: Option<String>,
    #[serde(alias = "mail-from")]
    pub(super) mail_from: Option<String>,
    #[serde(default, deserialize_with = "text_or_list")]
    pub(super) notify: Option<String>,
    #[serde(alias = "notify-ca")]
    pub(super) notify_ca: Option<String>,
    #[serde(alias = "connections-key-file")]
    pub(super) connections_key_file: Option<String>,
    #[serde(alias = "connections-key-command")]
    pub(super) connections_key_command: Option<String>,
    #[serde(default, alias = "connections-hosts", deserialize_with = "text_or_list")]
    pub(super) connections_hosts: Option<String>,
    #[serde(default, alias = "connections-private", deserialize_with = "text_or_list")]
    pub(super) connections_private: Option<String>,
    #[serde(alias = "connections-ca")]
    pub(super) connections_ca: Option<String>,
    #[serde(alias = "connections-test-every")]
    pub(super) connections_test_every: Option<String>,
    #[serde(alias = "via-timeout")]
    pub(super) via_timeout: Option<String>,
    #[serde(alias = "via-max-body")]
    pub(super) via_max_body: Option<String>,
    #[serde(alias = "builtin-api")]
    pub(super) builtin_api: Option<bool>,
    pub(super) preflight: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) resources: Vec<ResourceTable>,
    #[serde(default)]
    pub(super) policy: PolicyTable,
    #[serde(skip)]
    pub(super) source: Source,
}

impl File {
    /// Reads the file of this name, which must be there, or the usual one, which need not.
    pub(super) fn read(named: Option<&str>) -> Result<Self, BadSetting> {
        let path = Path::new(named.unwrap_or(DEFAULT_FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) if named.is_none() && why.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(why) => {
                let why = format!("{}: {why}", path.display());
                return Err(match named {
                    Some(_) => Setting::new("config", None, None).refuse(why),
                    None => BadSetting(why),
                });
            }
        };
        Self::parse(Source::new(path, text))
    }

    /// Reads the text of a file.
    pub(super) fn parse(source: Source) -> Result<Self, BadSetting> {
        match toml::from_str::<Self>(source.text()) {
            Ok(file) => Ok(Self { source, ..file }),
            Err(why) => {
                let at = why.span().map_or(0, |span| span.start);
                Err(source.refuse(at, explained(source.text(), at, why.message())))
            }
        }
    }
}

/// What is wrong with the value at this byte, with its key and in words that say what belongs there.
fn explained(text: &str, at: usize, why: &str) -> String {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    // In a list over several lines, what stands before a sign may be anything.
    let key = line.split_once('=').map(|(key, _)| key.trim()).filter(|key| is_key(key));
    let Some(key) = key else {
        let start = text.get(at - line.len()..).unwrap_or_default();
        return table_explained(start, why).unwrap_or_else(|| why.to_owned());
    };
    let typed = why.strip_prefix("invalid type: ").and_then(|why| why.split_once(", expected "));
    let Some((_, expected)) = typed else {
        return format!("{key}: {why}; text stands in quotation marks");
    };
    let wanted = match expected {
        "a sequence" => "a list in brackets, such as [\"…\"]",
        "a boolean" => "true or false, without quotation marks",
        "i64" | "u64" | "u32" | "usize" => "a whole number, without quotation marks",
        "a string" => "text in quotation marks",
        table if table.starts_with("struct ") => {
            return format!("{key}: must be a table, which begins with [{key}]");
        }
        other => other,
    };
    format!("{key}: must be {wanted}")
}

/// What is wrong with a table that begins here, if it is one of another kind than belongs there.
fn table_explained(start: &str, why: &str) -> Option<String> {
    let name = start.trim_start().strip_prefix('[')?.split(']').next()?;
    let name = Some(name.trim_start_matches('[').trim()).filter(|name| is_key(name))?;
    if why.contains("map, expected a sequence") {
        Some(format!("{name}: must be a list of tables, each of which begins with [[{name}]]"))
    } else {
        let other = why.starts_with("invalid type");
        other.then(|| format!("{name}: must be one table, which begins with [{name}]"))
    }
}

fn is_key(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn plain_or_text<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Ok(Some(match toml::Value::deserialize(value)? {
        toml::Value::String(text) => text,
        other => other.to_string(),
    }))
}

/// A string, or several that are joined by commas.
fn text_or_list<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    struct TextOrList;

    impl<'de> Visitor<'de> for TextOrList {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or a list of strings")
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = list.next_element::<String>()? {
                texts.push(text.trim().to_owned());
            }
            Ok(texts.join(","))
        }
    }

    value.deserialize_any(TextOrList).map(Some)
}
