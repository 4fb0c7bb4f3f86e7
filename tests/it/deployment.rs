//! The files in `deploy/`, as far as they can be tried here: a request through a real nginx, and
//! systemd's own look at the unit.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::support::{Binary, binary, eventually, tool};

fn deployed(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Ended when it is dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The deployed file, with a port and a certificate of the test's own.
fn nginx(program: &Path, folder: &Path, server: &Binary, port: u16) -> Proxy {
    let certificate = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj"];
    let made = Command::new("openssl")
        .args(certificate)
        .args(["/CN=keys.example.com", "-keyout", "privkey.pem", "-out", "fullchain.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let place = folder.display();
    let upstream = server.client.base.trim_start_matches("http://");
    let site = deployed("nginx.conf")
        .replace("/etc/ssl/keys.example.com", &place.to_string())
        .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"))
        .replace("127.0.0.1:8080;", &format!("{upstream};"));
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {place}/{name};\n"))
        .concat();
    let whole = format!(
        "daemon off;\npid {place}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{temporary}{site}}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), whole).unwrap();
    let configured = |more: &[&str]| {
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).args(more);
        command
    };
    let tested = configured(&["-t"]).output().unwrap();
    let said = String::from_utf8_lossy(&tested.stderr).into_owned();
    assert!(tested.status.success() && !said.contains("[warn]"), "{said}");
    Proxy(configured(&[]).spawn().unwrap())
}

#[test]
fn nginx_brings_requests_with_the_clients_own_address() {
    let (Some(program), Some(curl), Some(_)) = (tool("nginx"), tool("curl"), tool("openssl"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let create = ["key", "create", "--name", "k", "--scope", "calls:read", "--json"];
    let made: serde_json::Value =
        serde_json::from_str(&binary::run_ok(folder.path(), &create)).unwrap();
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let server = Binary::serve(folder.path(), &["--trusted-proxies", "127.0.0.1"]);
    let port = free_port();
    let _proxy = nginx(&program, folder.path(), &server, port);
    let url = format!("https://keys.example.com:{port}/v1/calls");
    let ask = || {
        Command::new(&curl)
            .args(["-sS", "-k", "-w", "%{http_code}", "--interface", "127.0.0.2", &url])
            .args(["--resolve", &format!("keys.example.com:{port}:127.0.0.1")])
            .args(["-H", &format!("Authorization: Bearer {key}")])
            // What a client claims of itself.
            .args(["-H", "X-Forwarded-For: 203.0.113.9"])
            .output()
            .unwrap()
    };
    eventually("nginx answers", || ask().status.success());
    let answer = String::from_utf8(ask().stdout).unwrap();
    assert!(answer.ends_with("200") && answer.contains("\"data\":[]"), "{answer}");
    assert_eq!(server.terminate().0, Some(0));
    let shown = binary::run_ok(folder.path(), &["key", "show", id, "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let addresses = shown["addresses"].as_array().unwrap();
    let addresses: Vec<_> = addresses.iter().map(|source| &source["address"]).collect();
    assert_eq!(addresses, ["127.0.0.2"], "{shown}");
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
