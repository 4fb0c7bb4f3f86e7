//! Programs and rights that some tests need and not every machine has.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A program that tests need and `tests/run` sees to; [`skipped`] where it is missing.
#[track_caller]
pub fn tool(name: &str) -> Option<PathBuf> {
    let fetched = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let fetched = ["usr/bin", "usr/sbin"].map(|folder| fetched.join(folder));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]).chain(fetched);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        skipped(&format!("{name} is not installed"));
    }
    found
}

/// Where `tests/run` lays the libraries of a program that it takes out of its package.
pub fn libraries(program: &Path) -> PathBuf {
    let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
    program.parent().unwrap().join("../lib").join(machine)
}

/// What `tests/run` puts into `target/tools` at this path; [`skipped`] where it is missing.
#[track_caller]
pub fn fetched(path: &str) -> Option<PathBuf> {
    let found = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools").join(path);
    if found.exists() {
        return Some(found);
    }
    skipped(&format!("{} is missing; tests/run fetches it", found.display()));
    None
}

/// Says why a test cannot run here, and fails it where all of them must (`BITTING_REQUIRE_TOOLS=1`).
#[track_caller]
pub fn skipped(why: &str) {
    let required = std::env::var_os("BITTING_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(!required, "{why}, and BITTING_REQUIRE_TOOLS=1 allows no test to be skipped");
    announce(why);
}

/// Says why a test cannot run on this machine, which no script can change: the system does not grant
/// what it needs.
pub fn not_granted(why: &str) {
    announce(why);
}

/// Not by `eprintln!`, whose text is captured and shown only when a test fails.
fn announce(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
