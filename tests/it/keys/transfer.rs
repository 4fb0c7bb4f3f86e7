//! Keys moving in and out: files with good and bad lines, twice the same file, a trial run, and a
//! round trip from one database to another.

use std::fs::File;
use std::process::Output;

use bitting::model::secret::{Digest, Secret, SecretKind};
use serde_json::{Value, json};

use crate::commands::cli::{Shell, errors};
use crate::support::binary::operator;
use crate::support::{Backend, Binary, TestDatabase, binary, on_both};

pub fn sha256(text: &str) -> String {
    Digest::of(text.as_bytes()).to_hex()
}

/// A line of a JSON file with a key of this secret.
pub fn line(secret: &str) -> Value {
    json!({"name": "moved", "scopes": ["calls:read"], "sha256": sha256(secret)})
}

fn with(secret: &str, more: Value) -> Value {
    let mut line = line(secret);
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line
}

/// Imports a file with this text.
pub fn import(shell: &Shell, name: &str, text: impl AsRef<[u8]>, more: &[&str]) -> Output {
    let file = shell.0.folder().join(name);
    std::fs::write(&file, text).unwrap();
    shell.run(&[&["key", "import", file.to_str().unwrap()], more].concat())
}

/// Imports these lines, of which none may be refused.
#[track_caller]
pub fn import_all(database: &TestDatabase, lines: &[Value]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(database.folder().join("all.jsonl"), text).unwrap();
    let import = ["key", "import", "all.jsonl", "--database-url", &database.url];
    binary::run_ok(&database.folder(), &import);
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn reports(output: &Output) -> Vec<Value> {
    said(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

on_both! {
    fn keys_of_another_program_move_in_without_being_reissued(backend) {
        let shell = Shell::new(backend);
        shell.ok(&["migrate"]);
        let server = Binary::serve(&shell.0.folder(), &["--database-url", &shell.0.url]);
        let csv = format!(
            "name,owner,scopes,expires_at,display,sha256,description\r\n\
             \"Night, shift\",Acme,calls:read leads:write,2030-01-31,sk_…9f,{},'=1+1\r\n\
             plain,,calls:read,never,,{},\r\n",
            sha256("sk_live_one"), sha256("sk_live_two").to_uppercase(),
        );
        let output = import(&shell, "keys.csv", &csv, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        assert_eq!(said(&output), "2 imported, 0 already there, 0 refused\n");

        // The running server learns of them as of any other change.
        crate::support::eventually("the keys are known", || {
            server.client.with_key("sk_live_one", "GET", "/v1/calls", None).status == 200
        });
        let who = server.client.with_key("sk_live_two", "GET", "/v1/whoami", None).ok();
        assert_eq!((&who["name"], &who["expires_at"]), (&json!("plain"), &Value::Null));
        server.client.with_key("sk_live_two", "POST", "/v1/calls", None).expect(403, "insufficient_scope");

        let keys = shell.json(&["key", "list"]);
        let first = &keys[1];
        for (member, expected) in [
            ("name", json!("Night, shift")),
            ("owner", json!("Acme")),
            ("description", json!("=1+1")),
            ("scopes", json!(["calls:read", "leads:write"])),
            ("expires_at", json!("2030-02-01T00:00:00.000Z")),
            ("display", json!("sk_…9f")),
            ("created_by", json!({"type": "cli", "id": null, "name": operator()})),
        ] {
            assert_eq!(first[member], expected, "{member}");
        }
        let digest = sha256("sk_live_two");
        assert_eq!(keys[0]["display"], json!(format!("imported…{}", &digest[60..])));
        assert!(shell.ok(&["key", "show", first["id"].as_str().unwrap()]).contains("\nimported "));

        // Each has its event, which says that it came from elsewhere.
        let events = "SELECT detail FROM audit_events WHERE action = 'key.created' ORDER BY id";
        let details: Vec<Value> = shell.0.db_texts(events).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(details.len(), 2);
        assert_eq!(details[0], json!({"name": "Night, shift", "owner": "Acme", "scopes": ["calls:read", "leads:write"], "expires_at": "2030-02-01T00:00:00.000Z", "imported": true}));
        assert_eq!(shell.0.db_number("SELECT COUNT(*) FROM audit_events e JOIN api_keys k ON k.revision = e.id AND k.id = e.key_id"), 2);

        // Once more: nothing changes.
        let output = import(&shell, "keys.csv", &csv, &["--json"]);
        let report = reports(&output);
        assert_eq!(report[0], json!({"line": 2, "outcome": "already_there", "id": first["id"]}));
        assert_eq!(report[2], json!({"imported": 0, "already_there": 2, "refused": 0, "dry_run": false}));
        assert_eq!(shell.0.db_number("SELECT COUNT(*) FROM audit_events"), 2);
    }
}

on_both! {
    fn keys_come_in_however_a_spreadsheet_separates_them(backend) {
        let shell = Shell::new(backend);
        let file = |delimiter: char, secret: &str, scopes: &str| {
            let cells = [&sha256(secret), "\"a;\'=1\"", &format!("\"{scopes}\"")].join(&delimiter.to_string());
            format!("\u{feff}sha256{delimiter}name{delimiter}scopes\r\n{cells}\r\n")
        };
        for (n, (delimiter, scopes)) in
            [(',', "calls:read leads:read"), (';', "calls:read,leads:read"), ('\t', "calls:read; leads:read")].into_iter().enumerate()
        {
            let output = import(&shell, "keys.csv", file(delimiter, &format!("secret {n}"), scopes), &[]);
            assert_eq!(said(&output), "1 imported, 0 already there, 0 refused\n", "{}", errors(&output));
        }
        for key in shell.json(&["key", "list"]) {
            assert_eq!((&key["name"], &key["scopes"]), (&json!("a;=1"), &json!(["calls:read", "leads:read"])));
        }
    }
}

on_both! {
    fn bad_lines_are_refused_one_by_one_and_the_good_ones_imported(backend) {
        let shell = Shell::new(backend);
        let token = shell.ok(&["token", "create", "--name", "t", "--access", "read", "--expires", "1d"]);
        let ours = Secret::generate(&"bt".parse().unwrap(), SecretKind::ApiKey).unwrap();
        let lines = [
            (line("a").to_string(), None),
            (with("b", json!({"name": ""})).to_string(), Some("name")),
            (with("c", json!({"scopes": ["calls:*"], "expires_at": "2020-01-01T00:00:00Z"})).to_string(), Some("scopes")),
            ("{broken".to_owned(), Some("line")),
            (with("d", json!({"sha256": ours.expose()})).to_string(), Some("sha256")),
            (with("e", json!({"description": format!("for {}", ours.expose())})).to_string(), Some("description")),
            (with("sk_live_f", json!({"name": "sk_live_f"})).to_string(), Some("name")),
            (line("a").to_string(), Some("sha256")),
            (line(token.trim_end()).to_string(), Some("sha256")),
            (with("g", json!({"sk_live_g": 1})).to_string(), Some("line")),
            (with("h", json!({"status": "revoked"})).to_string(), Some("status")),
            (line("z").to_string(), None),
        ];
        let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
        for dry in [&["--dry-run"][..], &[]] {
            let output = import(&shell, "keys.jsonl", &text, &[&["--json"], dry].concat());
            assert_eq!(output.status.code(), Some(1));
            assert!(errors(&output).contains("10 lines were refused"), "{}", errors(&output));
            let report = reports(&output);
            for (number, (_, refused)) in (1..).zip(&lines) {
                let about = report.iter().find(|about| about["line"] == json!(number)).unwrap();
                let expected = if refused.is_some() { "refused" } else { "imported" };
                assert_eq!(about["outcome"], expected, "{about}");
                if let Some(field) = refused {
                    assert_eq!(about["errors"][0]["field"], *field, "{about}");
                }
            }
            assert_eq!(*report.last().unwrap(), json!({"imported": 2, "already_there": 0, "refused": 10, "dry_run": dry.len() == 1}));
            let keys = shell.0.db_number("SELECT COUNT(*) FROM api_keys");
            assert_eq!(keys, if dry.is_empty() { 2 } else { 0 }, "a trial writes nothing");
        }

        // For people: line, field and fault, and not what stood there.
        let output = import(&shell, "keys.jsonl", &text, &[]);
        assert_eq!(said(&output), "0 imported, 2 already there, 10 refused\n");
        let errors = errors(&output);
        assert!(errors.contains("line 2: name is required\n"), "{errors}");
        assert!(errors.contains("line 3: scopes must contain only scopes"), "{errors}");
        assert!(errors.contains("; expires_at must be in the future\n"), "{errors}");
        for secret in [&ours.expose()[4..], "sk_live", token.trim_end(), "calls:*"] {
            assert!(!errors.contains(secret), "{secret}: {errors}");
        }
    }
}

on_both! {
    fn what_is_exported_with_digests_works_in_another_database(backend) {
        let (here, there) = (Shell::new(backend), Shell::new(backend));
        there.ok(&["migrate"]);
        let create = |name: &str, more: &[&str]| {
            let name = format!("--name={name}");
            let create = ["key", "create", &name, "--scope", "calls:read"];
            here.json(&[&create, more].concat()).remove(0)
        };
        let made = [
            create("'=cmd", &["--scope", "leads:write", "--expires", "90d", "--owner", "@\"a\", b"]),
            create("-1", &["--description", "\ttwo\r\nlines,\n'+x"]),
            create("ü 名", &["--expires", "never"]),
            create("a;=1;'=2", &[]),
        ];
        let gone = create("gone", &[]);
        here.ok(&["key", "revoke", gone["id"].as_str().unwrap(), "--reason", "=lost"]);

        for format in ["csv", "jsonl"] {
            let export = ["key", "export", "--format", format];
            let plain = here.ok(&export);
            let whole = here.ok(&[&export[..], &["--with-digests"]].concat());
            for key in made.iter().chain([&gone]) {
                let (secret, id) = (key["key"].as_str().unwrap(), key["id"].as_str().unwrap());
                assert!(!whole.contains(secret) && plain.contains(id), "{plain}");
                assert!(!plain.contains(&sha256(secret)) && whole.contains(&sha256(secret)));
            }
            // A retired key stays where it was retired.
            let file = format!("all.{format}");
            let output = import(&there, &file, &whole, &["--dry-run"]);
            assert_eq!(output.status.code(), Some(1));
            assert!(errors(&output).contains("status must be active"), "{}", errors(&output));

            let active = here.ok(&[&export[..], &["--with-digests", "--status", "active"]].concat());
            let output = import(&there, &file, &active, &[]);
            assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        }
        assert!(here.ok(&["key", "export"]).contains(",\"'=lost\","));

        let server = Binary::serve(&there.0.folder(), &["--database-url", &there.0.url]);
        let arrived = there.json(&["key", "list"]);
        assert_eq!(arrived.len(), made.len());
        for (made, arrived) in made.iter().zip(arrived.iter().rev()) {
            for member in ["name", "description", "owner", "scopes", "expires_at", "display", "status"] {
                assert_eq!(made[member], arrived[member], "{member}");
            }
            server.client.with_key(made["key"].as_str().unwrap(), "GET", "/v1/calls", None).expect(200, "");
        }
        server.client.with_key(gone["key"].as_str().unwrap(), "GET", "/v1/calls", None).expect(401, "invalid_key");
    }
}

on_both! {
    fn more_keys_than_one_batch_or_one_page_hold(backend) {
        let shell = Shell::new(backend);
        let lines: Vec<Value> = (0..2345).map(|n| with(&format!("secret {n}"), json!({"name": format!("n{n}")}))).collect();
        import_all(&shell.0, &lines);
        let exported = shell.ok(&["key", "export", "--format", "jsonl", "--with-digests"]);
        let exported: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(exported.len(), lines.len());
        for (line, exported) in lines.iter().zip(&exported) {
            assert_eq!((&line["name"], &line["sha256"]), (&exported["name"], &exported["sha256"]));
        }
        let numbers = "SELECT CAST(COUNT(DISTINCT revision) AS BIGINT) FROM api_keys";
        assert_eq!(shell.0.db_number(numbers), 2345);
    }
}

#[test]
fn keys_come_from_standard_input_and_what_is_no_file_of_keys_is_told() {
    let shell = Shell::new(Backend::Sqlite);
    let database = shell.0.folder().join("test.db");
    let csv = format!("name,scopes,sha256\nmoved,calls:read,{}\n", sha256("a"));

    // Nothing is made by what cannot be read, nor by a trial.
    shell.refused(&["key", "import", "no-such-file"], 1, &["no-such-file"]);
    for (text, expected) in [
        ("", "the heading name is missing"),
        ("name,scopes\n", "the heading sha256 is missing"),
        ("name,scopes,sk_live_1\n", "heading 3 is not one of id, name"),
    ] {
        let output = import(&shell, "keys", text, &[]);
        assert_eq!(output.status.code(), Some(2));
        let errors = errors(&output);
        assert!(errors.contains(expected) && !errors.contains("sk_live"), "{errors}");
    }
    let (utf16, array): (Vec<u8>, _) =
        (csv.encode_utf16().flat_map(u16::to_le_bytes).collect(), format!("[{}]", line("a")));
    for (text, expected) in [(utf16, "UTF-16"), (array.into_bytes(), "JSON array")] {
        let output = import(&shell, "keys", text, &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(errors(&output).contains(expected), "{}", errors(&output));
    }
    let output = import(&shell, "keys", &csv, &["--dry-run"]);
    assert!(errors(&output).contains("this database does not exist"), "{}", errors(&output));
    assert!(!database.exists());

    for (format, text) in [("csv", csv), ("jsonl", line("b").to_string())] {
        std::fs::write(shell.0.folder().join("keys"), text).unwrap();
        let more = ["key", "import", "-", "--format", format];
        for (arguments, expected) in [
            (&more[..3], "1 imported, 0 already there, 0 refused\n"),
            (&more, "0 imported, 1 already there, 0 refused\n"),
        ] {
            let mut command = shell.command(arguments);
            command.stdin(File::open(shell.0.folder().join("keys")).unwrap());
            assert_eq!(said(&command.output().unwrap()), expected);
        }
    }

    // The rest of a file is not guessed at.
    let endless =
        format!("name,scopes,sha256\nmoved,calls:read,{}\n\"{}", sha256("c"), "x".repeat(300_000));
    let output = import(&shell, "keys.csv", endless, &[]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert!(
        errors.contains(
            "line 3: is longer than 64 KiB; check for a quotation mark that is not closed"
        ),
        "{errors}"
    );
    assert!(errors.contains("stopped early: 1 imported"), "{errors}");
}

#[test]
fn an_export_may_be_cut_off_by_its_reader() {
    let shell = Shell::new(Backend::Sqlite);
    let lines: Vec<Value> = (0..3000).map(|n| line(&format!("secret {n}"))).collect();
    import_all(&shell.0, &lines);
    for format in ["csv", "jsonl"] {
        let mut command = shell.command(&["key", "export", "--format", format]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), errors(&output).as_str()), (Some(0), ""), "{format}");
    }
}
