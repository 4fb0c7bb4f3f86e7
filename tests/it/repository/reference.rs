//! The parts of the documents that say what the program says of itself: between
//! `<!-- generated: NAME -->` and `<!-- end -->` stands what is written here.
//!
//! `BITTING_RENEW=1 tests/run --test it repository::reference` writes them anew.

use std::fmt::Write as _;
use std::path::Path;

use bitting::cli;
use bitting::http::error::Code;
use bitting::model::audit::Action;
use bitting::model::words::Word;
use clap::{Arg, Command};

use crate::support::Binary;
use crate::support::client::Client;
use crate::support::ports::free_port;

/// Compares a generated part with the page, or writes it there.
fn compare(page: &str, name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let mark = format!("<!-- generated: {name} -->\n");
    let (before, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("no {mark} in {page}"));
    let (found, after) = rest.split_once("<!-- end -->").unwrap();
    let expected = format!("\n{}\n\n", expected.trim());
    if std::env::var_os("BITTING_RENEW").is_some() {
        std::fs::write(&path, format!("{before}{mark}{expected}<!-- end -->{after}")).unwrap();
        return;
    }
    let renew = "BITTING_RENEW=1 tests/run --test it repository::reference";
    assert!(found == expected, "docs/reference/{page} is behind the program; renew it: {renew}");
}

/// A table, its cells in Markdown.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.join(" | "));
    let rows = rows.into_iter().map(|row| line(row.map(|cell| cell.replace('|', "\\|"))));
    line(head.map(str::to_owned)) + &line(["---"; N].map(str::to_owned)) + &rows.collect::<String>()
}

fn code(text: impl std::fmt::Display) -> String {
    format!("`{text}`")
}

/// How an option or argument is written.
fn written(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default();
    let values: Vec<String> = values.iter().map(|value| value.to_string()).collect();
    match argument.get_long() {
        None => format!("<{}>", values.join("> <")),
        Some(long) if argument.get_action().takes_values() && !argument.is_require_equals_set() => {
            format!("--{long} {}", values.join(" "))
        }
        Some(long) => format!("--{long}"),
    }
}

/// What an option or argument is for.
fn help(argument: &Arg) -> String {
    argument.get_help().map(|help| help.to_string().replace('<', "&lt;")).unwrap_or_default()
}

/// The settings: the options that every command takes.
fn is_setting(argument: &&Arg) -> bool {
    argument.is_global_set() && !matches!(argument.get_id().as_str(), "config" | "help")
}

#[test]
fn settings() {
    let program = cli::describe();
    let rows = program.get_arguments().filter(is_setting).map(|option| {
        let help = help(option);
        let (about, default) = help.split_once(" [default: ").unwrap_or((&help, ""));
        let default = default.trim_end_matches(']').to_owned();
        [code(written(option)), default, about.to_owned()]
    });
    compare("settings.md", "settings", &table(["flag", "default", "what it says"], rows));
}

/// The commands below one, each with its options.
fn describe(command: &Command, name: &str, page: &mut String) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let name = format!("{name} {}", below.get_name());
        let about = below.get_about().map(|about| about.to_string()).unwrap_or_default();
        let own = |argument: &&Arg| !argument.is_global_set() && argument.get_id() != "help";
        let arguments: Vec<&Arg> = below.get_arguments().filter(own).collect();
        let _ = write!(page, "## {name}\n\n{about}.\n\n");
        if !arguments.is_empty() {
            let rows = arguments.iter().map(|argument| [code(written(argument)), help(argument)]);
            *page += &(table(["argument", "what it says"], rows) + "\n");
        }
        describe(below, &name, page);
    }
}

#[test]
fn commands() {
    let mut page = String::new();
    describe(&cli::describe(), "bitting", &mut page);
    compare("commands.md", "commands", &page);
}

#[test]
fn error_codes() {
    let rows = Code::ALL.iter().map(|code| {
        let status = code.status().as_u16();
        [self::code(code.as_str()), status.to_string(), code.about().to_owned()]
    });
    compare("errors.md", "codes", &table(["code", "status", "meaning"], rows));
}

#[test]
fn audit_events() {
    let rows = Action::ALL.iter().map(|action| [code(action.as_str()), action.about().to_owned()]);
    compare("audit.md", "events", &table(["action", "when"], rows));
}

#[test]
fn metrics() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let _server = Binary::serve(folder.path(), &["--metrics-listen", &address]);
    let text = Client::new(&format!("http://{address}")).send("GET", "/metrics", &[], None).body;
    let kinds = |name: &str| {
        let kind = text.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} ")));
        kind.unwrap_or_default().to_owned()
    };
    let helps = text.lines().filter_map(|line| line.strip_prefix("# HELP "));
    let rows = helps.map(|line| {
        let (name, help) = line.split_once(' ').unwrap();
        let kind = kinds(name);
        let end = if kind == "counter" { "_total" } else { "" };
        [code(format!("{name}{end}")), kind, help.trim_end_matches('.').to_owned()]
    });
    compare("metrics.md", "metrics", &table(["metric", "kind", "what it says"], rows));
}
