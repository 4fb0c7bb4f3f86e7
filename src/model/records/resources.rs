//! The resources of the built-in API. Their numbers are stored with the counts: never reuse one.

use crate::model::catalog::{Catalog, Resource, ResourceNumber};

/// Phone calls.
pub const CALLS: ResourceNumber = ResourceNumber(1);
/// Leads.
pub const LEADS: ResourceNumber = ResourceNumber(2);
/// Voice agents.
pub const AGENTS: ResourceNumber = ResourceNumber(3);
/// Figures computed from the other resources; they can only be read.
pub const ANALYTICS: ResourceNumber = ResourceNumber(4);
/// Contacts.
pub const CONTACTS: ResourceNumber = ResourceNumber(5);
/// Articles that agents answer from.
pub const KNOWLEDGE_BASE: ResourceNumber = ResourceNumber(6);
/// Connections to other products.
pub const INTEGRATIONS: ResourceNumber = ResourceNumber(7);

const ALL: [(ResourceNumber, &str, &str); 7] = [
    (CALLS, "calls", "Phone calls with status, transcript and recording"),
    (LEADS, "leads", "People who may become customers"),
    (AGENTS, "agents", "Voice agents and what they say"),
    (ANALYTICS, "analytics", "Figures over calls, leads and usage"),
    (CONTACTS, "contacts", "The address book"),
    (KNOWLEDGE_BASE, "knowledge_base", "Articles that agents answer from"),
    (INTEGRATIONS, "integrations", "Connections to other products"),
];

/// A catalog of nothing but the built-in API.
pub fn catalog() -> Catalog {
    Catalog::new(resources())
}

/// The resources of the built-in API, in the order in which they are listed.
pub fn resources() -> impl Iterator<Item = Resource> {
    ALL.into_iter().filter_map(|(number, name, description)| {
        Some(Resource {
            number,
            name: name.parse().ok()?,
            description: description.to_owned(),
            writable: number != ANALYTICS,
        })
    })
}

/// The name of a resource of the built-in API.
pub fn name(number: ResourceNumber) -> &'static str {
    ALL.into_iter().find(|(other, ..)| *other == number).map_or("", |(_, name, _)| name)
}
