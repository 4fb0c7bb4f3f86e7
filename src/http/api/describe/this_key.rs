//! What any live key can ask about itself.

use serde_json::json;

use super::json_of;
use super::keys::example_key;
use crate::http::api::this_key::LimitsView;
use crate::http::openapi::operation::Operation;
use crate::model::usage::Usage;
use crate::model::view::WhoAmIView;

const TAG: &str = "this_key";

/// `GET /v1/whoami`
pub fn whoami(operation: &mut Operation<'_>) {
    let catalog = operation.catalog();
    let example =
        example_key(catalog).map(|key| json_of(WhoAmIView::new(&key, &Usage::default(), catalog)));
    operation
        .id(TAG, "whoami", "Show the calling key")
        .description("The figures do not include this request itself.")
        .response::<WhoAmIView<'_>>(200, "The key and its figures.", json!(example));
}

/// `GET /v1/ping`
pub fn ping(operation: &mut Operation<'_>) {
    let schema = json!({
        "type": "object", "required": ["ping"],
        "properties": {"ping": {"const": "pong", "description": "The response is always the same."}},
    });
    let examples = json!({"example": {"value": {"ping": "pong"}}});
    operation.id(TAG, "ping", "Test a credential").response_as(
        200,
        "The key is accepted.",
        schema,
        examples,
    );
}

/// `GET /v1/admin/limits`
pub fn limits(operation: &mut Operation<'_>) {
    let example =
        example_key(operation.catalog()).map(|key| json_of(LimitsView::unused(&key.limits)));
    operation
        .id(TAG, "limits", "Show the calling key's limits, what is left of them, and its figures")
        .response::<LimitsView>(200, "Limits and figures.", json!(example));
}
