//! Scopes as the pages show them: by resource, and as a sentence.

use super::text::{listed, long_day};
use crate::model::scope::{Access, Resource, Scope, ScopeSet};
use crate::model::time::Moment;

/// What is granted of one resource.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The resource's name.
    pub resource: &'static str,
    /// Whether it may be read.
    pub read: bool,
    /// Whether it may be written.
    pub write: bool,
}

impl Grant {
    /// A set of scopes, a resource each.
    pub fn list(scopes: ScopeSet) -> Vec<Self> {
        let may = |resource, access| {
            Scope::new(resource, access).is_some_and(|scope| scopes.contains(scope))
        };
        let of = |resource: Resource| Self {
            resource: resource.as_str(),
            read: may(resource, Access::Read),
            write: may(resource, Access::Write),
        };
        Resource::ALL.into_iter().map(of).filter(|grant| grant.read || grant.write).collect()
    }

    fn words(&self) -> String {
        let access = match (self.read, self.write) {
            (true, true) => "read and write",
            (true, false) => "read",
            (false, _) => "write",
        };
        format!("{access} {}", self.resource.replace('_', " "))
    }
}

/// What a key will be able to do, and until when. `static/new-key.js` says the same while the form
/// is filled in.
pub fn promise(scopes: ScopeSet, expires_at: Option<Moment>) -> String {
    if scopes.is_empty() {
        return "This key will not be able to do anything: select at least one box.".to_owned();
    }
    format!("This key will be able to {}.", abilities(scopes, expires_at))
}

/// What a key that has been made can do, and until when.
pub fn sentence(scopes: ScopeSet, expires_at: Option<Moment>) -> String {
    format!("This key can {}.", abilities(scopes, expires_at))
}

fn abilities(scopes: ScopeSet, expires_at: Option<Moment>) -> String {
    let parts: Vec<String> = Grant::list(scopes).iter().map(Grant::words).collect();
    let until = match expires_at {
        Some(end) => format!("until {}", long_day(end)),
        None => "until somebody revokes it".to_owned(),
    };
    format!("{} {until}", listed(&parts))
}

/// A first request that the scope allows: method, path and perhaps a body.
pub fn first_request(scope: Scope) -> (&'static str, String, Option<&'static str>) {
    let path = match scope.resource() {
        Resource::Analytics => "/v1/analytics/overview".to_owned(),
        resource => format!("/v1/{}", resource.as_str()),
    };
    match scope.access() {
        Access::Read => ("GET", path, None),
        Access::Write => ("POST", path, Some(smallest_record(scope.resource()))),
    }
}

fn smallest_record(resource: Resource) -> &'static str {
    match resource {
        Resource::Calls => r#"{"direction":"inbound","caller":"+14155550100"}"#,
        Resource::Leads | Resource::Contacts => r#"{"name":"Ada Lovelace"}"#,
        Resource::Agents => r#"{"name":"Ada","voice_id":"voice-1"}"#,
        Resource::Analytics => "{}",
        Resource::KnowledgeBase => r#"{"title":"Opening hours","content":"Nine to five."}"#,
        Resource::Integrations => r#"{"name":"Orders","kind":"webhook"}"#,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::parse_rfc3339;

    #[test]
    fn a_sentence_says_what_a_key_may_do() {
        let said = |scopes: &str| promise(scopes.parse().unwrap(), None);
        assert_eq!(
            said("calls:read calls:write knowledge_base:write contacts:read"),
            "This key will be able to read and write calls, read contacts and write knowledge \
             base until somebody revokes it."
        );
        assert!(said("").starts_with("This key will not be able to do anything"));
        let end = parse_rfc3339("2027-02-20T00:00:00Z");
        let until = sentence("leads:write".parse().unwrap(), end);
        assert_eq!(until, "This key can write leads until 20 February 2027.");
    }
}
