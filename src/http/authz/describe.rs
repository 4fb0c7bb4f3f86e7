//! The doors as the API document has them.

use serde_json::json;

use super::question::Question;
use super::verify::{VerdictView, VerifyQuery};
use crate::gate::identities::KeyIdentity;
use crate::http::api::describe::keys::example_key;
use crate::http::openapi::operation::Operation;

/// `POST /v1/verify`
pub fn verify(operation: &mut Operation<'_>) {
    let catalog = operation.catalog();
    let scope = catalog.scopes().iter().next().cloned();
    let verdict = example_key(catalog).zip(scope.clone()).map(|(key, scope)| {
        let identity = KeyIdentity::new(&key, catalog);
        json!(VerdictView::new(&identity, None, Some(scope.to_string())))
    });
    let question = scope.map(|scope| json!({"resource": scope.resource, "access": scope.access}));
    operation
        .id("this_key", "verify", "Ask whether the calling key may do something")
        .description(
            "For a program that has an API of its own: it sends on the key that it was sent, and asks \
             with `method` and `path` about the request at hand, or with `resource` and `access` about a \
             resource. The response is 200 for any live key.",
        )
        .query(VerifyQuery::read)
        .request_body::<Question, _>(
            "Question",
            Question::read,
            &json!(question),
        )
        .response::<VerdictView<'_>>(200, "The verdict.", json!(verdict));
}
