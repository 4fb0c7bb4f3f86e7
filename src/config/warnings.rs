//! The settings of warnings: the webhook, the mail server, and whom to tell.

use std::collections::HashSet;
use std::fmt;

use clap::{Args, ValueHint};
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use url::{Position, Url};

use super::address::{Refusals, is_near, parse_address};
use super::authorities::read_authorities;
use super::file::File;
use super::setting::{BadSetting, Setting, variable};
use crate::model::email::Email;
use crate::model::warnings::{Channels, WebhookSecret};

/// The variable of the secret, which is no option: everybody on the machine can read those.
const SECRET: &str = "BITTING_WEBHOOK_SECRET";

/// The options as given on the command line.
#[derive(Clone, Default, Args)]
pub struct WarningOptions {
    /// Where to send warnings about keys, signed with BITTING_WEBHOOK_SECRET as Standard Webhooks
    /// says [default: nowhere]
    #[arg(long, global = true, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// The mail server for warnings, such as `smtps://user:password@mail.example.com`; better by its
    /// variable, since others on the machine can read options [default: none]
    #[arg(long, global = true, value_name = "URL")]
    pub smtp_url: Option<String>,
    /// The sender of mails
    #[arg(long, global = true, value_name = "EMAIL")]
    pub mail_from: Option<String>,
    /// Who gets the mails about keys that nobody is responsible for, separated by commas
    /// [default: nobody]
    #[arg(long, global = true, value_name = "EMAILS")]
    pub notify: Option<String>,
    /// A PEM file of certificate authorities that may vouch for the webhook, the mail server and the
    /// address of GitHub's keys besides the public ones
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub notify_ca: Option<String>,
}

/// How warnings go out, if they do.
#[derive(Debug, Clone, Default)]
pub struct WarningSettings {
    /// The webhook, if there is one.
    pub webhook: Option<WebhookSettings>,
    /// The mail server, if there is one.
    pub mail: Option<MailSettings>,
    /// Authorities that may vouch for them, and for the address of GitHub's keys, besides the public
    /// ones.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The channels that something is lacking of.
    half: Channels,
    /// What is lacking.
    lacking: Option<BadSetting>,
}

/// A program of the operator's that is told of warnings.
#[derive(Clone)]
pub struct WebhookSettings {
    /// Where it listens.
    pub url: Url,
    /// What it knows our messages by.
    pub secret: WebhookSecret,
}

impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSettings({})", without_path(&self.url))
    }
}

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The server that takes it.
    pub server: SmtpServer,
    /// Its sender.
    pub from: Email,
    /// Who gets the mails about keys that nobody is responsible for.
    pub notify: Vec<Email>,
}

/// A mail server, and how to sign in there.
#[derive(Clone)]
pub struct SmtpServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// User and password, if it asks for them.
    pub credentials: Option<(String, String)>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the beginning.
    Tls,
    /// After STARTTLS, without which nothing is sent.
    StartTls,
    /// Not at all: the server is on this machine or in a private network.
    None,
}

/// Without the password.
impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Without user and password.
impl fmt::Display for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encryption == Encryption::Tls { "smtps" } else { "smtp" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl WarningSettings {
    /// The channels that are configured, also those that something is lacking of.
    pub fn channels(&self) -> Channels {
        let notify = self.mail.as_ref().map(|mail| names_of(&mail.notify));
        let webhook = self.webhook.as_ref().map(|webhook| without_path(&webhook.url));
        let mail = self.mail.as_ref().map(|mail| mail.server.to_string());
        Channels {
            webhook: webhook.or_else(|| self.half.webhook.clone()),
            mail: mail.or_else(|| self.half.mail.clone()),
            notify: notify.unwrap_or_else(|| self.half.notify.clone()),
        }
    }

    /// Whether warnings can be sent as they are configured. Secrets are kept for the server alone, so
    /// that others go without.
    ///
    /// # Errors
    /// The first setting that needs another one.
    pub fn demand_complete(&self) -> Result<(), BadSetting> {
        self.lacking.clone().map_or(Ok(()), Err)
    }
}

impl WarningOptions {
    /// Adds the environment's and the file's settings, and checks everything.
    pub(super) fn resolve(self, file: &File) -> Result<WarningSettings, BadSetting> {
        let url = Setting::new("webhook-url", self.webhook_url, file.webhook_url.clone());
        let server = Setting::new("smtp-url", self.smtp_url, file.smtp_url.clone());
        let from = Setting::new("mail-from", self.mail_from, file.mail_from.clone());
        let notify = Setting::new("notify", self.notify, file.notify.clone());
        let authorities = Setting::new("notify-ca", self.notify_ca, file.notify_ca.clone());
        let mut found = WarningSettings {
            authorities: authorities.parse(read_authorities)?.unwrap_or_default(),
            ..WarningSettings::default()
        };
        webhook(&url, &mut found)?;
        mail(&server, &from, &notify, &mut found)?;
        Ok(found)
    }
}

fn webhook(url: &Setting, found: &mut WarningSettings) -> Result<(), BadSetting> {
    let secret = variable(SECRET)?.map(|text| text.trim().parse::<WebhookSecret>()).transpose();
    let secret = secret.map_err(|why| BadSetting(format!("{SECRET}: {why}")))?;
    match (url.parse(parse_webhook)?, secret) {
        (Some(url), Some(secret)) => found.webhook = Some(WebhookSettings { url, secret }),
        (None, None) => {}
        (Some(there), None) => {
            found.half.webhook = Some(without_path(&there));
            found.lacking = Some(url.refuse(format!(
                "needs {SECRET} too, by which the receiver knows our messages; make one with \
                 echo \"whsec_$(openssl rand -base64 32)\""
            )));
        }
        (None, Some(_)) => {
            found.lacking = Some(BadSetting(format!(
                "{SECRET}: needs --webhook-url too, the address that warnings are sent to"
            )));
        }
    }
    Ok(())
}

fn mail(
    server: &Setting,
    from: &Setting,
    notify: &Setting,
    found: &mut WarningSettings,
) -> Result<(), BadSetting> {
    const NO_SERVER: &str = "needs --smtp-url too, the mail server";
    const UNNAMED_SERVER: &str = "a mail server";
    let addresses = |text: &str| text.split(',').map(str::parse).collect::<Result<Vec<Email>, _>>();
    let given = (server.parse(parse_smtp)?, from.parse(str::parse::<Email>)?);
    let mut told = notify.parse(addresses)?;
    if let Some(told) = &mut told {
        // Each has every mail once.
        let mut seen = HashSet::new();
        told.retain(|address| seen.insert(address.as_str().to_owned()));
    }
    let (by, lacking) = match given {
        (Some(server), Some(from)) => {
            found.mail = Some(MailSettings { server, from, notify: told.unwrap_or_default() });
            return Ok(());
        }
        (Some(by), None) => {
            (by.to_string(), server.refuse("needs --mail-from too, the sender of the mails"))
        }
        (None, Some(_)) => (UNNAMED_SERVER.to_owned(), from.refuse(NO_SERVER)),
        (None, None) if told.is_some() => (UNNAMED_SERVER.to_owned(), notify.refuse(NO_SERVER)),
        (None, None) => return Ok(()),
    };
    found.half.mail = Some(by);
    found.half.notify = names_of(&told.unwrap_or_default());
    found.lacking.get_or_insert(lacking);
    Ok(())
}

fn names_of(addresses: &[Email]) -> Vec<String> {
    addresses.iter().map(|address| address.as_str().to_owned()).collect()
}

/// An address without what stands behind the host: a path may be a secret.
fn without_path(url: &Url) -> String {
    url[..Position::BeforePath].to_owned()
}

fn parse_webhook(text: &str) -> Result<Url, &'static str> {
    let refusals = Refusals {
        malformed: "must be an address such as https://hooks.example.com/warnings or \
                    http://127.0.0.1:9000",
        overfull: "must hold no user, no password and no #: messages are known by their signature",
        plain: "must begin with https://: without TLS, messages are sent only to localhost and to \
                private addresses that are written out, such as http://10.0.0.7:9000",
    };
    parse_address(text, &refusals)
}

fn parse_smtp(text: &str) -> Result<SmtpServer, &'static str> {
    let expected = "must be an address such as smtps://user:password@mail.example.com or \
                    smtp://127.0.0.1:25";
    let url = Url::parse(text).map_err(|_| expected)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(expected)?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("must not go on after the host and the port");
    }
    // The URL standard reads the address of a host only of schemes it knows.
    let near = Url::parse(&format!("http://{host}")).is_ok_and(|known| is_near(known.host()));
    let (encryption, port) = match url.scheme() {
        "smtps" => (Encryption::Tls, 465),
        "smtp" if near => (Encryption::None, 25),
        "smtp" => (Encryption::StartTls, 587),
        _ => return Err(expected),
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from);
    let user = decoded(url.username()).map_err(|_| expected)?;
    let password = decoded(url.password().unwrap_or_default()).map_err(|_| expected)?;
    let credentials = Some((user, password)).filter(|(user, _)| !user.is_empty());
    Ok(SmtpServer {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(port),
        encryption,
        credentials,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_without_tls_is_near_by_its_own_address() {
        for near in [
            "https://hooks.example.com/warnings",
            "http://127.0.0.1:9000/warnings?team=a",
            "http://localhost",
            "http://[::1]:9000",
            "http://[::ffff:10.0.0.7]/",
            "http://192.168.1.2/x",
        ] {
            assert!(parse_webhook(near).is_ok(), "{near}");
        }
        for (far, why) in [
            ("http://hooks.example.com", "begin with https://"),
            ("http://localhost.example.com", "begin with https://"),
            ("http://8.8.8.8", "begin with https://"),
            ("http://169.254.169.254/latest", "begin with https://"),
            ("http://0.0.0.0:9000", "begin with https://"),
            ("http://me:hunter2@localhost", "no password"),
            ("ftp://localhost", "such as"),
            ("localhost:9000", "such as"),
            ("http://", "such as"),
        ] {
            let message = parse_webhook(far).unwrap_err();
            assert!(message.contains(why) && !message.contains("hunter2"), "{far}: {message}");
        }
    }

    #[test]
    fn a_mail_server_far_away_is_spoken_to_with_tls() {
        let read = |text: &str| parse_smtp(text).map(|server| (server.encryption, server.port));
        assert_eq!(read("smtps://mail.example.com"), Ok((Encryption::Tls, 465)));
        assert_eq!(read("smtp://mail.example.com"), Ok((Encryption::StartTls, 587)));
        assert_eq!(read("smtp://localhost:1025"), Ok((Encryption::None, 1025)));
        assert_eq!(read("smtp://10.0.0.7"), Ok((Encryption::None, 25)));
        assert!(read("http://localhost").is_err() && read("smtp://h/path").is_err());
        let server = parse_smtp("smtps://ada%40example.com:hunter%202@[2001:db8::1]").unwrap();
        assert_eq!(server.host, "2001:db8::1");
        let credentials = ("ada@example.com".to_owned(), "hunter 2".to_owned());
        assert_eq!(server.credentials, Some(credentials));
        assert_eq!(format!("{server:?}"), "smtps://2001:db8::1:465");
    }
}
