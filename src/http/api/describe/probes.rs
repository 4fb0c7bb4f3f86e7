//! The probes.

use serde_json::json;

use crate::http::openapi::operation::Operation;

fn status(operation: &mut Operation<'_>, status: u16, about: &str, word: &str) {
    let schema = json!({
        "type": "object", "required": ["status"],
        "properties": {"status": {"const": word, "description": "The state in one word."}},
    });
    let examples = json!({"example": {"value": {"status": word}}});
    operation.answers_as(status, about, schema, examples);
}

/// `GET /healthz`
pub fn healthz(operation: &mut Operation<'_>) {
    operation.named("probes", "healthz", "Is the process alive?");
    status(operation, 200, "The process is alive.", "ok");
}

/// `GET /readyz`
pub fn readyz(operation: &mut Operation<'_>) {
    operation.named("probes", "readyz", "Is the server ready?").says(
        "Returns 503 once the database has been unreachable for `--max-staleness`, if not sooner.",
    );
    status(operation, 200, "The server is ready.", "ready");
    status(operation, 503, "The database cannot be reached.", "database out of reach");
}
