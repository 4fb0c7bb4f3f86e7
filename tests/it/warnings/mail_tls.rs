//! Mails over TLS, from the beginning and after STARTTLS: to a server that somebody vouches for, or
//! not at all.

use bitting::config::{Encryption, MailSettings, Options, SmtpServer};
use bitting::model::id::{NotificationId, PublicId};
use bitting::model::warnings::{Channel, Delivery, Warning};
use bitting::server::notifier::Courier;
use rustls::pki_types::CertificateDer;

use crate::support::receivers::{MailServer, MailTls};
use crate::support::server::start_of_time;
use crate::support::vendors::AUTHORITY;

/// Sends a mail to a server of this machine.
fn send(
    to: &MailServer,
    encryption: Encryption,
    authorities: &[CertificateDer<'static>],
) -> Result<(), String> {
    let mut settings = bitting::server::settings(Options::default()).unwrap();
    let server =
        SmtpServer { host: "localhost".to_owned(), port: to.port, encryption, credentials: None };
    let from = "keys@example.com".parse().unwrap();
    settings.warnings.mail = Some(MailSettings { server, from, notify: Vec::new() });
    settings.warnings.authorities = authorities.to_vec();
    let (id, now) = (NotificationId::from_number(1), start_of_time());
    let (recipients, test) = (vec!["ops@example.com".to_owned()], Warning::test(id, now));
    let mail = Delivery::new(id, Channel::Mail, recipients, &test, now);
    Courier::new(&settings).unwrap().send(&mail, now.timestamp())
}

#[test]
fn a_mail_goes_only_to_a_server_that_a_known_authority_vouches_for() {
    for (encryption, tls) in
        [(Encryption::StartTls, MailTls::StartTls), (Encryption::Tls, MailTls::FromTheBeginning)]
    {
        let certificate = |name: &str| Some((tls, AUTHORITY.certify(name)));
        let Some(server) = MailServer::with(certificate("localhost")) else { return };
        let why = send(&server, encryption, &[]).unwrap_err();
        assert!(why.contains("UnknownIssuer"), "{why}");
        send(&server, encryption, &[AUTHORITY.certificate()]).unwrap();
        assert_eq!(server.wait_for_mails(1)[0]["tls"], true);
        let other = MailServer::with(certificate("mail.example.com")).unwrap();
        let why = send(&other, encryption, &[AUTHORITY.certificate()]).unwrap_err();
        assert!(why.contains("not valid for name"), "{why}");
        assert!(other.mails().is_empty());
    }
}

#[test]
fn without_starttls_nothing_is_sent() {
    let Some(server) = MailServer::start() else { return };
    let why = send(&server, Encryption::StartTls, &[AUTHORITY.certificate()]).unwrap_err();
    assert!(why.contains("STARTTLS"), "{why}");
    assert!(server.mails().is_empty());
}
