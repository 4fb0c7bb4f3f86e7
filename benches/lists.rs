//! What a page of each list costs at a thousand and at a million records, and the ratio of the two:
//! for each filter alone, on the first page and on one from the middle. What is filtered for is the
//! oldest tenth.
//!
//! `cargo bench --bench lists`, for SQLite; for PostgreSQL too where `BITTING_TEST_POSTGRES` names a
//! server, as `tests/run` does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that meets the unexpected shall fail"
)]

#[allow(dead_code, unused_imports, unused_macros, reason = "shared with the tests")]
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::Instant;

use bitting::model::page::{Cursor, Limit, PageRequest};
use bitting::model::time::{Moment, parse_rfc3339};
use bitting::records::domain::RecordKind;
use bitting::records::model::WriterFilter;
use bitting::records::model::agent::{Agent, AgentFilter, AgentStatus};
use bitting::records::model::call::{Call, CallFilter, CallStatus, Direction};
use bitting::records::model::contact::{Contact, ContactFilter};
use bitting::records::model::integration::{Integration, IntegrationFilter, IntegrationKind};
use bitting::records::model::lead::{Lead, LeadFilter, LeadStatus};
use chrono::Duration;
use support::kinds::kinds;
use support::{Backend, TestServer};

/// Microseconds of each list.
type Figures = BTreeMap<String, f64>;

struct Bench {
    server: TestServer,
    rows: u64,
    figures: Figures,
}

impl Bench {
    fn measure<F: RecordKind>(&mut self, what: &str, filter: F::Filter) {
        let resource = bitting::records::model::resources::name(F::RESOURCE);
        let kind = kinds().into_iter().find(|kind| kind.resource == resource).unwrap();
        let middle = Cursor(kind.id(self.rows / 2));
        for (page, cursor) in [("first", None), ("middle", Some(middle))] {
            let request = PageRequest { limit: Limit::default(), cursor };
            let mut times: Vec<f64> = (0..15)
                .map(|_| {
                    let began = Instant::now();
                    let bitting = &self.server.bitting;
                    F::list(bitting, &filter, &WriterFilter::default(), &request).unwrap();
                    began.elapsed().as_secs_f64() * 1e6
                })
                .collect();
            times.sort_by(f64::total_cmp);
            self.figures.insert(format!("{resource} by {what}, {page} page"), times[7]);
        }
    }
}

fn measure_all(backend: Backend, rows: u64) -> Figures {
    let server = TestServer::start(backend);
    for kind in kinds() {
        kind.db_fill(&server.database, rows);
    }
    if backend == Backend::Postgres {
        server.database.db_execute("VACUUM ANALYZE");
    }
    let mut bench = Bench { server, rows, figures: Figures::new() };
    // Calls are one a minute.
    let at = |share: f64| -> Option<Moment> {
        let minutes = (rows as f64 * share) as i64;
        parse_rfc3339("2026-01-01T00:00:00Z").map(|start| start + Duration::minutes(minutes))
    };
    let hour_after = |share| at(share).map(|from| from + Duration::hours(1));

    bench.measure::<Agent>("nothing", AgentFilter::default());
    bench.measure::<Agent>("status", AgentFilter { status: Some(AgentStatus::Paused) });
    bench.measure::<Call>("nothing", CallFilter::default());
    let agent_id = Some(kinds()[0].id(1));
    bench.measure::<Call>("agent_id", CallFilter { agent_id, ..CallFilter::default() });
    let direction = Some(Direction::Outbound);
    bench.measure::<Call>("direction", CallFilter { direction, ..CallFilter::default() });
    let status = Some(CallStatus::Missed);
    bench.measure::<Call>("status", CallFilter { status, ..CallFilter::default() });
    for (what, from, to) in [
        ("the whole period", at(0.0), at(2.0)),
        ("from the middle", at(0.5), None),
        ("an hour of the middle", at(0.5), hour_after(0.5)),
        ("to the oldest tenth", None, at(0.1)),
    ] {
        bench.measure::<Call>(what, CallFilter { from, to, ..CallFilter::default() });
    }
    bench.measure::<Contact>("nothing", ContactFilter::default());
    for text in ["ada", "nobody"] {
        let filter = ContactFilter { text: Some(text.to_owned()), ..ContactFilter::default() };
        bench.measure::<Contact>(&format!("q={text}"), filter);
    }
    bench.measure::<Integration>("nothing", IntegrationFilter::default());
    let kind = Some(IntegrationKind::Clari);
    bench.measure::<Integration>("kind", IntegrationFilter { kind });
    bench.measure::<Lead>("nothing", LeadFilter::default());
    let status = Some(LeadStatus::Converted);
    bench.measure::<Lead>("status", LeadFilter { status, ..LeadFilter::default() });
    let source = Some("fair".to_owned());
    bench.measure::<Lead>("source", LeadFilter { source, ..LeadFilter::default() });
    bench.figures
}

fn main() {
    let mut backends = vec![Backend::Sqlite];
    if std::env::var("BITTING_TEST_POSTGRES").is_ok() {
        backends.push(Backend::Postgres);
    }
    for backend in backends {
        let few = measure_all(backend, 1_000);
        let many = measure_all(backend, 1_000_000);
        println!("{backend:?}: microseconds at 1,000 and at 1,000,000 records, and the ratio");
        for (what, at_few) in few {
            let at_many = many[&what];
            println!("{what:<45} {at_few:>8.0} {at_many:>10.0} {:>8.1}", at_many / at_few);
        }
    }
}
