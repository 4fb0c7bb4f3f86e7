//! The table in which scopes are ticked: those of our own resources, then a group for each connection.

use crate::model::catalog::Catalog;
use crate::model::scope::{Access, ResourceName, Scope, ScopeSet};

/// A row of the table: one resource, perhaps at a connection.
pub struct Row {
    /// The resource's name.
    pub resource: String,
    /// The resource's description.
    pub description: String,
    /// The cells for reading and writing.
    pub cells: [Cell; 2],
    /// Whether both are offered.
    pub both: bool,
}

/// A cell of the table: one scope.
pub struct Cell {
    /// The scope as text.
    pub scope: String,
    /// Whether it may be ticked.
    pub offered: bool,
    /// Whether the box is ticked.
    pub ticked: bool,
    /// The text in place of a box.
    pub instead: &'static str,
}

impl Row {
    /// The resources of which something may be granted.
    pub fn list(catalog: &Catalog, may_grant: &ScopeSet, ticked: &ScopeSet) -> Vec<Self> {
        let cell = |scope: Option<Scope>| Cell {
            offered: scope.as_ref().is_some_and(|scope| may_grant.contains(scope)),
            ticked: scope.as_ref().is_some_and(|scope| ticked.contains(scope)),
            instead: if scope.is_some() { "not yours to grant" } else { "none" },
            scope: scope.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        let row = |name: &ResourceName, description, scopes: [Option<Scope>; 2]| {
            let cells = scopes.map(cell);
            let both = cells.iter().all(|cell| cell.offered);
            Self { resource: name.to_string(), description, cells, both }
        };
        let own = catalog.resources().iter().map(|resource| {
            let scopes = Access::ALL.map(|access| resource.scope(access));
            row(&resource.name, resource.description.clone(), scopes)
        });
        let there = catalog.connections.by_connection();
        let at_connections = there.iter().flat_map(|(connection, offered)| {
            let description = format!("Through the connection {connection}");
            by_resource(offered)
                .into_iter()
                .map(move |(name, scopes)| row(&name, description.clone(), scopes))
        });
        own.chain(at_connections).filter(|row| row.cells.iter().any(|cell| cell.offered)).collect()
    }
}

/// The scopes of each resource at a connection, in their order.
fn by_resource(offered: &ScopeSet) -> Vec<(ResourceName, [Option<Scope>; 2])> {
    let mut names: Vec<ResourceName> = offered.iter().map(Scope::counted_as).collect();
    names.dedup();
    let scopes = |name: &ResourceName| {
        Access::ALL.map(|access| {
            let wanted = |scope: &&Scope| scope.counted_as() == *name && scope.access == access;
            offered.iter().find(wanted).cloned()
        })
    };
    names
        .into_iter()
        .map(|name| {
            let scopes = scopes(&name);
            (name, scopes)
        })
        .collect()
}
