//! What a request at `/via/{handle}/…` asks for: the row of the connection's table that it belongs to.

use std::sync::Arc;

use actix_web::dev::RequestHead;

use super::PREFIX;
use crate::domain::Bitting;
use crate::gate::route::{Need, Route};
use crate::model::catalog::Catalog;
use crate::model::connections::scopes::Ask;
use crate::model::connections::table::{NoRow, Offers, Row};
use crate::model::connections::vendor_target::forbidden_parameter;
use crate::model::connections::{Connection, Handle};
use crate::model::scope::{Access, ResourceName};

/// The variable of paths that a connection may be pinned to.
const ACCOUNT: &str = "account";

/// A request to a vendor's API.
pub(super) struct Asked<'a> {
    /// Whether it names a connection, known or not.
    pub(super) names_one: bool,
    /// The connection that it names, if there is one.
    pub(super) connection: Option<Arc<Connection>>,
    /// The vendor's path and query, as they came.
    pub(super) target: &'a str,
    pub(super) found: Found,
}

/// What was found of a request.
pub(super) enum Found {
    /// There is no such connection.
    NoConnection,
    /// The connection does not offer it; why, in a sentence.
    NotOffered(String),
    /// The connection offers the path by these methods.
    OtherMethods(String),
    /// The row it belongs to.
    Row(Arc<Row>),
}

impl<'a> Asked<'a> {
    /// What a request asks for, by its target as it was sent.
    pub(super) fn of(head: &'a RequestHead, bitting: &Bitting) -> Self {
        let target = head.uri.path_and_query().map_or("", |target| target.as_str());
        let below = target.strip_prefix(PREFIX).unwrap_or_default();
        let end = below.find(['/', '?']).unwrap_or(below.len());
        let (handle, target) = below.split_at(end);
        let handle = handle.parse::<Handle>().ok();
        let names_one = handle.is_some();
        let connection = handle.and_then(|handle| bitting.connections.registry.find(&handle));
        let found = match &connection {
            Some(connection) => find(connection, head.method.as_str(), target),
            None => Found::NoConnection,
        };
        Self { names_one, connection, target, found }
    }

    /// The route that its key is judged for.
    pub(super) fn route(&self, method: &str, catalog: &Catalog) -> Route {
        let access = Access::of_method(method);
        let Some(connection) = &self.connection else { return Route::Unknown { access } };
        let any = || catalog.connections.ask(Ask::Any(connection.handle.clone()));
        let other = || catalog.counted.number_of(&ResourceName::other_at(&connection.handle));
        match &self.found {
            Found::NoConnection => Route::Unknown { access },
            Found::NotOffered(_) => Route::NotOffered { access, resource: other() },
            Found::OtherMethods(_) => {
                let need = Need::AtConnection { asked: any(), resource: None };
                Route::Known { need, access, offered: false }
            }
            Found::Row(row) => {
                let scope = row.scope().map(|scope| scope.at(&connection.handle));
                let access = scope.as_ref().map_or(access, |scope| scope.access);
                let resource = match &scope {
                    Some(scope) => catalog.counted.number_of(&scope.counted_as()),
                    None => other(),
                };
                let asked =
                    scope.map_or_else(any, |scope| catalog.connections.ask(Ask::Scope(scope)));
                let need = Need::AtConnection { asked, resource };
                Route::Known { need, access, offered: true }
            }
        }
    }
}

/// The row of a request.
fn find(connection: &Connection, method: &str, target: &str) -> Found {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let profile = &connection.profile;
    let offers = Offers { standing: profile.standing, recordings: profile.recordings };
    let not_offered =
        |why: &str| Found::NotOffered(format!("The connection {} {why}", connection.handle));
    let row = match connection.table().find(method, path, offers) {
        Ok(row) => row,
        Err(NoRow::Path) => {
            let handle = &connection.handle;
            return not_offered(&format!(
                "does not offer this path. `bitting connection rules {handle}` lists those it offers; \
                 each is to be written as it stands there."
            ));
        }
        Err(NoRow::Method(methods)) => return Found::OtherMethods(allow(&methods)),
    };
    let outside = |account: &String| {
        row.variables(path).any(|(name, value)| name == ACCOUNT && value != account)
    };
    if let Some(account) = profile.account.as_ref().filter(|account| outside(account)) {
        return not_offered(&format!("is for the account {account} alone."));
    }
    match forbidden_parameter(query) {
        Some((name, instead)) => {
            not_offered(&format!("does not forward the parameter {name}: {instead}."))
        }
        None => Found::Row(row.clone()),
    }
}

/// The `Allow` header for these methods.
fn allow(methods: &[String]) -> String {
    let head = methods.iter().any(|method| method == "GET").then_some("HEAD");
    methods.iter().map(String::as_str).chain(head).collect::<Vec<_>>().join(", ")
}
