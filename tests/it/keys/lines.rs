//! Lines of keys that were rotated into each other: revoked as one, and shown on the command line.

use serde_json::json;

use super::rotation::{events, path_of, ping, rotated, shown};
use crate::commands::cli::Shell;
use crate::support::server::MadeKey;
use crate::support::{Backend, TestServer, on_both};

on_both! {
    fn a_line_is_revoked_with_one_of_its_keys(backend) {
        let server = TestServer::start(backend);
        let line = || {
            let first = server.key("calls:read");
            let second = rotated(&server, &first, &json!({}));
            let third = rotated(&server, &second, &json!({}));
            [first, second, third]
        };
        let revoke = |key: &MadeKey, query: &str| {
            let reason = json!({"reason": "leaked"});
            server.manage("POST", &format!("{}/revoke{query}", path_of(key)), Some(&reason))
        };
        for (n, query) in ["", "?lineage=false"].iter().enumerate() {
            let keys = line();
            revoke(&keys[n], query).ok();
            let alive = keys.iter().filter(|key| ping(&server, key).status == 200).count();
            assert_eq!(alive, 2);
        }
        for n in 0..3 {
            let keys = line();
            if n == 0 {
                revoke(&keys[1], "").ok();
            }
            let told = revoke(&keys[n], "?lineage=true").ok();
            assert_eq!((&told["id"], &told["status"]), (&json!(keys[n].id), &json!("revoked")));
            for key in &keys {
                ping(&server, key).expect(401, "key_revoked");
                assert_eq!(events(&server, key, "key.revoked").len(), 1);
                assert_eq!(shown(&server, key)["revoke_reason"], "leaked");
            }
            assert_eq!(revoke(&keys[n], "?lineage=true").ok()["revoked_at"], told["revoked_at"]);
        }
        let key = server.key("calls:read");
        revoke(&key, "?lineage=yes").expect(422, "validation_failed");
        revoke(&key, "?line=true").expect(422, "validation_failed");
        // The same name for one key and for a line is a mistake.
        let bearer = format!("Bearer {}", server.admin);
        let send = |query: &str| {
            let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k")];
            server.client.send("POST", &format!("{}/revoke{query}", path_of(&key)), &headers, None)
        };
        send("").ok();
        send("?lineage=true").expect(422, "idempotency_mismatch");
        assert_eq!(send("").header("idempotency-replayed"), "true");
    }
}

on_both! {
    fn a_member_ends_no_key_of_somebody_else_with_a_line(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({"role": "admin"}));
        let user = server.db_user("bo@example.com", json!({"role": "member", "may_grant": ["calls:read"]}));
        let principal = server.db_principal(&user);
        let first = server.key("calls:read");
        let id = |key: &MadeKey| key.id.parse().unwrap();
        assert!(server.bitting.rotate_key(id(&first), request(), &principal, None).is_err(), "not theirs");
        server.database.db_execute(&format!("UPDATE api_keys SET user_id = '{}'", user.id));
        let made = server.bitting.rotate_key(id(&first), request(), &principal, None).unwrap();
        assert!(made.keys.new.is_held_by(user.id), "the new key is theirs too");
        server.database.db_execute(&format!("UPDATE api_keys SET user_id = NULL WHERE id = '{}'", first.id));
        assert!(server.bitting.revoke_line(made.keys.new.id, None, &principal, None).is_err());
        assert!(events(&server, &first, "key.revoked").is_empty());

        // What counts is what they may do when it is carried out.
        let cy = server.db_user("cy@example.com", json!({"role": "admin"}));
        let before = server.db_principal(&cy);
        let new = made.keys.new.id;
        server.database.db_execute(&format!("UPDATE api_keys SET user_id = '{}' WHERE id = '{new}'", cy.id));
        server.database.db_execute(&format!("UPDATE users SET role = 'member' WHERE id = '{}'", cy.id));
        assert!(server.bitting.revoke_line(new, None, &before, None).is_err());
        assert!(events(&server, &first, "key.revoked").is_empty());
        ping(&server, &first).expect(200, "");
    }
}

fn request() -> bitting::model::rotation::RotateRequest {
    bitting::model::rotation::RotateRequest::from_object(
        &serde_json::Map::new(),
        crate::support::server::start_of_time(),
    )
    .unwrap()
}

on_both! {
    fn the_command_line_rotates_and_shows_the_line(backend) {
        let shell = Shell::new(backend);
        let made = &shell.json(&["key", "create", "--name", "k", "--scope", "calls:read", "--owner", "acme"])[0];
        let id = made["id"].as_str().unwrap();
        let output = shell.run(&["key", "rotate", id, "--overlap", "1d"]);
        let (secret, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success() && secret.starts_with("btk_") && secret.lines().count() == 1, "{said}");
        assert!(said.contains(&format!("It replaces {id}, which ends 20")), "{said}");
        let keys = shell.json(&["key", "list"]);
        let new = keys[0]["id"].as_str().unwrap();
        assert_eq!((&keys[0]["replaces"], &keys[1]["replaced_by"]), (&json!(id), &json!(new)));
        assert_eq!(keys[0]["owner"], "acme");
        assert!(shell.ok(&["key", "show", id]).contains(&format!("replaced by   {new}\n")));
        assert!(shell.ok(&["key", "show", new]).contains(&format!("replaces      {id}\n")));
        let third = &shell.json(&["key", "rotate", new, "--expires", "30d"])[0];
        assert_eq!(third["replaces"], json!(new));
        assert!(third["key"].as_str().unwrap().starts_with("btk_"));
        for (arguments, code, words) in [
            (&["key", "rotate", id][..], 1, ["rotated already", new]),
            (&["key", "rotate", new, "--overlap", "91d"], 2, ["--overlap must be", "90d"]),
            (&["key", "rotate", new, "--expires", "never"], 2, ["--expires", "never"]),
            (&["key", "rotate", new, "--expires", "2020-01-01"], 2, ["--expires must be", "future"]),
            (&["key", "rotate", "key_1"], 2, ["is not the id of a key", "26"]),
            (&["key", "rotate", "key_00000000000000000000000000"], 1, ["there is no key", "key list"]),
        ] {
            shell.refused(arguments, code, &words);
        }
        let file = shell.ok(&["key", "export"]);
        let heading = file.lines().next().unwrap();
        assert!(heading.contains("\"replaces\",\"replaced_by\""), "{heading}");
        assert!(file.lines().any(|line| line.contains(&format!("\"{id}\",\"{}\"", third["id"].as_str().unwrap()))), "{file}");
        let revoked = shell.ok(&["key", "revoke", new, "--lineage", "--reason", "leaked"]);
        let along = [id, third["id"].as_str().unwrap()].map(|id| format!("{id} revoked with it"));
        assert!(revoked.starts_with(&format!("{new} revoked at 20")), "{revoked}");
        assert_eq!(revoked.lines().skip(1).collect::<Vec<_>>(), along);
        assert!(shell.json(&["key", "list"]).iter().all(|key| key["status"] == "revoked"));
        shell.ok(&["check"]);
    }
}

/// What is exported is imported elsewhere as keys of their own.
#[test]
fn a_line_is_not_taken_along_by_an_import() {
    let (shell, other) = (Shell::new(Backend::Sqlite), Shell::new(Backend::Sqlite));
    shell.ok(&["key", "create", "--name", "k", "--scope", "calls:read"]);
    let id = shell.json(&["key", "list"])[0]["id"].as_str().unwrap().to_owned();
    shell.ok(&["key", "rotate", &id]);
    let file = other.0.folder().join("keys.csv");
    std::fs::write(&file, shell.ok(&["key", "export", "--with-digests"])).unwrap();
    other.ok(&["migrate"]);
    other.ok(&["key", "import", "keys.csv"]);
    let keys = other.json(&["key", "list"]);
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|key| key["replaces"].is_null() && key["replaced_by"].is_null()));
    other.ok(&["check"]);
}
