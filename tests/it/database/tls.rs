//! TLS to PostgreSQL, which the default build has: what each way to ask for it gets from a real server,
//! and what is said where it gets nothing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::postgres::{Cluster, can_start_servers};
use crate::support::vendors::AUTHORITY;
use crate::support::{Backend, Binary, TestDatabase, binary, not_granted, skipped};

/// A server that lets `secure` in by password and `certified` by certificate, both by TLS alone.
struct Secured {
    cluster: Cluster,
    folder: TempDir,
}

impl Secured {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, (certificate, key): (String, String)| {
            std::fs::write(path(&format!("{name}.crt")), certificate).unwrap();
            let file = path(&format!("{name}.key"));
            std::fs::write(&file, key).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            file
        };
        std::fs::write(path("ca.crt"), AUTHORITY.pem()).unwrap();
        Cluster::hand_over(&write("server", AUTHORITY.certify("127.0.0.1")));
        write("certified", AUTHORITY.certify("certified"));
        // Signed by itself: an authority that has signed nothing of the server's.
        let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
        std::fs::write(path("other.crt"), other.cert.pem()).unwrap();

        let setting = |name: &str, file: &str| format!("{name}={}", path(file).display());
        let settings = [
            "ssl=on".to_owned(),
            setting("ssl_cert_file", "server.crt"),
            setting("ssl_key_file", "server.key"),
            setting("ssl_ca_file", "ca.crt"),
        ];
        let cluster = Cluster::with(&settings.each_ref().map(String::as_str));
        cluster.execute("postgres", "CREATE DATABASE bitting");
        cluster.execute("postgres", "CREATE ROLE secure LOGIN SUPERUSER PASSWORD 'pw'");
        cluster.execute("postgres", "CREATE ROLE certified LOGIN SUPERUSER");
        cluster.let_in(
            "host all bitting 127.0.0.1/32 trust\n\
             hostssl all secure 127.0.0.1/32 scram-sha-256\n\
             hostssl all certified 127.0.0.1/32 cert\n",
        );
        Self { cluster, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self, user: &str, parameters: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/bitting?{parameters}", self.cluster.port)
    }

    /// The parameter that names a file of this folder.
    fn file(&self, parameter: &str, name: &str) -> String {
        format!("{parameter}={}", self.path(name).display())
    }
}

/// What is said when the database is migrated, or none where it could be.
fn complaint(folder: &TempDir, url: &str) -> Option<String> {
    let mut command = binary::command(folder.path(), &["migrate", "--database-url", url]);
    // Where libpq would look for certificates by itself.
    command.env("HOME", folder.path());
    let output = binary::ended(command);
    (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap())
}

#[test]
fn every_way_to_ask_for_tls_is_understood() {
    if !can_start_servers() {
        return;
    }
    let server = Secured::new();
    let verified = format!("sslmode=verify-full&{}", server.file("sslrootcert", "ca.crt"));
    let client = [server.file("sslcert", "certified.crt"), server.file("sslkey", "certified.key")];
    for url in [
        server.url("secure:pw", ""),
        server.url("secure:pw", "sslmode=require"),
        server.url("secure:pw", &verified),
        server.url("secure:pw", &format!("{verified}&channel_binding=require")),
        server.url("certified", &format!("{verified}&{}", client.join("&"))),
    ] {
        assert_eq!(complaint(&server.folder, &url), None, "{url}");
    }
    let url = server.url("secure:pw", &verified);
    let running = Binary::serve(server.folder.path(), &["--database-url", &url]);
    let watch = TestDatabase::at(Backend::Postgres, server.cluster.url("bitting"));
    let connections = |secured: bool| {
        watch.db_number(&format!(
            "SELECT COUNT(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
             WHERE application_name = 'bitting' AND ssl = {secured}"
        ))
    };
    assert!(connections(true) >= 2);
    assert_eq!(connections(false), 0);
    let (code, log) = running.terminate();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn what_tls_refuses_is_told_with_what_to_do() {
    if !can_start_servers() {
        return;
    }
    let server = Secured::new();
    let authority = server.file("sslrootcert", "ca.crt");
    let elsewhere = server.url("secure:pw", &format!("sslmode=verify-full&{authority}"));
    let elsewhere = elsewhere.replace("127.0.0.1", "db.example.com") + "&hostaddr=127.0.0.1";
    let plain = Cluster::new();
    for (url, words) in [
        (server.url("secure:pw", "sslmode=disable"), ["no encryption", "sslmode=require"]),
        (
            server.url(
                "secure:pw",
                &format!("sslmode=verify-full&{}", server.file("sslrootcert", "other.crt")),
            ),
            ["certificate verify failed", "sslrootcert="],
        ),
        (server.url("secure:pw", "sslmode=verify-full"), ["does not exist", "sslrootcert=system"]),
        (elsewhere, ["does not match host name", "name the host as its certificate does"]),
        (
            server.url("certified", "sslmode=require"),
            ["requires a valid client certificate", "sslcert="],
        ),
        (
            format!("{}?sslmode=require", plain.url("postgres")),
            ["does not support SSL", "ssl = on"],
        ),
    ] {
        let said = complaint(&server.folder, &url).expect(&url);
        for part in words {
            assert!(said.contains(part), "{url}: no {part}: {said}");
        }
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!said.contains("pw@"), "{said}");
    }
}

#[test]
fn the_file_that_the_environment_names_is_trusted() {
    if !can_start_servers() {
        return;
    }
    let server = Secured::new();
    let url = server.url("secure:pw", "sslrootcert=system");
    let complaint_trusting = |authority: &str| {
        let mut command =
            binary::command(server.folder.path(), &["migrate", "--database-url", &url]);
        command.env("SSL_CERT_FILE", server.path(authority));
        let output = binary::ended(command);
        (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap())
    };
    let refused = complaint_trusting("other.crt").unwrap();
    assert!(refused.contains("that SSL_CERT_FILE names"), "{refused}");
    assert_eq!(complaint_trusting("ca.crt"), None);
    let weak = server.url("secure:pw", "sslrootcert=system&sslmode=verify-ca");
    let said = complaint(&server.folder, &weak).unwrap();
    assert!(said.contains("weak sslmode \"verify-ca\" may not be used"), "{said}");
}

/// The machine's own file of authorities is another one for this command alone.
#[test]
fn those_that_the_machine_trusts_are_trusted() {
    const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";
    if !can_start_servers() {
        return;
    }
    if !Path::new(TRUSTED).exists() {
        return skipped("ca-certificates is not installed");
    }
    let server = Secured::new();
    let complaint_trusting = |authority: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c"]);
        command.arg(format!("mount --bind \"$1\" {TRUSTED} && shift && exec \"$@\"")).arg("sh");
        command.arg(server.path(authority));
        let url = server.url("secure:pw", "sslrootcert=system");
        let migrate = binary::command(server.folder.path(), &["migrate", "--database-url", &url]);
        command.arg(migrate.get_program()).args(migrate.get_args());
        command.env("HOME", server.folder.path());
        let output = binary::ended(command);
        (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap())
    };
    let refused = complaint_trusting("other.crt").unwrap();
    if refused.starts_with("unshare:") || refused.starts_with("mount:") {
        return not_granted(&refused);
    }
    assert!(refused.contains("certificate verify failed"), "{refused}");
    assert_eq!(complaint_trusting("ca.crt"), None);
}
