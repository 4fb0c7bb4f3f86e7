//! Presenting a key: every accepted form, and each way of getting it wrong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitting::model::secret::{Secret, SecretKind};
use serde_json::json;

use crate::support::server::MadeKey;
use crate::support::{Answer, Backend, TestServer, on_both, raw};

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
        assert_eq!(
            (usage["ok"].as_i64(), usage["forbidden"].as_i64(), usage["retired"].as_i64()),
            (Some(1), Some(1), Some(1))
        );
        assert_eq!(server.total(&key), 3);
    }
}

/// A header of one request.
type Header = (&'static str, String);

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Every way in which a key may be presented.
fn accepted_forms(key: &MadeKey) -> Vec<Header> {
    let (id, secret) = (key.id.as_str(), key.secret.as_str());
    vec![
        ("Authorization", format!("Bearer {secret}")),
        ("Authorization", format!("bearer {secret}")),
        ("Authorization", format!("BeArEr     {secret}")),
        ("Authorization", format!("Token token=\"{secret}\"")),
        ("Authorization", format!("Token token={secret}")),
        ("Authorization", format!("TOKEN   token=\"{secret}\"")),
        ("Authorization", basic(id, secret)),
        ("Authorization", basic(secret, "")),
        ("Authorization", basic(id, secret).replace("Basic ", "bASIC   ")),
        ("Authentication", format!("Bearer {secret}")),
        ("Authentication", format!("BEARER  {secret}")),
        ("Authentication", format!("AccessToken {secret}")),
        ("Authentication", format!("AccessToken: {secret}")),
        ("Authentication", format!("accesstoken:   {secret}")),
        ("apikey", secret.to_owned()),
        ("APIKEY", secret.to_owned()),
        ("X-API-Key", secret.to_owned()),
        ("x-api-key", format!("  {secret}  ")),
    ]
}

fn get(server: &TestServer, path: &str, headers: &[Header]) -> Answer {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    server.client.send("GET", path, &headers, None)
}

/// The answer refuses the credential, says how to do better, and repeats nothing of it.
#[track_caller]
fn assert_invalid(answer: &Answer, presented: &str) {
    answer.expect(401, "invalid_key");
    let challenge = answer.header("www-authenticate");
    assert_eq!(challenge, "Bearer realm=\"bitting\", error=\"invalid_token\"");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    for word in presented.split_ascii_whitespace().filter(|word| word.len() > 8) {
        let told = format!("{answer:?}");
        assert!(!told.contains(word), "{word} is repeated: {told}");
    }
}

#[test]
fn every_form_presents_the_same_key_and_counts_once() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read");
    for (n, form) in accepted_forms(&key).into_iter().enumerate() {
        let shown = get(&server, "/v1/whoami", std::slice::from_ref(&form)).ok();
        assert_eq!(shown["id"], json!(key.id), "{form:?}");
        assert_eq!(server.total(&key), n as i64 + 1, "{form:?}");
    }
    let forms = accepted_forms(&key).len() as i64;
    assert_eq!(server.usage(&key, "24h")["ok"], json!(forms));
}

#[test]
fn no_credential_is_missing_key_whatever_is_asked() {
    let server = TestServer::start(Backend::Sqlite);
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO"] {
        for path in ["/v1", "/v1/", "/v1/calls", "/v1/calls/call_x", "/v1/keys", "/v1/nothing/here"]
        {
            let answer = server.client.send(method, path, &[], None);
            let code = if method == "HEAD" { "" } else { "missing_key" };
            assert_eq!((answer.status, answer.code().as_str()), (401, code), "{method} {path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"bitting\"");
        }
    }
}

#[test]
fn what_is_no_key_of_this_database_is_invalid() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read");
    let stranger = Secret::generate(&server.bitting.brand, SecretKind::ApiKey).unwrap();
    let foreign = Secret::generate(&"other".parse().unwrap(), SecretKind::ApiKey).unwrap();
    let unknown_token = Secret::generate(&server.bitting.brand, SecretKind::AdminToken).unwrap();
    let (other_end, last) = key.secret.split_at(key.secret.len() - 1);
    let mistyped = format!("{other_end}{}", if last == "0" { "1" } else { "0" });
    for secret in [
        stranger.expose(),
        foreign.expose(),
        unknown_token.expose(),
        &mistyped,
        &key.secret[..key.secret.len() - 1],
        &format!("{}0", key.secret),
        &key.secret.to_uppercase(),
        "x",
        &"x".repeat(512),
        &"x".repeat(10_240),
    ] {
        for (name, value) in accepted_forms(&MadeKey { id: key.id.clone(), secret: secret.into() })
        {
            let answer = get(&server, "/v1/calls", &[(name, value.clone())]);
            assert_invalid(&answer, &value);
        }
    }
    assert_eq!(server.total(&key), 0, "a wrong secret counts for nobody");
}

#[test]
fn a_right_key_wrongly_presented_is_invalid_and_not_repeated() {
    let server = TestServer::start(Backend::Sqlite);
    let (key, other) = (server.key("calls:read"), server.key("calls:read"));
    let (id, secret) = (&key.id, &key.secret);
    let encoded = |text: String| format!("Basic {}", STANDARD.encode(text));
    for value in [
        basic(&other.id, secret),
        basic("somebody", secret),
        basic("", secret),
        basic(id, ""),
        basic(secret, id),
        basic(secret, "password"),
        basic(&format!(" {id}"), secret),
        encoded(secret.clone()),
        encoded(id.clone()),
        format!("Basic {secret}"),
        format!("Basic !{}", STANDARD.encode(format!("{id}:{secret}"))),
        format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")).trim_end_matches('='))
            + "====",
        format!("Basic {}", STANDARD.encode(b"\xff\xfe")),
        "Basic".to_owned(),
        secret.clone(),
        format!("Bearer{secret}"),
        format!("Bearer \"{secret}\""),
        format!("Bearer {secret} {secret}"),
        format!("Bearer {secret};x=1"),
        format!("Token {secret}"),
        format!("Token token='{secret}'"),
        format!("Token token=\"{secret}"),
        format!("Token key=\"{secret}\""),
        format!("AccessToken {secret}"),
        format!("Digest {secret}"),
        format!("ApiKey {secret}"),
        format!("Negotiate {secret}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
    ] {
        assert_invalid(&get(&server, "/v1/calls", &[("Authorization", value.clone())]), &value);
    }
    for (name, value) in [
        ("Authentication", format!("Token token={secret}")),
        ("Authentication", basic(id, secret)),
        ("Authentication", secret.clone()),
        ("apikey", format!("Bearer {secret}")),
        ("X-API-Key", format!("Bearer {secret}")),
        ("X-API-Key", format!("\"{secret}\"")),
    ] {
        assert_invalid(&get(&server, "/v1/calls", &[(name, value.clone())]), &value);
    }
    assert_eq!((server.total(&key), server.total(&other)), (0, 0));
}

/// What a refusal says is the same of a key that exists and of one that does not.
#[test]
fn a_refusal_says_what_the_credential_looks_like_and_not_whether_it_exists() {
    let server = TestServer::start(Backend::Sqlite);
    let (key, other) = (server.key("calls:read"), server.key("calls:read"));
    let stranger = server.made_up(SecretKind::ApiKey);
    let said = |name: &'static str, value: String| {
        let answer = get(&server, "/v1/calls", &[(name, value.clone())]);
        assert_invalid(&answer, &value);
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    type Mistake = fn(&str) -> String;
    let mistakes: [(&str, Mistake); 9] = [
        ("quotation marks", |key| format!("'{key}'")),
        ("shorter", |key| key[..30].to_owned()),
        ("longer", |key| format!("{key}0")),
        ("checksum", |key| format!("{}{}", &key[..36], "000000")),
        ("placeholder", |_| "$KEY".to_owned()),
        ("shortened form", |key| format!("{}...{}", &key[..8], &key[38..])),
        ("backslash", |key| format!("{key}\\n")),
        ("an id", |_| "key_01m80d9dhpekp8f7tjb36sz8br".to_owned()),
        ("SHA-256", |_| "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into()),
    ];
    for (words, mistake) in mistakes {
        let (mine, theirs) = (mistake(&key.secret), mistake(&stranger));
        let forms = |text: String| accepted_forms(&MadeKey { id: key.id.clone(), secret: text });
        for ((name, mine), (_, theirs)) in forms(mine).into_iter().zip(forms(theirs)) {
            let detail = said(name, mine.clone());
            assert!(detail.contains(words), "{name}: {mine}: {detail}");
            assert_eq!(detail, said(name, theirs));
        }
    }
    let (live, unknown) = (basic(&other.id, &key.secret), basic(&other.id, &stranger));
    assert_eq!(said("Authorization", live), said("Authorization", unknown));
    for (words, value) in [
        ("scheme and a space are missing", key.secret.clone()),
        ("scheme and a space are missing", format!("Bearer{}", key.secret)),
        ("is the variable", "Bearer ".to_owned()),
        ("scheme is not supported", format!("ApiKey {}", key.secret)),
        ("base64", format!("Basic {}", key.secret)),
        ("user name", basic("me", &key.secret)),
        ("only the key belongs", format!("Bearer Bearer {}", key.secret)),
    ] {
        let detail = said("Authorization", value);
        assert!(detail.contains(words), "{words}: {detail}");
    }
    assert!(said("X-API-Key", server.admin.clone()).contains("only as Authorization: Bearer"));
}

#[test]
fn an_admin_token_comes_only_as_authorization_bearer() {
    let server = TestServer::start(Backend::Sqlite);
    let token =
        MadeKey { id: "token_00000000000000000000000000".into(), secret: server.admin.clone() };
    for (name, value) in accepted_forms(&token) {
        let answer = get(&server, "/v1/keys", &[(name, value.clone())]);
        if name == "Authorization" && value.to_lowercase().starts_with("bearer") {
            answer.ok();
        } else {
            assert_invalid(&answer, &value);
        }
    }
}

#[test]
fn two_credentials_are_one_too_many_and_not_counted() {
    let server = TestServer::start(Backend::Sqlite);
    let (key, other) = (server.key("calls:read"), server.key("calls:read"));
    let bearer = |secret: &str| ("Authorization", format!("Bearer {secret}"));
    let (mine, theirs) = (bearer(&key.secret), bearer(&other.secret));
    let mut cases = vec![
        vec![mine.clone(), mine.clone()],
        vec![mine.clone(), theirs.clone()],
        vec![mine.clone(), ("Authorization", String::new())],
        vec![("Authorization", basic(&key.secret, "")), mine.clone()],
        vec![("apikey", key.secret.clone()), ("apikey", key.secret.clone())],
        vec![("apikey", key.secret.clone()), ("X-API-Key", key.secret.clone())],
        vec![("X-API-Key", "nonsense".to_owned()), mine.clone()],
        vec![("Authorization", format!("Bearer {},Bearer {}", key.secret, other.secret))],
        vec![("Authorization", format!("Bearer {}, Bearer {}", key.secret, key.secret))],
        vec![("X-API-Key", format!("{0},{0}", key.secret))],
        vec![("Authorization", "Bearer a,Bearer b".to_owned())],
    ];
    for form in accepted_forms(&key).into_iter().filter(|(name, _)| *name != "Authorization") {
        cases.push(vec![theirs.clone(), form.clone()]);
        cases.push(vec![form, theirs.clone()]);
    }
    for headers in cases {
        let answer = get(&server, "/v1/calls", &headers);
        answer.expect(400, "multiple_credentials");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, "Bearer realm=\"bitting\", error=\"invalid_request\"");
        assert!(!answer.body.contains(&key.secret), "{answer:?}");
    }
    assert_eq!((server.total(&key), server.total(&other)), (0, 0));
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read");
    let secret = key.secret.as_bytes();
    let ask = |header: &[u8]| {
        let request =
            [b"GET /v1/calls HTTP/1.1\r\nHost: test\r\nConnection: close\r\n", header, b"\r\n\r\n"];
        raw::exchange(server.address, &request.concat())
    };
    let ours = ask(&[b"Authorization: Bearer ", secret].concat());
    assert_eq!(raw::status(&ours), 200, "{ours}");
    for (status, header) in [
        (401, [b"Authorization: Bearer \xff\xfe", &b""[..]].concat()),
        (401, [b"Authorization: Bearer \xff\xfe", secret].concat()),
        (401, [b"Authorization: Bearer ", secret, b"\xff"].concat()),
        (401, [b"X-API-Key: ", secret, b"\xc3\xbc"].concat()),
        (400, [b"Authorization: Bearer \0", secret].concat()),
        (400, [b"Authorization: Bearer ", secret, b"\0"].concat()),
        (400, [b"Authorization: Bearer\r\n ", secret].concat()),
        (400, [b"Authorization: Bearer ", secret, b"\r\n\tmore"].concat()),
        (400, [b"Authorization : Bearer ", secret].concat()),
        (400, [b"Authorization\t: Bearer ", secret].concat()),
    ] {
        let answer = ask(&header);
        assert_eq!(raw::status(&answer), status, "{}: {answer}", header.escape_ascii());
        assert!(!answer.contains(&key.secret), "{answer}");
    }
    assert_eq!(server.total(&key), 1);
}

#[test]
fn a_key_elsewhere_than_in_a_header_is_not_read() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read calls:write");
    let secret = &key.secret;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let cookie = format!("api_key={secret}; Authorization=Bearer {secret}");
    let send = |method, path: &str, headers: &[(&str, &str)], body: Option<&str>| {
        let answer = server.client.send(method, path, headers, body);
        answer.expect(401, "missing_key");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"bitting\"");
        assert!(!format!("{answer:?}").contains(secret), "{answer:?}");
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    let plain = send("GET", "/v1/calls", &[], None);
    for name in ["api_key", "access_token", "apikey", "token", "key", "anything"] {
        let told = send("GET", &format!("/v1/calls?limit=5&{name}={secret}"), &[], None);
        assert!(told.contains("URL") && told != plain, "{name}: {told}");
    }
    for path in ["/v1/calls/KEY", "/v1/KEY/calls", "/v1/KEY"] {
        send("GET", &path.replace("KEY", secret), &[], None);
    }
    assert_eq!(send("POST", "/v1/calls", &form, Some(&format!("api_key={secret}"))), plain);
    assert_eq!(send("GET", "/v1/calls", &[("cookie", &cookie)], None), plain);
    assert_eq!(send("GET", "/v1/calls?limit=5", &[], None), plain);
    assert_eq!(server.total(&key), 0);
}
