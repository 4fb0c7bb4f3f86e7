//! Commands for whoever runs the server: looking it over, copying its database, asking whether it is
//! well, and what shells and manuals want to know.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use serde_json::json;

use super::application::principal;
use super::failure::Failure;
use super::output::{plain, say, show, show_json};
use crate::clock::{Clock, SystemClock};
use crate::config::{ListenAddress, Settings};
use crate::domain::checkup;
use crate::model::finding::{Finding, Verdict};
use crate::model::secret::mask;
use crate::model::time::format as format_time;
use crate::model::words::Word;
use crate::server::connect_to_unix_socket;
use crate::store::Target;
use crate::store::clock_reset::{self, ClockReset};
use crate::store::database::{backup, identities};

/// How long a server may take to say that it is well.
const HEALTH_PATIENCE: Duration = Duration::from_secs(3);

/// Forgets the highest time seen, and what goes by it.
pub(super) fn reset_clock(settings: &Settings) -> Result<(), Failure> {
    let now = SystemClock.wall();
    let ClockReset { before, keys, tokens } = clock_reset::reset(&settings.database, now)?;
    say(format_args!(
        "the highest time seen was {} and is now {}",
        format_time(before),
        format_time(now)
    ));
    if keys + tokens > 0 {
        say(format_args!(
            "{keys} keys and {tokens} admin tokens were made at a time that has not come yet: look at their ends"
        ));
    }
    Ok(())
}

/// Sets the sequences on that are behind their columns.
pub(super) fn repair(settings: &Settings) -> Result<(), Failure> {
    let repaired = identities::repair(&settings.database)?;
    say(format_args!("sequences that were behind and are set on: {repaired}"));
    Ok(())
}

/// Looks configuration, database and clock over, and says what is wrong.
pub(super) fn check(settings: &Settings, json: bool) -> Result<(), Failure> {
    let mut findings = vec![configuration(settings)];
    findings.extend(checkup::examine(
        &settings.database,
        settings.brand.as_ref(),
        &settings.resources,
        settings.preflight,
        &settings.connections,
        &SystemClock,
    ));
    for finding in &findings {
        if json {
            show_json(finding)?;
        } else {
            show_finding(finding)?;
        }
    }
    match findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count() {
        0 => Ok(()),
        wrong => Err(Failure::Failed(format!("{wrong} of {} checks failed", findings.len()))),
    }
}

fn show_finding(finding: &Finding) -> Result<(), Failure> {
    let Finding { check, verdict, message, remedy } = finding;
    let remedy = remedy.as_ref().map(|remedy| format!(" -> {remedy}")).unwrap_or_default();
    let line = format!("{:<8} {check}: {message}{remedy}", verdict.as_str());
    show(format_args!("{}", plain(&line)))
}

fn configuration(settings: &Settings) -> Finding {
    let listen: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
    let listen = listen.join(", ");
    if settings.keys_may_be_overheard() {
        return Finding::warning(
            "configuration",
            format!("configured to listen on {listen} without an https --public-url"),
            "put a proxy with TLS in front and set --public-url, or listen on 127.0.0.1",
        );
    }
    // Whether a server does, `bitting healthcheck` finds out.
    Finding::ok("configuration", format!("configured to listen on {listen}"))
}

/// Copies the SQLite database.
pub(super) fn back_up(settings: &Settings, to: &Path) -> Result<(), Failure> {
    if let Target::Postgres(_) = settings.database {
        return Err(Failure::Usage(
            "backup copies SQLite databases only; use pg_dump for PostgreSQL".to_owned(),
        ));
    }
    backup::copy(&settings.database, to)?;
    let name = to.display().to_string();
    let detail = json!({"to": mask(&name)});
    let (origin, now) = (principal().origin, SystemClock.wall());
    if let Err(why) = backup::note(&settings.database, now, &origin, &detail) {
        // A copy may be what saves a database that cannot be written to.
        say(format_args!("the copy could not be noted in the audit log: {why}"));
    }
    show(format_args!("{} was copied to {}", settings.database, to.display()))
}

/// Asks the server on this machine whether it is ready, at the first place it listens on.
pub(super) fn ask_health(settings: &Settings) -> Result<(), Failure> {
    let Some(place) = settings.listen.first().map(reachable) else { return Ok(()) };
    if place.tcp().is_some_and(|address| address.port() == 0) {
        return Err(Failure::Usage("--listen must name the port the server listens on".to_owned()));
    }
    let answer = ask(&place).map_err(|why| Failure::Failed(format!("{place}: {why}")))?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    match status {
        "200" => show(format_args!("{place} is ready")),
        _ => Err(Failure::Failed(format!("{place} is not ready: it answered {}", plain(status)))),
    }
}

/// Where this machine reaches a server that listens on all addresses.
pub(super) fn reachable(listen: &ListenAddress) -> ListenAddress {
    let Some(address) = listen.tcp() else { return listen.clone() };
    ListenAddress::Tcp(loopback(address))
}

/// The address at which this machine reaches a port on all addresses.
pub(super) fn loopback(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The first line of the answer.
fn ask(place: &ListenAddress) -> std::io::Result<String> {
    match place {
        ListenAddress::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, HEALTH_PATIENCE)?;
            stream.set_read_timeout(Some(HEALTH_PATIENCE))?;
            stream.set_write_timeout(Some(HEALTH_PATIENCE))?;
            ask_on(stream)
        }
        ListenAddress::Unix(path) => {
            let stream: UnixStream = connect_to_unix_socket(path)?;
            stream.set_read_timeout(Some(HEALTH_PATIENCE))?;
            stream.set_write_timeout(Some(HEALTH_PATIENCE))?;
            ask_on(stream)
        }
    }
}

fn ask_on(mut stream: impl Read + Write) -> std::io::Result<String> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// Prints what a shell needs to complete commands and options.
pub(super) fn completions(shell: Shell, mut program: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, "bitting", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

/// Prints the manual page. Its sections are clap's but for two: there is no page of each command's own to
/// lead to, and examples are lines.
pub(super) fn manual(mut program: Command) -> Result<(), Failure> {
    program.build();
    let mut rest = Roff::new();
    rest.control("SH", ["COMMANDS"]);
    for command in program.get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        rest.control("TP", []).text([bold(format!("bitting {}", command.get_name()))]);
        rest.text([roman(about)]);
    }
    rest.control("PP", []).text([bold("bitting help COMMAND"), roman(" says what one takes.")]);
    rest.control("SH", ["NOTES"]).control("nf", []);
    for line in program.get_after_help().map(ToString::to_string).unwrap_or_default().lines() {
        rest.text([roman(line)]);
    }
    rest.control("fi", []);

    let (mut page, sections) = (Vec::new(), Man::new(program));
    sections.render_title(&mut page)?;
    sections.render_name_section(&mut page)?;
    sections.render_synopsis_section(&mut page)?;
    sections.render_description_section(&mut page)?;
    sections.render_options_section(&mut page)?;
    rest.to_writer(&mut page)?;
    sections.render_version_section(&mut page)?;
    Ok(std::io::stdout().write_all(&page)?)
}
