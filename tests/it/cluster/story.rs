//! How each story goes: servers under load, something that fails, and what must be well again.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::load::Load;
use crate::support::{Binary, TestDatabase, binary, eventually, eventually_within};

/// Changes before something fails, and after it is well again.
const ENOUGH: usize = 20;
/// How long it may take until all is well again, beyond what the story itself waits for.
const RECOVERY: Duration = Duration::from_secs(60);

/// Our servers and where they find their database.
pub struct Site {
    folder: TempDir,
    url: String,
    servers: usize,
    options: &'static [&'static str],
    max_staleness: Duration,
}

impl Site {
    /// Two servers as they are unless something is said.
    pub fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let max_staleness = Duration::from_secs(5);
        Self { folder, url: url.to_owned(), servers: 2, options: &[], max_staleness }
    }

    /// So many servers, with these options.
    pub fn with(self, servers: usize, options: &'static [&'static str]) -> Self {
        Self { servers, options, ..self }
    }

    /// Another bound for what servers accept that cannot read the changes.
    pub fn with_max_staleness(self, max_staleness: Duration) -> Self {
        Self { max_staleness, ..self }
    }

    /// Runs a command of ours on a database.
    fn run(&self, url: &str, arguments: &[&str]) -> String {
        binary::run_ok(self.folder.path(), &[arguments, &["--database-url", url]].concat())
    }

    fn serve(&self) -> Binary {
        let staleness = format!("{}s", self.max_staleness.as_secs());
        let own = ["--database-url", &self.url, "--max-staleness", &staleness];
        let arguments = [self.options, &own].concat();
        Binary::serve(self.folder.path(), &arguments)
    }
}

/// What a story came to.
pub struct Outcome {
    /// What counts afterwards.
    pub database: TestDatabase,
    /// Confirmed changes that it lacks.
    pub lost: usize,
    /// How often the good key was answered 503.
    pub unavailable: u64,
}

/// A [`story`] in which no confirmed change may be lost.
pub fn lossless(what: &str, site: &Site, fail: impl FnOnce() -> TestDatabase) -> Outcome {
    let outcome = story(what, site, |_| fail());
    assert_eq!(outcome.lost, 0);
    outcome
}

/// Lets something fail under load, adds a line to the table, and sees to what holds in every story: a
/// key that is good is never refused for good, and one that is revoked is not accepted beyond the
/// bound. `fail` returns when another database is there to write to, which it names.
pub fn story(what: &str, site: &Site, fail: impl FnOnce(&Load) -> TestDatabase) -> Outcome {
    // Who has just been made primary may lose that once more.
    eventually_within(RECOVERY, "the database takes changes", || {
        let migrate = ["migrate", "--database-url", &site.url];
        binary::run(site.folder.path(), &migrate).status.success()
    });
    let make = ["key", "create", "--name", "live", "--scope", "calls:read", "--json"];
    let live: serde_json::Value = serde_json::from_str(&site.run(&site.url, &make)).unwrap();
    let (id, key) = (live["id"].as_str().unwrap(), live["key"].as_str().unwrap());
    let token = ["token", "create", "--name", "t", "--access", "write"];
    let admin = site.run(&site.url, &token);
    let servers: Vec<Binary> = (0..site.servers).map(|_| site.serve()).collect();
    let load = Load::new(site.max_staleness);
    let mut after = None;
    load.during(&servers, &admin, key, |load| {
        eventually("there are changes", || load.changes() > ENOUGH);
        let failed = Instant::now();
        let database = fail(load);
        after = Some((database, failed.elapsed()));
        let before = load.changes();
        eventually_within(RECOVERY, "there are changes again", || load.changes() > before + ENOUGH);
        for server in &servers {
            eventually_within(RECOVERY, "every server is ready", || {
                server.client.send("GET", "/readyz", &[], None).status == 200
            });
        }
        load.wait_for_the_bound();
    });
    let mut logs = Vec::new();
    for server in servers {
        let (code, log) = server.terminate();
        assert_eq!(code, Some(0), "{log}");
        logs.push(log);
    }
    let (after, took) = after.unwrap();
    let show = site.run(&after.url, &["key", "show", id, "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&show).unwrap();
    let counted = shown["usage"]["24h"]["ok"].as_u64().unwrap();
    let lost = load.lost(&after);
    load.tell(what, took, lost.len(), counted);
    assert_eq!(load.wrong_answers(), 0, "a key that is good was refused");
    let accepted: Vec<_> =
        load.accepted_late().into_iter().filter(|id| !lost.contains(id)).collect();
    assert!(accepted.is_empty(), "revoked and accepted beyond the bound: {accepted:?}");
    if lost.is_empty() {
        assert_eq!(counted, load.accepted(), "requests that were counted: {}", logs.join("\n"));
    }
    Outcome { database: after, lost: lost.len(), unavailable: load.unavailable() }
}
