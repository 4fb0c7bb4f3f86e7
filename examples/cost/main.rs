//! What a key costs, measured: `benches/run` builds what this needs and starts it.
//!
//! For each number of keys: import, start-up and memory. Then Bitting, with the fewest and the most
//! of the keys that it is loaded with, and a bare actix-web server that checks nothing take turns on
//! one core, with the load on another; a second bare server takes its turn too, as the control: how
//! far its ratio is from one is how far any ratio may be off. CPU time per request is the figure to
//! go by, since waiting for a core does not count in it.

mod load;
mod machine;
mod process;
mod seed;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser;

use load::{Sample, sample};
use process::{Place, Server};
use seed::Seed;

/// Measures what a key costs.
#[derive(Parser)]
struct Options {
    /// How often each server has its turn
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// How long a turn is
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Connections of the load
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Numbers of keys to start with
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000,1000000")]
    keys: Vec<usize>,
    /// How many keys are used under load, in turn; numbers of keys below it are not loaded
    #[arg(long, default_value_t = 10_000)]
    used: usize,
    /// The core the servers run on
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The core the load comes from
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// A file for the Markdown, beside standard output
    #[arg(long)]
    output: Option<PathBuf>,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let options = Options::parse();
    let programs = programs()?;
    let folder = tempfile::tempdir()?;
    let place = Place { core: options.server_core, programs };

    let mut report = format!("On {}.\n\n", machine::describe()?);
    let (mut rows, mut loaded) = (String::new(), Vec::new());
    let least = Seed::import(&folder.path().join("least"), &place.programs, 1, 1)?;
    let least = start_up(&place, &least)?;
    for count in &options.keys {
        say(format_args!("{count} keys"))?;
        let seed_folder = folder.path().join(count.to_string());
        let seed = Seed::import(&seed_folder, &place.programs, *count, options.used)?;
        let start = start_up(&place, &seed)?;
        let each = start.memory.saturating_sub(least.memory) as f64 / *count as f64;
        writeln!(
            rows,
            "| {count} | {:.1} s | {:.1} s | {:.2} s | {:.2} s | {:.1} MB | {} |",
            seed.took.as_secs_f64(),
            seed.cpu,
            start.seconds,
            start.cpu,
            start.memory as f64 / 1e6,
            // Below that, it is noise.
            if *count >= 10_000 { format!("{each:.0} bytes") } else { "–".to_owned() },
        )?;
        if *count >= options.used {
            // The fewest and the most: those in between would say nothing more.
            loaded.truncate(1);
            loaded.push(seed);
        }
    }
    report += &compare(&options, &place, &loaded)?;
    report += "\n| keys | import | of that, CPU | start-up | of that, CPU | resident memory | of that, each key |\n";
    report += "| --- | --- | --- | --- | --- | --- | --- |\n";
    report += &rows;
    print(&report)?;
    if let Some(file) = &options.output {
        std::fs::write(file, &report)?;
    }
    Ok(())
}

/// The folder with the release programs: this one lies in `examples` below it.
fn programs() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this.parent().and_then(Path::parent).ok_or("where is this program?")?;
    Ok(folder.to_owned())
}

/// How long a start took, and what it left in memory.
struct Start {
    seconds: f64,
    cpu: f64,
    memory: u64,
}

/// The median of three starts, each with the file out of the page cache.
fn start_up(place: &Place, seed: &Seed) -> Result<Start> {
    let mut starts = Vec::new();
    for _ in 0..3 {
        seed.forget_pages()?;
        let (server, took) = Server::bitting(place, seed)?;
        let (cpu, memory) = (server.cpu()?, server.memory()?);
        starts.push(Start { seconds: took.as_secs_f64(), cpu, memory });
        server.stop()?;
    }
    let seconds = median(starts.iter().map(|start| start.seconds));
    let cpu = median(starts.iter().map(|start| start.cpu));
    let memory = median(starts.iter().map(|start| start.memory as f64)) as u64;
    Ok(Start { seconds, cpu, memory })
}

/// A server that takes its turns, and what each showed.
struct Contender {
    name: String,
    server: Server,
    path: &'static str,
    /// A file with the keys it is asked with.
    keys: PathBuf,
    samples: Vec<Sample>,
}

impl Contender {
    fn new(name: impl Into<String>, server: Server, seed: &Seed) -> Result<Self> {
        let (name, keys, samples) = (name.into(), seed.sample_file()?, Vec::new());
        Ok(Self { name, server, path: "/v1/ping", keys, samples })
    }

    fn turn(&self, options: &Options, seconds: u32) -> Result<Sample> {
        sample(&self.server, self.path, &self.keys, options.load_core, options.connections, seconds)
    }
}

/// The bare servers around Bitting with each of the seeds; the first is the base of all ratios.
fn contenders(place: &Place, seeds: &[Seed]) -> Result<Vec<Contender>> {
    let first = seeds.first().ok_or("no --keys reaches the number of those --used")?;
    let mut contenders = vec![
        Contender::new("bare actix-web, checks nothing", Server::bare(place, false)?, first)?,
        Contender::new("the same with Bitting's headers", Server::bare(place, true)?, first)?,
    ];
    for seed in seeds {
        let (server, _) = Server::bitting(place, seed)?;
        server.must_refuse_a_wrong_key(seed)?;
        let name = format!("Bitting with {} keys", seed.count);
        contenders.push(Contender::new(name, server, seed)?);
    }
    // Another spelling, which the fast path leaves to the router.
    let (server, _) = Server::bitting(place, first)?;
    let routed = Contender::new("the same, routed as every other endpoint is", server, first)?;
    contenders.insert(3, Contender { path: "/v1/ping?", ..routed });
    contenders.push(Contender::new("bare again (control)", Server::bare(place, false)?, first)?);
    Ok(contenders)
}

/// Lets the servers take turns under load.
fn compare(options: &Options, place: &Place, seeds: &[Seed]) -> Result<String> {
    let mut contenders = contenders(place, seeds)?;
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
    let mut table = format!(
        "Medians of {} rounds of {} s, one worker on one core, {} connections from another, {} \
         keys used in turn. The ratio is the median of the rounds' own ratios to the bare server, \
         with the least and the greatest.\n\n\
         | server | CPU a request | ratio | requests a second | ratio |\n\
         | --- | --- | --- | --- | --- |\n",
        options.rounds, options.seconds, options.connections, options.used,
    );
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
    contenders.into_iter().try_for_each(|contender| contender.server.stop())?;
    Ok(table)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 if middle > 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values.get(middle).copied().unwrap_or(f64::NAN),
    }
}

/// `1.021 (1.010–1.034)`
fn spread(ratios: &[f64]) -> String {
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.3} ({least:.3}–{greatest:.3})", median(ratios.iter().copied()))
}

fn say(what: std::fmt::Arguments<'_>) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{what}")?)
}

fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
