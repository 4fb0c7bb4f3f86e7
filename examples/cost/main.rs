//! What a key costs, measured: `benches/run` builds what this needs and starts it.
//!
//! For each number of keys: import, start-up and memory. Then Bitting, with the fewest and the most
//! of the keys that it is loaded with, and a bare actix-web server that checks nothing take turns on
//! one core, with the load on another; a second bare server takes its turn too, as the control: how
//! far its ratio is from one is how far any ratio may be off. The same with what a proxy asks, and with
//! limited keys beside others. At last Bitting behind nginx, and in its place. CPU time per request is
//! the figure to go by, since waiting for a core does not count in it.

mod contest;
mod load;
mod machine;
mod process;
mod proxies;
mod seed;
mod vendor;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser;

use contest::{Contender, compare};
use process::{CALLS, Place, Server, WHOAMI};
use seed::{Keys, Seed};

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
    let least = plain(&folder.path().join("least"), &place, 1, 1)?;
    let least = start_up(&place, &least)?;
    for count in &options.keys {
        say(format_args!("{count} keys"))?;
        let seed_folder = folder.path().join(count.to_string());
        let seed = plain(&seed_folder, &place, *count, options.used)?;
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
    report += &method(&options)?;
    report += &compare(&options, judging(&place, &loaded)?)?;
    let first = loaded.first().ok_or("no --keys reaches the number of those --used")?;
    report += "\nWhat nginx asks about each request, without nginx.\n\n";
    report += &compare(&options, asked(&place, first)?)?;
    report += "\nKeys with a rate limit beside as many without.\n\n";
    report += &compare(&options, limits(&place, folder.path(), options.used)?)?;
    report += "\nReading, from the same database.\n\n";
    report += &compare(&options, reading(&place, first)?)?;
    report += "\nnginx asks a server whether each request may pass (`auth_request`); the CPU time of both.\n\n";
    let behind = Server::bare(&place, false)?;
    let authorizers = proxies::authorizers(&place, first, folder.path(), behind.port)?;
    report += &compare(&options, authorizers)?;
    report += "\nWhat stands in front of an API; its own CPU time, without that of the API.\n\n";
    report += &compare(&options, proxies::gateways(&place, first, folder.path(), behind.port)?)?;
    report += "\nA vendor's API, whose credential is sealed, with one key; likewise.\n\n";
    report += &compare(&options, vendor::connections(&place, folder.path(), behind.port)?)?;
    behind.stop()?;
    report += "\n| keys | import | of that, CPU | start-up | of that, CPU | resident memory | of that, each key |\n";
    report += "| --- | --- | --- | --- | --- | --- | --- |\n";
    report += &rows;
    print(&report)?;
    if let Some(file) = &options.output {
        std::fs::write(file, &report)?;
    }
    Ok(())
}

fn plain(folder: &Path, place: &Place, count: usize, used: usize) -> Result<Seed> {
    Seed::import(folder, &place.programs, Keys { count, used, limited: false })
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

/// How the figures come about.
fn method(options: &Options) -> Result<String> {
    let Options { rounds, seconds, connections, used, .. } = options;
    Ok(format!(
        "Medians of {rounds} rounds of {seconds} s, one worker on one core, {connections} \
         connections from another, {used} keys used in turn. The ratio is the median of the rounds' \
         own ratios to the first server, with the least and the greatest.\n\n"
    ))
}

/// The bare servers around Bitting with each of the seeds.
fn judging(place: &Place, seeds: &[Seed]) -> Result<Vec<Contender>> {
    let first = seeds.first().ok_or("no --keys reaches the number of those --used")?;
    let mut contenders = vec![
        bare(place, "bare actix-web, checks nothing", first)?,
        Contender::new("the same with Bitting's headers", Server::bare(place, true)?, first)?,
    ];
    for seed in seeds {
        contenders.push(bitting(place, &format!("Bitting with {} keys", seed.count), seed)?);
    }
    contenders.extend([
        // Another spelling, which the fast path leaves to the router.
        bitting(place, "routed as every other endpoint is", first)?.at("/v1/ping?"),
        bare(place, "bare again (control)", first)?,
    ]);
    Ok(contenders)
}

/// What a proxy asks about each request, beside the bare server.
fn asked(place: &Place, seed: &Seed) -> Result<Vec<Contender>> {
    let with_headers = "bare, asked as `/authz/nginx` is, with the headers of its answers";
    let with_headers = Contender::new(with_headers, Server::bare(place, true)?, seed)?;
    Ok(vec![
        bare(place, "bare actix-web, checks nothing", seed)?,
        bitting(place, "`/authz/nginx`", seed)?.at("/authz/nginx").asking(CALLS),
        with_headers.at("/authz/nginx").asking(CALLS),
        bare(place, "bare again (control)", seed)?,
    ])
}

/// Keys with a rate limit beside as many without, each server with a database of its own.
fn limits(place: &Place, folder: &Path, used: usize) -> Result<Vec<Contender>> {
    let servers = [
        ("Bitting, keys without limits", "without", false),
        ("with a rate limit on each key", "limited", true),
        ("without limits again (control)", "again", false),
    ];
    let contender = |(name, subfolder, limited)| {
        let keys = Keys { count: used, used, limited };
        bitting(place, name, &Seed::import(&folder.join(subfolder), &place.programs, keys)?)
    };
    servers.into_iter().map(contender).collect()
}

fn bare(place: &Place, name: &str, seed: &Seed) -> Result<Contender> {
    Contender::new(name, Server::bare(place, false)?, seed)
}

fn bitting(place: &Place, name: &str, seed: &Seed) -> Result<Contender> {
    let (server, _) = Server::bitting(place, seed)?;
    server.must_refuse_a_wrong_key(seed)?;
    Contender::new(name, server, seed)
}

/// What asks the database, beside a bare server that asks none.
fn reading(place: &Place, seed: &Seed) -> Result<Vec<Contender>> {
    const LIST: &str = "/v1/calls?limit=20";
    let (list, _) = Server::bitting(place, seed)?;
    list.add_calls(&seed.last_key, 20)?;
    Ok(vec![
        bare(place, "bare actix-web, checks nothing", seed)?,
        bitting(place, "`/v1/whoami`: the key and its figures", seed)?.at(WHOAMI),
        Contender::new("`/v1/calls?limit=20`: a list of 20", list, seed)?.at(LIST),
        bare(place, "bare again (control)", seed)?,
    ])
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

fn say(what: std::fmt::Arguments<'_>) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{what}")?)
}

fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
