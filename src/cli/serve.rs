//! `bitting serve`: its log, and what is said to whoever starts it.
//!
//! The log goes to standard error. So do the lines for people; where the log is JSON, they are
//! told on standard output, so that programs which read the log find nothing else in it.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::{Arc, Once};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::application::principal;
use super::failure::Failure;
use super::operate::reachable;
use super::output::{say, show};
use crate::clock::SystemClock;
use crate::config::{LogFormat, Settings};
use crate::http::watch::malformed::Malformed;
use crate::model::key::KeyFilter;
use crate::model::page::PageRequest;
use crate::model::secret::mask;
use crate::server;
use crate::server::{Ports, Server};

/// Serves until the process is asked to stop.
pub(super) fn run(settings: &Settings) -> Result<(), Failure> {
    start_logging(settings);
    let served = server::block_on(serve(settings));
    match (served, settings.log_format) {
        (Err(failure), LogFormat::Json) => {
            tracing::error!("{}", mask(&failure.to_string()));
            Err(Failure::Logged(Box::new(failure)))
        }
        (served, _) => served,
    }
}

fn start_logging(settings: &Settings) {
    let level = settings.log_level;
    let filter = EnvFilter::new(format!("warn,bitting={level}"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let lines = lines.with_ansi(io::stderr().is_terminal());
    // Fails only where logging has been started before.
    let _ = match settings.log_format {
        LogFormat::Text => lines.with_target(false).finish().with(Malformed).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().with(Malformed).try_init(),
    };
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    let mut stop = std::pin::pin!(server::stop_signal()?);
    let ports = Ports::take(settings)?;
    let here = reachable(ports.address);
    // It serves whether or not somebody reads this.
    let announcement = Once::new();
    let announce = || {
        announcement.call_once(|| {
            let _ = show(format_args!("listening on http://{here}"));
        });
    };
    let opened =
        ports.open_database(settings, Arc::new(SystemClock), stop.as_mut(), announce).await?;
    let Some(bitting) = opened else { return Ok(()) };
    let server = Server::on(ports, bitting, settings)?;
    announce();
    if let Some(address) = server.metrics_address {
        let _ = show(format_args!("metrics on http://{}/metrics", reachable(address)));
    }
    if let (Some(address), Some(gateway)) = (server.gateway_address, &settings.gateway) {
        let (here, upstream) = (reachable(address), &gateway.upstream);
        let _ = show(format_args!("gateway on http://{here} to {upstream}"));
    }
    if settings.keys_may_be_overheard() {
        tracing::warn!(
            "listening beyond this machine without an https --public-url: keys may cross the \
             network unencrypted"
        );
    }
    let known = server.bitting.gate.index.len();
    let listen = server.address;
    tracing::info!(%listen, database = %settings.database, credentials = known, "ready");
    Greeting { server: &server, settings, here }.say_all(known)?;
    Ok(server.run(stop).await?)
}

/// What somebody who has just started the server may want to know.
struct Greeting<'a> {
    server: &'a Server,
    settings: &'a Settings,
    /// The address at which this machine reaches the server.
    here: SocketAddr,
}

impl Greeting<'_> {
    fn say_all(&self, known: usize) -> Result<(), Failure> {
        self.present();
        self.invite();
        if known == 0 { self.greet() } else { Ok(()) }
    }

    fn say(&self, text: &str) {
        match self.settings.log_format {
            LogFormat::Text => say(format_args!("{text}")),
            LogFormat::Json => {
                let _ = show(format_args!("{text}"));
            }
        }
    }

    /// The address at which people reach the pages.
    fn address(&self) -> String {
        let public = self.settings.public_url.clone();
        public.unwrap_or_else(|| format!("http://{}", self.here))
    }

    /// What an address that only this machine can open has to be replaced by elsewhere.
    fn elsewhere(&self) -> String {
        if self.settings.public_url.is_some() || !self.settings.listen.ip().is_unspecified() {
            return String::new();
        }
        format!(
            "\nFrom another machine, put the name or address of this one in place of {}; set \
             --public-url to it, and it is shown here.",
            self.here.ip()
        )
    }

    /// What gets somebody into the demo that has just been made: told here, this once.
    fn present(&self) {
        if let Some(demo) = &self.server.demo {
            self.say(&format!(
                "The database now holds a demo. This is shown only once:\n  sign in at {}/login\n  \
                 e-mail    {}\n  password  {}\n  API key   {}{}",
                self.address(),
                demo.email,
                demo.password,
                demo.key.secret.expose(),
                self.elsewhere()
            ));
        }
    }

    /// While there is no user, a link by which the first administrator is made. It is for who
    /// started the server, and not for the log.
    fn invite(&self) {
        match self.server.bitting.make_setup_link() {
            Ok(Some(link)) => self.say(&format!(
                "There is no user yet. Make the first administrator here, once and within an \
                 hour:\n  {}/setup?token={}{}",
                self.address(),
                link.expose(),
                self.elsewhere()
            )),
            Ok(None) => {}
            // What it serves without users goes on.
            Err(error) => tracing::warn!(%error, "could not find out whether there is a user"),
        }
    }

    /// What to do next, for somebody who has just started it for the first time.
    fn greet(&self) -> Result<(), Failure> {
        let bitting = &self.server.bitting;
        let (filter, first) = (KeyFilter::default(), PageRequest::default());
        if !bitting.list_keys(&principal(), &filter, &first)?.items.is_empty() {
            return Ok(());
        }
        self.say(&match bitting.catalog.scopes().iter().next() {
            Some(scope) => format!(
                "There is no key yet. In another terminal, on the same database ({}):\n  bitting \
                 key create --name first --scope {scope} --expires 90d",
                bitting.database.target()
            ),
            None => "There is nothing yet that a key could open: describe your API with \
                     [[resources]] in bitting.toml, and start again"
                .to_owned(),
        });
        Ok(())
    }
}
