//! The metrics as OpenMetrics text, gathered when somebody asks.
//!
//! To add one: a line in the part it belongs to, and in the dashboard or an alert if it is worth
//! looking at.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use actix_web::{HttpResponse, web};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType::{self, Counter, Gauge, Histogram};
use prometheus_client::registry::Registry;

use super::malformed;
use super::vendors::CLASSES;
use crate::domain::Bitting;
use crate::domain::connections::test_counts::TEST_RESULTS;
use crate::domain::warnings::Warnings;
use crate::http::error::Code;
use crate::http::state::HttpSettings;
use crate::model::connections::Kind;
use crate::model::words::Word;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`
pub async fn metrics(registry: web::Data<Registry>) -> HttpResponse {
    let mut page = String::new();
    match text::encode(&mut page, &registry) {
        Ok(()) => HttpResponse::Ok().content_type(OPEN_METRICS).body(page),
        Err(fmt::Error) => HttpResponse::InternalServerError().finish(),
    }
}

/// Everything there is to see of a server.
pub fn registry(bitting: Arc<Bitting>, shared: Arc<HttpSettings>) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Gathered { bitting, shared }));
    registry
}

struct Gathered {
    bitting: Arc<Bitting>,
    shared: Arc<HttpSettings>,
}

impl Debug for Gathered {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Gathered")
    }
}

impl Collector for Gathered {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page(encoder);
        self.requests(&mut page)?;
        self.decisions(&mut page)?;
        self.knowledge(&mut page)?;
        self.vendors(&mut page)?;
        self.counts(&mut page)?;
        self.warnings(&mut page)?;
        self.database(&mut page)?;
        process(&mut page)
    }
}

impl Gathered {
    fn requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let Some(requests) = self.shared.watch.requests() else { return Ok(()) };
        let help =
            "Requests answered, by route, access and status; rare ones by class, such as 5xx";
        page.family("bitting_requests", help, Counter, |metric| {
            requests.answered().iter().try_for_each(|(route, access, status, n)| {
                let labels =
                    [("route", *route), ("access", access.as_str()), ("status", status.as_str())];
                counter(&mut metric.encode_family(&labels)?, *n)
            })
        })?;
        let help = "How long requests took to answer, by route";
        page.family("bitting_request_duration_seconds", help, Histogram, |metric| {
            requests.durations().iter().try_for_each(|(route, took)| {
                let labels = [("route", *route)];
                let mut metric = metric.encode_family(&labels)?;
                let (sum, count) = (took.sum, took.count);
                metric.encode_histogram::<NoLabelSet>(sum, count, &took.buckets, None)
            })
        })?;
        let help = "Requests that were no HTTP/1.1";
        page.counter("bitting_malformed_requests", help, malformed::count())?;
        let open = self.shared.watch.connections() as u64;
        page.gauge("bitting_connections", "Connections that are open", open as f64)?;
        let most = self.shared.watch.most_connections() as f64;
        page.gauge("bitting_connections_most", "Connections that can be open at once", most)
    }

    fn decisions(&self, page: &mut Page<'_>) -> fmt::Result {
        let watch = &self.shared.watch;
        let accepted = watch.requests().map_or(0, |requests| requests.accepted());
        let help = "Decisions about a credential: accepted, or the code of the refusal";
        page.family("bitting_decisions", help, Counter, |metric| {
            counter(&mut metric.encode_family(&[("outcome", "accepted")])?, accepted)?;
            let refusals = Code::ALL.iter().zip(watch.refusals());
            refusals.filter(|(code, _)| code.is_refusal()).try_for_each(|(code, n)| {
                counter(&mut metric.encode_family(&[("outcome", code.as_str())])?, n)
            })
        })
    }

    fn knowledge(&self, page: &mut Page<'_>) -> fmt::Result {
        let Bitting { gate, time, .. } = &*self.bitting;
        let help = "Keys and admin tokens in memory, retired ones included";
        page.gauge("bitting_credentials", help, gate.index.len() as f64)?;
        let help = "Sessions of users, as counted every half minute";
        page.gauge("bitting_sessions", help, self.bitting.sessions.load(Relaxed) as f64)?;
        let help =
            "Other servers of the database whose resources differ, as found every half minute";
        let differing = self.bitting.differing_servers.load(Relaxed);
        page.gauge("bitting_servers_with_other_resources", help, differing as f64)?;
        let help = "Reads of the change feed that were begun";
        page.counter("bitting_feed_reads", help, gate.freshness.reads())?;
        let help = "Reads of the change feed that failed";
        page.counter("bitting_feed_read_failures", help, gate.freshness.failures())?;
        let help = "Time since the last successful read of the change feed began";
        page.gauge(
            "bitting_feed_age_seconds",
            help,
            gate.freshness.age(time.uptime()).as_secs_f64(),
        )?;
        let help = "How long the last successful read of the change feed took";
        page.gauge(
            "bitting_feed_read_seconds",
            help,
            gate.freshness.last_read_took().as_secs_f64(),
        )?;
        let help = "Times that the database was found to have lost what was committed before";
        page.counter("bitting_database_set_back", help, self.bitting.set_backs.times())?;
        let help = "How far the clock is behind the highest time seen";
        page.gauge("bitting_clock_behind_seconds", help, time.behind().as_secs_f64())
    }

    fn vendors(&self, page: &mut Page<'_>) -> fmt::Result {
        let connections = &self.bitting.connections;
        let help = "Whether a vendor was found not to accept the credential of a connection";
        page.family("bitting_vendor_rejected", help, Gauge, |metric| {
            connections.registry.list().iter().try_for_each(|connection| {
                let labels = [
                    ("connection", connection.handle.as_str()),
                    ("kind", connection.kind.as_str()),
                ];
                let rejected = u32::from(connection.is_rejected());
                metric.encode_family(&labels)?.encode_gauge(&rejected)
            })
        })?;
        let help =
            "The state of each connection, as read every half minute: 1 for the one it is in";
        page.family("bitting_vendor_state", help, Gauge, |metric| {
            connections.states().iter().try_for_each(|(handle, kind, state)| {
                let labels = [
                    ("connection", handle.as_str()),
                    ("kind", kind.as_str()),
                    ("state", state.as_str()),
                ];
                metric.encode_family(&labels)?.encode_gauge(&1u32)
            })
        })?;
        let vendors = &self.shared.watch.vendors;
        let help = "Requests through connections, by kind and what the vendor answered";
        page.family("bitting_vendor_answers", help, Counter, |metric| {
            by_kind(
                CLASSES,
                |kind| vendors.answers(kind),
                |kind, class, n| {
                    counter(&mut metric.encode_family(&[("kind", kind), ("status", class)])?, n)
                },
            )
        })?;
        let help = "How long vendors took to begin an answer, by kind";
        page.family("bitting_vendor_first_byte_seconds", help, Histogram, |metric| {
            Kind::ALL.iter().try_for_each(|kind| {
                let (sum, count, buckets) = vendors.first_bytes(*kind);
                if count == 0 {
                    return Ok(());
                }
                let labels = [("kind", kind.as_str())];
                let mut metric = metric.encode_family(&labels)?;
                metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            })
        })?;
        let help = "Tests of connections, by kind and result";
        page.family("bitting_vendor_tests", help, Counter, |metric| {
            let results = TEST_RESULTS.map(Word::as_str);
            by_kind(
                results,
                |kind| connections.tests.so_far(kind),
                |kind, result, n| {
                    counter(&mut metric.encode_family(&[("kind", kind), ("result", result)])?, n)
                },
            )
        })
    }

    fn counts(&self, page: &mut Page<'_>) -> fmt::Result {
        let Bitting { meter, flushes, .. } = &*self.bitting;
        page.counter(
            "bitting_usage_flushes",
            "Writings of counts that succeeded",
            flushes.written(),
        )?;
        let help = "Writings of counts that failed";
        page.counter("bitting_usage_flush_failures", help, flushes.failed())?;
        let help = "Time spent on writings of counts that succeeded";
        let seconds = flushes.seconds();
        page.family("bitting_usage_flush_seconds", help, Counter, |metric| {
            metric.encode_counter::<NoLabelSet, _, u64>(&seconds, None)
        })?;
        let help = "Rows of counts that wait to be written, without those of the last moment";
        page.gauge("bitting_usage_backlog", help, meter.backlog() as f64)
    }

    fn warnings(&self, page: &mut Page<'_>) -> fmt::Result {
        let warnings = &self.bitting.warnings;
        let help = "Keys that expire within 14 days, as counted every half minute";
        page.gauge("bitting_keys_expiring", help, warnings.expiring.load(Relaxed) as f64)?;
        let help = "Messages about warnings that wait, as counted every half minute";
        page.gauge("bitting_notifications_waiting", help, warnings.waiting.load(Relaxed) as f64)?;
        let help = "Attempts to send a message about a warning, and messages that were given up";
        page.family("bitting_notifications", help, Counter, |metric| {
            let Warnings { delivered, failed, given_up, .. } = warnings;
            let results = [("delivered", delivered), ("failed", failed), ("given_up", given_up)];
            results.iter().try_for_each(|(result, n)| {
                counter(&mut metric.encode_family(&[("result", *result)])?, n.load(Relaxed))
            })
        })
    }

    fn database(&self, page: &mut Page<'_>) -> fmt::Result {
        let pools = self.bitting.database.pools();
        let help = "Database connections, by pool and state";
        page.family("bitting_database_connections", help, Gauge, |metric| {
            pools.iter().try_for_each(|pool| {
                [("in_use", pool.in_use), ("idle", pool.idle)].iter().try_for_each(|(state, n)| {
                    let labels = [("pool", pool.name), ("state", *state)];
                    metric.encode_family(&labels)?.encode_gauge(n)
                })
            })
        })?;
        let help = "Who waits for a database connection, by pool";
        page.family("bitting_database_waiting", help, Gauge, |metric| {
            pools.iter().try_for_each(|pool| {
                metric.encode_family(&[("pool", pool.name)])?.encode_gauge(&pool.waiting)
            })
        })
    }
}

/// Gives each counter that has counted something, by kind and label.
fn by_kind<const N: usize>(
    labels: [&'static str; N],
    counted: impl Fn(Kind) -> [u64; N],
    mut each: impl FnMut(&'static str, &'static str, u64) -> fmt::Result,
) -> fmt::Result {
    Kind::ALL.iter().try_for_each(|kind| {
        let counted = labels.into_iter().zip(counted(*kind)).filter(|(_, n)| *n > 0);
        counted.into_iter().try_for_each(|(label, n)| each(kind.as_str(), label, n))
    })
}

/// Which program it is, and what it takes of the machine.
fn process(page: &mut Page<'_>) -> fmt::Result {
    page.family("bitting_build_info", "Which version this is", Gauge, |metric| {
        metric.encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?.encode_gauge(&1u32)
    })?;
    let Ok(process) = procfs::process::Process::myself() else { return Ok(()) };
    if let Ok(stat) = process.stat() {
        let ticks = procfs::ticks_per_second() as f64;
        let seconds = (stat.utime + stat.stime) as f64 / ticks;
        page.family("process_cpu_seconds", "CPU time used", Counter, |metric| {
            metric.encode_counter::<NoLabelSet, _, u64>(&seconds, None)
        })?;
        let resident = (stat.rss * procfs::page_size()) as f64;
        page.gauge("process_resident_memory_bytes", "Memory in use", resident)?;
        if let Ok(booted) = procfs::boot_time_secs() {
            let started = booted as f64 + stat.starttime as f64 / ticks;
            page.gauge("process_start_time_seconds", "When the process began", started)?;
        }
    }
    if let Ok(open) = process.fd_count() {
        page.gauge("process_open_fds", "Descriptors that are open", open as f64)?;
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.unwrap_or(u64::MAX) as f64;
    page.gauge("process_max_fds", "Descriptors that can be open at once", limit)
}

/// The text that is being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        values(&mut self.0.encode_descriptor(name, help, None, kind)?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.family(name, help, Counter, |metric| counter(metric, value))
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.family(name, help, Gauge, |metric| metric.encode_gauge(&value))
    }
}

fn counter(metric: &mut MetricEncoder<'_>, value: u64) -> fmt::Result {
    metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
}
