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
        let mut command = binary::command(folder.path(), &["migrate"]);
        command.args(arguments);
        if let Some(secret) = secret {
            command.env("BITTING_WEBHOOK_SECRET", secret);
        }
        refused(command, folder.path(), 2, expected);
    }
}
