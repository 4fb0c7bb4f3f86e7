//! Bytes that are no HTTP request. Actix logs each at ERROR, and anybody can send thousands a second:
//! so they are counted here instead, and told of once a minute with the refusals.

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The log target under which actix reports malformed requests, and how its lines begin.
const TARGET: &str = "actix_http::h1::dispatcher";
const BEGINNING: &str = "stream error: request parse error";

/// The number of malformed requests. One for the process, as its log is.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// How many malformed requests there were so far.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// A layer of the log that counts malformed requests and drops their lines.
pub struct Malformed;

impl<S: Subscriber> Layer<S> for Malformed {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR || metadata.target() != TARGET {
            return true;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let malformed = message.0.starts_with(BEGINNING);
        if malformed {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
        !malformed
    }
}

/// The message of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing to a `String` does not fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_else_is_kept_out_of_the_log() {
        let (lines, before) = (Lines::default(), count());
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log.with(Malformed), || {
            tracing::error!(target: TARGET, "stream error: {}", "request parse error: invalid");
            tracing::error!(target: TARGET, "stream error: {}", "internal error");
            tracing::error!(target: TARGET, "write zero; closing");
            tracing::error!("stream error: request parse error");
            tracing::warn!(target: TARGET, "stream error: request parse error");
        });
        let told = String::from_utf8(lines.0.lock().clone()).unwrap();
        assert_eq!((told.lines().count(), count() - before), (4, 1), "{told}");
        assert!(told.contains("internal error") && told.contains("write zero"), "{told}");
    }
}
