//! What takes its turns under load, and the table of what each showed.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::load::{Load, Sample, sample};
use super::process::{PING, Server};
use super::seed::Seed;
use super::{Options, Result, median, say};

/// What takes its turns, and what each of them showed.
pub struct Contender {
    name: String,
    /// The servers whose CPU time counts; the first is the one that is asked.
    servers: Vec<Server>,
    path: &'static str,
    asked: Option<&'static str>,
    keys: PathBuf,
    samples: Vec<Sample>,
}

impl Contender {
    /// One server that answers pings.
    pub fn new(name: impl Into<String>, server: Server, seed: &Seed) -> Result<Self> {
        let (keys, servers) = (seed.sample_file()?, vec![server]);
        let (path, asked, samples) = (PING, None, Vec::new());
        Ok(Self { name: name.into(), servers, path, asked, keys, samples })
    }

    /// The same at another path.
    pub fn at(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    /// The same, asked by a door's own headers about this path.
    pub fn asking(self, asked: &'static str) -> Self {
        Self { asked: Some(asked), ..self }
    }

    /// The same with another server whose CPU time counts.
    pub fn with(mut self, server: Server) -> Self {
        self.servers.push(server);
        self
    }

    fn turn(&self, options: &Options, seconds: u32) -> Result<Sample> {
        let (core, connections) = (options.load_core, options.connections);
        let (path, asked, keys) = (self.path, self.asked, &*self.keys);
        let port = self.servers.first().ok_or("a contender has no server")?.port;
        sample(&self.servers, &Load { port, path, asked, keys, core, connections, seconds })
    }
}

/// Lets them take turns under load; the first is the base of all ratios.
pub fn compare(options: &Options, mut contenders: Vec<Contender>) -> Result<String> {
    for contender in &contenders {
        contender.turn(options, 1)?;
    }
    for round in 0..options.rounds {
        say(format_args!("round {} of {}", round + 1, options.rounds))?;
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            let sample = contenders[at].turn(options, options.seconds)?;
            contenders[at].samples.push(sample);
        }
    }
    let mut table = "| server | CPU a request | ratio | requests a second | ratio |\n\
                     | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for contender in &contenders {
        let ratios = |of: fn(&Sample) -> f64| {
            let pairs = contender.samples.iter().zip(&contenders[0].samples);
            pairs.map(|(own, base)| of(own) / of(base)).collect::<Vec<f64>>()
        };
        writeln!(
            table,
            "| {} | {:.2} µs | {} | {:.0} | {} |",
            contender.name,
            median(contender.samples.iter().map(|sample| sample.microseconds)),
            spread(&ratios(|sample| sample.microseconds)),
            median(contender.samples.iter().map(|sample| sample.per_second)),
            spread(&ratios(|sample| sample.per_second)),
        )?;
    }
    for contender in contenders {
        contender.servers.into_iter().try_for_each(Server::stop)?;
    }
    Ok(table)
}

/// `1.021 (1.010–1.034)`
fn spread(ratios: &[f64]) -> String {
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.3} ({least:.3}–{greatest:.3})", median(ratios.iter().copied()))
}
