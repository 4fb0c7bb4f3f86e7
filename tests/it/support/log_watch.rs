//! What the servers of the tests log, down to TRACE, with what the libraries under them log: there is no
//! credential in it, whichever test runs.

use std::fmt::{Debug, Write};
use std::sync::{Mutex, Once};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::vendors::{aircall, callrail, clari, customerly};

/// What was logged that holds a credential.
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// How keys and tokens begin.
const PREFIXES: [&str; 2] = ["btk_", "bta_"];
/// Letters and digits behind that which make one whole; fewer are what lists show of it.
const WHOLE: usize = 30;

/// Listens from now on, to every server in this process.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ear = Ear { vendors: of_vendors() };
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ear)).unwrap();
    });
}

/// Fails if a credential was logged.
pub fn assert_none_found() {
    let found = FOUND.lock().unwrap();
    assert!(found.is_empty(), "a credential was logged: {found:#?}");
}

/// Every vendor's credential, also as it is sent.
fn of_vendors() -> Vec<String> {
    let pair = STANDARD.encode(format!("{}:{}", aircall::API_ID, aircall::API_TOKEN));
    let tokens = [
        callrail::KEY,
        aircall::API_TOKEN,
        aircall::ACCESS_TOKEN,
        aircall::WEBHOOK_TOKEN,
        clari::TOKEN,
        customerly::TOKEN,
    ];
    tokens.map(str::to_owned).into_iter().chain([pair]).collect()
}

fn holds_ours(text: &str) -> bool {
    let is_whole = |rest: &str| rest.bytes().take_while(u8::is_ascii_alphanumeric).count() >= WHOLE;
    PREFIXES.iter().any(|prefix| text.split(prefix).skip(1).any(is_whole))
}

struct Ear {
    vendors: Vec<String>,
}

impl Ear {
    fn hear(&self, of: &Metadata<'_>, Heard(text): Heard) {
        if holds_ours(&text) || self.vendors.iter().any(|secret| text.contains(secret)) {
            FOUND.lock().unwrap().push(format!("{} {}:{text}", of.level(), of.target()));
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Ear {
    /// Where each request has its line, none takes the fast path: that log is `connections::keeping`'s.
    fn enabled(&self, of: &Metadata<'_>, _: Context<'_, S>) -> bool {
        of.target() != "bitting::request"
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut heard = Heard::default();
        event.record(&mut heard);
        self.hear(event.metadata(), heard);
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut heard = Heard::default();
        span.record(&mut heard);
        self.hear(span.metadata(), heard);
    }

    fn on_record(&self, span: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut heard = Heard::default();
        values.record(&mut heard);
        if let Some(of) = context.metadata(span) {
            self.hear(of, heard);
        }
    }
}

#[derive(Default)]
struct Heard(String);

impl Visit for Heard {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}
