//! Looking over what a server stands on: the database, its file, and the clock. Nothing is changed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use chrono::Duration;

use super::connections::inspecting;
use super::resources::{SEEN_WITHIN, fingerprint};
use crate::clock::Clock;
use crate::config::ConnectionSettings;
use crate::model::catalog::Resource;
use crate::model::finding::Finding;
use crate::model::secret::Brand;
use crate::model::time::{Moment, format};
use crate::store;
use crate::store::Target;
use crate::store::database::inspect::Inspection;
use crate::store::database::migrate::DatabaseInfo;
use crate::store::database::preconditions;
use crate::store::database::preconditions::ServerFacts;

/// Free space, in bytes, below which there is a warning.
const LITTLE_SPACE: u64 = 256 << 20;
/// Free space, in bytes, below which there is an error.
const NO_SPACE: u64 = 16 << 20;
/// A write-ahead log that has grown beyond this is not being written back.
const LARGE_LOG: u64 = 256 << 20;
/// The oldest PostgreSQL that is tested.
const OLDEST_POSTGRES: i64 = 130_000;
/// A difference between clocks that is worth a warning.
const NOTABLE: Duration = Duration::seconds(2);
/// A difference between clocks that is a fault: expiries are decided wrongly.
const TOO_FAR: Duration = Duration::seconds(60);

const RESTORE: &str = "stop the server, keep the file for investigation, and restore a backup";
const UNREACHABLE: &str = "look at the server, at what lies between, and at --database-url, and check \
                           again; this says nothing of what is stored";
const AGAIN: &str = "check again; if that says the same, stop the server, keep what is stored for \
                     investigation, and restore a backup";
const REPORT: &str = "restore an earlier backup, or report this line as a bug";

/// Runs all checks, up to the first that makes the rest impossible.
pub fn examine(
    target: &Target,
    brand: Option<&Brand>,
    configured: &[Resource],
    preflight: bool,
    connections: &ConnectionSettings,
    clock: &dyn Clock,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Target::Sqlite(path) = target {
        match std::fs::metadata(path) {
            Ok(file) => findings.extend(file_findings(path, &file)),
            Err(why) => {
                let remedy =
                    "name the database with --database-url; `bitting serve` makes a new one";
                findings.push(Finding::wrong("file", format!("{}: {why}", path.display()), remedy));
                return findings;
            }
        }
    }
    let unusable = |why: store::Error| {
        let remedy = "check that the database is running, reachable, Bitting's own and undamaged; if \
                      it is damaged, restore a backup";
        let text = why.to_string();
        // Whoever refuses a database for what it is says what to do.
        let refused = matches!(why, store::Error::Refused(_));
        let told = refused.then(|| text.split_once("; ")).flatten().unwrap_or((&text, remedy));
        Finding::wrong("database", told.0, told.1)
    };
    let mut inspection = match Inspection::open(target) {
        Ok(inspection) => inspection,
        Err(why) => {
            findings.push(match target {
                Target::Sqlite(_) => unusable(why),
                Target::Postgres(_) => Finding::wrong("database", why.to_string(), UNREACHABLE),
            });
            return findings;
        }
    };
    match inspection.look(target) {
        Ok(look) => {
            findings.push(identity(&look.mark, look.outdated, brand, target));
            findings.push(remembered_time(&look.mark, clock.wall()));
            if !look.outdated {
                findings.push(resources(&mut inspection, configured, preflight, clock.wall()));
                findings.push(match inspection.connections() {
                    Ok((all, id)) => inspecting::finding(&all, &id, connections),
                    Err(why) => not_read("connections", &why),
                });
                findings.push(match inspection.structure() {
                    Ok(missing) => missing
                        .unwrap_or_else(|| Finding::ok("structure", "nothing of it is missing")),
                    Err(why) => not_read("structure", &why),
                });
            }
            contents(&mut inspection, clock, &mut findings);
        }
        Err(why) => {
            findings.push(unusable(why));
            // An empty one may be unfit to be filled, too.
            if let Ok(Some(server)) = inspection.server() {
                findings.extend(preconditions::of_server(&server));
            }
        }
    }
    findings
}

fn file_findings(path: &Path, file: &Metadata) -> Vec<Finding> {
    let place = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    vec![permissions(path, file), space(folder), log_size(path), {
        let megabytes = file.len().div_ceil(1 << 20);
        Finding::ok("file", format!("{place}, {megabytes} MiB"))
    }]
}

fn permissions(path: &Path, file: &Metadata) -> Finding {
    if let Some(denied) = preconditions::of_file(path) {
        return denied;
    }
    let mode = file.mode() & 0o777;
    let files = preconditions::files_of(path).into_iter();
    let files: Vec<_> = files.map(|file| file.display().to_string()).collect();
    match mode & 0o007 {
        0 => Finding::ok(
            "permissions",
            format!("{mode:03o}: other users of this machine cannot read or write it"),
        ),
        _ => Finding::warning(
            "permissions",
            format!("{mode:03o}: every user of this machine can read names, addresses and counts"),
            format!("chmod o-rwx {}", files.join(" ")),
        ),
    }
}

fn space(folder: &Path) -> Finding {
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return Finding::warning("free space", "unknown", "check it with df");
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let text = format!("{} MiB", free >> 20);
    let remedy = "free some space: without it, keys cannot be made or revoked, and counts are lost";
    match free {
        ..NO_SPACE => Finding::wrong("free space", text, remedy),
        NO_SPACE..LITTLE_SPACE => Finding::warning("free space", text, remedy),
        LITTLE_SPACE.. => Finding::ok("free space", text),
    }
}

fn log_size(path: &Path) -> Finding {
    let length = std::fs::metadata(preconditions::log_of(path)).map_or(0, |file| file.len());
    let text = format!("{} MiB", length.div_ceil(1 << 20));
    if length <= LARGE_LOG {
        return Finding::ok("write-ahead log", text);
    }
    let remedy = "another program keeps a read transaction open; end it, or restart the server";
    Finding::warning("write-ahead log", text, remedy)
}

fn identity(
    mark: &DatabaseInfo,
    outdated: bool,
    brand: Option<&Brand>,
    target: &Target,
) -> Finding {
    let stored = &mark.brand;
    if let Some(given) = brand.filter(|given| given.as_str() != stored) {
        return Finding::wrong(
            "database",
            format!("--brand is {given}, but this database was made with {stored}"),
            "leave --brand out",
        );
    }
    if outdated {
        return Finding::warning(
            "database",
            format!("{target} was made by an earlier version"),
            "make a backup, then run `bitting migrate` or start the server, which migrates too",
        );
    }
    Finding::ok("database", format!("{target}, brand {stored}, up to date"))
}

fn remembered_time(mark: &DatabaseInfo, now: Moment) -> Finding {
    let ahead = mark.high_water - now;
    let seen = format(mark.high_water);
    if ahead <= NOTABLE {
        return Finding::ok("clock", format!("{}, and not behind the database's", format(now)));
    }
    let text = format!(
        "{}, {} s behind the highest time seen ({seen}), which keys are judged by until then",
        format(now),
        ahead.num_seconds()
    );
    Finding::wrong(
        "clock",
        text,
        "set this clock right; if it is right, stop every server and run `bitting check \
         --reset-clock`",
    )
}

fn resources(
    inspection: &mut Inspection,
    configured: &[Resource],
    preflight: bool,
    now: Moment,
) -> Finding {
    let since = now - SEEN_WITHIN;
    match inspection.count_differing_servers(&fingerprint(configured, preflight), since) {
        Ok(0) => {
            let text = format!("{}, as every running server has them", configured.len());
            Finding::ok("resources", text)
        }
        Ok(others) => Finding::warning(
            "resources",
            format!("configured otherwise in running servers of this database: {others}"),
            "give all servers the same [[resources]] and preflight, then restart them",
        ),
        Err(why) => not_read("resources", &why),
    }
}

/// That something could not be looked at. What may pass, or is about rights, is no reason to restore a
/// backup, which revives keys that were revoked since.
fn not_read(subject: &'static str, why: &store::Error) -> Finding {
    let text = why.to_string();
    // Many failures come with what to do.
    let (message, remedy) = match why {
        why if why.may_pass() => (&*text, UNREACHABLE),
        store::Error::Unreadable(_) => (&*text, RESTORE),
        _ => text.split_once("; ").unwrap_or((&*text, AGAIN)),
    };
    Finding::wrong(subject, message, remedy)
}

/// Something that is looked at in what is stored.
type Look = fn(&mut Inspection, &dyn Clock) -> store::Result<Vec<Finding>>;

fn contents(inspection: &mut Inspection, clock: &dyn Clock, findings: &mut Vec<Finding>) {
    let looks: [(&'static str, Look); 6] = [
        ("server", server),
        ("sequences", sequences),
        ("journal", journal),
        ("pages", pages),
        ("credentials", credentials),
        ("records", records),
    ];
    for (subject, look) in looks {
        match look(inspection, clock) {
            Ok(found) => findings.extend(found),
            Err(why) => {
                findings.push(not_read(subject, &why));
                if why.may_pass() {
                    return;
                }
            }
        }
    }
}

fn server(inspection: &mut Inspection, clock: &dyn Clock) -> store::Result<Vec<Finding>> {
    let server = inspection.server()?;
    Ok(server.map(|server| server_findings(&server, clock.wall())).unwrap_or_default())
}

fn sequences(inspection: &mut Inspection, _: &dyn Clock) -> store::Result<Vec<Finding>> {
    if inspection.server()?.is_none() {
        return Ok(Vec::new());
    }
    let right = || Finding::ok("sequences", "go on after the numbers that are taken");
    Ok(vec![inspection.sequences()?.unwrap_or_else(right)])
}

fn journal(inspection: &mut Inspection, _: &dyn Clock) -> store::Result<Vec<Finding>> {
    Ok(vec![if inspection.writes_ahead()? {
        Finding::ok("journal", "writes ahead")
    } else {
        Finding::warning(
            "journal",
            "the file is not in WAL mode, so readers and the writer block each other",
            "start the server once, which sets it",
        )
    }])
}

fn pages(inspection: &mut Inspection, _: &dyn Clock) -> store::Result<Vec<Finding>> {
    let damages = inspection.damages()?;
    Ok(vec![if damages.is_empty() {
        Finding::ok("pages", "all pages can be read")
    } else {
        Finding::wrong("pages", damages.join("; ").replace('\n', " "), RESTORE)
    }])
}

fn credentials(inspection: &mut Inspection, _: &dyn Clock) -> store::Result<Vec<Finding>> {
    let number = inspection.credentials()?;
    Ok(vec![Finding::ok("credentials", format!("all {number} can be read"))])
}

fn records(inspection: &mut Inspection, _: &dyn Clock) -> store::Result<Vec<Finding>> {
    let broken = inspection.broken_invariants()?;
    if broken.is_empty() {
        return Ok(vec![Finding::ok("records", "keys, events and counts agree")]);
    }
    let violated = |(invariant, rows)| {
        Finding::wrong("records", format!("violated by {rows}: {invariant}"), REPORT)
    };
    Ok(broken.into_iter().map(violated).collect())
}

fn server_findings(server: &ServerFacts, now: Moment) -> Vec<Finding> {
    let version = format!("PostgreSQL {}.{}", server.version / 10_000, server.version % 10_000);
    let mut findings = vec![if server.standby {
        Finding::warning(
            "server",
            format!("{version}, a standby: what it holds may lag behind"),
            "name the primary for all but looking; a server does not start on a standby",
        )
    } else if server.version >= OLDEST_POSTGRES {
        Finding::ok("server", version)
    } else {
        Finding::warning("server", version, "use 13 or newer; older ones are not tested")
    }];
    findings.extend(preconditions::of_server(server));
    findings.push(if server.unsafe_settings.is_empty() {
        Finding::ok("durability", "committed changes survive a crash")
    } else {
        Finding::warning(
            "durability",
            format!("off: {}; a crash may lose acknowledged changes", server.unsafe_settings),
            "turn them on in postgresql.conf",
        )
    });
    if server.standbys_unseen {
        findings.push(Finding::warning(
            "replication",
            "this user may not see whether the synchronous standbys have a change: one whose wait \
             somebody cancels is taken for confirmed",
            "GRANT pg_read_all_stats TO the user",
        ));
    }
    let theirs = Moment::from_timestamp_millis((server.clock * 1000.0) as i64).unwrap_or_default();
    let apart = (theirs - now).abs();
    let text = format!("{} s from this machine's", apart.num_seconds());
    let remedy = "synchronise both machines' clocks (NTP): each server judges expiries by its own";
    findings.push(if apart > TOO_FAR {
        Finding::wrong("database clock", text, remedy)
    } else if apart > NOTABLE {
        Finding::warning("database clock", text, remedy)
    } else {
        Finding::ok("database clock", text)
    });
    findings
}
