//! How requests are authenticated, as the API document says it.

use serde_json::{Map, Value, json};

/// The forms in which a key is presented: name, scheme, and what to say of it.
pub(super) fn security_schemes() -> Value {
    let header = |name: &str, about: &str| json!({"type": "apiKey", "in": "header", "name": name, "description": about});
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer",
            "description": "An API key: `Authorization: Bearer KEY`.",
        },
        "adminToken": {
            "type": "http", "scheme": "bearer",
            "description": "An admin token: `Authorization: Bearer TOKEN`. For admin tokens, write includes read.",
        },
        "basic": {
            "type": "http", "scheme": "basic",
            "description": "The key's id as user name and the key as password, or the key as user \
                            name and no password.",
        },
        "token": {
            "type": "http", "scheme": "token",
            "description": "`Authorization: Token token=\"KEY\"`; the quotes are optional.",
        },
        "apiKeyHeader": header("X-API-Key", "`X-API-Key: KEY`."),
        "apikey": header("apikey", "`apikey: KEY`."),
        "authentication": header(
            "Authentication",
            "`Authentication: Bearer KEY` or `Authentication: AccessToken KEY`.",
        ),
    })
}

/// Any one of the forms of an API key that has these scopes.
pub(super) fn key_security(scopes: &[&str]) -> Value {
    let schemes = security_schemes();
    let names = schemes.as_object().into_iter().flat_map(Map::keys);
    let keys = names.filter(|name| *name != "adminToken");
    keys.map(|name| Value::Object(Map::from_iter([(name.clone(), json!(scopes))]))).collect()
}
