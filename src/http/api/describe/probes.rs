//! The probes.

use serde_json::json;

use crate::http::openapi::operation::Operation;

fn status(operation: &mut Operation<'_>, status: u16, about: &str, words: &[&str]) {
    let schema = json!({
        "type": "object", "required": ["status"],
        "properties": {"status": {"enum": words, "description": "The state in one word."}},
    });
    let examples = json!({"example": {"value": {"status": words[0]}}});
    operation.response_as(status, about, schema, examples);
}

/// `GET /healthz`
pub fn healthz(operation: &mut Operation<'_>) {
    operation.id("probes", "healthz", "Is the process alive?");
    status(operation, 200, "The process is alive.", &["ok"]);
}

/// `GET /readyz`
pub fn readyz(operation: &mut Operation<'_>) {
    operation.id("probes", "readyz", "Is the server ready?").description(
        "Returns 503 once the database has been unreachable for `--max-staleness`, if not \
             sooner, and as soon as it cannot be written.",
    );
    status(operation, 200, "The server is ready.", &["ready"]);
    let unready = ["database out of reach", "database cannot be written"];
    status(operation, 503, "The database cannot be reached or written.", &unready);
}
