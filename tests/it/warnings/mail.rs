//! Warnings by mail: to whoever is responsible for a key, or to those that are configured.

use std::time::Duration;

use bitting::config::{Encryption, MailSettings, SmtpServer};
use bitting::domain::principal::Principal;
use bitting::model::email::Email;
use bitting::model::time::format;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::Cluster;
use crate::support::receivers::MailServer;
use crate::support::{Backend, eventually, on_both};

/// The values of a mail's header.
pub fn header<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = mail["headers"].as_array().unwrap().iter();
    let same = headers.filter(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name));
    same.map(|header| header[1].as_str().unwrap()).collect()
}

/// Two servers that send mails there.
pub fn mailing(backend: Backend, mail: &MailServer) -> Cluster {
    mailing_to(backend, mail, &["ops@example.com"])
}

fn mailing_to(backend: Backend, mail: &MailServer, notify: &[&str]) -> Cluster {
    let notify: Vec<Email> = notify.iter().map(|email| email.parse().unwrap()).collect();
    let server = SmtpServer {
        host: "127.0.0.1".to_owned(),
        port: mail.port,
        encryption: Encryption::None,
        credentials: None,
    };
    Cluster::start(backend, 2, move |settings| {
        let notify = notify.clone();
        let from = "keys@example.com".parse().unwrap();
        settings.warnings.mail = Some(MailSettings { server: server.clone(), from, notify });
        settings.public_url = Some("https://keys.example.com".to_owned());
    })
}

on_both! {
    fn a_mail_goes_to_who_is_responsible_or_else_to_those_configured(backend) {
        let Some(mail) = MailServer::start() else { return };
        let cluster = mailing(backend, &mail);
        let server = &cluster.servers[0];
        server.db_user("ada@example.com", json!({}));
        let gone = server.db_user("gone@example.com", json!({}));
        let end = format(server.bitting.time.now() + TimeDelta::days(20));
        let key = |name: &str, holder: Option<&str>| {
            let made = server.key_with("calls:read", json!({"name": name, "expires_at": end}));
            if let Some(holder) = holder {
                let body = json!({"holder": holder});
                server.manage("PATCH", &format!("/v1/keys/{}", made.id), Some(&body)).ok();
            }
            made
        };
        let hers = key("hers", Some("ada@example.com"));
        key("nobody's", None);
        let theirs = key("theirs", Some("gone@example.com"));
        server.database.db_execute(&format!(
            "UPDATE users SET disabled_at = created_at WHERE id = '{}'", gone.id
        ));
        cluster.pass(Duration::from_secs(7 * 86_400));
        eventually("the mails have arrived", || mail.mails().len() >= 3 && cluster.db_count("due_at IS NOT NULL") == 0);
        let mut mails = mail.mails();
        mails.sort_by_key(|mail| header(mail, "subject").concat());
        let sent: Vec<_> = mails.iter().map(|mail| (header(mail, "subject").concat(), mail["to"].clone())).collect();
        let title = |name: &str| format!("API key “{name}” expires in less than 14 days");
        assert_eq!(sent, [
            (title("hers"), json!(["ada@example.com"])),
            (title("nobody's"), json!(["ops@example.com"])),
            (title("theirs"), json!(["ops@example.com"])),
        ]);
        let text = mails[0]["text"].as_str().unwrap();
        assert!(text.contains(&format!("https://keys.example.com/keys/{}", hers.id)), "{text}");
        assert!(text.contains("Responsible: ada@example.com") && text.contains(&hers.id), "{text}");
        assert_eq!(header(&mails[0], "from"), ["keys@example.com"]);
        assert!(!text.contains(&hers.secret[5..]) && !text.contains(&theirs.secret[5..]));
    }
}

on_both! {
    fn a_mail_that_has_waited_goes_to_who_is_responsible_by_then(backend) {
        let Some(mail) = MailServer::start() else { return };
        let cluster = mailing(backend, &mail);
        let server = &cluster.servers[0];
        let end = format(server.bitting.time.now() + TimeDelta::days(20));
        let key = server.key_with("calls:read", json!({"expires_at": end}));
        let assign = |email: &str| {
            server.db_user(email, json!({}));
            let path = format!("/v1/keys/{}", key.id);
            server.manage("PATCH", &path, Some(&json!({"holder": email}))).ok();
        };
        // Whom the mail server does not know.
        assign("nobody@example.com");
        cluster.pass(Duration::from_secs(7 * 86_400));
        eventually("it was tried", || cluster.db_count("error IS NOT NULL") == 1);
        assign("ada@example.com");
        cluster.pass(Duration::from_secs(7200));
        assert_eq!(mail.wait_for_mails(1)[0]["to"], json!(["ada@example.com"]));
    }
}

#[test]
fn who_is_not_known_to_the_mail_server_keeps_it_from_nobody() {
    let Some(mail) = MailServer::start() else { return };
    let notify = ["nobody@example.com", "ops@example.com", "sec@example.com"];
    let cluster = mailing_to(Backend::Sqlite, &mail, &notify);
    cluster.servers[0].bitting.store_test(&Principal::command_line("test")).unwrap();
    let mails = mail.wait_for_mails(2);
    eventually("it is noted", || {
        cluster.db_count("delivered_at IS NOT NULL") == 2
            && cluster.db_count("error IS NOT NULL") == 1
    });
    let mut to: Vec<_> = mails.iter().map(|mail| mail["to"][0].clone()).collect();
    to.sort_by_key(Value::to_string);
    assert_eq!(to, ["ops@example.com", "sec@example.com"]);
    assert_eq!(header(&mails[0], "mime-version"), ["1.0"]);
    let why = cluster.database.db_texts("SELECT error FROM notifications WHERE error IS NOT NULL");
    assert_eq!(why[0].matches("no such user").count(), 1, "{why:?}");
}

on_both! {
    /// However it came into the database.
    fn no_name_adds_a_header_or_a_recipient(backend) {
        let Some(mail) = MailServer::start() else { return };
        let cluster = mailing(backend, &mail);
        let server = &cluster.servers[0];
        let end = format(server.bitting.time.now() + TimeDelta::days(20));
        let names = [
            "=?utf-8?Q?x=0D=0ABcc:_evil@example.com?=",
            "x\u{2028}Bcc: evil@example.com",
            "\u{202e}drawkcab \u{1f511} ключ",
            "a\" <evil@example.com>, \"b",
        ];
        for name in names {
            server.key_with("calls:read", json!({"name": "plain", "expires_at": end, "owner": "x"}));
            let name = name.replace('\'', "''");
            server.database.db_execute(&format!("UPDATE api_keys SET name = '{name}' WHERE name = 'plain'"));
        }
        server.key_with("calls:read", json!({"name": "plain", "expires_at": end}));
        let line_break = match backend {
            Backend::Sqlite => "char(13, 10)",
            Backend::Postgres => "chr(13) || chr(10)",
        };
        let injected = format!("'x' || {line_break} || 'Bcc: evil@example.com' || {line_break} || {line_break} || 'text'");
        server.database.db_execute(&format!("UPDATE api_keys SET name = {injected} WHERE name = 'plain'"));
        cluster.pass(Duration::from_secs(7 * 86_400));
        eventually("the mails have arrived", || mail.mails().len() == 5 && cluster.db_count("due_at IS NOT NULL") == 0);
        for mail in mail.mails() {
            assert_eq!((&mail["from"], &mail["to"]), (&json!("keys@example.com"), &json!(["ops@example.com"])));
            for (name, count) in [("bcc", 0), ("cc", 0), ("to", 1), ("subject", 1), ("from", 1), ("message-id", 1)] {
                assert_eq!(header(&mail, name).len(), count, "{name}: {mail}");
            }
            assert_eq!(header(&mail, "to"), ["ops@example.com"]);
            assert_eq!(header(&mail, "subject").concat().lines().count(), 1, "{mail}");
        }
        let subjects: Vec<_> = mail.mails().iter().map(|mail| header(mail, "subject").concat()).collect();
        assert!(subjects.iter().any(|subject| subject.contains("🔑 ключ")), "{subjects:?}");
    }
}
