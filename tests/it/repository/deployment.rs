//! The files in `deploy/`, as far as they can be tried here: a request through a real nginx, and
//! systemd's own look at the unit.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::nginx::{NAME, Nginx, deployed};
use crate::support::ports::free_port;
use crate::support::{Binary, binary, eventually, tool};

/// The addresses of a key's clients that were noted, when a request came through an nginx with the
/// deployed file, changed like this.
fn addresses_behind_nginx(change: fn(String) -> String) -> Option<Vec<String>> {
    let curl = tool("curl")?;
    let folder = tempfile::tempdir().unwrap();
    let scopes = ["--scope", "calls:read", "--scope", "calls:write"];
    let create = [&["key", "create", "--name", "k", "--json"], &scopes[..]].concat();
    let made: serde_json::Value =
        serde_json::from_str(&binary::run_ok(folder.path(), &create)).unwrap();
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let server = Binary::serve(folder.path(), &["--trusted-proxies", "127.0.0.1"]);
    let port = free_port();
    let proxy = Nginx::start(folder.path(), &server.client.base, port, change)?;
    let ask = |path: &str, more: &[&str]| {
        Command::new(&curl)
            .args(["-sS", "-k", "-w", "%{http_code}", "--interface", "127.0.0.2"])
            .args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")])
            .args(["-H", &format!("Authorization: Bearer {key}")])
            // What a client claims of itself.
            .args(["-H", "X-Forwarded-For: 203.0.113.9"])
            .args(more)
            .arg(format!("https://{NAME}:{port}{path}"))
            .output()
            .unwrap()
    };
    eventually("nginx answers", || ask("/v1/calls", &[]).status.success());
    let answer = String::from_utf8(ask("/v1/calls", &[]).stdout).unwrap();
    assert!(answer.ends_with("200") && answer.contains("\"data\":[]"), "{answer}");
    // What is too much for the server it says itself; for a vendor's API, more is taken.
    let body = folder.path().join("body");
    let sent = format!("@{}", body.display());
    let more = ["-H", "Content-Type: application/json", "--data-binary", &sent];
    for (path, size, status, says) in [
        ("/v1/calls", 280_000, "413", "\"code\":"),
        ("/v1/calls", 400_000, "413", "nginx"),
        ("/via/nobody/v1/things", 10_000_000, "404", "\"code\":"),
        ("/via/nobody/v1/things", 12_000_000, "413", "nginx"),
    ] {
        std::fs::write(&body, vec![b' '; size]).unwrap();
        let answer = String::from_utf8(ask(path, &more).stdout).unwrap();
        assert!(answer.ends_with(status) && answer.contains(says), "{path} {size}: {answer}");
    }
    let sent_on = Command::new(&curl)
        .args(["-sS", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"])
        .args(["-H", "Host: elsewhere.example.com"])
        .arg(format!("http://127.0.0.1:{}/keys?q=a", proxy.plain))
        .output()
        .unwrap();
    let sent_on = String::from_utf8(sent_on.stdout).unwrap();
    assert_eq!(sent_on, "301 https://keys.example.com/keys?q=a");
    assert_eq!(server.terminate().0, Some(0));
    let shown = binary::run_ok(folder.path(), &["key", "show", id, "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let addresses = shown["addresses"].as_array().unwrap();
    Some(addresses.iter().map(|source| source["address"].as_str().unwrap().to_owned()).collect())
}

#[test]
fn nginx_brings_requests_with_the_clients_own_address() {
    let Some(addresses) = addresses_behind_nginx(|site| site) else { return };
    assert_eq!(addresses, ["127.0.0.2"]);
}

#[test]
fn an_nginx_that_adds_the_port_brings_the_clients_own_address_too() {
    let with_port = |site: String| {
        let line = "X-Forwarded-For $remote_addr;";
        assert!(site.contains(line), "{site}");
        site.replace(line, "X-Forwarded-For $remote_addr:$remote_port;")
    };
    let Some(addresses) = addresses_behind_nginx(with_port) else { return };
    assert_eq!(addresses, ["127.0.0.2"]);
}

/// What people copy from the documents is what the tests have tried.
#[test]
fn the_documents_quote_the_nginx_file() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/nginx.md");
    let plain = |text: &str| {
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.collect::<Vec<_>>()
    };
    let file = plain(&deployed("authz/nginx.conf"));
    let quoted = std::fs::read_to_string(page).unwrap();
    let quoted = quoted.split_once("```nginx\n").unwrap().1.split_once("```").unwrap().0.to_owned();
    for line in plain(&quoted) {
        assert!(file.contains(&line), "{line}");
    }
}

#[test]
fn systemd_understands_the_unit() {
    let Some(systemd) = tool("systemd-analyze") else { return };
    let folder = tempfile::tempdir().unwrap();
    let unit = deployed("bitting.service");
    assert!(unit.contains("\nExecStart=/usr/local/bin/bitting serve\n"));
    let unit = unit.replace("/usr/local/bin/bitting", env!("CARGO_BIN_EXE_bitting"));
    let file = folder.path().join("bitting.service");
    std::fs::write(&file, unit).unwrap();
    let output = Command::new(&systemd).arg("verify").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<_> = said.lines().filter(|line| line.contains("bitting.service")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

/// The unit sets nothing, so that what the file says holds for it and for commands alike.
#[test]
fn the_settings_beside_the_unit_are_the_only_ones_and_can_be_read() {
    assert!(!deployed("bitting.service").contains("\nEnvironment="));
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("a.db").display());
    let settings = deployed("bitting.toml");
    let line = "database_url = \"sqlite:///var/lib/bitting/bitting.db\"\n";
    assert!(settings.contains(line), "{settings}");
    let settings = settings.replace(line, &format!("database_url = \"{database}\"\n"));
    std::fs::write(folder.path().join("bitting.toml"), settings).unwrap();
    binary::run_ok(folder.path(), &["migrate"]);
    assert!(folder.path().join("a.db").exists());
}

/// What the image is built from is there, and nothing that it does not need is sent along.
#[test]
fn the_image_copies_what_there_is() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let read = |name| std::fs::read_to_string(root.join(name)).unwrap();
    let (file, ignore) = (read("Dockerfile"), read(".dockerignore"));
    let copied = file.lines().filter_map(|line| line.strip_prefix("COPY "));
    let copied = copied.filter(|line| !line.starts_with("--from"));
    let mut sources: Vec<&str> = copied
        .flat_map(|line| {
            let mut words: Vec<_> = line.split(' ').collect();
            words.pop();
            words
        })
        .collect();
    for source in &sources {
        assert!(root.join(source).exists(), "{source}");
    }
    let mut sent: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    sources.sort_unstable();
    sent.sort_unstable();
    assert_eq!(sources, sent);
    // What the compiler reads, of which some may come later.
    for compiled in ["migrations", "src", "static", "templates"] {
        let there = root.join(compiled).exists();
        assert!(!there || sources.contains(&compiled), "{compiled} is not copied");
    }
}

/// Each setting that the containers are to take from outside, and that may be left out.
#[test]
fn the_containers_take_what_only_their_keeper_knows() {
    let file = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("compose.yaml"));
    let file = file.unwrap();
    for name in ["BITTING_PUBLIC_URL", "BITTING_TRUSTED_PROXIES"] {
        assert!(file.contains(&format!("      {name}: ${{{name}:-}}\n")), "{name}");
    }
}

/// The metrics know no keys: the alert has to lead to where they are named.
#[test]
fn the_alert_about_retired_keys_leads_to_them() {
    let rules = deployed("prometheus-rules.yml");
    let alert = rules.split("- alert: ").find(|alert| alert.starts_with("BittingRetiredKeyInUse"));
    let alert = alert.unwrap();
    let column = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/keys_retired.html"),
    );
    assert!(column.unwrap().contains("data-label=\"Attempts since\""));
    for part in ["/keys/retired", "Attempts since", "bitting key show"] {
        assert!(alert.contains(part), "no {part} in {alert}");
    }
}
