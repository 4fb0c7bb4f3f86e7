//! What may be changed of a connection at any time, and what a new one is made of.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::api_origin::ApiOrigin;
use super::auth_form::{AuthForm, UsualForm};
use super::handle::Handle;
use super::kind::Kind;
use super::rules;
use super::table::Table;
use super::vendor_target::{forbidden_parameter, is_clear};
use crate::model::FieldErrors;
use crate::model::fields::{FieldReader, as_text};
use crate::model::limits::{RateLimit, RatePeriod, lower};
use crate::model::merge_patch::{Edit, edit_fields};
use crate::model::words::Word;

/// The handle that no connection has: at its page, connections are made.
const RESERVED: &str = "new";
/// The longest account id.
const LONGEST_ACCOUNT: usize = 100;

/// The part of a connection that can be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionProfile {
    /// 1 to 100 characters.
    pub name: String,
    /// At most 500 characters.
    pub description: Option<String>,
    /// The only account of the vendor's that requests may be about, where its paths name one.
    pub account: Option<String>,
    /// Whether calls are offered that outlive a key, such as making a webhook.
    pub standing: bool,
    /// Whether answers may hold links to recordings.
    pub recordings: bool,
    /// How fast the connection may be used by all keys together.
    #[serde(serialize_with = "as_optional_text")]
    pub limit: Option<RateLimit>,
    /// How fast each key may use it.
    #[serde(serialize_with = "as_optional_text")]
    pub key_limit: Option<RateLimit>,
    /// What it offers, where its kind has no table.
    pub rules: Table,
    /// The path and query that it is tested with, where its kind has none.
    pub test_path: Option<String>,
}

fn as_optional_text<S: serde::Serializer>(
    limit: &Option<RateLimit>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    limit.map(|limit| limit.to_string()).serialize(serializer)
}

impl ConnectionProfile {
    /// Reads every field, for a connection of this kind: what becomes of the one before, or a new one,
    /// which may have this name unless it is given another.
    fn read(
        reader: &mut FieldReader<'_>,
        kind: Option<Kind>,
        before: Option<&Self>,
        usual: Option<&str>,
    ) -> Option<Self> {
        let name = reader.line("name", 100).or_else(|| usual.map(str::to_owned));
        let name = reader.required("name", name);
        let description = reader.text("description", 500).filter(|text| !text.is_empty());
        let account = reader.parsed(
            "account",
            || json!({"type": "string"}),
            |value| read_account(as_text(value)?, kind),
        );
        let mut offer = |field, before| {
            let schema = || json!({"type": "boolean"});
            reader.parsed(field, schema, |value| read_offer(value, before, kind))
        };
        let standing = offer("standing", before.is_some_and(|before| before.standing));
        let recordings = offer("recordings", before.is_none_or(|before| before.recordings));
        let mut limit = |field| {
            let schema = || json!({"type": "string"});
            reader.parsed(field, schema, |value| as_text(value)?.parse::<RateLimit>())
        };
        let (limit, key_limit) = (limit("limit"), limit("key_limit"));
        let rules = reader.parsed("rules", rules::schema, |value| read_rules(value, kind));
        let rules = rules.unwrap_or_default();
        let test_path = reader.parsed(
            "test_path",
            || json!({"type": "string"}),
            |value| read_test_path(as_text(value)?, kind),
        );
        Some(Self {
            name: name?,
            description,
            account,
            standing: standing.unwrap_or(false),
            recordings: recordings.unwrap_or(true),
            limit,
            key_limit,
            rules,
            test_path,
        })
    }

    /// Everything that is shown of it, by field, as JSON.
    pub fn texts(&self) -> impl Iterator<Item = (String, String)> {
        let fields = json!(self).as_object().cloned().unwrap_or_default();
        fields.into_iter().map(|(field, value)| (field, value.to_string()))
    }

    /// The path and query that a connection of this kind is tested with, if there are any.
    pub fn test_target(&self, kind: Kind) -> Option<&str> {
        match kind.offered() {
            Some(offered) => offered.test.split_once(' ').map(|(_get, target)| target),
            None => self.test_path.as_deref(),
        }
    }

    /// This one without what another does not allow. Account and rules are one thing each: where the
    /// other has others, they are the other's, since a row alone does not tell what a path opens.
    pub fn narrowed_to(&self, other: &Self) -> Self {
        Self {
            name: self.name.clone(),
            description: self.description.clone(),
            account: other.account.clone().or_else(|| self.account.clone()),
            standing: self.standing && other.standing,
            recordings: self.recordings && other.recordings,
            limit: lower(self.limit, other.limit, RatePeriod::seconds),
            key_limit: lower(self.key_limit, other.key_limit, RatePeriod::seconds),
            rules: other.rules.clone(),
            test_path: self.test_path.clone(),
        }
    }

    /// What an edit makes of it.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn patched(&self, edit: impl Into<Edit>, kind: Kind) -> Result<Self, FieldErrors> {
        let mut document = json!(self).as_object().cloned().unwrap_or_default();
        edit_fields(&mut document, edit.into());
        let mut reader = FieldReader::new(&document);
        let profile = Self::read(&mut reader, Some(kind), Some(self), None);
        reader.finish(profile)
    }
}

fn read_account(text: &str, kind: Option<Kind>) -> Result<String, String> {
    let formed = !text.is_empty()
        && text.len() <= LONGEST_ACCOUNT
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match kind {
        Some(Kind::CallRail) | None if formed => Ok(text.to_owned()),
        Some(Kind::CallRail) | None => Err("must be the letters and digits of an id".to_owned()),
        Some(kind) => Err(format!("is not to be said: the paths of {} name none", kind.as_str())),
    }
}

/// What of a table is offered, which nobody changes where there is none.
fn read_offer(value: &Value, before: bool, kind: Option<Kind>) -> Result<bool, String> {
    let read = value.as_bool().ok_or_else(|| "must be true or false".to_owned())?;
    match kind.filter(|kind| kind.offered().is_none() && read != before) {
        Some(kind) => Err(format!("has no effect: {} offers what its rules say", kind.as_str())),
        None => Ok(read),
    }
}

fn read_rules(value: &Value, kind: Option<Kind>) -> Result<Table, String> {
    let rules = rules::read(value)?;
    match kind.filter(|kind| kind.offered().is_some()) {
        Some(kind) if !rules.rows().is_empty() => {
            Err(format!("must not be given: {} has a table", kind.as_str()))
        }
        _ => Ok(rules),
    }
}

/// The longest path of a test, in characters.
const LONGEST_TEST: usize = 300;

fn read_test_path(target: &str, kind: Option<Kind>) -> Result<String, String> {
    if let Some(kind) = kind.filter(|kind| kind.offered().is_some()) {
        return Err(format!("is not to be given: {} has a test", kind.as_str()));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let sent = query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if target.len() > LONGEST_TEST || !is_clear(path) || !sent {
        return Err("must be a path as it is sent, such as /v1/me".to_owned());
    }
    match forbidden_parameter(query) {
        Some((name, instead)) => Err(format!("must not hold {name}: {instead}")),
        None => Ok(target.to_owned()),
    }
}

/// A connection that is about to be made; everything in it has been checked, save whether its origin
/// is allowed.
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// Its name in scopes and URLs.
    pub handle: Handle,
    /// Which API it is.
    pub kind: Kind,
    /// Where the API is served.
    pub origin: ApiOrigin,
    /// How the credential is sent, unless a test is to find it.
    pub form: Option<AuthForm>,
    /// What may be changed later.
    pub profile: ConnectionProfile,
}

impl NewConnection {
    /// Reads `handle`, `kind`, and optionally `base_url`, `auth` and the fields of the profile.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let text = || json!({"type": "string"});
        let handle: Option<Handle> =
            reader.parsed("handle", text, |value| match as_text(value)?.parse::<Handle>() {
                Ok(handle) if handle.as_str() == RESERVED => {
                    Err(format!("must not be {RESERVED}, which is a page's name"))
                }
                read => read.map_err(|why| why.to_string()),
            });
        let handle = reader.required("handle", handle);
        let kind = reader.parsed("kind", text, |value| read_kind(as_text(value)?));
        let kind = reader.required("kind", kind);
        let origin = reader.parsed("base_url", text, |value| as_text(value)?.parse::<ApiOrigin>());
        let origin = match (origin, kind) {
            (None, Some(kind)) => match kind.origin() {
                Some(usual) => usual.parse().ok(),
                None => reader.required("base_url", None),
            },
            (origin, _) => origin,
        };
        let form = reader.parsed("auth", text, |value| read_form(as_text(value)?, kind));
        let usual = Some(handle.as_ref().map_or("", Handle::as_str));
        let profile = ConnectionProfile::read(&mut reader, kind, None, usual);
        let new = handle.zip(kind).zip(origin).zip(profile);
        reader.finish(new.map(|(((handle, kind), origin), profile)| Self {
            handle,
            kind,
            origin,
            form,
            profile,
        }))
    }
}

fn read_kind(text: &str) -> Result<Kind, String> {
    Kind::parse(text).ok_or_else(|| format!("must be {}", Kind::choices()))
}

/// A form that a kind has; where it has none of its own, whatever its API asks for.
fn read_form(text: &str, kind: Option<Kind>) -> Result<AuthForm, String> {
    let forms = kind.map_or(UsualForm::ALL, Kind::forms);
    if let Some(usual) = forms.iter().find(|form| form.as_str() == text) {
        return Ok(AuthForm::Usual(*usual));
    }
    if kind.is_none_or(|kind| kind.offered().is_none()) {
        return text.parse();
    }
    let words: Vec<&str> = forms.iter().map(|form| form.as_str()).collect();
    Err(format!("must be one of {}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: Value) -> Result<NewConnection, Vec<String>> {
        NewConnection::from_object(object.as_object().unwrap())
            .map_err(|errors| errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn a_connection_needs_a_handle_and_a_kind() {
        let new = read(json!({"handle": "cr", "kind": "callrail"})).unwrap();
        assert_eq!(
            (new.profile.name.as_str(), new.origin.as_str()),
            ("cr", "https://api.callrail.com")
        );
        assert!(new.profile.recordings && !new.profile.standing && new.form.is_none());
        assert_eq!(read(json!({})).unwrap_err(), ["handle", "kind"]);
        let wrong = json!({
            "handle": "CR", "kind": "callrail", "base_url": "https://x/v1", "auth": "basic",
            "account": "a/b", "limit": "fast", "secret": "x",
        });
        let named = ["handle", "base_url", "auth", "account", "limit", "secret"];
        assert_eq!(read(wrong).unwrap_err(), named);
        assert_eq!(
            read(json!({"handle": "ac", "kind": "aircall", "account": "1"})).unwrap_err(),
            ["account"]
        );
    }

    #[test]
    fn another_api_has_its_own_address_form_rules_and_test() {
        let given = json!({
            "handle": "crm", "kind": "http", "base_url": "https://crm.example",
            "auth": "header:X-Api-Key", "rules": ["GET /v1/things things:read"],
            "test_path": "/v1/me?fields=id",
        });
        let new = read(given).unwrap();
        assert_eq!(new.form.unwrap().to_string(), "X-Api-Key: {api_key}");
        assert_eq!(new.profile.test_target(Kind::Http), Some("/v1/me?fields=id"));
        let nowhere = json!({
            "handle": "crm", "kind": "http", "account": "1", "auth": "digest", "standing": true,
            "recordings": false,
        });
        let named = ["base_url", "auth", "account", "standing", "recordings"];
        assert_eq!(read(nowhere).unwrap_err(), named);
        for test_path in ["v1/me", "/v1//me", "/v1/me?token=x", "/v1/me?a b"] {
            let wrong = json!({
                "handle": "crm", "kind": "http", "base_url": "https://crm.example",
                "test_path": test_path,
            });
            assert_eq!(read(wrong).unwrap_err(), ["test_path"], "{test_path}");
        }
        let tabled = json!({
            "handle": "cr", "kind": "callrail", "rules": ["GET /x any"], "test_path": "/x",
            "auth": "header:X-Api-Key",
        });
        assert_eq!(read(tabled).unwrap_err(), ["auth", "rules", "test_path"]);
    }

    #[test]
    fn a_profile_is_changed_by_a_merge_patch() {
        let before =
            read(json!({"handle": "cr", "kind": "callrail", "limit": "600/minute"})).unwrap();
        let patch = json!({"limit": null, "account": "ACC1", "name": "CallRail"});
        let patch = patch.as_object().unwrap().clone();
        let after = before.profile.patched(patch, Kind::CallRail).unwrap();
        assert_eq!((after.limit, after.account.as_deref()), (None, Some("ACC1")));
        assert_eq!(after.name, "CallRail");
        let unknown = json!({"base_url": "https://x"}).as_object().unwrap().clone();
        assert!(before.profile.patched(unknown, Kind::CallRail).is_err());
        for blank in [json!(""), json!(" "), Value::Null] {
            let patch: Map<String, Value> = [("name".to_owned(), blank)].into_iter().collect();
            assert!(before.profile.patched(patch, Kind::CallRail).is_err());
        }
    }
}
