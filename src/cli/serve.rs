//! `bitting serve`: its log, and what is said to whoever starts it.
//!
//! The log goes to standard error. So do the lines for people; where the log is JSON, they are
//! told on standard output, so that programs which read the log find nothing else in it.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Once};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::application::principal;
use super::failure::Failure;
use super::operate::{loopback, reachable};
use super::output::{say, show};
use crate::clock::SystemClock;
use crate::config::{ListenAddress, LogFormat, Settings};
use crate::http::watch::malformed::Malformed;
use crate::model::key_filter::KeyFilter;
use crate::model::page::PageRequest;
use crate::model::secret::mask;
use crate::server;
use crate::server::{Ports, Server};

/// What stands for the address of the pages where only a proxy on a Unix socket reaches them.
const PROXY: &str = "PROXY";

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
    // A line that cannot be written is lost. To say so would end the thread that had something to say.
    let lines = lines.with_ansi(io::stderr().is_terminal()).log_internal_errors(false);
    // Fails only where logging has been started before.
    let _ = match settings.log_format {
        LogFormat::Text => lines.with_target(false).finish().with(Malformed).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().with(Malformed).try_init(),
    };
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    server::outlive_file_limits()?;
    let mut stop = std::pin::pin!(server::stop_signal()?);
    let ports = Ports::take(settings)?;
    let here: Vec<ListenAddress> = ports.addresses().iter().map(reachable).collect();
    // It serves whether or not somebody reads this.
    let announcement = Once::new();
    let announce = || {
        announcement.call_once(|| {
            for place in &here {
                let _ = show(format_args!("listening on {}", url(place)));
            }
        });
    };
    let opened =
        ports.open_database(settings, Arc::new(SystemClock), stop.as_mut(), announce).await?;
    let Some(bitting) = opened else { return Ok(()) };
    let server = Server::on(ports, bitting, settings)?;
    announce();
    if let Some(address) = server.metrics_address {
        let _ = show(format_args!("metrics on http://{}/metrics", loopback(address)));
    }
    for (place, gateway) in server.gateway_addresses.iter().zip(settings.gateway.iter().cycle()) {
        let (place, upstream) = (url(&reachable(place)), &gateway.upstream);
        let _ = show(format_args!("gateway on {place} to {upstream}"));
    }
    if settings.keys_may_be_overheard() {
        tracing::warn!(
            "listening beyond this machine without an https --public-url: keys may cross the \
             network unencrypted"
        );
    }
    let known = server.bitting.gate.index.len();
    let listen: Vec<String> = server.addresses.iter().map(ToString::to_string).collect();
    let listen = listen.join(",");
    tracing::info!(listen, database = %settings.database, credentials = known, "ready");
    Greeting { server: &server, settings, here: &here }.say_all(known)?;
    Ok(server.run(stop).await?)
}

/// What to write to reach a place by HTTP.
fn url(place: &ListenAddress) -> String {
    match place {
        ListenAddress::Tcp(address) => format!("http://{address}"),
        ListenAddress::Unix(_) => place.to_string(),
    }
}

/// What somebody who has just started the server may want to know.
struct Greeting<'a> {
    server: &'a Server,
    settings: &'a Settings,
    /// Where this machine reaches the server.
    here: &'a [ListenAddress],
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
        let here = self.here.iter().find(|place| place.tcp().is_some());
        let public = self.settings.public_url.clone();
        public.or_else(|| here.map(url)).unwrap_or_else(|| format!("http://{PROXY}"))
    }

    /// What an address that only this machine can open has to be replaced by elsewhere.
    fn elsewhere(&self) -> String {
        let listened = self.settings.listen.iter().find_map(ListenAddress::tcp);
        let replaced = match (&self.settings.public_url, listened) {
            (Some(_), _) => return String::new(),
            (None, None) => format!("Put the name or address of your proxy in place of {PROXY}"),
            (None, Some(address)) if address.ip().is_unspecified() => format!(
                "From another machine, put the name or address of this one in place of {}",
                loopback(address).ip()
            ),
            (None, Some(_)) => return String::new(),
        };
        format!("\n{replaced}; set --public-url to it, and it is shown here.")
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
