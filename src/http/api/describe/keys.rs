//! Managing keys.

use serde_json::{Value, json};

use super::{EXAMPLE_NUMBER, example_time, json_of, page_of};
use crate::http::api::keys::{RevokeQuery, read_filter};
use crate::http::error::Code;
use crate::http::extract::QueryReader;
use crate::http::openapi::operation::Operation;
use crate::model::actor::{Actor, ActorKind};
use crate::model::breakdown::Breakdown;
use crate::model::catalog::Catalog;
use crate::model::failed_request::{FailedRequest, KeyErrors};
use crate::model::find_request::FindRequest;
use crate::model::holder::KeyHolder;
use crate::model::id::{KeyId, PublicId, UserId};
use crate::model::key::{ApiKey, KeyNumber, NewKey, RevokeRequest};
use crate::model::key_choice::{RevokeMany, RevokeManyFields, RevokedKeys};
use crate::model::key_settings::KeySettings;
use crate::model::page::Page;
use crate::model::rotation::RotateRequest;
use crate::model::scope::Access;
use crate::model::secret::Digest;
use crate::model::usage::{PerWindow, Source, Usage};
use crate::model::view::{ChangedKey, KeyDetailView, KeyView, NewKeyView};

const TAG: &str = "keys";
const RETIRING: &str = "retiring";
const ACTIVITY: &str = "activity";
const EXAMPLE_SECRET: &str = "btk_ThisIsWhereTheKeyStandsInFullJustOnce0";

fn example_input(catalog: &Catalog) -> Value {
    let resources = catalog.resources();
    let read = resources.first().and_then(|resource| resource.scope(Access::Read));
    let write = resources.iter().skip(1).find_map(|resource| resource.scope(Access::Write));
    let scopes: Vec<_> = read.into_iter().chain(write).collect();
    json!({
        "name": "n8n", "scopes": scopes.iter().map(ToString::to_string).collect::<Vec<_>>(), "owner": "acme",
        "description": "Workflows", "expires_at": null,
        "rate_limit": {"requests": 600, "per": "minute"},
        "quota": {"requests": 50_000, "per": "day"},
        "allowed_networks": ["203.0.113.0/24"],
    })
}

/// A key as it would be made of the example.
pub(in crate::http) fn example_key(catalog: &Catalog) -> Option<ApiKey> {
    let new =
        NewKey::from_object(example_input(catalog).as_object()?, catalog, example_time()).ok()?;
    let id = KeyId::from_number(EXAMPLE_NUMBER);
    Some(ApiKey {
        number: KeyNumber(1),
        id,
        digest: Digest::of(EXAMPLE_SECRET.as_bytes()),
        label: new.label,
        scopes: new.scopes,
        limits: new.limits,
        display: "btk_This…nce0".to_owned(),
        created_at: example_time(),
        created_by: Actor { kind: ActorKind::Cli, id: None, name: "ops".to_owned() },
        holder: "ada@example.com".parse().ok().map(|email| KeyHolder {
            id: UserId::from_number(EXAMPLE_NUMBER),
            email,
            disabled: false,
        }),
        expires_at: new.expires_at,
        revocation: None,
        imported: false,
        replaces: None,
        replaced_by: None,
        leaked_at: None,
        revision: 1,
    })
}

fn example_view(catalog: &Catalog) -> Value {
    let usage = Usage::default();
    let view = example_key(catalog)
        .map(|key| json_of(KeyView::new(&key, &usage, example_time(), catalog)));
    view.unwrap_or_default()
}

fn example_detail(catalog: &Catalog) -> Value {
    let source = Source {
        address: "203.0.113.9".to_owned(),
        user_agent: Some("curl/8.5.0".to_owned()),
        at: example_time(),
    };
    let mut detail = example_view(catalog);
    detail["addresses"] = json!([source]);
    detail
}

fn example_new(catalog: &Catalog) -> Value {
    let mut new = example_view(catalog);
    new["key"] = EXAMPLE_SECRET.into();
    new
}

/// `GET /v1/keys`
pub fn list(operation: &mut Operation<'_>) {
    let catalog = operation.catalog();
    operation
        .id(TAG, "list", "List keys")
        .query(read_filter)
        .query(QueryReader::page)
        .response::<Page<KeyView<'_>>>(
            200,
            "A page, newest first.",
            json_of(page_of(example_view(catalog))),
        )
        .with_optional_header(200, "Link");
}

/// `POST /v1/keys`
pub fn create(operation: &mut Operation<'_>) {
    let catalog = operation.catalog();
    operation
        .id(TAG, "create", "Make a key")
        .description(
            "The key itself is in this response only. The token needs the right to grant every scope of the key.",
        )
        .request_body::<KeyView<'_>, _>(
            "KeyInput",
            |reader| NewKey::read(reader, catalog, example_time()),
            &example_input(catalog),
        )
        .response_either::<NewKeyView<'_>, KeyView<'_>>(
            201,
            "The key was created.",
            json!({
                "now": {"summary": "The first time", "value": example_new(catalog)},
                "before": {"summary": "With an `Idempotency-Key`, again", "value": example_view(catalog)},
            }),
        )
        .with_header(201, "Location")
        .idempotent(201)
        .description("A repeated response has no `key`.");
}

/// `GET /v1/keys/{id}`
pub fn find(operation: &mut Operation<'_>) {
    let catalog = operation.catalog();
    operation.id(TAG, "find", "Show a key").on_id::<KeyId>().response::<KeyDetailView<'_>>(
        200,
        "The key.",
        example_detail(catalog),
    );
}

/// `POST /v1/keys/find`
pub fn find_by_secret(operation: &mut Operation<'_>) {
    let catalog = operation.catalog();
    operation
        .id(TAG, "find_by_secret", "Find a key by the key itself")
        .description(
            "For a key that was found somewhere: by its digest, retired ones too. The secret is neither stored nor logged. Never send one in a URL.",
        )
        .request_body::<FindRequest, _>(
            "KeyLookup",
            FindRequest::read,
            &json!({"key": EXAMPLE_SECRET}),
        )
        .errors(&[Code::NotFound])
        .response::<KeyDetailView<'_>>(200, "The key.", example_detail(catalog));
}

/// `PATCH /v1/keys/{id}`
pub fn update(operation: &mut Operation<'_>) {
    let catalog = operation.catalog();
    operation
        .id(
            TAG,
            "update",
            "Change a key's label, holder and limits, or narrow its scopes and its life",
        )
        .description(
            "Scopes and life only ever shrink: `scopes` may leave some out and add none, and \
             `expires_at` may be set or brought forward, not put off or removed. What a key has \
             lost it never gets back. The `holder` is the e-mail address of a user who is neither \
             disabled nor an auditor; null leaves the key without one.",
        )
        .on_id::<KeyId>()
        .merge_patch::<KeyView<'_>, _>(
            "KeyPatch",
            |reader| {
                let before = KeySettings::of(&example_key(catalog)?);
                before.read(reader, catalog, example_time())
            },
            &json!({"description": "Workflows", "rate_limit": {"requests": 600, "per": "minute"}}),
        )
        .errors(&[Code::KeyRetired])
        .response::<ChangedKey<'_>>(200, "The key was changed.", example_detail(catalog));
}

/// `POST /v1/keys/{id}/rotate`
pub fn rotate(operation: &mut Operation<'_>) {
    let catalog = operation.catalog();
    let of_old = |mut view: Value| {
        view["replaces"] = json!(KeyId::from_number(EXAMPLE_NUMBER - 1));
        view
    };
    operation
        .id(TAG, "rotate", "Rotate a key")
        .under(RETIRING)
        .description(
            "Makes a key with the same name, owner, description, scopes and limits. The old one ends \
             after the overlap, or by its own expiry if that comes before. The new key itself is in \
             this response only. The token needs the right to grant every scope of the key.",
        )
        .on_id::<KeyId>()
        .request_body::<RotateRequest, _>(
            "KeyRotation",
            |reader| RotateRequest::read(reader, example_time()),
            &json!({"overlap": "7d"}),
        )
        .errors(&[Code::KeyRetired, Code::AlreadyRotated])
        .response_either::<NewKeyView<'_>, KeyView<'_>>(
            201,
            "The key was rotated; this is the new one.",
            json!({
                "now": {"summary": "The first time", "value": of_old(example_new(catalog))},
                "before": {"summary": "With an `Idempotency-Key`, again", "value": of_old(example_view(catalog))},
            }),
        )
        .with_header(201, "Location")
        .idempotent(201)
        .description("A repeated response has no `key`.");
}

/// `POST /v1/keys/{id}/revoke`
pub fn revoke(operation: &mut Operation<'_>) {
    let catalog = operation.catalog();
    operation
        .id(TAG, "revoke", "Revoke a key")
        .under(RETIRING)
        .description("This cannot be undone. Revoking a key again returns the first revocation.")
        .on_id::<KeyId>()
        .query(RevokeQuery::read)
        .request_body::<RevokeRequest, _>(
            "KeyRevocation",
            RevokeRequest::read,
            &json!({"reason": "leaked"}),
        )
        .response::<ChangedKey<'_>>(200, "The key is revoked.", example_detail(catalog))
        .idempotent(200);
}

/// `POST /v1/keys/revoke`
pub fn revoke_many(operation: &mut Operation<'_>) {
    let catalog = operation.catalog();
    let done =
        RevokedKeys { revoked: vec![KeyId::from_number(EXAMPLE_NUMBER)], already_revoked: vec![] };
    operation
        .id(TAG, "revoke_many", "Revoke several keys")
        .under(RETIRING)
        .description(
            "Give `ids`, or `filter` and `confirm`. Each key gets an event of its own. This cannot be undone.",
        )
        .request_body::<RevokeManyFields, _>(
            "KeysRevocation",
            |reader| RevokeMany::read(reader, catalog),
            &json!({"filter": {"unused_for": "90d"}, "confirm": 12, "reason": "no longer used"}),
        )
        .errors(&[Code::NotConfirmed])
        .response::<RevokedKeys>(200, "The keys are revoked.", json_of(done))
        .idempotent(200);
}

/// Figures as a key without use has them.
pub fn example_windows() -> PerWindow<Breakdown> {
    let window = || Breakdown::over([example_time()].into_iter());
    PerWindow { day: window(), week: window(), month: window() }
}

/// `GET /v1/keys/{id}/usage`
pub fn usage(operation: &mut Operation<'_>) {
    operation
        .id(ACTIVITY, "usage", "Show a key's requests by outcome, resource, access and time")
        .on_id::<KeyId>()
        .response::<PerWindow<Breakdown>>(200, "The figures.", json_of(example_windows()));
}

/// `GET /v1/keys/{id}/errors`
pub fn errors(operation: &mut Operation<'_>) {
    let failed = FailedRequest {
        at: example_time(),
        method: "GET".to_owned(),
        route: Some("/v1/leads".to_owned()),
        status: 403,
        code: "insufficient_scope".to_owned(),
        address: Some("203.0.113.8".to_owned()),
    };
    operation
        .id(ACTIVITY, "errors", "Show a key's last requests that were refused or failed")
        .description(
            "At most 20 are kept of a key. They are shown about a second after the answer.",
        )
        .on_id::<KeyId>()
        .response::<KeyErrors>(200, "The newest first.", json_of(KeyErrors { data: vec![failed] }));
}
