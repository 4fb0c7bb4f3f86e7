//! Finding a key by the key itself: by program, on the page and at the command line, and what is said
//! of one that came in a URL.

use std::io::Write;
use std::process::{Output, Stdio};
use std::time::Duration;

use bitting::model::secret::SecretKind;
use serde_json::{Value, json};

use super::transfer::sha256;
use crate::commands::cli::{Shell, errors};
use crate::support::html::text;
use crate::support::{Answer, Browser, TestDatabase, TestServer, on_both};

fn find(server: &TestServer, key: &Value) -> Answer {
    server.manage("POST", "/v1/keys/find", Some(&json!({"key": key})))
}

/// Pastes a text into the search of a list.
fn search(browser: &Browser, more: &[(&str, &str)]) -> Answer {
    browser.submit("/keys", "/keys/search", more)
}

/// A key that was made elsewhere, and looks as keys do there.
fn import(server: &TestServer, secret: &str) {
    let digest = sha256(secret);
    let shell = Shell(TestDatabase::at(server.database.backend, server.database.url.clone()));
    let line =
        format!("{{\"name\":\"imported\",\"scopes\":[\"calls:read\"],\"sha256\":\"{digest}\"}}\n");
    let output = with_input(&shell, &["key", "import", "-"], &line);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    server.bitting.read_feed().unwrap();
}

fn with_input(shell: &Shell, arguments: &[&str], input: &str) -> Output {
    let mut command = shell.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The command may have given up before it read this.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

on_both! {
    fn a_key_is_found_whatever_its_state(backend) {
        let server = TestServer::start(backend);
        let expiring = json!({"expires_at": "2026-11-22T12:00:00Z"});
        let (active, revoked, expired) =
            (server.key("calls:read"), server.key("calls:read"), server.key_with("calls:read", expiring));
        server.revoke(&revoked);
        server.pass(Duration::from_secs(2 * 24 * 3600));
        import(&server, "sk_live_0123456789abcdef0123456789abcdef");
        for (key, status) in [(&active, "active"), (&revoked, "revoked"), (&expired, "expired")] {
            for pasted in [key.secret.clone(), format!(" \t{}\r\n", key.secret)] {
                let found = find(&server, &json!(pasted)).ok();
                assert_eq!((&found["id"], &found["status"]), (&json!(key.id), &json!(status)));
                assert!(found["addresses"].is_array() && found["key"].is_null());
            }
        }
        let found = find(&server, &json!("sk_live_0123456789abcdef0123456789abcdef")).ok();
        assert_eq!(found["name"], "imported");
    }
}

on_both! {
    fn what_is_no_key_here_is_told_why(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        for (pasted, why) in [
            (server.made_up(SecretKind::ApiKey), "for another server or database"),
            (server.admin.clone(), "an admin token"),
            (key.mistyped(), "checksum"),
            (key.secret[..30].to_owned(), "shorter than a key"),
            (format!("{}0", key.secret), "longer than a key"),
            (key.secret.to_uppercase(), "upper and lower case"),
            (format!("\"{}\"", key.secret), "quotation marks"),
            (key.id.clone(), "looks like an id"),
            ("something else".to_owned(), "white space"),
            ("sk_live_1".to_owned(), "for another service"),
        ] {
            let answer = find(&server, &json!(pasted));
            answer.expect(404, "not_found");
            assert!(answer.body.contains(why), "{pasted}: {}", answer.body);
            assert!(!answer.body.contains(&pasted), "{}", answer.body);
        }
        for (body, why) in [
            (json!({"key": " "}), "must be the whole key"),
            (json!({"key": 1}), "must be a string"),
            (json!({"key": null}), "is required"),
            (json!({}), "is required"),
            (json!({"key": "a".repeat(513)}), "at most 512"),
            (json!({"key": key.secret, "limit": 1}), "is not a field"),
        ] {
            let answer = server.manage("POST", "/v1/keys/find", Some(&body));
            answer.expect(422, "validation_failed");
            assert!(answer.body.contains(why), "{body}: {}", answer.body);
        }
        // A credential is needed, and one that may write, as by every POST.
        let reader = server.db_token(&json!({"name": "reader", "access": "read"}));
        let body = json!({"key": key.secret});
        server.client.with_key(&reader, "POST", "/v1/keys/find", Some(&body)).expect(403, "insufficient_scope");
        server.client.with_key(&key.secret, "POST", "/v1/keys/find", Some(&body)).expect(403, "wrong_credential");
    }
}

on_both! {
    fn a_key_in_a_url_is_said_to_be_leaked(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({}));
        let key = server.key("calls:read");
        let imported = "sk_live_0123456789abcdef0123456789abcdef";
        import(&server, imported);
        let admin = server.db_browser("ada@example.com");
        let cut = &key.secret[..30];
        let mistyped = key.mistyped();
        let made_up = server.made_up(SecretKind::ApiKey);
        for secret in [key.secret.as_str(), cut, &mistyped, &made_up, &server.admin, imported] {
            let answer = server.manage("GET", &format!("/v1/keys?q=%20{secret}"), None);
            answer.expect(422, "validation_failed");
            assert_eq!(answer.fields(), ["q"]);
            for path in ["/keys?q=", "/keys/retired?q=", "/keys/export?q="] {
                let page = admin.get(&format!("{path}{secret}"));
                assert_eq!(page.status, 422, "{path} {page:#?}");
                for told in [&page, &answer] {
                    assert!(told.body.contains("regard it as leaked"), "{told:#?}");
                    assert!(!format!("{told:?}").contains(&secret[4..]), "{told:#?}");
                }
            }
        }
        // What lists show of a key is no secret, and neither is a name with a line in it.
        let shown = server.manage("GET", "/v1/keys?q=btk_", None).ok();
        assert_eq!(shown["data"].as_array().unwrap().len(), 1);
        server.manage("GET", "/v1/keys?q=slack_notificationservice", None).ok();
        // Whoever is not signed in is not sent on with it.
        let stranger = Browser::new(&server.client.base).get(&format!("/keys?q={}", key.secret));
        assert_eq!((stranger.status, stranger.header("location")), (303, "/login?next=%2Fkeys"));
    }
}

on_both! {
    fn a_key_pasted_into_the_search_is_found_and_other_text_is_searched_for(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({}));
        server.db_user("bob@example.com", json!({}));
        server.db_user("eve@example.com", json!({"role": "auditor"}));
        let (key, foreign) = (server.key("calls:read"), server.key("calls:read"));
        server.revoke(&key);
        let holder = json!({"holder": "bob@example.com"});
        let own = server.key("calls:read");
        server.manage("PATCH", &format!("/v1/keys/{}", own.id), Some(&holder)).ok();
        for email in ["ada@example.com", "eve@example.com"] {
            let browser = server.db_browser(email);
            let pasted = format!(" {}\n", key.secret);
            let found = search(&browser, &[("q", &pasted), ("owner", ""), ("sort", "newest")]);
            let page = format!("/keys/{}", key.id);
            assert_eq!((found.status, found.header("location")), (303, page.as_str()), "{found:#?}");
        }
        let admin = server.db_browser("ada@example.com");
        for (secret, why) in [(server.made_up(SecretKind::ApiKey), "another server"), (key.mistyped(), "checksum"), (key.secret[..30].to_owned(), "shorter")] {
            let answer = search(&admin, &[("q", &secret)]);
            assert_eq!(answer.status, 404, "{answer:#?}");
            assert!(text(&answer, "#not-found").contains(why), "{answer:#?}");
            assert!(!answer.body.contains(&secret) && !answer.body.contains("No key matches"));
        }
        let answer = search(&admin, &[("q", " a b "), ("owner", ""), ("scope", "calls:read"), ("sort", "name")]);
        assert_eq!(answer.header("location"), "/keys?q=a+b&scope=calls%3Aread&sort=name");
        assert_eq!(search(&admin, &[("q", "")]).header("location"), "/keys");
        let answer = search(&admin, &[("q", "a"), ("status", "retired")]);
        assert_eq!(answer.header("location"), "/keys/retired?q=a");

        // A member finds their own, and of another's the answer is that of an unknown one.
        let bob = server.db_browser("bob@example.com");
        assert_eq!(search(&bob, &[("q", &own.secret)]).header("location"), format!("/keys/{}", own.id));
        let (theirs, nobodys) = (search(&bob, &[("q", &foreign.secret)]), search(&bob, &[("q", &server.made_up(SecretKind::ApiKey))]));
        assert_eq!((theirs.status, text(&theirs, "main")), (404, text(&nobodys, "main")));
        let denied = server.manage("GET", "/v1/audit?action=access.denied", None).ok();
        assert_eq!(denied["data"].as_array().unwrap().len(), 1);
        assert_eq!(denied["data"][0]["key_id"], json!(foreign.id));
        // Without the form's token nothing is looked up.
        let forged = admin.post_with("/keys/search", &[("q", &key.secret)], &[("sec-fetch-site", "same-origin")]);
        assert_eq!(forged.status, 403);
    }
}

on_both! {
    fn a_key_in_any_other_filter_is_found_or_refused_and_never_repeated(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({}));
        let key = server.key("calls:read");
        let imported = "sk_live_0123456789abcdef0123456789abcdef";
        import(&server, imported);
        let admin = server.db_browser("ada@example.com");
        let shell = Shell(TestDatabase::at(backend, server.database.url.clone()));
        let page = format!("/keys/{}", key.id);
        for secret in [key.secret.as_str(), imported] {
            let refused = |answer: &Answer, field: &str| {
                assert_eq!(answer.status, 422, "{answer:#?}");
                assert!(answer.body.contains(field) && !format!("{answer:?}").contains(&secret[8..]), "{answer:#?}");
            };
            for field in ["owner", "holder", "scope", "unused_for", "expires_within"] {
                let found = search(&admin, &[(field, secret)]);
                assert_eq!(found.status, 303, "{field}: {found:#?}");
                assert!(secret == imported || found.header("location") == page, "{found:#?}");
                assert!(!found.header("location").contains(secret));
                let answer = server.manage("GET", &format!("/v1/keys?{field}={secret}"), None);
                assert_eq!(answer.fields(), [field]);
                for path in ["/keys", "/keys/retired", "/keys/revoke", "/keys/export"] {
                    let shown = admin.get(&format!("{path}?{field}=%20{secret}"));
                    refused(&shown, field);
                    assert!(shown.body.contains("regard it as leaked"), "{shown:#?}");
                }
                let body = json!({"filter": {field: secret}, "confirm": 0});
                let answer = server.manage("POST", "/v1/keys/revoke", Some(&body));
                refused(&answer, &format!("filter.{field}"));
                assert!(answer.body.contains("is a key") && !answer.body.contains("URL"), "{answer:#?}");
            }
            for path in ["/audit?actor=", "/audit/export?actor=", "/users?q=", "/tokens?q=", "/tokens/retired?q=", "/usage?connection="] {
                refused(&admin.get(&format!("{path}{secret}")), "is a key");
            }
        }
        for command in [["key", "list"], ["key", "export"], ["key", "revoke"]] {
            for option in ["--owner", "--holder", "--scope", "--unused-for", "--expires-within"] {
                let arguments = [command[0], command[1], option, key.secret.as_str()];
                shell.refused(&arguments, 2, &[option, "is a key", "regard a key that was one as leaked"]);
            }
        }
    }
}

on_both! {
    fn a_command_finds_a_key_on_standard_input_alone(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let shell = Shell(TestDatabase::at(backend, server.database.url.clone()));
        let output = with_input(&shell, &["key", "find", "-"], &format!("  {}\n", key.secret));
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.contains(&key.id) && !shown.contains(&key.secret), "{shown}");
        let output = with_input(&shell, &["key", "find", "-", "--json"], &key.secret);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["id"], json!(key.id));
        for (input, code, said) in [
            (key.mistyped(), 1, "checksum"),
            (server.made_up(SecretKind::ApiKey), 1, "another server"),
            ("\n".to_owned(), 2, "must be the whole key"),
            ("a".repeat(9000), 2, "at most 512"),
        ] {
            let output = with_input(&shell, &["key", "find", "-"], &input);
            assert_eq!(output.status.code(), Some(code), "{}", errors(&output));
            assert!(errors(&output).contains(said), "{}", errors(&output));
        }
        for arguments in [["key", "find", key.secret.as_str()], ["key", "show", &key.secret]] {
            shell.refused(&arguments, 2, &["regard a key that was one as leaked", "bitting key find -"]);
            assert!(!errors(&shell.run(&arguments)).contains(&key.secret[4..]));
        }
    }
}

on_both! {
    fn exported_digests_and_who_took_them_are_on_record(backend) {
        let shell = Shell::new(backend);
        shell.ok(&["key", "create", "--name", "a", "--scope", "calls:read"]);
        shell.ok(&["key", "export"]);
        let events = "SELECT actor_name FROM audit_events WHERE action = 'keys.exported'";
        assert_eq!(shell.0.db_texts(events), [""; 0]);
        assert!(shell.ok(&["key", "export", "--with-digests"]).contains("sha256"));
        // Whatever `$USER` says.
        assert_eq!(shell.0.db_texts(events), [crate::support::binary::operator()]);
    }
}
