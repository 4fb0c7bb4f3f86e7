//! Connections.

use serde_json::{Value, json};

use super::{EXAMPLE_NUMBER, example_time, json_of};
use crate::http::api::connections::ConnectionList;
use crate::http::error::Code;
use crate::http::openapi::operation::Operation;
use crate::model::actor::{Actor, ActorKind};
use crate::model::connections::{
    AuthForm, Connection, ConnectionState, ConnectionTest, ConnectionView, Handle, NewConnection,
    TestResult,
};
use crate::model::id::{ConnectionId, PublicId};

const TAG: &str = "connections";

fn example() -> Value {
    let input = json!({"handle": "callrail", "kind": "callrail", "account": "ACC815"});
    let new = input.as_object().and_then(|object| NewConnection::from_object(object).ok());
    let connection = new.and_then(|new| {
        Some(Connection {
            number: 1,
            id: ConnectionId::from_number(EXAMPLE_NUMBER),
            handle: new.handle,
            kind: new.kind,
            origin: new.origin,
            form: AuthForm::Usual(*new.kind.forms().first()?),
            profile: new.profile,
            sealed: None,
            hint: Some("4f4f".to_owned()),
            test: Some(ConnectionTest {
                result: TestResult::Ok,
                since: example_time(),
                at: example_time(),
                by: "server".to_owned(),
                milliseconds: 230,
                detail: None,
            }),
            disabled_at: None,
            removed_at: None,
            created_at: example_time(),
            created_by: Actor { kind: ActorKind::Cli, id: None, name: "ops".to_owned() },
            revision: 1,
            damaged: false,
        })
    });
    connection
        .map(|connection| json_of(ConnectionView::new(&connection, (ConnectionState::Ok, None))))
        .unwrap_or_default()
}

/// `/via/{handle}/{path}`
pub fn via(operation: &mut Operation<'_>) {
    operation
        .id(TAG, "forward", "Ask a vendor through a connection")
        .description(
            "By any method that the connection offers the path by, with a body as the vendor wants it. \
             Below the handle stand the vendor's own path and query. What a connection offers, and by \
             which scopes, is in its table or its rules; everything else is refused.",
        )
        .path_parameter::<Handle>("handle", "The connection.")
        .path_parameter::<String>(
            "path",
            "The vendor's path, as it is sent; its slashes stay as they are.",
        )
        .forwarded(
            "What the vendor answers, with its status, and `X-Bitting-Via`, which errors of Bitting's \
             own lack. A 401 of the vendor's is told as 403, with `X-Vendor-Status: 401`.",
        );
}

/// `GET /v1/connections`
pub fn list(operation: &mut Operation<'_>) {
    operation.id(TAG, "list", "List connections to vendors").response::<ConnectionList<'_>>(
        200,
        "All of them, by handle.",
        json!({"items": [example()]}),
    );
}

/// `GET /v1/connections/{id}`
pub fn find(operation: &mut Operation<'_>) {
    operation
        .id(TAG, "find", "Show a connection")
        .on_id::<Handle>()
        .response::<ConnectionView<'_>>(200, "The connection.", example());
}

/// `POST /v1/connections/{id}/test`
pub fn test(operation: &mut Operation<'_>) {
    operation
        .id(TAG, "test", "Test a connection now")
        .description("Asks the vendor whether it accepts the credential; `state` is the result.")
        .on_id::<Handle>()
        .errors(&[Code::ConnectionLocked])
        .response::<ConnectionView<'_>>(200, "What the test has found.", example());
}
