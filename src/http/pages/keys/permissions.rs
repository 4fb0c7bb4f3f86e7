//! The table in which scopes are ticked.

use crate::model::catalog::{Catalog, Resource};
use crate::model::scope::{Access, ScopeSet};

/// A row of the table: one resource.
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
        let cell = |resource: &Resource, access| {
            let scope = resource.scope(access);
            let offered = scope.as_ref().is_some_and(|scope| may_grant.contains(scope));
            Cell {
                scope: scope.as_ref().map(ToString::to_string).unwrap_or_default(),
                offered,
                ticked: scope.as_ref().is_some_and(|scope| ticked.contains(scope)),
                instead: if scope.is_some() { "not yours to grant" } else { "none" },
            }
        };
        let row = |resource: &Resource| {
            let cells = Access::ALL.map(|access| cell(resource, access));
            let both = cells.iter().all(|cell| cell.offered);
            let description = resource.description.clone();
            Self { resource: resource.name.to_string(), description, cells, both }
        };
        let rows = catalog.resources().iter().map(row);
        rows.filter(|row| row.cells.iter().any(|cell| cell.offered)).collect()
    }
}
