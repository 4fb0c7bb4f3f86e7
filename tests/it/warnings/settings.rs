//! Settings of warnings that are refused, each with what to do.

use crate::server::startup::refused;
use crate::support::binary;
use crate::support::receivers::SECRET;

#[test]
fn half_a_channel_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let webhook = ["--webhook-url", "http://127.0.0.1:9"];
    let named = "BITTING_WEBHOOK_SECRET";
    for (arguments, secret, expected) in [
        (&webhook[..], None, &["--webhook-url", named, "openssl rand"][..]),
        (&[], Some(SECRET), &[named, "--webhook-url"]),
        (&webhook, Some("hunter2"), &[named, "whsec_"]),
        (&webhook, Some("whsec_dG9vIHNob3J0"), &[named, "24 to 64 bytes"]),
        (
            &["--webhook-url", "http://hooks.example.com"],
            Some(SECRET),
            &["--webhook-url", "https://"],
        ),
        (&["--smtp-url", "smtp://u:hunter2@localhost"], None, &["--smtp-url", "--mail-from"]),
        (&["--mail-from", "a@example.com"], None, &["--mail-from", "--smtp-url"]),
        (&["--notify", "a@example.com"], None, &["--notify", "--smtp-url"]),
        (&["--notify-ca", "none.pem"], None, &["--notify-ca", "none.pem"]),
        (&["--notify", "a@example.com, nobody"], None, &["--notify", "e-mail address"]),
    ] {
        let mut command = binary::command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        if let Some(secret) = secret {
            command.env("BITTING_WEBHOOK_SECRET", secret);
        }
        refused(command, folder.path(), 2, expected);
    }
}

#[test]
fn commands_that_send_nothing_go_without_what_the_server_alone_knows() {
    let folder = tempfile::tempdir().unwrap();
    let file = "webhook_url = \"https://hooks.example.com/secret-path\"\nmail_from = \"b@example.com\"\n\
                notify = \"ada@example.com\"\n";
    std::fs::write(folder.path().join("bitting.toml"), file).unwrap();
    let create = ["key", "create", "--name", "k", "--scope", "calls:read", "--expires", "1d"];
    binary::run_ok(folder.path(), &create);
    binary::run_ok(folder.path(), &["key", "list"]);
    binary::run_ok(folder.path(), &["check"]);
    let mut secret_alone = binary::command(folder.path(), &["key", "list"]);
    secret_alone.env("BITTING_WEBHOOK_SECRET", SECRET).env("BITTING_CONFIG", "/dev/null");
    assert!(secret_alone.status().unwrap().success());
    let named = ["--webhook-url", "BITTING_WEBHOOK_SECRET"];
    for sends in [&["notify", "test"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = binary::ended(binary::command(folder.path(), sends));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(named.iter().all(|name| said.contains(name)), "{said}");
    }
}
