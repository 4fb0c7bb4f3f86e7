//! The answer that shows a new key, once.

use std::sync::Arc;

use actix_web::HttpRequest;
use askama::Template;

use crate::domain::Bitting;
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::parts::text::When;
use crate::http::pages::public_address;
use crate::http::pages::users::grants::sentence;
use crate::http::state::State;
use crate::http::via;
use crate::model::catalog::Example;
use crate::model::connections::table::Row;
use crate::model::key::{ApiKey, Status};
use crate::model::scope::{Access, Scope, ScopeSet};
use crate::model::secret::Secret;
use crate::model::time::Moment;

/// The page that shows a new key.
#[derive(Template)]
#[template(path = "key_made.html")]
pub struct KeyMadePage {
    frame: Frame,
    id: String,
    name: String,
    secret: String,
    sentence: String,
    sample: String,
    scanner_pattern: String,
    replaced: Option<Replaced>,
}

/// The key whose place the new one takes.
pub struct Replaced {
    id: String,
    display: String,
    /// Until when it works, if it still does.
    until: Option<When>,
}

impl Replaced {
    /// The key as it was stored by the rotation.
    pub fn new(old: &ApiKey, now: Moment) -> Self {
        let lives = old.status(now) == Status::Active;
        Self {
            id: old.id.to_string(),
            display: old.display.clone(),
            until: old.expires_at.filter(|_| lives).map(|end| When::relative(end, now)),
        }
    }
}

/// The page that shows a key, made now, with its secret.
pub fn made(
    viewer: &Viewer,
    state: &State,
    request: &HttpRequest,
    key: &ApiKey,
    secret: &Secret,
    replaced: Option<Replaced>,
) -> KeyMadePage {
    KeyMadePage {
        frame: viewer.frame(Section::Keys),
        id: key.id.to_string(),
        name: key.label.name.clone(),
        secret: secret.expose().to_owned(),
        sentence: sentence(&key.scopes, key.expires_at),
        sample: sample(&public_address(request, state), &state.bitting, &key.scopes),
        scanner_pattern: state.bitting.brand.scanner_pattern(),
        replaced,
    }
}

/// Commands that make a first request the key may make; none where there is nothing harmless to ask.
fn sample(address: &str, bitting: &Bitting, scopes: &ScopeSet) -> String {
    let ask = "read -rs KEY\n";
    let Some(scope) = scopes.iter().next() else { return String::new() };
    let example = match &scope.connection {
        Some(_) => read_through_connection(bitting, scope),
        None => bitting.catalog.named(scope.resource.as_str()).map(|own| own.example.clone()),
    };
    let Some(Example { path, body }) = example else { return String::new() };
    let authorized = "curl -H \"Authorization: Bearer $KEY\"";
    match body.filter(|_| scope.access == Access::Write) {
        None => format!("{ask}{authorized} \\\n  {address}{path}"),
        Some(body) => format!(
            "{ask}{authorized} -X POST \\\n  -H 'Content-Type: application/json' \\\n  \
             -d '{body}' \\\n  {address}{path}"
        ),
    }
}

/// A first request that reads through a connection.
fn read_through_connection(bitting: &Bitting, scope: &Scope) -> Option<Example> {
    let connection = bitting.connections.registry.find(scope.connection.as_ref()?)?;
    let reads = |row: &&Arc<Row>| {
        let opens = row.scope().is_some_and(|there| there.at(&connection.handle) == *scope);
        opens && row.method() == "GET"
    };
    let row = connection.table().rows().iter().find(reads)?;
    let account = connection.profile.account.as_deref().unwrap_or("ACCOUNT");
    let path = row.path().replace("{account}", account).replace("{version}", "v4");
    let path = path.replace(['{', '}'], "").replace('*', "ID");
    Some(Example { path: format!("{}{}{path}", via::PREFIX, connection.handle), body: None })
}
