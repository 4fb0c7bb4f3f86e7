//! `bitting notify test`: whether warnings would arrive.

use std::process::Output;

use crate::support::binary;
use crate::support::receivers::{MailServer, SECRET, received, verify};
use crate::support::upstream::Upstream;

fn notify(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::command(folder.path(), &["notify", "test"]);
    if arguments.contains(&"--webhook-url") {
        command.env("BITTING_WEBHOOK_SECRET", SECRET);
    }
    let output = command.args(arguments).output().unwrap();
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 0, "it made a database");
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(text);
        assert!(!text.contains("hunter2") && !text.contains(&SECRET[6..]), "{text}");
    }
    output
}

#[test]
fn a_test_message_goes_to_every_channel() {
    let webhook = Upstream::start();
    let url = format!("http://{}/hook?token=hunter2", webhook.address);
    let Some(mail) = MailServer::start() else { return };
    let smtp = format!("smtp://127.0.0.1:{}", mail.port);
    let by_mail = ["--smtp-url", &smtp, "--mail-from", "keys@example.com", "--notify"];
    let to = ["ada@example.com,bo@example.com"];
    let output = notify(&[&["--webhook-url", &url], &by_mail[..], &to].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(0), 3), "{said}");
    assert!(
        said.contains(&format!("webhook: http://{} has taken msg_", webhook.address)),
        "{said}"
    );
    let told = received(&webhook);
    assert_eq!((told.len(), told[0].kind()), (1, "test"));
    verify(&told);
    let to: Vec<_> = mail.wait_for_mails(2).iter().map(|mail| mail["to"].clone()).collect();
    assert_eq!(to, [serde_json::json!(["ada@example.com"]), serde_json::json!(["bo@example.com"])]);
    let output = notify(&[&by_mail[..], &["nobody@example.com,bo@example.com"]].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 2), "{said}");
    assert!(said.contains("for nobody@example.com: ") && said.contains("no such user"), "{said}");
}

#[test]
fn what_is_wrong_is_said_and_is_a_failure() {
    assert_eq!(notify(&[]).status.code(), Some(2));
    let webhook = Upstream::start();
    webhook.answer_with(302);
    let url = format!("http://{}/", webhook.address);
    let nobody = ["--smtp-url", "smtp://u:hunter2@127.0.0.1:1", "--mail-from", "keys@example.com"];
    let told = ["--notify", "ada@example.com"];
    for (arguments, expected) in [
        (&["--webhook-url", &*url][..], "the receiver answered 302"),
        (&["--webhook-url", "http://127.0.0.1:1"], "takes no connection"),
        (&nobody, "set --notify"),
        (&[&nobody[..], &told].concat(), "Connection refused"),
    ] {
        let output = notify(arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(expected) && output.status.code() == Some(1), "{said}");
    }
}
