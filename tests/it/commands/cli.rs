//! Keys on the command line: what is printed where, with which exit code, and what a mistake says.

use std::fs::File;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::{
    Backend, Binary, TestDatabase, TestServer, binary, eventually, on_both, rounds,
};

/// A database, and commands on it.
pub struct Shell(pub TestDatabase);

impl Shell {
    pub fn new(backend: Backend) -> Self {
        Self(TestDatabase::new(backend))
    }

    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = binary::command(&self.0.folder(), arguments);
        command.env("BITTING_DATABASE_URL", &self.0.url).env("USER", "mara");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", errors(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The objects that a command prints, one a line.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let printed = self.ok(&[arguments, &["--json"]].concat());
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Fails unless the command ends with this code, prints nothing, and says one line that holds
    /// all of these.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str], code: i32, expected: &[&str]) {
        let output = self.run(arguments);
        let errors = errors(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert_eq!(errors.trim_end().lines().count(), 1, "{arguments:?}: {errors}");
        for part in expected {
            assert!(errors.contains(part), "{arguments:?}: no {part:?} in {errors}");
        }
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

pub fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn members(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

const KEY_MEMBERS: [&str; 23] = [
    "allowed_networks",
    "created_at",
    "created_by",
    "description",
    "display",
    "expires_at",
    "holder",
    "id",
    "last_used_at",
    "leaked_at",
    "lifetime_total",
    "name",
    "owner",
    "quota",
    "rate_limit",
    "replaced_by",
    "replaces",
    "revoke_reason",
    "revoked_at",
    "revoked_by",
    "scopes",
    "status",
    "usage",
];

const CREATE: [&str; 6] = ["key", "create", "--name", "ci", "--scope", "calls:read"];

on_both! {
    fn a_new_key_stands_alone_on_standard_output(backend) {
        let shell = Shell::new(backend);
        let output = shell.run(&CREATE);
        assert_eq!(output.status.code(), Some(0));
        let key = String::from_utf8(output.stdout.clone()).unwrap();
        let body = key.strip_prefix("btk_").and_then(|rest| rest.strip_suffix('\n')).unwrap();
        assert!(body.len() == 38 && body.bytes().all(|b| b.is_ascii_alphanumeric()), "{key}");
        assert!(!errors(&output).contains(body), "the key stands in what is said too");
        assert!(errors(&output).contains("key_"), "its id is said");
    }
}

on_both! {
    fn a_new_key_as_json_has_every_member_and_the_key(backend) {
        let shell = Shell::new(backend);
        let arguments = [&CREATE[..], &["--scope", "leads:write", "--owner", "Acme", "--description", "Nightly", "--expires", "90d"]].concat();
        let made = shell.json(&arguments).remove(0);
        assert_eq!(members(&made), { let mut all = [&KEY_MEMBERS[..], &["key"]].concat(); all.sort_unstable(); all });
        assert_eq!(made["scopes"], serde_json::json!(["calls:read", "leads:write"]));
        assert_eq!((&made["owner"], &made["description"]), (&Value::from("Acme"), &Value::from("Nightly")));
        assert_eq!(made["created_by"], serde_json::json!({"type": "cli", "id": null, "name": binary::operator()}));
        // The same object everywhere, but for the key itself.
        let id = made["id"].as_str().unwrap();
        let mut without = made.clone();
        without.as_object_mut().unwrap().remove("key");
        assert_eq!(shell.json(&["key", "list"]), [without.clone()]);
        let mut shown = shell.json(&["key", "show", id]).remove(0);
        assert_eq!(shown.as_object_mut().unwrap().remove("addresses"), Some(serde_json::json!([])));
        assert_eq!(shown, without);
    }
}

/// The key works on a server, which then shows the same object as the command line.
#[test]
fn the_command_line_and_the_api_show_the_same_key() {
    let server = TestServer::start(Backend::Sqlite);
    let made = server.key_with("calls:read", serde_json::json!({"owner": "Acme"}));
    server.call(&made, "GET", "/v1/calls", None).expect(200, "");
    let show = || server.manage("GET", &format!("/v1/keys/{}", made.id), None).ok();
    eventually("its address is written", || show()["addresses"] != serde_json::json!([]));
    let shown = show();
    let shell = Shell(TestDatabase::new(Backend::Sqlite));
    let database = server.stop();
    let show = ["key", "show", &made.id, "--database-url", &database.url];
    // The command line goes by the real clock, so that the figures are of another day.
    let strip = |mut object: Value| {
        object.as_object_mut().unwrap().remove("usage");
        object
    };
    assert_eq!(strip(shell.json(&show).remove(0)), strip(shown));
}

#[test]
fn an_expiry_may_be_written_in_every_documented_form() {
    let shell = Shell::new(Backend::Sqlite);
    let create = |when: &str| shell.json(&[&CREATE[..], &["--expires", when]].concat()).remove(0);
    let year = 2 + &create("never")["created_at"].as_str().unwrap()[..4].parse::<i32>().unwrap();
    for (given, expected) in [
        (format!("{year}-01-31"), format!("{year}-02-01T00:00:00.000Z")),
        (format!("{year}-12-31"), format!("{}-01-01T00:00:00.000Z", year + 1)),
        (format!("{year}-01-31T12:00:00Z"), format!("{year}-01-31T12:00:00.000Z")),
        (format!("{year}-01-31T12:00:00.5+02:00"), format!("{year}-01-31T10:00:00.500Z")),
    ] {
        assert_eq!(create(&given)["expires_at"], Value::from(expected), "{given}");
    }
    assert_eq!(create("never")["expires_at"], Value::Null);
    for (given, hours) in
        [(None, 90 * 24), (Some("90d"), 90 * 24), (Some("12h"), 12), (Some("1w"), 7 * 24)]
    {
        // That a key never expires must be said.
        let made = given.map_or_else(|| shell.json(&CREATE).remove(0), create);
        let time =
            |name: &str| bitting::model::time::parse_rfc3339(made[name].as_str().unwrap()).unwrap();
        let lifetime = time("expires_at") - time("created_at");
        let off = (lifetime - chrono::Duration::hours(hours)).abs();
        assert!(off < chrono::Duration::minutes(1), "{given:?}: {lifetime}");
    }
    let year = |made: Value| made["expires_at"].as_str().unwrap()[..10].to_owned();
    assert_eq!(year(create("1y")), year(create("12months")));
}

#[test]
fn a_bad_option_of_a_new_key_is_named_and_makes_nothing() {
    let shell = Shell::new(Backend::Sqlite);
    let long = "x".repeat(101);
    let scopes = ["calls:read", "analytics:read", "integrations:write"];
    for (option, values, expected) in [
        (
            "--expires",
            &[
                "tomorrow",
                "1M",
                "0d",
                "-1d",
                "2020-01-01",
                "2020-01-01T00:00:00Z",
                "11y",
                "",
                "90",
                "2027-02-30",
            ][..],
            &["--expires"][..],
        ),
        ("--expires", &["2027-01-31T12:00:00", "2027-01-31 12:00:00Z"], &["--expires"]),
        (
            "--scope",
            &["*", "calls", "CALLS:READ", "calls:read ", "analytics:write", "keys:write", ""],
            &[&["--scope"], &scopes[..]].concat(),
        ),
        ("--name", &["", "   ", &long, "a\nb", "a\u{1b}[2Jb"], &["--name"]),
        ("--owner", &[&"x".repeat(201), "a\tb"], &["--owner"]),
        ("--description", &[&"x".repeat(501)], &["--description"]),
    ] {
        for value in values {
            let given = format!("{option}={value}");
            let arguments: Vec<&str> = match option {
                "--name" => vec!["key", "create", "--scope", "calls:read", &given],
                _ => [&CREATE[..], &[&given]].concat(),
            };
            shell.refused(&arguments, 2, expected);
        }
    }
    assert_eq!(std::fs::read_dir(shell.0.folder()).unwrap().count(), 0, "nothing was touched");
}

on_both! {
    fn each_status_lists_the_keys_that_have_it(backend) {
        let shell = Shell::new(backend);
        assert!(shell.run(&["migrate"]).status.success());
        assert_eq!(shell.ok(&["key", "list"]).lines().count(), 1, "only the headings");
        assert_eq!(shell.ok(&["key", "list", "--json"]), "");
        let create = |name: &str| {
            let made = shell.json(&["key", "create", "--name", name, "--scope", "calls:read"]);
            made[0]["id"].as_str().unwrap().to_owned()
        };
        let (_, revoked, expired) = (create("live"), create("ended"), create("old"));
        shell.ok(&["key", "revoke", &revoked]);
        shell.0.db_execute(&format!("UPDATE api_keys SET expires_at = '2020-01-01 00:00:00' WHERE id = '{expired}'"));
        for (status, expected) in [
            (Some("active"), &["live"][..]),
            (Some("revoked"), &["ended"]),
            (Some("expired"), &["old"]),
            (Some("retired"), &["old", "ended"]),
            (Some("all"), &["old", "ended", "live"]),
            (None, &["old", "ended", "live"]),
        ] {
            let filter: Vec<&str> = status.iter().flat_map(|status| ["--status", status]).collect();
            let list = [&["key", "list"][..], &filter].concat();
            let keys = shell.json(&list);
            let names: Vec<_> = keys.iter().map(|key| key["name"].as_str().unwrap()).collect();
            assert_eq!(names, expected, "{status:?}, the newest first");
            let table = shell.ok(&list);
            let rows: Vec<_> = table.lines().skip(1).map(|row| row.split("  ").map(str::trim).find(|cell| expected.contains(cell)).unwrap()).collect();
            assert_eq!(rows, expected, "{table}");
        }
        shell.refused(&["key", "list", "--status", "gone"], 2, &["--status", "active", "retired"]);
    }
}

on_both! {
    fn a_key_is_revoked_once_and_for_good(backend) {
        let shell = Shell::new(backend);
        let made = shell.json(&CREATE).remove(0);
        let id = made["id"].as_str().unwrap();
        let said = shell.ok(&["key", "revoke", id, "--reason", "leaked in a log"]);
        let first = shell.json(&["key", "show", id]).remove(0);
        assert_eq!((first["status"].as_str(), first["revoke_reason"].as_str()), (Some("revoked"), Some("leaked in a log")));
        assert_eq!(first["revoked_by"]["name"], binary::operator());
        assert_eq!(said.trim_end(), format!("{id} revoked at {}", first["revoked_at"].as_str().unwrap()));
        // A second time answers the first.
        assert_eq!(shell.ok(&["key", "revoke", id, "--reason", "another"]), said);
        assert_eq!(shell.json(&["key", "revoke", id, "--reason", "another"]), [first]);
        let unknown = "key_00000000000000000000000000";
        shell.refused(&["key", "revoke", unknown], 1, &[unknown]);
        shell.refused(&["key", "show", unknown], 1, &[unknown]);
        for wrong in ["1", "", "key_0", &id.to_uppercase(), "token_00000000000000000000000000", "key_\u{202e}"] {
            shell.refused(&["key", "revoke", wrong], 2, &["key_ followed by 26 characters"]);
            shell.refused(&["key", "show", wrong], 2, &["key_ followed by 26 characters"]);
        }
        shell.refused(&["key", "revoke", id, "--reason", "a\nb"], 2, &["--reason"]);
    }
}

on_both! {
    fn a_name_from_a_stranger_cannot_disturb_the_terminal(backend) {
        let server = TestServer::start(backend);
        let hostile = "a\u{202e}drowssap\u{2066}\u{200f}\u{2028}\u{61c}b <i>|;`$(x)`";
        let body = serde_json::json!({"name": hostile, "scopes": ["calls:read"], "owner": hostile, "description": hostile});
        let made = server.manage("POST", "/v1/keys", Some(&body)).ok();
        let database = server.stop();
        let shell = Shell(TestDatabase::new(Backend::Sqlite));
        for command in [&["key", "list"][..], &["key", "show", made["id"].as_str().unwrap()]] {
            let printed = shell.ok(&[command, &["--database-url", &database.url]].concat());
            assert!(printed.contains("drowssap"), "{printed}");
            let turned = ['\u{202e}', '\u{2066}', '\u{200f}', '\u{2028}', '\u{61c}', '\u{1b}'];
            assert!(!printed.contains(turned), "{}", printed.escape_unicode());
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let shell = Shell::new(Backend::Sqlite);
    shell.ok(&CREATE);
    for arguments in [&["key", "list"][..], &["key", "list", "--json"], &["--help"], &["migrate"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = shell.command(arguments).stdout(writer).stderr(Stdio::piped()).output();
        let output = output.unwrap();
        assert_eq!(
            (output.status.code(), errors(&output)),
            (Some(0), String::new()),
            "{arguments:?}"
        );
    }
}

/// It is shown only once, so somebody must learn that nobody saw it.
#[test]
fn a_key_that_could_not_be_printed_is_told() {
    let shell = Shell::new(Backend::Sqlite);
    for more in [&[][..], &["--json"]] {
        let (reader, closed) = std::io::pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        for output in [Stdio::from(closed), Stdio::from(full)] {
            let mut command = shell.command(&[&CREATE[..], more].concat());
            let output = command.stdout(output).stderr(Stdio::piped()).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
            let said = errors(&output);
            let made = shell.json(&["key", "list"]);
            let last = said.lines().last().unwrap();
            assert!(last.contains(made[0]["id"].as_str().unwrap()), "{said}");
            assert!(last.contains("revoke it"), "{said}");
        }
    }
}

on_both! {
    fn nothing_but_the_making_of_a_key_prints_it(backend) {
        let shell = Shell::new(backend);
        let made = shell.json(&CREATE).remove(0);
        let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        let server = Binary::start(shell.command(&["serve", "--listen", "127.0.0.1:0", "--log-level", "trace"]));
        assert_eq!(server.client.with_key(key, "GET", "/v1/calls", None).status, 200);
        let (_, log) = server.terminate();
        assert!(!log.contains(&key[8..]), "{log}");
        for command in [&["key", "list"][..], &["key", "show", id], &["key", "revoke", id]] {
            for json in [&[][..], &["--json"]] {
                let output = shell.run(&[command, json].concat());
                let printed = String::from_utf8(output.stdout.clone()).unwrap() + &errors(&output);
                assert!(printed.contains(id) && !printed.contains(&key[8..40]), "{printed}");
            }
        }
        let stored = shell.0.db_texts("SELECT display FROM api_keys");
        assert_eq!(stored, [format!("{}…{}", &key[..8], &key[38..])]);
    }
}

on_both! {
    fn limits_are_set_and_removed(backend) {
        let shell = Shell::new(backend);
        let limits = ["--rate-limit", "600/minute", "--quota", "50000/day", "--allow-network", "10.0.0.0/8", "--allow-network", "::1"];
        let made = shell.json(&[&CREATE[..], &limits].concat()).remove(0);
        assert_eq!(made["rate_limit"], serde_json::json!({"requests": 600, "per": "minute"}));
        assert_eq!(made["allowed_networks"], serde_json::json!(["10.0.0.0/8", "::1/128"]));
        let id = made["id"].as_str().unwrap();
        for line in ["rate limit    600/minute", "quota         50000/day", "allowed from  10.0.0.0/8 ::1/128"] {
            assert!(shell.ok(&["key", "show", id]).contains(line), "{line}");
        }
        let set = shell.json(&["key", "set", id, "--rate-limit", "5/second", "--allow-network", "none"]).remove(0);
        assert_eq!(set["rate_limit"], serde_json::json!({"requests": 5, "per": "second"}));
        assert_eq!(set["quota"], made["quota"]);
        assert_eq!(set["allowed_networks"], Value::Null);
        shell.refused(&["key", "set", id], 2, &["--rate-limit, --quota or --allow-network"]);
        shell.refused(&["key", "set", id, "--quota", "5/hour"], 2, &["--quota must be per day or month"]);
        shell.refused(&["key", "set", id, "--allow-network", "10.0.0.1/8"], 2, &["--allow-network", "write 10.0.0.0/8"]);
        shell.ok(&["key", "revoke", id]);
        shell.refused(&["key", "set", id, "--quota", "none"], 1, &["revoked"]);
    }
}

/// In memory a command is done so fast that its end comes before that of other threads.
#[test]
fn a_command_that_ends_has_closed_its_database() {
    let memory = Some("/dev/shm").filter(|place| std::path::Path::new(place).is_dir());
    for _ in 0..rounds(60, 30) {
        let folder = memory.map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap();
        binary::run_ok(folder.path(), &["key", "create", "--name", "k", "--scope", "calls:read"]);
        let left = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["bitting.db"]);
    }
}
