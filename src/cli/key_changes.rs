//! `bitting key set` and `rotate`, and the options of limits, which `bitting key create` has too.

use clap::Args;
use serde_json::{Map, Value, json};

use super::application::{now, open, principal};
use super::failure::Failure;
use super::key_shown::{in_a_sentence, not_found, parse_id, show_changed_key, show_new_key};
use super::output::say;
use crate::config::Settings;
use crate::domain;
use crate::domain::keys::rotation::Rotated;
use crate::model::rotation::RotateRequest;
use crate::model::time::{format as format_time, parse_expiry};
use crate::store::database::migrate::Missing;

/// The limits of a key
#[derive(Debug, Args)]
pub(super) struct Limits {
    /// How fast the key may be used, such as 600/minute: a second, minute or hour
    #[arg(long, value_name = "REQUESTS/TIME")]
    rate_limit: Option<String>,
    /// How many requests are accepted, such as 50000/day: a calendar day or month, in UTC
    #[arg(long, value_name = "REQUESTS/TIME")]
    quota: Option<String>,
    /// A network or an address it may be used from; repeat the option for more
    #[arg(long, value_name = "NETWORK")]
    allow_network: Vec<String>,
}

impl Limits {
    /// The fields that say the same; only those that were given.
    pub(super) fn fields(&self) -> impl Iterator<Item = (String, Value)> {
        let networks = match self.allow_network.as_slice() {
            [] => None,
            [only] => Some(none_or_text(only)),
            several => Some(json!(several)),
        };
        let fields = [
            ("rate_limit", self.rate_limit.as_deref().map(none_or_text)),
            ("quota", self.quota.as_deref().map(none_or_text)),
            ("allowed_networks", networks),
        ];
        fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?)))
    }
}

/// The value of an option that `none` empties.
fn none_or_text(text: &str) -> Value {
    if text == "none" { Value::Null } else { json!(text) }
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The key's id, key_…
    id: String,
    /// A scope it is to keep; repeat the option for more, all others are taken away
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Whose it is: a customer or a team of yours, or none
    #[arg(long, value_name = "OWNER|none")]
    owner: Option<String>,
    /// An earlier expiry: a time from now (30d), a date (2027-01-31, its end) or an RFC 3339 time
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    #[command(flatten)]
    limits: Limits,
    /// Print the key as a JSON object
    #[arg(long)]
    json: bool,
}

impl Set {
    /// A patch that sets what was given.
    fn patch(&self) -> Result<Map<String, Value>, Failure> {
        let mut patch: Map<String, Value> = self.limits.fields().collect();
        if !self.scope.is_empty() {
            patch.insert("scopes".to_owned(), json!(self.scope));
        }
        if let Some(owner) = &self.owner {
            patch.insert("owner".to_owned(), none_or_text(owner));
        }
        if let Some(expires) = &self.expires {
            patch.insert("expires_at".to_owned(), json!(read_expiry(expires)?));
        }
        if patch.is_empty() {
            let options = "--owner, --scope, --expires, --rate-limit, --quota or --allow-network";
            return Err(Failure::Usage(format!("nothing is to be changed; give {options}")));
        }
        Ok(patch)
    }
}

/// Reads `--expires` as the API's field has it; none is never.
pub(super) fn read_expiry(text: &str) -> Result<Option<String>, Failure> {
    let end = parse_expiry(text, now());
    let end = end.map_err(|message| Failure::Usage(format!("--expires: {message}")))?;
    Ok(end.map(format_time))
}

pub(super) fn set(arguments: &Set, settings: &Settings) -> Result<(), Failure> {
    let (id, patch) = (parse_id(&arguments.id)?, arguments.patch()?);
    let bitting = open(settings, Missing::Refuse)?;
    let edited = bitting.edit_key(id, patch, &principal());
    show_changed_key(&bitting, &edited.map_err(|why| not_found(why, id))?, arguments.json)
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// The key's id, key_…
    id: String,
    /// How long the old key goes on working, 0 to 90d
    #[arg(long, default_value = "7d", value_name = "TIME")]
    overlap: String,
    /// When the new key expires: a time from now (90d, 1y), a date (2027-01-31, its end) or an RFC 3339
    /// time; unless given it lives as long as the old one was to live
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Print a JSON object that holds the new key
    #[arg(long)]
    json: bool,
}

impl Rotate {
    fn request(&self) -> Result<RotateRequest, Failure> {
        let mut object = Map::from_iter([("overlap".to_owned(), json!(self.overlap))]);
        if let Some(expires) = &self.expires {
            let never = "--expires: a key that never expires is rotated into one that never does, and \
                         no other; leave --expires out";
            let end = read_expiry(expires)?.ok_or_else(|| Failure::Usage(never.to_owned()))?;
            object.insert("expires_at".to_owned(), json!(end));
        }
        Ok(RotateRequest::from_object(&object, now())?)
    }
}

pub(super) fn rotate(arguments: &Rotate, settings: &Settings) -> Result<(), Failure> {
    let (id, request) = (parse_id(&arguments.id)?, arguments.request()?);
    let bitting = open(settings, Missing::Refuse)?;
    let rotated = bitting.rotate_key(id, request, &principal(), None);
    let Rotated { keys, secret } = rotated.map_err(|why| match why {
        // It has no option here: the new key takes over what the old one has.
        domain::Error::Invalid(errors) if errors.named().iter().any(|e| e.field == "owner") => {
            Failure::Usage(format!(
                "{id} has no owner, and every new key must have one (policy: require_owner); give \
                 it one first: bitting key set {id} --owner OWNER"
            ))
        }
        other => not_found(other, id),
    })?;
    if !arguments.json {
        let end = keys.old.expires_at.map(format_time).unwrap_or_default();
        say(format_args!(
            "{}. It replaces {id}, which ends {end}. The key is shown only once:",
            in_a_sentence(&keys.new)
        ));
    }
    show_new_key(&keys.new, &secret, &bitting, arguments.json)
}
