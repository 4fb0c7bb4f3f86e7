//! One turn under load, by wrk.

use std::path::Path;
use std::process::Command;

use super::Result;
use super::process::Server;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/keys.lua");

/// What one turn showed.
pub struct Sample {
    /// CPU time of the server for each request.
    pub microseconds: f64,
    pub per_second: f64,
}

/// Loads a server for some seconds from another core.
pub fn sample(
    server: &Server,
    path: &str,
    keys: &Path,
    core: usize,
    connections: u32,
    seconds: u32,
) -> Result<Sample> {
    let before = server.cpu()?;
    let output = Command::new("taskset")
        .args(["-c", &core.to_string(), "wrk", "-t1", "-s", SCRIPT])
        .arg(format!("-c{connections}"))
        .arg(format!("-d{seconds}s"))
        .arg(format!("http://127.0.0.1:{}{path}", server.port))
        .env("BENCH_KEYS", keys)
        .output()?;
    let spent = server.cpu()? - before;
    let said = String::from_utf8(output.stdout)?;
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        return Err(format!("not every request was answered with 200: {said}").into());
    }
    let requests = said.lines().find_map(|line| line.trim().split_once(" requests in"));
    let rate = said.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    let (Some((requests, _)), Some(rate)) = (requests, rate) else {
        return Err(format!("wrk said: {said}").into());
    };
    let requests: f64 = requests.parse()?;
    Ok(Sample { microseconds: spent / requests * 1e6, per_second: rate.trim().parse()? })
}
