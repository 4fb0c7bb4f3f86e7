//! Presenting a key: every accepted form, and each way of getting it wrong.

use crate::support::{Backend, TestServer, on_both};

on_both! {
    /// A first look at the whole path: a key is made, used, refused and revoked.
    fn a_key_is_made_used_refused_and_revoked(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        server.call(&key, "GET", "/v1/calls", None).expect(200, "");
        server.call(&key, "POST", "/v1/calls", None).expect(403, "insufficient_scope");
        server.revoke(&key);
        server.call(&key, "GET", "/v1/calls", None).expect(401, "key_revoked");
        let usage = server.usage(&key, "24h");
        assert_eq!((usage["ok"].as_i64(), usage["forbidden"].as_i64(), usage["retired"].as_i64()), (Some(1), Some(1), Some(1)));
        assert_eq!(server.total(&key), 3);
    }
}

#[test]
fn no_credential_is_missing_key() {
    let server = TestServer::start(Backend::Sqlite);
    let answer = server.client.send("GET", "/v1/calls", &[], None);
    answer.expect(401, "missing_key");
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"bitting\"");
}
