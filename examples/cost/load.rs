//! One turn under load, by wrk.

use std::path::Path;
use std::process::Command;

use super::Result;
use super::process::Server;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/keys.lua");

/// What one turn showed.
pub struct Sample {
    /// CPU time of the servers for each request.
    pub microseconds: f64,
    pub per_second: f64,
}

/// The requests of a turn.
pub struct Load<'a> {
    /// The port they go to.
    pub port: u16,
    pub path: &'a str,
    /// The path that is asked about, by a door's own headers.
    pub asked: Option<&'a str>,
    /// A file with the keys that are used in turn.
    pub keys: &'a Path,
    pub core: usize,
    pub connections: u32,
    pub seconds: u32,
}

/// Loads servers for some seconds from another core.
pub fn sample(servers: &[Server], load: &Load<'_>) -> Result<Sample> {
    let cpu = || servers.iter().map(Server::cpu).sum::<Result<f64>>();
    let before = cpu()?;
    let mut wrk = Command::new("taskset");
    wrk.args(["-c", &load.core.to_string(), "wrk", "-t1", "-s", SCRIPT])
        .arg(format!("-c{}", load.connections))
        .arg(format!("-d{}s", load.seconds))
        .arg(format!("http://127.0.0.1:{}{}", load.port, load.path))
        .env("BENCH_KEYS", load.keys);
    if let Some(asked) = load.asked {
        wrk.env("BENCH_ASKED", asked);
    }
    let output = wrk.output()?;
    let spent = cpu()? - before;
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
