//! Reporting leaked keys.

use serde_json::json;

use super::json_of;
use crate::http::error::Code;
use crate::http::openapi::operation::Operation;
use crate::model::leak::{LeakReceipt, LeakReport};

/// `POST /v1/leaks`
pub fn report(operation: &mut Operation<'_>) {
    operation
        .id("leaks", "report", "Report a leaked key")
        .description(
            "For anybody who has found a key of this server. It is revoked, or marked if the operator \
             prefers that. The answer is the same for what is no key.",
        )
        .request_body::<LeakReport, _>(
            "LeakReport",
            LeakReport::read,
            &json!({
                "key": "btk_ThisIsWhereTheKeyStandsInFullJustOnce0",
                "source": "https://example.com/snippets/42",
            }),
        )
        .errors(&[Code::TooManyAttempts, Code::Unavailable, Code::OutcomeUnknown])
        .response::<LeakReceipt>(202, "The report was received.", json_of(LeakReceipt::RECEIVED));
}
