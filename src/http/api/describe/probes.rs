//! The probes.

use serde_json::json;

use crate::http::openapi::operation::Operation;

fn status(operation: &mut Operation<'_>, status: u16, about: &str, word: &str) {
    let schema = json!({
        "type": "object", "required": ["status"],
        "properties": {"status": {"const": word, "description": "In a word."}},
    });
    let examples = json!({"example": {"value": {"status": word}}});
    operation.answers_as(status, about, schema, examples);
}

/// `GET /healthz`
pub fn healthz(operation: &mut Operation<'_>) {
    operation.named("probes", "healthz", "Is the process alive?");
    status(operation, 200, "It is.", "ok");
}

/// `GET /readyz`
pub fn readyz(operation: &mut Operation<'_>) {
    operation
        .named("probes", "readyz", "Can the server decide?")
        .says("503 at the latest when the database has been out of reach for `--max-staleness`.");
    status(operation, 200, "It can.", "ready");
    status(operation, 503, "The database is out of reach.", "database out of reach");
}
