//! The resources of the built-in API. Their numbers are stored with the counts: never reuse one.

use crate::model::catalog::{Catalog, Example, Requests, Resource, ResourceNumber};

/// Phone calls with their transcripts.
pub const CALLS: ResourceNumber = ResourceNumber(1);
/// People who may become customers.
pub const LEADS: ResourceNumber = ResourceNumber(2);
/// Voice agents that take calls.
pub const AGENTS: ResourceNumber = ResourceNumber(3);
/// Figures computed from the other resources; they can only be read.
pub const ANALYTICS: ResourceNumber = ResourceNumber(4);
/// Customers and others with a number.
pub const CONTACTS: ResourceNumber = ResourceNumber(5);
/// Articles that agents answer from.
pub const KNOWLEDGE_BASE: ResourceNumber = ResourceNumber(6);
/// Connections to other products.
pub const INTEGRATIONS: ResourceNumber = ResourceNumber(7);

/// A row of the catalog.
struct Row {
    number: ResourceNumber,
    name: &'static str,
    description: &'static str,
    /// The smallest body that can be written; none if the resource can only be read.
    least: Option<&'static str>,
}

const ROWS: [Row; 7] = [
    Row {
        number: CALLS,
        name: "calls",
        description: "Phone calls with status, transcript and recording",
        least: Some(r#"{"direction":"inbound","caller":"+14155550100"}"#),
    },
    Row {
        number: LEADS,
        name: "leads",
        description: "People who may become customers",
        least: Some(r#"{"name":"Ada Lovelace"}"#),
    },
    Row {
        number: AGENTS,
        name: "agents",
        description: "Voice agents and what they say",
        least: Some(r#"{"name":"Ada","voice_id":"voice-1"}"#),
    },
    Row {
        number: ANALYTICS,
        name: "analytics",
        description: "Figures over calls, leads and usage",
        least: None,
    },
    Row {
        number: CONTACTS,
        name: "contacts",
        description: "The address book",
        least: Some(r#"{"name":"Ada Lovelace"}"#),
    },
    Row {
        number: KNOWLEDGE_BASE,
        name: "knowledge_base",
        description: "Articles that agents answer from",
        least: Some(r#"{"title":"Opening hours","content":"Nine to five."}"#),
    },
    Row {
        number: INTEGRATIONS,
        name: "integrations",
        description: "Connections to other products",
        least: Some(r#"{"name":"Orders","kind":"webhook"}"#),
    },
];

/// A catalog of nothing but the built-in API.
pub fn catalog() -> Catalog {
    Catalog::new(resources())
}

/// The resources of the built-in API, in the order in which they are listed.
pub fn resources() -> impl Iterator<Item = Resource> {
    ROWS.into_iter().filter_map(|Row { number, name, description, least }| {
        let path =
            if number == ANALYTICS { "/v1/analytics/overview".to_owned() } else { path(number) };
        Some(Resource {
            number,
            name: name.parse().ok()?,
            description: description.to_owned(),
            writable: least.is_some(),
            example: Example { path, body: least.map(str::to_owned) },
            // Whoever puts a copy of this API behind a proxy may leave the version out.
            requests: Requests {
                paths: vec![self::path(number), format!("/{name}")],
                ..Requests::default()
            },
        })
    })
}

/// The name of a resource of the built-in API.
pub fn name(number: ResourceNumber) -> &'static str {
    ROWS.into_iter().find(|row| row.number == number).map_or("", |row| row.name)
}

/// The path of a resource's list.
pub fn path(number: ResourceNumber) -> String {
    format!("/v1/{}", name(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_api_has_thirteen_scopes_each_with_its_own_bit() {
        let catalog = catalog();
        assert_eq!(catalog.scopes().len(), 13);
        let permissions = catalog.compile(&catalog.scopes());
        assert_eq!(catalog.scopes_of(permissions), catalog.scopes());
        assert!(catalog.parse_scope("calls:read").is_ok());
        for wrong in ["analytics:write", "keys:write", "orders:read", "calls:read "] {
            let message = catalog.parse_scope(wrong).unwrap_err();
            assert!(message.contains("choose from calls:read, calls:write"), "{message}");
        }
    }
}
