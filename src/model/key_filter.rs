//! Which keys are asked for, and in which order: read once for query strings, JSON and the command
//! line.

use std::fmt;
use std::str::FromStr;

use chrono::Duration;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::FieldErrors;
use super::catalog::Catalog;
use super::email::Email;
use super::fields::{FieldReader, as_text};
use super::formats::{LONGEST_SEARCH, check_search};
use super::key::Status;
use super::schema;
use super::scope::Scope;
use super::span::Span;
use super::words;
use super::words::{Word, words};

/// How near an expiry is when pages and commands point it out.
pub const SOON: Duration = Duration::days(14);
/// For how long a key does not use a scope that it does not need.
pub const UNUSED_SCOPE: Duration = Duration::days(30);

words! {
    /// Which keys to list.
    StatusFilter {
        /// Keys that are accepted.
        Active = "active",
        /// Keys that were revoked.
        Revoked = "revoked",
        /// Keys that have expired and were not revoked.
        Expired = "expired",
        /// Revoked and expired keys.
        Retired = "retired",
        /// Every key.
        All = "all",
    }
}

impl Status {
    /// Whether a filter lets keys in this state through.
    pub fn among(self, filter: StatusFilter) -> bool {
        match filter {
            StatusFilter::All => true,
            StatusFilter::Active => self == Self::Active,
            StatusFilter::Revoked => self == Self::Revoked,
            StatusFilter::Expired => self == Self::Expired,
            StatusFilter::Retired => self != Self::Active,
        }
    }
}

words! {
    /// Which keys to list, by their expiry.
    ExpiryFilter {
        /// Those that expire within 14 days.
        Soon = "soon",
        /// Those that never do.
        Never = "never",
        /// Those that do some day.
        Dated = "dated",
    }
}

/// Whose keys to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldBy {
    /// Those without a holder.
    Nobody,
    /// Those of the user with this address.
    User(Email),
}

impl HeldBy {
    /// The word for keys without a holder.
    const NOBODY: &'static str = "none";

    /// Addresses that need no thought, and the word.
    fn schema() -> Value {
        json!({"type": "string", "pattern": "^(none|[a-z0-9]{1,40}@[a-z0-9]{1,40}\\.[a-z]{2,10})$"})
    }
}

impl FromStr for HeldBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == Self::NOBODY {
            return Ok(Self::Nobody);
        }
        let no_address = |_| format!("must be an e-mail address, or {}", Self::NOBODY);
        text.parse().map(Self::User).map_err(no_address)
    }
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str(Self::NOBODY),
            Self::User(email) => email.fmt(f),
        }
    }
}

/// Which keys to list.
#[derive(Debug, Clone, Default, JsonSchema)]
pub struct KeyFilter {
    /// Only keys in this state. If absent: every key, or active ones alone where `unused_for`,
    /// `over_scoped` or `expires_within` is given.
    pub status: Option<StatusFilter>,
    /// Only keys with this text in their name, description, owner, holder, id or display form; case is ignored.
    #[schemars(rename = "q")]
    pub text: Option<String>,
    /// Only keys of exactly this owner.
    pub owner: Option<String>,
    /// Only keys that the user with this e-mail address holds, or, with `none`, those that nobody holds.
    #[schemars(with = "Option<String>")]
    pub holder: Option<HeldBy>,
    /// Only keys with this scope.
    #[schemars(with = "Option<String>")]
    pub scope: Option<Scope>,
    /// Only keys with such an expiry.
    pub expiry: Option<ExpiryFilter>,
    /// Only keys that expire within this time from now, such as `14d`.
    #[schemars(with = "Option<String>")]
    pub expires_within: Option<Span>,
    /// Only keys that were not used for this long, such as `90d`; for a key that was never used, since
    /// it was made.
    #[schemars(with = "Option<String>")]
    pub unused_for: Option<Span>,
    /// With `true`, only keys that were made 30 days ago or earlier and have a scope of which they made
    /// no use in the last 30 days; with `false`, all others. A request that was refused with 403 is no use.
    pub over_scoped: Option<bool>,
}

/// Where a filter is read from.
pub trait Parameters {
    /// Reads a text without white space around it with `parse`, whose error becomes the parameter's;
    /// `schema` describes what `parse` accepts.
    fn parameter<T>(
        &mut self,
        name: &'static str,
        schema: impl FnOnce() -> Value,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T>;

    /// Reads `true` or `false`.
    fn flag(&mut self, name: &'static str) -> Option<bool>;
}

impl Parameters for FieldReader<'_> {
    fn parameter<T>(
        &mut self,
        name: &'static str,
        schema: impl FnOnce() -> Value,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.parsed(name, schema, |value| parse(as_text(value)?.trim()))
    }

    fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.boolean(name)
    }
}

fn word<W: Word>(from: &mut impl Parameters, name: &'static str) -> Option<W> {
    let parse = |text: &str| W::parse(text).ok_or_else(|| format!("must be {}", W::choices()));
    from.parameter(name, words::choice::<W>, parse)
}

impl KeyFilter {
    /// The active keys that expire within [`SOON`].
    pub fn expiring_soon() -> Self {
        let expires_within = Some(Span::days(14));
        Self { expires_within, ..Self::of_status(StatusFilter::Active) }
    }

    /// Keys in one state.
    pub fn of_status(status: StatusFilter) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// Reads every parameter there is.
    pub fn read(from: &mut impl Parameters, catalog: &Catalog) -> Self {
        let text = || schema::search_text(LONGEST_SEARCH);
        Self {
            status: word(from, "status"),
            text: from.parameter("q", text, check_search),
            owner: from.parameter("owner", text, check_search),
            holder: from.parameter("holder", HeldBy::schema, str::parse),
            scope: from.parameter(
                "scope",
                || catalog.scope_schema(),
                |text| catalog.parse_scope_to_find(text),
            ),
            expiry: word(from, "expiry"),
            expires_within: from.parameter("expires_within", Span::schema, str::parse),
            unused_for: from.parameter("unused_for", Span::schema, str::parse),
            over_scoped: from.flag("over_scoped"),
        }
    }

    /// Reads an object that may hold nothing else.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(
        object: &Map<String, Value>,
        catalog: &Catalog,
    ) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let filter = Self::read(&mut reader, catalog);
        reader.finish(Some(filter))
    }

    /// Whether it says anything of the keys it finds.
    pub fn narrows(&self) -> bool {
        self.parameters().iter().any(|(_, given)| given.is_some())
    }

    /// The parameters that were given, as [`Self::read`] reads them from a query string.
    pub fn parameters(&self) -> [(&'static str, Option<String>); 9] {
        [
            ("q", self.text.clone()),
            ("owner", self.owner.clone()),
            ("holder", self.holder.as_ref().map(HeldBy::to_string)),
            ("status", self.status.map(|status| status.as_str().to_owned())),
            ("scope", self.scope.as_ref().map(Scope::to_string)),
            ("expiry", self.expiry.map(|expiry| expiry.as_str().to_owned())),
            ("expires_within", self.expires_within.map(|span| span.to_string())),
            ("unused_for", self.unused_for.map(|span| span.to_string())),
            ("over_scoped", self.over_scoped.map(|over| over.to_string())),
        ]
    }

    /// The state of the keys it lets through, also where it does not say.
    pub fn state(&self) -> StatusFilter {
        let of_live = self.expires_within.is_some()
            || self.unused_for.is_some()
            || self.over_scoped.is_some();
        let unless_said = if of_live { StatusFilter::Active } else { StatusFilter::All };
        self.status.unwrap_or(unless_said)
    }
}

words! {
    /// By what to sort keys.
    KeySort {
        /// The newest first.
        Newest = "newest",
        /// By name, in any case.
        Name = "name",
        /// What expires soonest first, what never does last.
        Expiry = "expiry",
        /// What was used last first.
        LastUsed = "last_used",
        /// What was used most in 30 days first.
        MostUsed = "most_used",
        /// What was retired last first.
        Retired = "retired",
    }
}

/// In which order to list keys: as its sort says, or turned round, written `-name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyOrder {
    /// By what.
    pub sort: KeySort,
    /// Whether what would come first comes last.
    pub reversed: bool,
}

impl KeyOrder {
    /// An order as its sort says.
    pub fn by(sort: KeySort) -> Self {
        Self { sort, reversed: false }
    }

    /// The JSON Schema of what is read.
    pub fn schema() -> Value {
        let sorts: Vec<&str> = KeySort::ALL.iter().map(|sort| sort.as_str()).collect();
        json!({"type": "string", "pattern": format!("^-?({})$", sorts.join("|"))})
    }

    /// Reads `name` or `-name`.
    ///
    /// # Errors
    /// The message for the parameter.
    pub fn parse(text: &str) -> Result<Self, String> {
        let sort = text.strip_prefix('-').unwrap_or(text);
        let sort = KeySort::parse(sort).ok_or_else(|| {
            format!("must be {}, with - before it to turn it round", KeySort::choices())
        })?;
        Ok(Self { sort, reversed: text.starts_with('-') })
    }

    /// The order as it is read.
    pub fn name(self) -> String {
        format!("{}{}", if self.reversed { "-" } else { "" }, self.sort.as_str())
    }
}
