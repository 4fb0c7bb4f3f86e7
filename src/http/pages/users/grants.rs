//! Scopes as the pages show them: by resource, and as a sentence.

use chrono::NaiveTime;

use crate::http::pages::parts::text::{listed, long_day};
use crate::model::catalog::Catalog;
use crate::model::scope::{Access, Scope, ScopeSet};
use crate::model::time::{Moment, last_day};

/// What is granted of one resource, or of one at a connection.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The resource's name.
    pub resource: String,
    /// Whether it may be read.
    pub read: bool,
    /// Whether it may be written.
    pub write: bool,
    /// Whether it opens nothing, since the resource is no longer there.
    pub gone: bool,
}

impl Grant {
    /// A set of scopes, one entry for each resource.
    pub fn list(scopes: &ScopeSet, catalog: &Catalog) -> Vec<Self> {
        Self::of(scopes, |scope| !catalog.offers(scope))
    }

    fn of(scopes: &ScopeSet, is_gone: impl Fn(&Scope) -> bool) -> Vec<Self> {
        let mut grants: Vec<Self> = Vec::new();
        for scope in scopes.iter() {
            let (resource, access, gone) =
                (scope.counted_as().to_string(), scope.access, is_gone(scope));
            let same = |grant: &Self| grant.resource == resource && grant.gone == gone;
            let place = grants.iter().position(same);
            let place = place.unwrap_or_else(|| {
                grants.push(Self { resource, read: false, write: false, gone });
                grants.len() - 1
            });
            match access {
                Access::Read => grants[place].read = true,
                Access::Write => grants[place].write = true,
            }
        }
        grants
    }

    fn words(&self) -> String {
        let access = match (self.read, self.write) {
            (true, true) => "read and write",
            (true, false) => "read",
            (false, _) => "write",
        };
        format!("{access} {}", self.resource.replace('_', " ").replace('@', " at "))
    }
}

/// What a key will be able to do, and until when. `static/new-key.js` says the same while the form
/// is filled in.
pub fn promise(scopes: &ScopeSet, expires_at: Option<Moment>) -> String {
    if scopes.is_empty() {
        return "This key will not be able to do anything: select at least one box.".to_owned();
    }
    format!("This key will be able to {}.", abilities(scopes, expires_at))
}

/// What a key that has been made can do, and until when.
pub fn sentence(scopes: &ScopeSet, expires_at: Option<Moment>) -> String {
    format!("This key can {}.", abilities(scopes, expires_at))
}

fn abilities(scopes: &ScopeSet, expires_at: Option<Moment>) -> String {
    let parts: Vec<String> = Grant::of(scopes, |_| false).iter().map(Grant::words).collect();
    let until = match expires_at {
        Some(end) if end.time() == NaiveTime::MIN => {
            format!("until the end of {}", long_day(last_day(end)))
        }
        Some(end) => format!("until {}", long_day(end)),
        None => "until somebody revokes it".to_owned(),
    };
    format!("{} {until}", listed(&parts))
}

#[cfg(test)]
mod tests {
    use crate::http::pages::users::grants::*;
    use crate::model::time::parse_rfc3339;

    #[test]
    fn a_sentence_says_what_a_key_may_do() {
        let said = |scopes: &str| promise(&scopes.parse().unwrap(), None);
        assert_eq!(
            said("calls:read calls:write contacts:read knowledge_base:write"),
            "This key will be able to read and write calls, read contacts and write knowledge \
             base until somebody revokes it."
        );
        assert!(said("").starts_with("This key will not be able to do anything"));
        assert_eq!(
            said("calls:read calls:read@callrail leads:write@call-rail-2"),
            "This key will be able to read calls, read calls at callrail and write leads at \
             call-rail-2 until somebody revokes it."
        );
        let end = parse_rfc3339("2027-02-20T00:00:00Z");
        let until = sentence(&"leads:write".parse().unwrap(), end);
        assert_eq!(until, "This key can write leads until the end of 19 February 2027.");
    }
}
