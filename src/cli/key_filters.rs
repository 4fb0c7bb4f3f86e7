//! The options that choose among keys, read as the API reads its parameters.

use clap::Args;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::key_shown::KEY_IN_ARGUMENT;
use super::word::word;
use crate::domain::Bitting;
use crate::model::key_filter::{KeyFilter, StatusFilter};

/// Which keys
#[derive(Debug, Args)]
pub(super) struct Filters {
    /// Only keys in this state [default: all, or active with --unused-for, --over-scoped or --expires-within]
    #[arg(long, value_parser = word::<StatusFilter>())]
    status: Option<StatusFilter>,
    /// Only keys of exactly this owner
    #[arg(long)]
    owner: Option<String>,
    /// Only keys that the user with this e-mail address holds, or none for those that nobody holds
    #[arg(long, value_name = "EMAIL|none")]
    holder: Option<String>,
    /// Only keys with this scope
    #[arg(long)]
    scope: Option<String>,
    /// Only keys not used for this long, such as 90d (h, d, w, months, y), or never since they were made
    #[arg(long, value_name = "TIME")]
    unused_for: Option<String>,
    /// Only keys with a scope they did not use in the last 30 days, of those made before that
    #[arg(long)]
    over_scoped: bool,
    /// Only keys that expire within this time, such as 14d
    #[arg(long, value_name = "TIME")]
    expires_within: Option<String>,
}

impl Filters {
    /// The filter that the options make.
    ///
    /// # Errors
    /// Names everything that is wrong.
    pub(super) fn read(&self, bitting: &Bitting) -> Result<KeyFilter, Failure> {
        let object = self.object();
        let given =
            object.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        bitting.refuse_keys(given, &format!("is a key: {KEY_IN_ARGUMENT}"))?;
        Ok(KeyFilter::from_object(&object, &bitting.catalog)?)
    }

    /// Whether none of them was given.
    pub(super) fn is_empty(&self) -> bool {
        self.object().is_empty()
    }

    /// The options as the API's parameters; only those that were given.
    fn object(&self) -> Map<String, Value> {
        let fields = [
            ("status", json!(self.status)),
            ("owner", json!(self.owner)),
            ("holder", json!(self.holder)),
            ("scope", json!(self.scope)),
            ("unused_for", json!(self.unused_for)),
            ("over_scoped", json!(self.over_scoped.then_some(true))),
            ("expires_within", json!(self.expires_within)),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_null());
        given.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
