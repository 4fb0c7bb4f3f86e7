//! Warnings as mail.

use std::io;
use std::time::Duration;

use lettre::address::Address;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, MIME_VERSION_1_0};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Message as Mail, SmtpTransport, Transport};
use rustls::pki_types::CertificateDer;

use crate::config::{Encryption, MailSettings};
use crate::model::warnings::{Delivery, Message};

/// The way to the mail server, and who the mails are from.
pub(super) struct Mailer {
    transport: SmtpTransport,
    from: Mailbox,
}

impl Mailer {
    /// Waits so long for each answer of the server.
    pub(super) fn new(
        settings: &MailSettings,
        authorities: &[CertificateDer<'static>],
        patience: Duration,
    ) -> io::Result<Self> {
        let server = &settings.server;
        let parameters = || trusting(&server.host, authorities).map_err(io::Error::other);
        let tls = match server.encryption {
            Encryption::Tls => Tls::Wrapper(parameters()?),
            Encryption::StartTls => Tls::Required(parameters()?),
            Encryption::None => Tls::None,
        };
        let mut transport = SmtpTransport::builder_dangerous(&server.host)
            .port(server.port)
            .tls(tls)
            .timeout(Some(patience));
        if let Some((user, password)) = server.credentials.clone() {
            transport = transport.credentials(Credentials::new(user, password));
        }
        let from = address(settings.from.as_str()).map_err(io::Error::other)?;
        Ok(Self { transport: transport.build(), from: Mailbox::new(None, from) })
    }

    /// Sends a message to all of its recipients. It has arrived when the server has taken it.
    pub(super) fn send(&self, delivery: &Delivery, message: Message) -> Result<(), String> {
        if delivery.recipients.is_empty() {
            return Err("there is nobody to send it to; set --notify".to_owned());
        }
        let mail = self.mail(delivery, message)?;
        self.transport.send(&mail).map(drop).map_err(|why| reason(&why))
    }

    fn mail(&self, delivery: &Delivery, message: Message) -> Result<Mail, String> {
        let domain = self.from.email.domain();
        let mut mail = Mail::builder()
            .from(self.from.clone())
            .subject(message.subject)
            // The same at each attempt, so that mail programs show it once.
            .message_id(Some(format!("<{}@{domain}>", delivery.id)))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN);
        for recipient in &delivery.recipients {
            mail = mail.to(Mailbox::new(None, address(recipient)?));
        }
        mail.body(message.text).map_err(|why| why.to_string())
    }
}

/// TLS to a server of this name, which public authorities or these vouch for.
fn trusting(
    host: &str,
    authorities: &[CertificateDer<'static>],
) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    for authority in authorities {
        parameters = parameters.add_root_certificate(Certificate::from_der(authority.to_vec())?);
    }
    parameters.build()
}

fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|why| format!("{text} is no address to send mail to: {why}"))
}

/// What went wrong. A read that has taken too long is told by Unix as one that would block.
fn reason(why: &lettre::transport::smtp::Error) -> String {
    let mut causes = std::iter::successors(std::error::Error::source(why), |cause| cause.source());
    let kind = causes.find_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()));
    match kind {
        Some(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            "the mail server did not answer in time".to_owned()
        }
        _ => why.to_string(),
    }
}
